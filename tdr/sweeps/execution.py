"""Runs the jobs of a planned sweep: those that have not finished, from the first to the sweep's summary.

They go to Hydra's launcher, what they leave in the sweep's folder is followed, and the sweep is closed however it ends.
A job that fails or dies does not stop the others.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool

from hydra.plugins.launcher import Launcher

from tdr.command import launch
from tdr.command.mistakes import message_of, print_error, quoted, trace_of
from tdr.errors import InputError
from tdr.patches.hydra_launchers import dispatch, runs_here
from tdr.results import naming
from tdr.results.record import RunRecord, Status
from tdr.results.sweep import Sweep, SweepJob
from tdr.sweep_views.files import SweepFiles
from tdr.sweeps.follower import Follower
from tdr.sweeps.standing import Standing, close_sweep, draw
from tdr.terminal import say, say_where
from tdr.tracking.process import TrackingProcess
from tdr.words import counted


class Execution:
    """One run through a sweep, from the first job that has not finished to its summary.

    Args:
        sweep: the sweep, whose plan is in its folder.
        store: where the runs go; None if nowhere.
        run_id: the sweep's own run in the store.
        launch: runs jobs, and returns when all have ended (:func:`launch_jobs`).
    """

    def __init__(
        self,
        sweep: Sweep,
        store: TrackingProcess | None,
        run_id: str | None,
        launch: Callable[[Sequence[SweepJob]], None],
    ) -> None:
        self.sweep = sweep
        self.store = store
        self.run_id = run_id
        self.start = time.time()
        self._launch = launch

    def run(self) -> None:
        """Launch what has not finished, and close the sweep however that ends."""
        jobs = self.sweep.unfinished()
        skipped = len(self.sweep.jobs) - len(jobs)
        if skipped:
            say(f"resume     {skipped} of {counted(len(self.sweep.jobs), 'job')} finished before, {len(jobs)} left")
        follower = Follower(self.sweep, self.store, self.run_id, jobs)
        ending: Status | None = "KILLED"
        try:
            self._launch_all(jobs)
            ending = None
        except Exception:
            ending = "FAILED"
            raise
        finally:
            self.finish(follower, ending, skipped)

    def finish(self, follower: Follower, ending: Status | None, skipped: int) -> None:
        """Say how the sweep went, draw it, and close it, which nothing interrupts.

        Args:
            follower: it has followed the jobs until now.
            ending: how the sweep ended, None if all jobs have been run.
            skipped: how many jobs had finished before.
        """
        if ending is not None:
            _ignore_interrupts()
        pending = follower.finish(wait=ending is None)
        standing = self.summarize()
        files = None
        if ending is None and standing.finished:
            try:
                files = self.draw()
            except KeyboardInterrupt:
                say("WARNING    interrupted; to draw the sweep: python scripts/draw_sweep.py with its folder")
        _ignore_interrupts()
        self.close(ending or standing.status, standing, files, skipped, pending)

    def summarize(self) -> Standing:
        """Say what the jobs have come to."""
        standing = Standing.of(self.sweep)
        say()
        seconds = time.time() - self.start
        say(f"sweep      {standing.finished} of {counted(len(self.sweep.jobs), 'job')} finished, in {seconds:.1f} s")
        if standing.verdicts:
            say(f"checks     {', '.join(f'{count} {verdict.value}' for verdict, count in standing.verdicts.items())}")
        return standing

    def draw(self) -> SweepFiles | None:
        """Draw the sweep; one that cannot be drawn is closed all the same."""
        try:
            return draw(self.sweep)
        except Exception as error:  # noqa: BLE001 (reported, and the process exits with 1)
            print_error(error)
            say("WARNING    The sweep could not be drawn; its results are whole.")
            launch.exit_with(1)
            return None

    def _launch_all(self, jobs: Sequence[SweepJob]) -> None:
        while jobs:
            try:
                self._launch(jobs)
                return
            except BrokenProcessPool:
                # A worker was killed, for want of memory for example, and its pool with it. Which job did it is not
                # known: those that had begun run again one at a time, and one that breaks its own pool has failed.
                left = [job for job in jobs if self.sweep.record_of(job) is None]
                begun = [job for job in left if (self.sweep.folder / job.folder).exists()] or left
                again = counted(len(begun), "job")
                say(f"WARNING    a worker process was killed; {again} to be started again, one at a time")
                for job in begun:
                    try:
                        self._launch([job])
                    except BrokenProcessPool:
                        self.sweep.fail(job, "The process that ran the job was killed, twice.")
                jobs = [job for job in left if job not in begun]

    def close(
        self,
        status: Status,
        standing: Standing,
        files: SweepFiles | None,
        skipped: int,
        pending: Sequence[RunRecord],
    ) -> None:
        """End the sweep's run in the store, and say where everything is and what is left to do.

        Args:
            status: how the sweep ended.
            standing: how its jobs stand.
            files: what was drawn.
            skipped: how many jobs had finished before.
            pending: the runs that the store did not take.
        """
        sweep, where = self.sweep, os.path.relpath(self.sweep.folder)
        say(f"output     {where}")
        if self.store is not None and self.run_id is not None:
            try:
                further = {naming.JOBS_SKIPPED: skipped, naming.time_metric(naming.TOTAL): time.time() - self.start}
                close_sweep(self.store, self.run_id, sweep, files, status, further)
                say(f"MLflow     the sweep: {self.store.run_url(self.run_id)}")
                say_where("runs side by side", self.store.sweep_url(self.run_id), self.store.ui_command)
            except InputError as error:
                print_error(error)
                launch.exit_with(1)
        if pending:
            say(f"WARNING    only on disk: {counted(len(pending), 'run')}; to send: python scripts/sync.py {where}")
            launch.exit_with(1)
        if standing.finished < len(sweep.jobs):
            say(f"resume     python experiments/jacobian.py resume={where}")
        launch.exit_with(standing.exit_status)


def launch_jobs(launcher: Launcher, sweep: Sweep, jobs: Sequence[SweepJob]) -> None:
    """Run jobs, and record of those that fail without a word why; returns when all have ended.

    Args:
        launcher: Hydra's launcher.
        sweep: the sweep.
        jobs: jobs of the sweep, in its order.

    Raises:
        BrokenProcessPool: if a worker of joblib was killed; joblib ends all jobs then.
        InputError: if the launcher cannot start jobs.
    """
    # The launcher of this process keeps what jobs return; other launchers must see all jobs at once.
    here = runs_here(launcher)
    for batch in [[job] for job in jobs] if here else [list(jobs)]:
        for job in batch:
            sweep.clear(job)
        first = sweep.jobs.index(batch[0])
        overrides = [[*job.overrides, f"hydra.sweep.subdir={quoted(job.folder)}"] for job in batch]
        try:
            returned = dispatch(launcher, overrides, first)
        except Exception as error:
            if not here:
                raise
            _fail(sweep, batch[0], error)
            continue
        for job, result in zip(batch, returned, strict=True):
            try:
                _ = result.return_value
            except Exception as error:  # noqa: BLE001 (whatever a job raised, the others go on)
                # What it recorded stands, whatever became of its process afterwards.
                if sweep.record_of(job) is None:
                    _fail(sweep, job, error)


def _ignore_interrupts() -> None:
    """From now on, what is left takes seconds, and by half it would be lost."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _fail(sweep: Sweep, job: SweepJob, error: Exception) -> None:
    """Note that a job failed before it could record so itself."""
    if trace_of(error):
        print_error(error)
    try:
        sweep.fail(job, message_of(error))
    except OSError as reason:
        # Without a record it counts as missing.
        say(f"WARNING    {job.name}: {message_of(error)} This could not be recorded: {message_of(reason)}")
