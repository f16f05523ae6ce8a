"""One run of an experiment: all that is done around its own computation, whatever it computes.

A run leaves its results and a record in its folder, also if it fails. One that is alone says what came out, and goes to
MLflow from here; those of a sweep are told of and sent by the process that started the sweep.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from tdr.command import launch, since_start
from tdr.command.mistakes import message_of, print_error, trace_of
from tdr.command.settings import CONF, GROUPS, ROOT, tracking_settings, validate
from tdr.config import Config, OnFail
from tdr.errors import InputError
from tdr.results import naming
from tdr.results.record import RunRecord, environment_tags, write_metrics
from tdr.results.sweep import Sweep, run_name
from tdr.terminal import hide_progress, phase, say, say_where
from tdr.timing import Stopwatch
from tdr.words import without_links

if TYPE_CHECKING:
    from tdr.results.check_result import Verdict

# What MLflow's grid of images shows of a run, as far as it is there.
_SHOWN = (naming.RENDER, naming.column_picture("*"), f"{naming.CHECK_FOLDER}/*.png")


@dataclass(frozen=True)
class Outcome:
    """What came out of a run, besides its files.

    Attributes:
        metrics: name -> number; the times of the run's parts are added to them.
        verdict: how the check of its numbers ended; None if they were not checked.
        lines: what the terminal shows.
        description: what the run's page in MLflow says, Markdown.
    """

    metrics: Mapping[str, float]
    verdict: Verdict | None
    lines: Sequence[str]
    description: str


# What an experiment is: it computes what the settings ask for, leaves everything in a folder, and has the times of the
# parts measured. What it raises ends the run, which has failed then.
Experiment = Callable[[Config, Path, Stopwatch], Outcome]


@dataclass(frozen=True)
class Job:
    """One run, alone or in a sweep.

    Attributes:
        name: the options chosen, and what was changed of them; in a sweep what varies, and the values that it has here.
        folder: where its outputs go.
        choices: config group -> the option chosen, for the groups that describe the scene and the preset.
        overrides: key -> what the command line (or the sweep) set it to.
        sweep: the sweep that it belongs to.
        uid: what its run is recognised by.
    """

    name: str
    folder: Path
    choices: dict[str, str]
    overrides: dict[str, str]
    sweep: Sweep | None
    uid: str

    @classmethod
    def current(cls) -> Job:
        """The job that Hydra is running in this process."""
        hydra = HydraConfig.get()
        choices = {group: str(hydra.runtime.choices[group]) for group in GROUPS if hydra.runtime.choices.get(group)}
        overrides = {}
        for override in OverridesParser.create().parse_overrides(list(hydra.overrides.task)):
            overrides[override.key_or_group] = "deleted" if override.is_delete() else override.get_value_string()
        folder = Path(hydra.runtime.output_dir)
        # Another sweeper than ours, Optuna's for example, leaves no plan; then every job is a run of its own.
        if hydra.mode is RunMode.MULTIRUN and (folder.parent / naming.SWEEP).exists():
            sweep = Sweep.read(folder.parent)
            job = sweep.job_of(folder)
            return cls(job.name, folder, choices, overrides, sweep, sweep.uid_of(job))
        scene = [group for group in GROUPS if group != "check"]
        changed = [key for key in overrides if key.partition(".")[0] in scene and key not in scene]
        name = run_name(changed, overrides, [choices[group] for group in scene if group in choices])
        return cls(name, folder, choices, overrides, None, uuid.uuid4().hex)


def command(experiment: Experiment, config_name: str) -> Callable[[], None]:
    """Make an experiment a command, which :func:`tdr.command.launch.launch` runs.

    Args:
        experiment: a function of the script that is started.
        config_name: the file in ``conf/`` that describes its settings.
    """
    since_start.seconds["imports"] = since_start.total

    # Through the experiment, Hydra finds the script that it names the job after.
    @functools.wraps(experiment)
    def task(composed: DictConfig) -> None:
        job = Job.current()
        if job.sweep is None:
            _run_alone(experiment, job, composed, since_start)
        else:
            hide_progress()
            # The process is none of this job's, and has a copy of the stopwatch of the one that started the sweep.
            _run(experiment, job, composed, time.time(), Stopwatch())

    main: Callable[[], None] = hydra.main(version_base="1.3", config_path=CONF, config_name=config_name)(task)
    return main


def _run_alone(experiment: Experiment, job: Job, composed: DictConfig, stopwatch: Stopwatch) -> None:
    """Run a job that belongs to no sweep, and send it to MLflow."""
    start = time.time()
    say(f"tdr        {job.name}")
    try:
        validate(composed)
        store = launch.open_store(tracking_settings(composed))
    except InputError as error:
        # A mistake on the command line is answered, not kept; among the jobs of a sweep it is one that failed.
        print_error(error)
        launch.exit_with(1)
        _forget(job.folder)
        return
    try:
        record = _run(experiment, job, composed, start, stopwatch)
        launch.exit_with(record.exit_status)
        if store is not None:
            with phase("sending to MLflow"):
                link = store.log(record)
            say_where("this run", link.url, store.ui_command)
    except (InputError, OSError) as error:
        print_error(error)
        launch.exit_with(1)
        if (job.folder / naming.RECORD).exists():
            say(f"MLflow     to send it later: python scripts/sync.py {os.path.relpath(job.folder)}")


def _forget(folder: Path) -> None:
    """Remove the folder of a run that did not begin, if there is nothing in it but what Hydra wrote."""
    if [path.name for path in folder.iterdir()] == [naming.HYDRA_FOLDER] and folder != Path.cwd():
        shutil.rmtree(folder)


def _run(experiment: Experiment, job: Job, composed: DictConfig, start: float, stopwatch: Stopwatch) -> RunRecord:
    """Compute what a job asks for, and leave the results and the record in its folder, also if it fails.

    Args:
        experiment: what computes.
        job: the job.
        composed: its settings, as Hydra composed them.
        start: when it began, seconds since the epoch.
        stopwatch: gets the times of its parts.

    Returns:
        What MLflow gets to know about it.
    """
    config: Config | None = None
    outcome: Outcome | None = None
    failure: Exception | None = None
    try:
        config = validate(composed)
        outcome = _compute(experiment, job, config, stopwatch)
        launch.stop_if_interrupted()
    except Exception as error:  # noqa: BLE001 (kept; the other jobs of a sweep go on)
        launch.stop_if_interrupted()
        failure = error
        (job.folder / naming.ERROR).write_text(f"{trace_of(error)}{message_of(error)}\n", encoding="utf-8")
        if job.sweep is None:
            print_error(error)
    record = _record(job, composed, config, start, outcome, failure)
    record.write_json()
    return record


def _compute(experiment: Experiment, job: Job, config: Config, stopwatch: Stopwatch) -> Outcome:
    """Compute what a job asks for; add the times to its metrics, write these, and say what came out."""
    from tdr.reports.summary import time_lines

    outcome = experiment(config, job.folder, stopwatch)
    seconds = {**stopwatch.seconds, naming.TOTAL: stopwatch.total}
    metrics = {**outcome.metrics, **{naming.time_metric(part): value for part, value in seconds.items()}}
    write_metrics(job.folder, metrics)
    if job.sweep is None:
        for line in (*outcome.lines, *(time_lines(seconds) if config.runtime.timings else ())):
            say(line)
        say(f"output     {os.path.relpath(job.folder)}")
    return dataclasses.replace(outcome, metrics=metrics)


def _record(
    job: Job,
    composed: DictConfig,
    config: Config | None,
    start: float,
    outcome: Outcome | None,
    failure: Exception | None,
) -> RunRecord:
    """What MLflow gets to know about a run.

    Args:
        job: the run.
        composed: its settings, as Hydra composed them.
        config: the same as valid settings, None if they are not.
        start: when it began, seconds since the epoch.
        outcome: what came out, None if it failed.
        failure: what ended it, if it failed.
    """
    from tdr.results.check_result import Verdict

    params = {
        "image.width": composed.image.width,
        "image.height": composed.image.height,
        "runtime.precision": composed.runtime.precision.value,
        # Where runs are kept is none of the run's own settings.
        **{key: value for key, value in job.overrides.items() if not key.startswith("tracking.")},
        **job.choices,
    }
    if config is not None and (composed.light.azimuth is not None or composed.light.elevation is not None):
        params["light.direction"] = _to_four_digits(config.light.direction)
    tags = {**composed.tracking.tags, **_environment()}
    if job.sweep is not None:
        tags[naming.SWEEP_TAG] = job.sweep.name
    exit_status, description = 0, ""
    if outcome is not None:
        tags[naming.CHECK_TAG] = naming.CHECK_OFF if outcome.verdict is None else outcome.verdict.value
        description = outcome.description
        if outcome.verdict is Verdict.failed and composed.check.on_fail is OnFail.fail:
            exit_status = 2
    if failure is not None:
        tags[naming.ERROR_TAG] = message_of(failure)
        exit_status, description = 1, f"**Failed.** {without_links(tags[naming.ERROR_TAG])}"
    return RunRecord(
        name=job.name,
        status="FINISHED" if failure is None else "FAILED",
        start_time=start,
        end_time=time.time(),
        output_dir=job.folder,
        params=params,
        metrics={} if outcome is None else {**outcome.metrics},
        tags=tags,
        images=[str(path.relative_to(job.folder)) for shown in _SHOWN for path in sorted(job.folder.glob(shown))],
        description=description,
        exit_status=exit_status,
        sweep=None if job.sweep is None else job.sweep.uid,
        uid=job.uid,
    )


@functools.cache
def _environment() -> dict[str, str]:
    """What this process computes with: the code that it has loaded, whatever becomes of the files meanwhile."""
    return environment_tags(ROOT)


def _to_four_digits(vectors: Sequence[Sequence[float]]) -> str:
    """Vectors as the command line takes them."""
    return "[" + ",".join(f"[{','.join(f'{component:.4g}' for component in vector)}]" for vector in vectors) + "]"
