"""Plans the jobs of a sweep: Hydra's sweeper (``hydra.sweeper`` in ``conf/jacobian.yaml``), whatever the launcher.

The plan says which values each job has and where it leaves its results; :mod:`tdr.sweeps.execution` carries it out.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tdr.command import launch
from tdr.command.settings import ROOT, tracking_settings
from tdr.config import SCHEMAS
from tdr.errors import InputError
from tdr.patches.hydra_sweep import loader_of_jobs
from tdr.results import naming
from tdr.results.record import environment_tags
from tdr.results.sweep import Sweep, SweepJob, folder_name, run_name, without_rounding_errors
from tdr.sweeps.execution import Execution, launch_jobs
from tdr.sweeps.standing import open_sweep
from tdr.terminal import say
from tdr.tracking.store import TrackingStore
from tdr.words import counted

# What of Hydra's own settings does not make another sweep.
_NOT_REPEATED = ("hydra.sweep.dir", "hydra.mode")


class ResumableSweeper(Sweeper):
    """Takes every combination of the values given, as Hydra's own sweeper, and leaves out what has finished.

    Args:
        params: key -> values, as on the command line: what is swept unless the command line says otherwise.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self._params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Choose the launcher; see Hydra's :class:`Sweeper`."""
        self._loader = hydra_context.config_loader
        self._config = config
        context = HydraContext(loader_of_jobs(self._loader), hydra_context.callbacks)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep.

        Args:
            arguments: the overrides, those of the sweep's values among them.

        Raises:
            InputError: if a value cannot be composed or the store does not answer, before the first job.
        """
        lines = [*(f"{key}={values}" for key, values in self._params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self._loader)
        overrides = {o.get_key_element(): o for o in parser.parse_overrides(lines)}
        folder = Path(self._config.hydra.sweep.dir).resolve()
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
            Execution(sweep, store, run_id, partial(launch_jobs, self._launcher, sweep)).run()

    def _plan(self, folder: Path, overrides: Sequence[Override]) -> Sweep:
        """The sweep that the overrides describe, its jobs' folders named by what varies, or by an override."""
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise InputError(f"{override.key_or_group} must have a list of values; got {override.input_line}.")
            if override.is_sweep_override() and not list(override.sweep_string_iterator()):
                raise InputError(f"{override.key_or_group} must have at least one value; got {override.input_line}.")
        swept = [o for o in overrides if o.is_sweep_override()]
        # As they were given: what they refer to is known in a job.
        overridden: Any = OmegaConf.to_container(self._config.hydra.overrides)
        given = [*overridden["hydra"], *overridden["task"]]
        subdirs = [line for line in given if line.startswith("hydra.sweep.subdir=")]
        axes = {o.key_or_group: o for o in swept}
        values = {key: [*map(without_rounding_errors, o.sweep_string_iterator())] for key, o in axes.items()}
        digits = len(str(max(0, math.prod(map(len, values.values())) - 1)))
        jobs = []
        for number, chosen in enumerate(itertools.product(*values.values())):
            here = dict(zip(axes, chosen, strict=True))
            line = [f"{o.get_key_element()}={here[o.key_or_group]}" if o in swept else _line(o) for o in overrides]
            name = run_name(tuple(axes), here)
            where = (
                f"{number:0{digits}}_{folder_name(name, line)}"
                if not subdirs
                else self._named(number, line, subdirs[-1])
            )
            jobs.append(SweepJob(name, where, here, line))
        named = Counter(job.folder for job in jobs)
        wrong = [f for f, count in named.items() if count > 1 or Path(f).name != f or f in ("", "..")]
        if wrong:
            raise InputError(
                "hydra.sweep.subdir must name a folder in the sweep's own, another one for each job; "
                f"got {wrong[0]!r}. Leave it out, and folders are named by what varies."
            )
        start = time.time()
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start))
        tracking = tracking_settings(self._config)
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

    def _named(self, number: int, line: list[str], subdir: str) -> str:
        """What an override of ``hydra.sweep.subdir`` names the folder of a job."""
        composed = self._loader.load_sweep_config(self._config, line)
        text = OverridesParser.create(config_loader=self._loader).parse_override(subdir)
        with read_write(composed.hydra), open_dict(composed.hydra):
            composed.hydra.job.num = number
            composed.hydra.sweep.subdir = _plain(text.value())
        return str(composed.hydra.sweep.subdir)

    def _check_composition(self, overrides: Sequence[Override]) -> None:
        """Compose the options of every swept group with each other, and try every other value in what results.

        Hydra's own sweeper composes every job for this, which takes as long as composing them to run. What is missing
        is missing in all of them.
        """
        swept = [o for o in overrides if o.is_sweep_override()]
        fixed = [_line(o) for o in overrides if o not in swept]
        choices: list[list[str]] = []
        keys: list[Override] = []
        for override in swept:
            lines = [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
            if override.is_add() or self._loader.get_group_options(override.key_or_group):
                choices.append(lines)
            else:
                choices.append(lines[:1])
                keys.append(override)
        for chosen in itertools.product(*choices):
            composed = self._loader.load_sweep_config(self._config, [*fixed, *chosen])
            if composed.hydra.sweeper.get("params") != self._config.hydra.sweeper.params:
                raise InputError(
                    "experiment must be swept over presets that sweep nothing themselves; "
                    f"got {' '.join(chosen)}. Give each of the others a command of its own."
                )
            groups = [composed[group] for group in SCHEMAS if OmegaConf.is_config(composed.get(group))]
            missing = [key for group in groups for key in OmegaConf.missing_keys(group)]
            if missing:
                raise InputError(f"{missing[0]} must be given; got nothing. Add {missing[0]}=... to the command.")
            for override in keys:
                for value in override.sweep_iterator():
                    OmegaConf.update(composed, override.key_or_group, _plain(value))


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
