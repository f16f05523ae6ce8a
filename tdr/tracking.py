"""Keeping runs in MLflow: files first, MLflow afterwards and in one go.

A run writes its files and its record (:mod:`tdr.record`) beside them. Only then is it uploaded, as a whole and with
the start and end times that it really had, so that no run is ever seen half-filled and a store that cannot be reached
costs nothing but the upload. This is the one module that imports MLflow, and it does so when a store is first used.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tdr import saved_view, ui_pages
from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.record import RECORD, RunRecord, Status, is_finite

FIGURE = "figure.png"
ARRAYS, ARRAY_FILES = "jacobian.npz", "jacobian"
# What of a run's files its pictures can be drawn from again.
FETCHED = (ARRAYS, "jacobian.json", "metrics.json")
DESCRIPTION = "mlflow.note.content"
# MLflow sets it again with every image; it must be there before several are uploaded at a time.
IMAGES = "mlflow.loggedImages"
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

# Files of a run that are sent to a server at a time: each takes little work and much waiting.
CONNECTIONS = 8

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
        self._sweeps: dict[str, str] = {}
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
        """Upload a run, unless the store has it already; an earlier attempt at the same run is replaced.

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
            run_id = self._find(record) or self._upload(record)
        return RunLink(run_id, self._experiment_id, self.run_url(run_id))

    def open_sweep(
        self,
        uid: str,
        name: str,
        start_time: float,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        description: str,
    ) -> str:
        """Create the run that the runs of a sweep hang below, or open it again.

        Args:
            uid: what the sweep is recognised by; :attr:`RunRecord.sweep` of its runs.
            name: its name in the UI.
            start_time: seconds since the epoch.
            params: what varies, and the values.
            tags: what the UI can also search for.
            description: Markdown, shown on its page.

        Returns:
            The id for the other methods.

        Raises:
            TrackingError: if the store does not take it.
        """
        with self._explained_errors(), _request_timeout(ANSWER_TIMEOUT):
            found = self._search(f"tags.`tdr.uid` = '{uid}'")
            if found:
                run_id = str(found[0].info.run_id)
                self._client.update_run(run_id, status="RUNNING")
            else:
                own = _texts({**tags, DESCRIPTION: description, "tdr.uid": uid})
                start = round(start_time * 1000)
                run_id = str(self._client.create_run(self._experiment_id, start, own, name).info.run_id)
                self._log_batch(run_id, params, {}, {})
            self._sweeps[uid] = run_id
            return run_id

    def close_sweep(
        self,
        run_id: str,
        status: Status,
        metrics: Mapping[str, float | None],
        description: str,
        folder: Path,
        files: Sequence[str],
    ) -> None:
        """End a sweep's run, and put onto its page what shows the sweep as a whole.

        Args:
            run_id: from :meth:`open_sweep`.
            status: how the sweep ended.
            metrics: as in :class:`RunRecord`.
            description: Markdown; pictures and links in it may have names of the files for their targets.
            folder: the sweep's folder.
            files: what of it becomes the run's artifacts, in the place of those that an earlier end has left.

        Raises:
            TrackingError: if the store does not take it. The run has ended, and its page is as before, if only the
                files could not be sent.
        """
        with self._explained_errors(folder):
            with _request_timeout(ANSWER_TIMEOUT):
                self._log_batch(run_id, {}, metrics, {})
                self._client.set_terminated(run_id, status)
            with _request_timeout(UPLOAD_TIMEOUT):
                for name in files:
                    within = Path(name).parent.as_posix()
                    self._client.log_artifact(run_id, str(folder / name), None if within == "." else within)
            with _request_timeout(ANSWER_TIMEOUT):
                # In the first line, because the UI covers what follows until more is asked for.
                links = [f"[Runs side by side]({self._sweep_page(run_id)})"]
                links += [f"[{name}]({name})" for name in files if name.endswith(".html")]
                text = f"{' · '.join(links)}\n\n{description}"
                page = ui_pages.with_artifacts(text, self._experiment_id, run_id, files)
                self._log_batch(run_id, {}, {}, {DESCRIPTION: page})

    def save_view(self, run_id: str, params: Sequence[str], metrics: Sequence[str], images: Sequence[str]) -> None:
        """Choose what the page of :meth:`sweep_url` shows; before, it is a bare list and a chart of each metric.

        Args:
            run_id: from :meth:`open_sweep`.
            params: columns of the list.
            metrics: further columns.
            images: files, as in :class:`RunRecord`; the rows of a grid of pictures.

        Raises:
            TrackingError: if the store does not take it.
        """
        view = saved_view.encode(run_id, params, metrics, [_image_key(name) for name in images])
        with self._explained_errors(), _request_timeout(ANSWER_TIMEOUT):
            self._client.set_experiment_tag(self._experiment_id, saved_view.TAG + run_id, view)

    def runs_of(self, run_id: str) -> dict[str, int]:
        """The runs of a sweep that the store has whole: the uid of each, and when it began (ms since the epoch).

        Args:
            run_id: from :meth:`open_sweep`.

        Raises:
            TrackingError: if the store cannot be used.
        """
        with self._explained_errors(), _request_timeout(ANSWER_TIMEOUT):
            runs = self._search(f"tags.`mlflow.parentRunId` = '{run_id}'")
            return {run.data.tags["tdr.uid"]: run.info.start_time for run in runs if run.info.status != "RUNNING"}

    def fetch(self, query: str, folder: Path) -> list[RunRecord]:
        """Bring runs back from the store: their records, metrics and arrays.

        Args:
            query: which, as in the UI's search field: ``params.mesh = 'sphere' and tags.tdr.check = 'passed'``.
            folder: gets a folder for each run, named by its id.

        Returns:
            The records of the runs that this project uploaded, the oldest first.

        Raises:
            TrackingError: if the store cannot be used or does not understand the query.
        """
        records = []
        with self._explained_errors(), _request_timeout(UPLOAD_TIMEOUT):
            try:
                found = self._search(query)
            except _import_mlflow().exceptions.MlflowException as error:
                if error.error_code != "INVALID_PARAMETER_VALUE":
                    raise
                raise TrackingError(f"query must be one that MLflow understands; got {query!r} ({error}).") from None
            for run in reversed(found):
                run_id = run.info.run_id
                kept = {item.path for item in self._client.list_artifacts(run_id)}
                if RECORD not in kept:
                    continue  # the run of a sweep itself
                here = folder / run_id
                here.mkdir()
                names = kept & {RECORD, *FETCHED}
                if ARRAYS not in kept:
                    within = self._client.list_artifacts(run_id, ARRAY_FILES)
                    names |= {item.path for item in within if item.path.endswith(".npy")}
                for name in names:
                    self._client.download_artifacts(run_id, name, str(here))
                records.append(RunRecord.read_json(here / RECORD))
        return records

    def runs_url(self) -> str:
        """The address of the page that lists all runs.

        Raises:
            TrackingError: if the store cannot be used.
        """
        return self._address(ui_pages.runs_page(self._experiment_id))

    def run_url(self, run_id: str) -> str:
        """The address of the page of one run, or of a sweep as a whole.

        Raises:
            TrackingError: if the store cannot be used.
        """
        return self._address(ui_pages.run_page(self._experiment_id, run_id))

    def sweep_url(self, run_id: str) -> str:
        """The address of the page that shows the runs of one sweep side by side, with their metrics and images.

        Args:
            run_id: from :meth:`open_sweep`.

        Raises:
            TrackingError: if the store cannot be used.
        """
        with self._explained_errors(), _request_timeout(ANSWER_TIMEOUT):
            return self._address(self._sweep_page(run_id))

    def _sweep_page(self, run_id: str) -> str:
        saved = saved_view.TAG + run_id in self._client.get_experiment(self._experiment_id).tags
        return ui_pages.sweep_page(self._experiment_id, run_id, saved=saved)

    def _address(self, page: str) -> str:
        return f"{LOCAL_UI if self._database else self.uri.rstrip('/')}/{page}"

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

    def _search(self, query: str) -> list[Any]:
        """All runs of the experiment that a query finds."""
        runs: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment_id], query, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def _find(self, record: RunRecord) -> str | None:
        with _request_timeout(ANSWER_TIMEOUT):
            for run in self._search(f"tags.`tdr.uid` = '{record.uid}'"):
                if run.info.status != "RUNNING" and run.info.start_time == record.start_time_ms:
                    return str(run.info.run_id)
                # An upload that broke off, or an earlier attempt at the same job.
                self._client.delete_run(run.info.run_id)
        return None

    def _sweep_run(self, uid: str) -> str:
        """The id of a sweep's own run."""
        if uid not in self._sweeps:
            with _request_timeout(ANSWER_TIMEOUT):
                found = self._search(f"tags.`tdr.uid` = '{uid}'")
            if not found:
                raise TrackingError(
                    f"tracking.uri must point to a store that has the sweep's own run; got {self.uri}. "
                    "Send the whole sweep: python scripts/sync.py <its folder>."
                )
            self._sweeps[uid] = str(found[0].info.run_id)
        return self._sweeps[uid]

    def _upload(self, record: RunRecord) -> str:
        tags = {**record.tags, "tdr.uid": record.uid}
        if record.sweep is not None:
            tags["mlflow.parentRunId"] = self._sweep_run(record.sweep)
        end_time = round(record.end_time * 1000)
        with _request_timeout(ANSWER_TIMEOUT):
            run = self._client.create_run(self._experiment_id, record.start_time_ms, _texts(tags), record.name)
        run_id = str(run.info.run_id)
        figure = f"\n\n![{FIGURE}]({FIGURE})" if (record.output_dir / FIGURE).is_file() else ""
        description = ui_pages.with_artifacts(record.description + figure, self._experiment_id, run_id, record.files)
        try:
            with _request_timeout(UPLOAD_TIMEOUT):
                own = {DESCRIPTION: description, **({IMAGES: "True"} if record.images else {})}
                self._log_batch(run_id, record.params, record.metrics, own)
                self._upload_files(run_id, record, end_time)
                self._client.set_terminated(run_id, record.status, end_time)
        except BaseException:
            with contextlib.suppress(Exception), _request_timeout(ANSWER_TIMEOUT):
                self._client.delete_run(run_id)
            raise
        return run_id

    def _upload_files(self, run_id: str, record: RunRecord, end_time: int) -> None:
        """Upload everything in a run's folder, and its images once more for the UI's image grid."""
        uploads = []
        for path in sorted(record.output_dir.rglob("*")):
            if path.is_file():
                folder = path.parent.relative_to(record.output_dir).as_posix()
                uploads.append(partial(self._client.log_artifact, run_id, str(path), folder if folder != "." else None))
        for name in record.images:
            image, key = _encoded(record.output_dir / name), _image_key(name)
            uploads.append(
                partial(self._client.log_image, run_id, image, key=key, timestamp=end_time, synchronous=True)
            )
        with ThreadPoolExecutor(1 if self._database else CONNECTIONS) as pool:
            sent = [pool.submit(upload) for upload in uploads]
            try:
                for upload in sent:
                    upload.result()
            finally:
                # After an error the rest need not be tried.
                pool.shutdown(cancel_futures=True)

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


def _encoded(path: Path) -> Any:
    """A picture that MLflow copies: encoding it again would take longer than all else about a run.

    Args:
        path: a PNG file.
    """
    from PIL import Image

    picture = Image.open(path)
    picture.load()

    def thumbnail(size: tuple[int, int]) -> Image.Image:
        small = Image.Image.resize(picture, size)
        # The least effort of WebP is six times as fast, and as small.
        small.save = functools.partial(type(small).save, small, method=0)  # type: ignore[method-assign]
        return small

    picture.save = functools.partial(shutil.copyfile, path)  # type: ignore[method-assign]
    picture.resize = thumbnail  # type: ignore[method-assign, assignment]
    return picture


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
    from urllib.request import url2pathname  # brings all of http along

    parts = urlsplit(location)
    return parts.scheme in ("", "file") and not Path(url2pathname(parts.path)).is_dir()


def _image_key(name: str) -> str:
    """The key of an image in the UI: with its folder, so that its section comes before those of the metrics."""
    return Path(name).with_suffix("").as_posix()


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
