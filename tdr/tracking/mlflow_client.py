"""An MLflow store: which addresses are allowed, how it is opened and asked, and what is said when it cannot be used.

This is the one module that imports MLflow, and it does so when a store is first used.
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
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.results import naming
from tdr.results.record import is_finite

# What MLflow is told before it is imported, unless the user's environment says otherwise.
ENVIRONMENT = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

# The database of a repository, or of a folder that ``mlflow ui`` is started in.
DATABASE = "mlflow.db"

# What MLflow itself reads of a run's tags. It sets that of the images again with every image; it must be there before
# several are uploaded at a time.
DESCRIPTION_TAG = "mlflow.note.content"
IMAGES_TAG = "mlflow.loggedImages"
PARENT_TAG = "mlflow.parentRunId"

# What SQLite says while MLflow makes the rest of a database that was left half made.
_HALF = "already exists|duplicate column|no such column|no such table"

# Seconds. A server that is there answers a question at once; it may need longer to store a large file.
ANSWER_TIMEOUT = 3
UPLOAD_TIMEOUT = 30

# MLflow itself cuts parameters here (and tags a little later), but without a word.
MAX_TEXT = 6000


class TrackingError(InputError):
    """The tracking store cannot be used; what was computed is on disk all the same."""


class MlflowStore:
    """An MLflow store and one experiment in it.

    Without ``tracking.uri`` it is ``mlflow.db`` with its files in ``mlruns/``, both at the root, where a bare
    ``mlflow ui`` looks for them. Another database has its files in ``mlruns/`` beside it, and a server keeps them
    itself. Nothing is opened, and MLflow is not imported, before the first use.

    Attributes:
        uri: the MLflow tracking URI.
        database: the database's file; None if the store is a server.
    """

    def __init__(self, settings: TrackingConfig, root: Path) -> None:
        """Check the settings.

        Args:
            settings: the config group ``tracking``.
            root: the root of the repository.

        Raises:
            TrackingError: if no store can be what the settings say.
        """
        self.uri = settings.uri or f"sqlite:///{root / DATABASE}"
        self._experiment = settings.experiment
        self.database: Path | None = None
        if self.uri.startswith("sqlite:///"):
            self.database = self._check_database()
            self.uri = f"sqlite:///{self.database.as_posix()}"
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

    @property
    def client(self) -> Any:
        """MLflow's client, of the store that is opened if it is not yet.

        Raises:
            TrackingError: if the store cannot be used.
        """
        return self._connection[0]

    @property
    def experiment_id(self) -> str:
        """The id of the experiment, of the store that is opened if it is not yet.

        Raises:
            TrackingError: if the store cannot be used.
        """
        return self._connection[1]

    @cached_property
    def _connection(self) -> tuple[Any, str]:
        """MLflow's client and the experiment's id."""
        with self.translated_errors():
            if self.database:
                location = self.database.parent / "mlruns" / self._experiment
                with _only_process(self.database):
                    if not self.database.stat().st_size:
                        _make(self.database)
                    client = import_mlflow().MlflowClient(tracking_uri=self.uri)
                    return client, self._find_or_create_experiment(client, location.as_uri())
            with request_timeout(ANSWER_TIMEOUT):
                client = import_mlflow().MlflowClient(tracking_uri=self.uri)
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

    def search(self, query: str) -> list[Any]:
        """All runs of the experiment that a query finds, the latest first."""
        runs: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], query, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def create_run(self, name: str, start_time_ms: int, tags: Mapping[str, str]) -> str:
        """Begin a run.

        Args:
            name: its name in the UI.
            start_time_ms: milliseconds since the epoch.
            tags: what is too long is cut, and says so.

        Returns:
            Its id.
        """
        return str(self.client.create_run(self.experiment_id, start_time_ms, _texts(tags), name).info.run_id)

    def log_batch(
        self,
        run_id: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | None],
        tags: Mapping[str, str],
    ) -> None:
        """Tell the store about a run, all at once.

        Args:
            run_id: which run.
            params: what is too long is cut, and says so.
            metrics: the tag ``tdr.nonfinite_metrics`` names those that are not finite, which MLflow cannot keep.
            tags: as ``params``.
        """
        entities = import_mlflow().entities
        finite = {name: float(value) for name, value in metrics.items() if is_finite(value)}
        dropped = [f"{name}={value}" for name, value in metrics.items() if name not in finite]
        if dropped:
            tags = {**tags, naming.NONFINITE_TAG: ", ".join(dropped)}
        now = time.time_ns() // 1_000_000
        self.client.log_batch(
            run_id,
            metrics=[entities.Metric(name, value, now, 0) for name, value in finite.items()],
            params=[entities.Param(name, text) for name, text in _texts(params).items()],
            tags=[entities.RunTag(name, text) for name, text in _texts(tags).items()],
            synchronous=True,
        )

    @contextlib.contextmanager
    def translated_errors(self, results: Path | None = None) -> Iterator[None]:
        """Say in one line what to change, whatever MLflow and the libraries below it raise.

        Args:
            results: where the files are that could not be sent.

        Raises:
            TrackingError: in the place of such an error.
        """
        mlflow_error = import_mlflow().exceptions.MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        kept = f" The results are in {results}." if results else ""
        try:
            yield
        except TrackingError as error:
            raise TrackingError(f"{error}{kept}") from None
        except (mlflow_error, SQLAlchemyError, sqlite3.Error, OSError) as error:
            if self.database and re.search(_HALF, str(error)):
                raise TrackingError(
                    f"tracking.uri must name a whole database; got {self.database}, which was cut off while MLflow "
                    f"made or upgraded it. Move it away, and the next run makes a new one: "
                    f"mv {shlex.quote(str(self.database))} {shlex.quote(str(self.database))}.broken{kept}"
                ) from None
            store = "a database that can be written" if self.database else "an MLflow server that answers"
            raise TrackingError(
                f"tracking.uri must point to {store}; got {self.uri} ({_reason(error)}).{kept}"
            ) from None


def redact(text: str) -> str:
    """Blank out the user names and passwords of all addresses in a text.

    Args:
        text: for example a tracking URI, or a message that quotes one.
    """
    return re.sub(r"(?<!sqlite)(?<!file)://\S*@", "://***@", text)


def import_mlflow() -> Any:
    """MLflow, which prints and reports nothing of itself."""
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


def _make(database: Path) -> None:
    """Make a new database, so that it is there whole or not at all: MLflow takes seconds, and repairs nothing later."""
    making, whole = (Path(f"{database}.{state}") for state in ("making", "whole"))
    _remove(making, whole)
    import_mlflow().MlflowClient(tracking_uri=f"sqlite:///{making.as_posix()}").search_experiments(max_results=1)
    with contextlib.closing(sqlite3.connect(making)) as source, contextlib.closing(sqlite3.connect(whole)) as copy:
        source.backup(copy)
    whole.replace(database)
    _remove(making)


def _remove(*databases: Path) -> None:
    for database in databases:
        for file in (database, *(Path(f"{database}-{part}") for part in ("journal", "wal", "shm"))):
            # Where MLflow keeps one open and that forbids to remove it, it is removed before the next one is made.
            with contextlib.suppress(PermissionError):
                file.unlink(missing_ok=True)


@contextlib.contextmanager
def request_timeout(seconds: int) -> Iterator[None]:
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


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as MLflow keeps them, cut where it would cut them, but so that it shows."""
    texts = {}
    for name, value in values.items():
        text = _text(value)
        cut = f" ... (cut from {len(text)} characters; the whole is in {naming.RECORD})"
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
