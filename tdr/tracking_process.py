"""Keeping runs in MLflow from a process of its own: importing MLflow takes seconds in which a run can compute."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from tdr.config import TrackingConfig
from tdr.record import RunRecord, Status
from tdr.tracking import RunLink, TrackingError, TrackingStore


class TrackingProcess:
    """A tracking store in a process of its own, which imports MLflow while this one computes.

    Its methods are those of :class:`TrackingStore`, which says what they do and raise.

    Args:
        settings: the config group ``tracking``.
        root: the root of the repository.

    Attributes:
        ui_command: see :class:`TrackingStore`.

    Raises:
        TrackingError: if no store can be what the settings say.
    """

    def __init__(self, settings: TrackingConfig, root: Path) -> None:
        self.ui_command = TrackingStore(settings, root).ui_command
        self._settings = settings
        self._root = root
        self._start()

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_serve,
            initargs=(self._settings, self._root),
        )
        # An error comes up again with the first call that needs the store.
        self._pool.submit(_call, "connect", ())

    def log(self, record: RunRecord) -> RunLink:
        """Upload a run; see :meth:`TrackingStore.log`."""
        link: RunLink = self._call("log", record)
        return link

    def open_sweep(
        self,
        uid: str,
        name: str,
        start_time: float,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        description: str,
    ) -> str:
        """Create or reopen a sweep's run; see :meth:`TrackingStore.open_sweep`."""
        return str(self._call("open_sweep", uid, name, start_time, params, tags, description))

    def close_sweep(
        self,
        run_id: str,
        status: Status,
        metrics: Mapping[str, float | None],
        description: str,
        folder: Path,
        files: Sequence[str],
    ) -> None:
        """End a sweep's run; see :meth:`TrackingStore.close_sweep`."""
        self._call("close_sweep", run_id, status, metrics, description, folder, files)

    def save_view(self, run_id: str, params: Sequence[str], metrics: Sequence[str], images: Sequence[str]) -> None:
        """Choose what a sweep's page shows; see :meth:`TrackingStore.save_view`."""
        self._call("save_view", run_id, params, metrics, images)

    def runs_of(self, run_id: str) -> dict[str, int]:
        """The runs of a sweep that the store has; see :meth:`TrackingStore.runs_of`."""
        runs: dict[str, int] = self._call("runs_of", run_id)
        return runs

    def sweep_url(self, run_id: str) -> str:
        """Where a sweep's runs can be seen; see :meth:`TrackingStore.sweep_url`."""
        return str(self._call("sweep_url", run_id))

    def run_url(self, run_id: str) -> str:
        """Where a run's page is; see :meth:`TrackingStore.run_url`."""
        return str(self._call("run_url", run_id))

    def close(self) -> None:
        """End the process, at once when it has nothing left to do: clearing MLflow away would take it half a second."""
        self._pool.submit(os._exit, 0)
        self._pool.shutdown()

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return self._pool.submit(_call, method, arguments).result()
        except BrokenProcessPool as error:
            self._start()
            raise TrackingError("The process that sends runs to MLflow must keep running; it was killed.") from error


_store: TrackingStore | None = None
_busy = threading.Lock()


def _serve(settings: TrackingConfig, root: Path) -> None:
    global _store
    # Ctrl-C reaches the whole group; the run's process decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _store = TrackingStore(settings, root)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the run's process was killed, which would otherwise be waited for without end."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101
    parent.join()
    with _busy:  # what was being sent is sent to its end
        os._exit(1)


def _call(method: str, arguments: tuple[Any, ...]) -> Any:
    with _busy:
        return getattr(_store, method)(*arguments)
