"""Runs the jobs of a sweep: Hydra's sweeper (``hydra.sweeper`` in ``conf/jacobian.yaml``), whatever the launcher.

It plans the jobs, hands those that have not finished to Hydra's launcher, follows what they leave in the sweep's
folder, and closes the sweep. A job that fails or dies does not stop the others.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from tdr.command import launch
from tdr.command.mistakes import message_of, print_error, quoted, trace_of
from tdr.command.settings import ROOT, tracking_settings
from tdr.errors import InputError
from tdr.patches.hydra_launchers import dispatch
from tdr.patches.hydra_sweep import SweepLoader
from tdr.results import naming
from tdr.results.record import RunRecord, Status, environment_tags
from tdr.results.sweep import Sweep, SweepJob, folder_name, run_name, without_rounding_errors
from tdr.sweep_views.files import SweepFiles
from tdr.sweeps.follower import Follower
from tdr.sweeps.standing import Standing, close_sweep, draw, open_sweep
from tdr.terminal import say, say_where
from tdr.tracking.process import TrackingProcess
from tdr.tracking.store import TrackingStore
from tdr.words import counted

# What of Hydra's own settings does not make another sweep.
_NOT_REPEATED = ("hydra.sweep.dir", "hydra.mode")


class ResumableSweeper(BasicSweeper):
    """Takes every combination of the values given, as Hydra's own sweeper, and leaves out what has finished.

    Args:
        params: key -> values, as on the command line: what is swept unless the command line says otherwise.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Choose the launcher; see Hydra's :class:`Sweeper`."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        context = HydraContext(SweepLoader(hydra_context.config_loader), hydra_context.callbacks)
        assert self.launcher is not None  # noqa: S101
        self.launcher.setup(hydra_context=context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep.

        Args:
            arguments: the overrides, those of the sweep's values among them.

        Raises:
            InputError: if a value cannot be composed or the store does not answer, before the first job.
        """
        assert self.config is not None  # noqa: S101
        assert self.hydra_context is not None  # noqa: S101
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = {o.get_key_element(): o for o in parser.parse_overrides([*self._parse_config(), *arguments])}
        folder = Path(self.config.hydra.sweep.dir).resolve()
        sweep = self._plan(folder, list(overrides.values()))
        say(f"sweep      {counted(len(sweep.jobs), 'job')} over {', '.join(sweep.axes) or 'nothing'}")
        if (folder / naming.SWEEP).exists():
            sweep = _same(Sweep.read(folder), sweep)
        else:
            self._check_composition(list(overrides.values()))
        store = launch.open_store(sweep.tracking)
        folder.mkdir(parents=True, exist_ok=True)
        with sweep.running():
            # Only a sweep that the store knows begins.
            run_id = None if store is None else open_sweep(store, sweep, environment_tags(ROOT))
            sweep.write()
            _Execution(sweep, store, run_id).run(self)

    def launch(self, sweep: Sweep, jobs: Sequence[SweepJob]) -> None:
        """Run jobs, and record of those that fail without a word why; returns when all have ended."""
        assert self.launcher is not None  # noqa: S101
        # The launcher of this process keeps what jobs return; other launchers must see all jobs at once.
        in_process = isinstance(self.launcher, BasicLauncher)
        for batch in [[job] for job in jobs] if in_process else [list(jobs)]:
            for job in batch:
                sweep.clear(job)
            first = sweep.jobs.index(batch[0])
            overrides = [[*job.overrides, f"hydra.sweep.subdir={quoted(job.folder)}"] for job in batch]
            try:
                returned = dispatch(self.launcher, overrides, first)
            except Exception as error:
                if not in_process:
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

    def _plan(self, folder: Path, overrides: Sequence[Override]) -> Sweep:
        """The sweep that the overrides describe."""
        assert self.config is not None  # noqa: S101
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise InputError(f"{override.key_or_group} must have a list of values; got {override.input_line}.")
            if override.is_sweep_override() and not list(override.sweep_string_iterator()):
                raise InputError(f"{override.key_or_group} must have at least one value; got {override.input_line}.")
        swept = [o for o in overrides if o.is_sweep_override()]
        axes = {o.key_or_group: o for o in swept}
        values = {key: [*map(without_rounding_errors, o.sweep_string_iterator())] for key, o in axes.items()}
        digits = len(str(max(0, math.prod(map(len, values.values())) - 1)))
        jobs = []
        for number, chosen in enumerate(itertools.product(*values.values())):
            here = dict(zip(axes, chosen, strict=True))
            line = [f"{o.get_key_element()}={here[o.key_or_group]}" if o in swept else _line(o) for o in overrides]
            name = run_name(tuple(axes), here)
            jobs.append(SweepJob(name, f"{number:0{digits}}_{folder_name(name, line)}", here, line))
        start = time.time()
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start))
        given = [*self.config.hydra.overrides.hydra, *self.config.hydra.overrides.task]
        tracking = tracking_settings(self.config)
        if tracking.enabled:
            # A relative path must mean the same to whoever reads the plan, from wherever.
            tracking = dataclasses.replace(tracking, uri=tracking.uri and TrackingStore(tracking, ROOT).uri)
        return Sweep(
            folder=folder,
            name=f"{when} {', '.join(axes) or 'one job'}",
            axes=tuple(axes),
            jobs=tuple(jobs),
            command=tuple(o for o in given if not o.startswith(_NOT_REPEATED)),
            directory=os.getcwd(),
            tracking=tracking,
            start_time=start,
        )

    def _check_composition(self, overrides: Sequence[Override]) -> None:
        """Compose the options of every swept group with each other, and try every other value in what results.

        Hydra's own sweeper composes every job for this, which takes as long as composing them to run.
        """
        assert self.hydra_context is not None  # noqa: S101
        assert self.config is not None  # noqa: S101
        loader = self.hydra_context.config_loader
        swept = [o for o in overrides if o.is_sweep_override()]
        fixed = [_line(o) for o in overrides if o not in swept]
        choices: list[list[str]] = []
        keys: list[Override] = []
        for override in swept:
            lines = [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
            if override.is_add() or loader.get_group_options(override.key_or_group):
                choices.append(lines)
            else:
                choices.append(lines[:1])
                keys.append(override)
        for chosen in itertools.product(*choices):
            composed = loader.load_sweep_config(self.config, [*fixed, *chosen])
            if composed.hydra.sweeper.get("params") != self.config.hydra.sweeper.params:
                raise InputError(
                    "experiment must be swept over presets that sweep nothing themselves; "
                    f"got {' '.join(chosen)}. Give each of the others a command of its own."
                )
            for override in keys:
                for value in override.sweep_iterator():
                    OmegaConf.update(composed, override.key_or_group, _plain(value))


class _Execution:
    """One run through a sweep, from the first job that has not finished to its summary."""

    def __init__(self, sweep: Sweep, store: TrackingProcess | None, run_id: str | None) -> None:
        self.sweep = sweep
        self.store = store
        self.run_id = run_id
        self.start = time.time()

    def run(self, sweeper: ResumableSweeper) -> None:
        """Launch what has not finished, and close the sweep however that ends."""
        jobs = self.sweep.unfinished()
        skipped = len(self.sweep.jobs) - len(jobs)
        if skipped:
            say(f"resume     {skipped} of {counted(len(self.sweep.jobs), 'job')} finished before, {len(jobs)} left")
        follower = Follower(self.sweep, self.store, self.run_id, jobs)
        ending: Status | None = "KILLED"
        try:
            self._launch_all(sweeper, jobs)
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

    def _launch_all(self, sweeper: ResumableSweeper, jobs: Sequence[SweepJob]) -> None:
        while jobs:
            try:
                sweeper.launch(self.sweep, jobs)
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
                        sweeper.launch(self.sweep, [job])
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


def _line(override: Override) -> str:
    """An override with one value, or none where it deletes a key, as on the command line."""
    if override.is_delete():
        return str(override.input_line)
    return f"{override.get_key_element()}={override.get_value_element_as_str()}"


def _same(before: Sweep, now: Sweep) -> Sweep:
    """A sweep that is to be resumed, if it is the one that the command line describes."""
    if [job.overrides for job in before.jobs] != [job.overrides for job in now.jobs]:
        raise InputError(
            f"hydra.sweep.dir must be a new folder, or that of the same sweep; got {before.folder}, which holds "
            f"{counted(len(before.jobs), 'job')} over {', '.join(before.axes) or 'nothing'}."
        )
    return before


def _plain(value: Any) -> Any:
    """A value of an override without the quotes that were around its strings."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value
