"""Follows a sweep while its jobs run: says what each has come to, and sends its run to the tracking store.

One process, the one that started the sweep, sends the runs of all jobs, wherever they are computed: it sees their
records appear in the sweep's folder. So workers need neither MLflow nor a way to the store, one client writes to a
database, and a store that cannot be reached for a while holds nobody up.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence

from tdr.errors import InputError
from tdr.results import naming
from tdr.results.record import RunRecord
from tdr.results.sweep import Sweep, SweepJob
from tdr.sweeps.standing import unsent
from tdr.terminal import say
from tdr.tracking.process import TrackingProcess
from tdr.words import counted

# Seconds: how often to look for records; how long to leave a store alone that did not take a run; how long to wait at
# the end for one that is away.
INTERVAL = 0.2
PAUSE = 5.0
PATIENCE = 60.0
# After so many runs in a row that a store did not take, it is left alone for a while.
REFUSALS = 2


class Follower:
    """Follows some jobs of a sweep, from a thread of its own, until :meth:`finish`.

    Args:
        sweep: the sweep.
        store: where the runs go; None if nowhere.
        run_id: the sweep's own run in the store.
        jobs: those that are about to run; the runs of all others are sent to the store if they are not there.
    """

    def __init__(
        self, sweep: Sweep, store: TrackingProcess | None, run_id: str | None, jobs: Sequence[SweepJob]
    ) -> None:
        self._sweep = sweep
        self._store = store
        self._running = list(jobs)
        # What earlier attempts have left, until the launcher clears it away.
        earlier = {job.folder: sweep.record_of(job) for job in jobs}
        self._earlier = {folder: record.start_time for folder, record in earlier.items() if record is not None}
        self._ended = len(sweep.jobs) - len(jobs)
        self._pending: list[RunRecord] = []
        if store is not None and run_id is not None:
            before = (sweep.record_of(job) for job in sweep.jobs if job not in jobs)
            self._pending = unsent(store, run_id, [record for record in before if record is not None])
        self._next_attempt = 0.0
        self._away = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def finish(self, *, wait: bool) -> list[RunRecord]:
        """Look at what the last jobs left, send all runs, and stop.

        Args:
            wait: whether to wait for a store that does not answer.

        Returns:
            The runs that the store did not take.
        """
        self._stop.set()
        deadline = time.monotonic() + (PATIENCE if wait else 0.0)
        # Ctrl-C ends the waiting, and nothing else is left to be ended.
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join()
            self._next_attempt = 0.0
            self._send()
            if self._pending and wait:
                left = counted(len(self._pending), "run")
                say(f"tracking   {left} left to send; waiting for the store up to {PATIENCE:.0f} s")
            while self._pending and time.monotonic() < deadline:
                time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))
                self._next_attempt = 0.0
                self._send()
        return self._pending

    def _follow(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._look()
            self._send()
        self._look()

    def _look(self) -> None:
        """Tell of the jobs that have ended since the last look."""
        for job in list(self._running):
            record = self._sweep.record_of(job)
            if record is None or record.start_time == self._earlier.get(job.folder):
                continue
            self._running.remove(job)
            self._ended += 1
            self._pending.append(record)
            total = len(self._sweep.jobs)
            seconds = record.end_time - record.start_time
            say(f"{self._ended:{len(str(total))}}/{total}  {_outcome(record):14} {seconds:7.2f} s  {record.name}")
            more = record.tags.get(naming.ERROR_TAG)
            if record.exit_status == 2:
                more = f"what the check found: {os.path.relpath(record.output_dir / naming.CHECK)}"
            if more:
                say(f"{'':{2 * len(str(total)) + 1}}  {more}")

    def _send(self) -> None:
        """Send the runs that are waiting, unless the store was away a moment ago."""
        if self._store is None:
            self._pending.clear()
            return
        if time.monotonic() < self._next_attempt:
            return
        refusals = 0
        for record in list(self._pending):
            try:
                self._store.log(record)
            except InputError as error:
                if not self._away:
                    say(f"WARNING    {error} It is sent again later.")
                self._away = True
                refusals += 1
                if refusals == REFUSALS:
                    break
            else:
                self._pending.remove(record)
                refusals = 0
        if refusals:
            self._next_attempt = time.monotonic() + PAUSE
        elif self._away:
            self._away = False
            say("tracking   the store answers again; all runs that have ended are sent")


def _outcome(record: RunRecord) -> str:
    """How a run ended, in a word or two."""
    if record.status != "FINISHED":
        return record.status
    check = record.tags.get(naming.CHECK_TAG, naming.CHECK_OFF)
    return {"passed": "passed", "failed": "check FAILED", naming.CHECK_OFF: "finished"}.get(check, check)
