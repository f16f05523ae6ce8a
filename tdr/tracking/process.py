"""Keeping runs in MLflow from a process of its own: importing MLflow takes seconds in which a run can compute."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tdr.config import TrackingConfig
from tdr.patches import garbage_collector
from tdr.results.record import RunRecord, Status
from tdr.tracking.mlflow_client import TrackingError
from tdr.tracking.store import RunLink, TrackingStore

# The other side of a TrackingProcess. It finds modules where this side does, and leaves it to this side what becomes of
# a run after Ctrl-C, which reaches both.
_COMMAND = """
import pickle, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = pickle.load(sys.stdin.buffer)
from tdr.tracking.process import serve
serve()
"""


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
        # Calls and answers go through one thread, so that each answer is read to its end, also after Ctrl-C.
        self._line = ThreadPoolExecutor(1)
        self._start()

    def _start(self) -> None:
        # A process of multiprocessing's would first import what the main module of this one has imported.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._send(sys.path)
        self._send((self._settings, self._root))

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
        """End the process when it has done what it was asked to."""
        self._line.submit(self._process.communicate)
        self._line.shutdown()

    def _call(self, method: str, *arguments: Any) -> Any:
        return self._line.submit(self._exchange, method, arguments).result()

    def _exchange(self, method: str, arguments: tuple[Any, ...]) -> Any:
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._send((method, arguments))
            answer, error, trace = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as broken:
            self._process.communicate()
            self._start()
            raise TrackingError("The process that sends runs to MLflow must keep running; it was killed.") from broken
        if error is not None:
            raise error from RuntimeError(trace)
        return answer

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None  # noqa: S101
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()


def serve() -> None:
    """Do what the run's process asks for, until it closes the line or is gone."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever MLflow prints
    store = TrackingStore(*pickle.load(calls))
    # Nothing that MLflow makes while it is imported is garbage; looking for some would take half a second. What goes
    # wrong comes up again with the first call that needs the store.
    with garbage_collector.undisturbed(), contextlib.suppress(Exception):
        store.connect()
    try:
        while True:
            pickle.dump(_answer(store, *pickle.load(calls)), answers)
            answers.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # clearing MLflow away would take half a second too


def _answer(store: TrackingStore, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Exception | None, str]:
    try:
        return getattr(store, method)(*arguments), None, ""
    except Exception as error:  # noqa: BLE001 (whatever it is, it is raised on the other side)
        return None, error, traceback.format_exc()
