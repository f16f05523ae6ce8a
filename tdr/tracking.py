"""Keeping runs in MLflow: files first, MLflow afterwards and in one go.

A run writes its files and its record (:mod:`tdr.record`) beside them. Only then is it uploaded, as a whole and with
the start and end times that it really had, so that no run is ever seen half-filled and a store that cannot be reached
costs nothing but the upload. This is the one module that imports MLflow, and it does so when a store is first used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import url2pathname

from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.record import RECORD, RunRecord, Status, is_finite

FIGURE = "figure.png"
DESCRIPTION = "mlflow.note.content"
LOCAL_UI = "http://127.0.0.1:5000"

# What MLflow is told before it is imported, unless the user's environment says otherwise.
ENVIRONMENT = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

# Seconds. A server that is there answers a question at once; it may need longer to store a large file.
ANSWER_TIMEOUT = 3
UPLOAD_TIMEOUT = 30

# MLflow itself cuts parameters here (and tags a little later), but without a word.
MAX_TEXT = 6000


class TrackingError(InputError):
    """The tracking store cannot be used; what was computed is on disk all the same."""


@dataclass(frozen=True)
class RunLink:
    """Where a run went: its ids in MLflow and the address of its page in the UI."""

    run_id: str
    experiment_id: str
    url: str


class TrackingStore:
    """The MLflow store that runs are uploaded to.

    Without ``tracking.uri`` it is ``mlflow.db`` with its files in ``mlruns/``, both at the root, where a bare
    ``mlflow ui`` looks for them. Another database has its files in ``mlruns/`` beside it, and a server keeps them
    itself. Nothing is opened, and MLflow is not imported, before the first use.

    Attributes:
        uri: the MLflow tracking URI.
        ui_command: what starts the UI, in the directory that this was made in; None if the store is a server.
    """

    def __init__(self, settings: TrackingConfig, root: Path) -> None:
        """Check the settings.

        Args:
            settings: the config group ``tracking``.
            root: the root of the repository.

        Raises:
            TrackingError: if no store can be what the settings say.
        """
        self.uri = settings.uri or f"sqlite:///{root / 'mlflow.db'}"
        self.ui_command: str | None = None
        self._root = root.resolve()
        self._experiment = settings.experiment
        self._database: Path | None = None
        if self.uri.startswith("sqlite:///"):
            self._database = self._check_database()
            self.uri = f"sqlite:///{self._database.as_posix()}"
            found_here = self._database == Path.cwd().resolve() / "mlflow.db"
            self.ui_command = "mlflow ui" if found_here else f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}"
        elif self.uri.startswith("http") and redact(self.uri) != self.uri:
            # Hydra writes what the command line says into .hydra/, and those files are uploaded.
            raise TrackingError(
                f"tracking.uri must not contain a user name or password; got {redact(self.uri)}. "
                "Set the environment variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead."
            )
        elif not _is_server_address(self.uri):
            raise TrackingError(
                "tracking.uri must be sqlite:///<file> or the http or https address of an MLflow server; "
                f"got {redact(self.uri)}. Reach any other store through such a server."
            )

    def _check_database(self) -> Path:
        database = (Path.cwd() / self.uri.removeprefix("sqlite:///")).resolve()
        if not database.parent.is_dir() or database.is_dir() or database.name == ":memory:":
            raise TrackingError(f"tracking.uri must name a file in an existing directory; got {self.uri}.")
        if set("%?") & set(self.uri):
            raise TrackingError(f"tracking.uri must name a file without % or ? in its path; got {self.uri}.")
        if Path(self._experiment).name != self._experiment or self._experiment in ("", ".."):
            raise TrackingError(f"tracking.experiment must be usable as a directory's name; got {self._experiment!r}.")
        return database

    def connect(self) -> None:
        """Import MLflow and open the store, which the other methods do when they are first called.

        Raises:
            TrackingError: if the store cannot be used.
        """
        _ = self._connection

    def log(self, record: RunRecord) -> RunLink:
        """Upload a run, unless the store has it already.

        Args:
            record: the run; its files are on disk.

        Returns:
            Where it went.

        Raises:
            TrackingError: if the store does not take it. What has been uploaded until then is deleted if possible.
        """
        output_dir = record.output_dir.resolve()
        if any(place and place.is_relative_to(output_dir) for place in (self._root, self._database)):
            raise TrackingError(
                f"hydra.run.dir must be a folder of the run's own, for all of it is uploaded; got {output_dir}."
            )
        with self._explained_errors(record.output_dir):
            run_id = self._find(record.uid) or self._upload(record)
        page, _, query = self.runs_url().partition("?")
        return RunLink(run_id, self._experiment_id, f"{page}/{run_id}?{query}")

    def create_sweep_run(self, name: str, tags: Mapping[str, str], description: str) -> str:
        """Create the run that the runs of a sweep hang below.

        Args:
            name: its name in the UI.
            tags: what the UI can also search for.
            description: Markdown, shown on its page.

        Returns:
            The id for :attr:`RunRecord.parent_run_id`, :meth:`finish_sweep_run` and :meth:`sweep_url`.

        Raises:
            TrackingError: if the store does not take it.
        """
        with self._explained_errors(), _request_timeout(ANSWER_TIMEOUT):
            all_tags = _texts({**tags, DESCRIPTION: description})
            return str(self._client.create_run(self._experiment_id, tags=all_tags, run_name=name).info.run_id)

    def finish_sweep_run(self, run_id: str, status: Status, metrics: Mapping[str, float | None]) -> None:
        """End a sweep's run.

        Args:
            run_id: from :meth:`create_sweep_run`.
            status: how the sweep ended.
            metrics: as in :class:`RunRecord`.

        Raises:
            TrackingError: if the store does not take it.
        """
        with self._explained_errors(), _request_timeout(ANSWER_TIMEOUT):
            self._log_batch(run_id, {}, metrics, {})
            self._client.set_terminated(run_id, status)

    def runs_url(self) -> str:
        """The address of the page that lists all runs.

        Raises:
            TrackingError: if the store cannot be used.
        """
        base = LOCAL_UI if self._database else self.uri.rstrip("/")
        # Without the workflow type the UI opens a page about language models.
        return f"{base}/#/experiments/{self._experiment_id}/runs?workflowType=machine_learning"

    def sweep_url(self, run_id: str) -> str:
        """The address of the page that shows the runs of one sweep side by side, with their metrics and images.

        Args:
            run_id: from :meth:`create_sweep_run`.

        Raises:
            TrackingError: if the store cannot be used.
        """
        # In its own order, by time, the UI folds the runs into their sweep and leaves them out of its charts.
        query = {
            "searchFilter": f"tags.`mlflow.parentRunId` = '{run_id}'",
            "orderByKey": "tags.`mlflow.runName`",
            "orderByAsc": "true",
            "compareRunsMode": "CHART",
        }
        return f"{self.runs_url()}&{urlencode(query, quote_via=quote)}"

    @property
    def _client(self) -> Any:
        return self._connection[0]

    @property
    def _experiment_id(self) -> str:
        return self._connection[1]

    @cached_property
    def _connection(self) -> tuple[Any, str]:
        """MLflow's client and the experiment's id."""
        with self._explained_errors():
            if self._database:
                location = self._database.parent / "mlruns" / self._experiment
                with _only_process(self._database):
                    client = _import_mlflow().MlflowClient(tracking_uri=self.uri)
                    return client, self._find_or_create_experiment(client, location.as_uri())
            with _request_timeout(ANSWER_TIMEOUT):
                client = _import_mlflow().MlflowClient(tracking_uri=self.uri)
                return client, self._find_or_create_experiment(client, None)

    def _find_or_create_experiment(self, client: Any, location: str | None) -> str:
        name = self._experiment
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return str(client.create_experiment(name, artifact_location=location))
        if experiment.lifecycle_stage == "deleted":
            raise TrackingError(
                f"tracking.experiment must not name a deleted experiment; got {name!r}. Choose another one or run: "
                f"MLFLOW_TRACKING_URI={shlex.quote(self.uri)} mlflow experiments restore -x {experiment.experiment_id}"
            )
        found = experiment.artifact_location
        if found != location if location else _is_elsewhere(found):
            raise TrackingError(
                f"tracking.experiment must keep its files {'in ' + location if location else 'on the server'}; "
                f"got {name!r}, which keeps them in {found}. Choose another experiment."
            )
        return str(experiment.experiment_id)

    def _find(self, uid: str) -> str | None:
        with _request_timeout(ANSWER_TIMEOUT):
            for run in self._client.search_runs([self._experiment_id], f"tags.`tdr.uid` = '{uid}'"):
                if run.info.status != "RUNNING":
                    return str(run.info.run_id)
                # An upload that broke off.
                self._client.delete_run(run.info.run_id)
        return None

    def _upload(self, record: RunRecord) -> str:
        tags = {**record.tags, "tdr.uid": record.uid}
        if record.parent_run_id:
            tags["mlflow.parentRunId"] = record.parent_run_id
        start_time, end_time = round(record.start_time * 1000), round(record.end_time * 1000)
        with _request_timeout(ANSWER_TIMEOUT):
            run = self._client.create_run(self._experiment_id, start_time, _texts(tags), record.name)
        run_id = str(run.info.run_id)
        figure = f"\n\n![{FIGURE}]({FIGURE})" if (record.output_dir / FIGURE).is_file() else ""
        # The UI finds a picture by the run's id, which is known only now.
        pictures = rf"![\1](get-artifact?path=\2&run_uuid={run_id})"
        description = re.sub(r"!\[([^]]*)\]\(([\w./-]+)\)", pictures, record.description + figure)
        try:
            with _request_timeout(UPLOAD_TIMEOUT):
                self._log_batch(run_id, record.params, record.metrics, {DESCRIPTION: description})
                self._client.log_artifacts(run_id, str(record.output_dir))
                for name in record.images:
                    # A key with a folder in it puts the image into a section of the UI that comes before the metrics'.
                    key = Path(name).with_suffix("").as_posix()
                    image = _import_mlflow().Image(str(record.output_dir / name))
                    self._client.log_image(run_id, image, key=key, timestamp=end_time, synchronous=True)
                self._client.set_terminated(run_id, record.status, end_time)
        except BaseException:
            with contextlib.suppress(Exception), _request_timeout(ANSWER_TIMEOUT):
                self._client.delete_run(run_id)
            raise
        return run_id

    def _log_batch(
        self,
        run_id: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | None],
        tags: Mapping[str, str],
    ) -> None:
        entities = _import_mlflow().entities
        finite = {name: float(value) for name, value in metrics.items() if is_finite(value)}
        dropped = [f"{name}={value}" for name, value in metrics.items() if name not in finite]
        if dropped:
            tags = {**tags, "tdr.nonfinite_metrics": ", ".join(dropped)}
        now = time.time_ns() // 1_000_000
        self._client.log_batch(
            run_id,
            metrics=[entities.Metric(name, value, now, 0) for name, value in finite.items()],
            params=[entities.Param(name, text) for name, text in _texts(params).items()],
            tags=[entities.RunTag(name, text) for name, text in _texts(tags).items()],
            synchronous=True,
        )

    @contextlib.contextmanager
    def _explained_errors(self, results: Path | None = None) -> Iterator[None]:
        """Say in one line what to change, whatever MLflow and the libraries below it raise."""
        mlflow_error = _import_mlflow().exceptions.MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        kept = f" The results are in {results}." if results else ""
        try:
            yield
        except TrackingError as error:
            raise TrackingError(f"{error}{kept}") from None
        except (mlflow_error, SQLAlchemyError, sqlite3.Error, OSError) as error:
            store = "a database that can be written" if self._database else "an MLflow server that answers"
            raise TrackingError(
                f"tracking.uri must point to {store}; got {self.uri} ({_reason(error)}).{kept}"
            ) from None


def redact(text: str) -> str:
    """Blank out the user names and passwords of all addresses in a text.

    Args:
        text: for example a tracking URI, or a message that quotes one.
    """
    return re.sub(r"(?<!sqlite)(?<!file)://\S*@", "://***@", text)


def _import_mlflow() -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    # What goes wrong is raised as well, and said once.
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return mlflow


@contextlib.contextmanager
def _only_process(database: Path) -> Iterator[None]:
    """Let one process at a time open a database, because MLflow breaks one that two processes create at once.

    The lock is a database of its own: SQLite's locks work on every platform and end with the process.
    """
    with contextlib.closing(sqlite3.connect(f"{database}.lock", timeout=60, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        # A file that is no database is found here at once; MLflow would try again for 100 seconds.
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")
        yield


@contextlib.contextmanager
def _request_timeout(seconds: int) -> Iterator[None]:
    """Limit MLflow's waiting for one answer of a server, unless the user's environment does."""
    variable = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    if variable in os.environ:
        yield
        return
    os.environ[variable] = str(seconds)
    try:
        yield
    finally:
        del os.environ[variable]


def _is_server_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_elsewhere(location: str) -> bool:
    """Whether an experiment's files go to a directory of another machine, so that they would never get there."""
    parts = urlsplit(location)
    return parts.scheme in ("", "file") and not Path(url2pathname(parts.path)).is_dir()


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as MLflow keeps them, cut where it would cut them, but so that it shows."""
    texts = {}
    for name, value in values.items():
        text = _text(value)
        cut = f" ... (cut from {len(text)} characters; the whole is in {RECORD})"
        texts[name] = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - len(cut)] + cut
    return texts


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _reason(error: BaseException) -> str:
    """The operating system's or SQLite's own words below the layers that reported them, or else the error's."""
    innermost = error
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, (OSError, sqlite3.Error)):
            innermost = below
        below = below.__cause__ or below.__context__
    text = str(innermost)
    if isinstance(innermost, OSError) and innermost.strerror:
        text = innermost.strerror + (f": {innermost.filename}" if innermost.filename else "")
    line = redact(text.strip().partition("\n")[0])
    return line if len(line) <= 300 else f"{line[:300]} ..."
