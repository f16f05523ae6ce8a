"""Keeping runs in MLflow: files first, MLflow afterwards and in one go.

A run writes its files and its record (:mod:`tdr.results.record`) beside them. Only then is it uploaded, as a whole and
with the start and end times that it really had, so that no run is ever seen half-filled and a store that cannot be
reached costs nothing but the upload.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tdr.config import TrackingConfig
from tdr.results import naming
from tdr.results.record import RunRecord, Status
from tdr.tracking import ui
from tdr.tracking.mlflow_client import (
    ANSWER_TIMEOUT,
    DATABASE,
    DESCRIPTION_TAG,
    IMAGES_TAG,
    PARENT_TAG,
    UPLOAD_TIMEOUT,
    MlflowStore,
    TrackingError,
    import_mlflow,
    request_timeout,
)

# What of a run's files its pictures can be drawn from again.
_FETCHED = (naming.RECORD, naming.ARRAYS, naming.ARRAYS_DESCRIPTION, naming.METRICS)
LOCAL_UI = "http://127.0.0.1:5000"

# Files of a run that are sent to a server at a time: each takes little work and much waiting.
CONNECTIONS = 8


@dataclass(frozen=True)
class RunLink:
    """Where a run went: its ids in MLflow and the address of its page in the UI."""

    run_id: str
    experiment_id: str
    url: str


class TrackingStore:
    """Where runs are kept: uploads them, and finds them again.

    Nothing is opened, and MLflow is not imported, before the first use.

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
        self._store = MlflowStore(settings, root)
        self.uri = self._store.uri
        self.ui_command: str | None = None
        if self._store.database:
            found_here = self._store.database == Path.cwd().resolve() / DATABASE
            self.ui_command = "mlflow ui" if found_here else f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}"
        self._root = root.resolve()
        self._sweeps: dict[str, str] = {}

    def connect(self) -> None:
        """Import MLflow and open the store, which the other methods do when they are first called.

        Raises:
            TrackingError: if the store cannot be used.
        """
        _ = self._store.client

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
        if any(place and place.is_relative_to(output_dir) for place in (self._root, self._store.database)):
            raise TrackingError(
                f"hydra.run.dir must be a folder of the run's own, for all of it is uploaded; got {output_dir}."
            )
        with self._store.translated_errors(record.output_dir):
            run_id = self._find(record) or self._upload(record)
        return RunLink(run_id, self._store.experiment_id, self.run_url(run_id))

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
        with self._store.translated_errors(), request_timeout(ANSWER_TIMEOUT):
            found = self._store.search(_by_uid(uid))
            if found:
                run_id = str(found[0].info.run_id)
                self._store.client.update_run(run_id, status="RUNNING")
            else:
                own = {**tags, DESCRIPTION_TAG: description, naming.UID_TAG: uid}
                run_id = self._store.create_run(name, round(start_time * 1000), own)
                self._store.log_batch(run_id, params, {}, {})
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
        with self._store.translated_errors(folder):
            with request_timeout(ANSWER_TIMEOUT):
                self._store.log_batch(run_id, {}, metrics, {})
                self._store.client.set_terminated(run_id, status)
            with request_timeout(UPLOAD_TIMEOUT):
                for name in files:
                    within = Path(name).parent.as_posix()
                    self._store.client.log_artifact(run_id, str(folder / name), None if within == "." else within)
            with request_timeout(ANSWER_TIMEOUT):
                # In the first line, because the UI covers what follows until more is asked for.
                links = [f"[Runs side by side]({self._sweep_page(run_id)})"]
                links += [f"[{name}]({name})" for name in files if name.endswith(".html")]
                text = f"{' · '.join(links)}\n\n{description}"
                page = ui.with_artifacts(text, self._store.experiment_id, run_id, files)
                self._store.log_batch(run_id, {}, {}, {DESCRIPTION_TAG: page})

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
        view = ui.view(run_id, params, metrics, [_image_key(name) for name in images])
        with self._store.translated_errors(), request_timeout(ANSWER_TIMEOUT):
            self._store.client.set_experiment_tag(self._store.experiment_id, ui.VIEW_TAG + run_id, view)

    def runs_of(self, run_id: str) -> dict[str, int]:
        """The runs of a sweep that the store has whole: the uid of each, and when it began (ms since the epoch).

        Args:
            run_id: from :meth:`open_sweep`.

        Raises:
            TrackingError: if the store cannot be used.
        """
        with self._store.translated_errors(), request_timeout(ANSWER_TIMEOUT):
            runs = self._store.search(f"tags.`{PARENT_TAG}` = '{run_id}'")
            return {run.data.tags[naming.UID_TAG]: run.info.start_time for run in runs if run.info.status != "RUNNING"}

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
        with self._store.translated_errors(), request_timeout(UPLOAD_TIMEOUT):
            try:
                found = self._store.search(query)
            except import_mlflow().exceptions.MlflowException as error:
                if error.error_code != "INVALID_PARAMETER_VALUE":
                    raise
                raise TrackingError(f"query must be one that MLflow understands; got {query!r} ({error}).") from None
            for run in reversed(found):
                run_id = run.info.run_id
                kept = {item.path for item in self._store.client.list_artifacts(run_id)}
                if naming.RECORD not in kept:
                    continue  # the run of a sweep itself
                here = folder / run_id
                here.mkdir()
                names = kept & {*_FETCHED}
                if naming.ARRAYS not in kept:
                    within = self._store.client.list_artifacts(run_id, naming.ARRAY_FOLDER)
                    names |= {item.path for item in within if item.path.endswith(".npy")}
                for name in names:
                    self._store.client.download_artifacts(run_id, name, str(here))
                records.append(RunRecord.read_json(here / naming.RECORD))
        return records

    def runs_url(self) -> str:
        """The address of the page that lists all runs.

        Raises:
            TrackingError: if the store cannot be used.
        """
        return self._address(ui.runs_page(self._store.experiment_id))

    def run_url(self, run_id: str) -> str:
        """The address of the page of one run, or of a sweep as a whole.

        Raises:
            TrackingError: if the store cannot be used.
        """
        return self._address(ui.run_page(self._store.experiment_id, run_id))

    def sweep_url(self, run_id: str) -> str:
        """The address of the page that shows the runs of one sweep side by side, with their metrics and images.

        Args:
            run_id: from :meth:`open_sweep`.

        Raises:
            TrackingError: if the store cannot be used.
        """
        with self._store.translated_errors(), request_timeout(ANSWER_TIMEOUT):
            return self._address(self._sweep_page(run_id))

    def _sweep_page(self, run_id: str) -> str:
        saved = ui.VIEW_TAG + run_id in self._store.client.get_experiment(self._store.experiment_id).tags
        return ui.sweep_page(self._store.experiment_id, run_id, saved=saved)

    def _address(self, page: str) -> str:
        return f"{LOCAL_UI if self._store.database else self.uri.rstrip('/')}/{page}"

    def _find(self, record: RunRecord) -> str | None:
        with request_timeout(ANSWER_TIMEOUT):
            for run in self._store.search(_by_uid(record.uid)):
                if run.info.status != "RUNNING" and run.info.start_time == record.start_time_ms:
                    return str(run.info.run_id)
                # An upload that broke off, or an earlier attempt at the same job.
                self._store.client.delete_run(run.info.run_id)
        return None

    def _sweep_run(self, uid: str) -> str:
        """The id of a sweep's own run."""
        if uid not in self._sweeps:
            with request_timeout(ANSWER_TIMEOUT):
                found = self._store.search(_by_uid(uid))
            if not found:
                raise TrackingError(
                    f"tracking.uri must point to a store that has the sweep's own run; got {self.uri}. "
                    "Send the whole sweep: python scripts/sync.py <its folder>."
                )
            self._sweeps[uid] = str(found[0].info.run_id)
        return self._sweeps[uid]

    def _upload(self, record: RunRecord) -> str:
        tags = {**record.tags, naming.UID_TAG: record.uid}
        if record.sweep is not None:
            tags[PARENT_TAG] = self._sweep_run(record.sweep)
        end_time = round(record.end_time * 1000)
        with request_timeout(ANSWER_TIMEOUT):
            run_id = self._store.create_run(record.name, record.start_time_ms, tags)
        figure = f"\n\n![{naming.FIGURE}]({naming.FIGURE})" if (record.output_dir / naming.FIGURE).is_file() else ""
        description = ui.with_artifacts(record.description + figure, self._store.experiment_id, run_id, record.files)
        try:
            with request_timeout(UPLOAD_TIMEOUT):
                own = {DESCRIPTION_TAG: description, **({IMAGES_TAG: "True"} if record.images else {})}
                self._store.log_batch(run_id, record.params, record.metrics, own)
                self._upload_files(run_id, record, end_time)
                self._store.client.set_terminated(run_id, record.status, end_time)
        except BaseException:
            with contextlib.suppress(Exception), request_timeout(ANSWER_TIMEOUT):
                self._store.client.delete_run(run_id)
            raise
        return run_id

    def _upload_files(self, run_id: str, record: RunRecord, end_time: int) -> None:
        """Upload everything in a run's folder, and its images once more for the UI's image grid."""
        uploads = []
        for path in sorted(record.output_dir.rglob("*")):
            if path.is_file():
                folder = path.parent.relative_to(record.output_dir).as_posix()
                uploads.append(
                    partial(self._store.client.log_artifact, run_id, str(path), folder if folder != "." else None)
                )
        for name in record.images:
            image, key = _encoded(record.output_dir / name), _image_key(name)
            uploads.append(
                partial(self._store.client.log_image, run_id, image, key=key, timestamp=end_time, synchronous=True)
            )
        with ThreadPoolExecutor(1 if self._store.database else CONNECTIONS) as pool:
            sent = [pool.submit(upload) for upload in uploads]
            try:
                for upload in sent:
                    upload.result()
            finally:
                # After an error the rest need not be tried.
                pool.shutdown(cancel_futures=True)


def _by_uid(uid: str) -> str:
    """The query for the runs that are recognised by a uid."""
    return f"tags.`{naming.UID_TAG}` = '{uid}'"


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


def _image_key(name: str) -> str:
    """The key of an image in the UI: with its folder, so that its section comes before those of the metrics."""
    return Path(name).with_suffix("").as_posix()
