"""From the command line to checked settings, and from errors to one line and an exit status.

Hydra composes; what it does not check is checked here. Nothing here imports Taichi, and MLflow only where a sweep is
tracked, so ``--help`` and mistakes are answered at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import os
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from tdr.check_result import Verdict
from tdr.config import SCHEMAS, Config, CustomShaderConfig, TrackingConfig, reject_unknown_keys
from tdr.errors import InputError
from tdr.record import RECORD, environment_tags
from tdr.terminal import say, say_where

if TYPE_CHECKING:
    from tdr.tracking_process import TrackingProcess

ROOT = Path(__file__).resolve().parents[1]
CONF = str(ROOT / "conf")

# The sweep that this process runs, until it has ended; and the error that ended the process's job.
_sweep: tuple[Sweep, TrackingProcess | None] | None = None
_failure: Exception | None = None
# Whether a check has failed that should fail the command.
_check_failed = False
# The stores that this process keeps runs in, by URI and experiment.
_stores: dict[tuple[str | None, str], TrackingProcess] = {}


def register() -> None:
    """Make the schemas and the resolvers that ``conf/`` refers to known to Hydra."""
    store = ConfigStore.instance()
    root = OmegaConf.structured(Config)
    for group, options in SCHEMAS.items():
        root[group] = "???"
        for name, schema in options.items():
            node = OmegaConf.structured(schema)
            # The further keys of a custom shader are those that its file declares; Config checks them.
            OmegaConf.set_struct(node, False if schema is CustomShaderConfig else None)
            store.store(group=f"schema/{group}", name=name, node=node)
    store.store(group="schema", name="jacobian", node=root, package="_global_")
    OmegaConf.register_new_resolver("tdr_root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("tdr_job_folder", job_folder, replace=True)
    OmegaConf.register_new_resolver("tdr_options", config_options, replace=True)


def config_options() -> str:
    """The options of each config group, a line a group, for ``--help``."""
    lines = []
    for group in (*SCHEMAS, "experiment"):
        names = sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))
        lines.append(f"  {group + ':':12}{', '.join(names)}")
    return "\n".join(lines)


def run_name(axes: Sequence[str], values: Mapping[str, str]) -> str:
    """A name for a job of a sweep: what varies, and its value, to be read by people.

    Args:
        axes: the keys that vary.
        values: what the job sets each of them to, as the command line would.

    Returns:
        ``light.azimuth=0.3 mesh=torus``: numbers without the rounding errors of ``range()``, long values with a hash
        in place of their middle, at most 250 characters, which is what MLflow's database keeps.
    """
    parts = [f"{axis}={_shorten(_NUMBER.sub(_without_rounding_errors, values[axis]), 60)}" for axis in axes]
    return _shorten(" ".join(parts) or "job", 250)


# A number with a decimal point, alone or in a list.
_NUMBER = re.compile(r"(?<![^\[,(: ])-?\d+\.\d+(?:e[+-]?\d+)?(?![^\],) }])")


def _without_rounding_errors(number: re.Match[str]) -> str:
    value = float(number[0])
    if len(number[0]) > 15:
        # Nobody types that many digits: 0.30000000000000004, or 5.551115123125783e-17 for 0.
        value = round(value, 12)
        return f"{value + 0.0:.12g}"
    return f"{value + 0.0:.15g}"


def _shorten(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    half = (length - 12) // 2
    return f"{text[:half]}...{_digest(text)}...{text[-half:]}"


def folder_name(name: str, overrides: Sequence[str]) -> str:
    """A folder's name for a job of a sweep: the job's name, and a hash that keeps it apart from others.

    Args:
        name: the job's name, see :func:`run_name`.
        overrides: all that the job sets, what varies and what does not.

    Returns:
        At most 107 characters, none of which a shell or a file system reads in a way of its own.
    """
    readable = re.sub(r"[^A-Za-z0-9.=,+-]+", "_", name).strip("_")[:100]
    return f"{readable}-{_digest(','.join(overrides))}"


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()[:6]


def job_folder(sweep_folder: str, overrides: Sequence[str]) -> str:
    """The name of the folder of a job, from its sweep's folder and its overrides."""
    name = run_name(Sweep.read(Path(sweep_folder)).axes, values_of(overrides))
    return folder_name(name, overrides)


def values_of(overrides: Sequence[str]) -> dict[str, str]:
    """Key -> what it is set to, for the overrides of one job."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {override.key_or_group: override.get_value_string() for override in parsed}


def check(composed: DictConfig) -> Config:
    """The config that Hydra composed, as checked settings.

    Raises:
        InputError: if a value is missing or out of range, or a key is unknown.
    """
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise InputError(explain(error)) from error
    if not isinstance(config, Config):
        raise InputError(f"The composed config must be a {Config.__name__}; got {type(config).__name__}.")
    reject_unknown_keys(config, OmegaConf.to_container(composed, enum_to_str=True))
    return config


def tracking_settings(config: DictConfig) -> TrackingConfig:
    """The part of a composed config that says where runs are kept.

    Raises:
        InputError: if it is not valid.
    """
    try:
        settings = OmegaConf.to_object(config.tracking)
    except OmegaConfBaseException as error:
        raise InputError(explain(error)) from error
    assert isinstance(settings, TrackingConfig)  # noqa: S101
    return settings


def open_store(settings: TrackingConfig) -> TrackingProcess | None:
    """The store that runs are kept in, None if they are not; it is opened in the background, once a process.

    Raises:
        InputError: if no store can be what the settings say.
    """
    if not settings.enabled:
        return None
    key = (settings.uri, settings.experiment)
    if key not in _stores:
        from tdr.tracking_process import TrackingProcess

        _stores[key] = TrackingProcess(settings, ROOT)
    return _stores[key]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A multirun.

    Attributes:
        name: its tag and the name of its parent run.
        folder: where its jobs' folders are.
        axes: the keys that vary.
        num_jobs: how many jobs it has.
        run_id: its parent run in MLflow, None if it is not tracked.
        start_time: seconds since the epoch.
    """

    name: str
    folder: Path
    axes: tuple[str, ...]
    num_jobs: int
    run_id: str | None
    start_time: float

    def write(self) -> None:
        """Write ``sweep.json`` into the sweep's folder, where its jobs, in whatever process, find it."""
        content = {**dataclasses.asdict(self), "folder": str(self.folder)}
        (self.folder / "sweep.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Sweep:
        """Read ``sweep.json`` from a sweep's folder."""
        content = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        return cls(**{**content, "folder": Path(content["folder"]), "axes": tuple(content["axes"])})


@dataclasses.dataclass(frozen=True)
class Job:
    """One run, alone or in a sweep.

    Attributes:
        name: the options chosen, or what varies in the sweep.
        folder: where its outputs go.
        choices: config group -> the option chosen, for the groups that describe the scene and the preset.
        overrides: key -> what the command line (or the sweep) set it to.
        sweep: the sweep that it belongs to.
    """

    name: str
    folder: Path
    choices: dict[str, str]
    overrides: dict[str, str]
    sweep: Sweep | None

    @classmethod
    def current(cls) -> Job:
        """The job that Hydra is running in this process."""
        hydra = HydraConfig.get()
        groups = (*SCHEMAS, "experiment")
        choices = {group: str(hydra.runtime.choices[group]) for group in groups if hydra.runtime.choices.get(group)}
        overrides = values_of(hydra.overrides.task)
        sweep = Sweep.read(Path(hydra.sweep.dir)) if hydra.mode is RunMode.MULTIRUN else None
        if sweep is None:
            name = " ".join(option for group, option in choices.items() if group != "check")
        else:
            name = run_name(sweep.axes, overrides)
        return cls(name, Path(hydra.runtime.output_dir), choices, overrides, sweep)


class SweepCallback(Callback):
    """Opens a sweep before its jobs and closes it after them; Hydra calls it (``conf/jacobian.yaml``)."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Create the sweep's folder and, if it is tracked, its parent run; without a store the sweep does not begin."""
        global _sweep
        start = time.time()
        try:
            settings = tracking_settings(config)
            given = list(config.hydra.overrides.task)
            preset = [f"{key}={values}" for key, values in (config.hydra.sweeper.params or {}).items()]
            overrides = {o.key_or_group: o for o in OverridesParser.create().parse_overrides([*preset, *given])}
            swept = {key: override for key, override in overrides.items() if override.is_sweep_override()}
            axes = tuple(swept)
            num_jobs = math.prod(len(list(override.sweep_string_iterator())) for override in swept.values())
            say(f"sweep      {num_jobs} jobs over {', '.join(axes) or 'nothing'}")
            folder = Path(config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(start))} {', '.join(axes) or 'one job'}"
            store = open_store(settings)
            run_id = None
            if store is not None:
                run_id = store.create_sweep_run(
                    name,
                    {**settings.tags, **environment_tags(ROOT), "tdr.sweep": name},
                    f"Sweep over {', '.join(f'`{axis}`' for axis in axes) or 'nothing'}.",
                )
            sweep = Sweep(name, folder, axes, num_jobs, run_id, start)
            sweep.write()
            _sweep = (sweep, store)
        except (InputError, OSError) as error:
            print_error(error)
            # Hydra turns exceptions of callbacks into warnings; only this stops it.
            raise SystemExit(1) from error

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ARG002 (Hydra's signature)
        """Say how many jobs finished and close the parent run; the process exits with 1 unless all did."""
        if not end_sweep():
            raise SystemExit(1)


def end_sweep(status: Literal["FAILED", "KILLED"] | None = None) -> bool:
    """Close the sweep that this process runs, if any: its parent run, and a summary on the terminal.

    Args:
        status: how it ended, if not by itself: ``KILLED`` or ``FAILED``.

    Returns:
        Whether every job has finished.
    """
    global _sweep
    if _sweep is None:
        return True
    (sweep, store), _sweep = _sweep, None
    began = [path.parent for path in sweep.folder.glob("*/.hydra")]
    records: list[dict[str, Any]] = [
        json.loads((job / RECORD).read_text(encoding="utf-8")) if (job / RECORD).exists() else {"status": "KILLED"}
        for job in began
    ]
    finished = sum(record["status"] == "FINISHED" for record in records)
    verdicts = Counter(record.get("tags", {}).get("tdr.check") for record in records)
    all_finished = finished == sweep.num_jobs and status is None
    say()
    say(f"sweep      {finished} of {sweep.num_jobs} jobs finished in {time.time() - sweep.start_time:.1f} s")
    checks = ", ".join(f"{verdicts[v.value]} {v.value}" for v in Verdict if verdicts[v.value])
    if checks:
        say(f"checks     {checks}")
    say(f"output     {os.path.relpath(sweep.folder)}")
    if store is not None and sweep.run_id is not None:
        try:
            store.finish_sweep_run(
                sweep.run_id,
                status or ("FINISHED" if all_finished else "FAILED"),
                metrics={
                    "jobs/finished": finished,
                    "jobs/failed": sweep.num_jobs - finished,
                    "jobs/check_failed": verdicts[Verdict.failed.value],
                },
            )
            say_where("runs side by side", store.sweep_url(sweep.run_id), store.ui_command)
        except InputError as error:
            print_error(error)
            return False
    return all_finished


def fail(error: Exception) -> None:
    """Report a job's failure; the process will exit with 1."""
    global _failure
    _failure = error
    print_error(error)


def fail_check() -> None:
    """Note that a job's check has failed; the process will exit with 2 unless something worse happens."""
    global _check_failed
    _check_failed = True


def launch(main: Callable[[], None]) -> int:
    """Run a Hydra main function.

    Args:
        main: the decorated function.

    Returns:
        The exit status: 0, 2 if everything was computed but a check failed, 1 if anything else failed, 130 after
        Ctrl-C.
    """
    register()
    # With HYDRA_FULL_ERROR set, Hydra lets its errors through to here instead of printing them itself.
    os.environ.setdefault("TDR_FULL_ERROR", os.environ.get("HYDRA_FULL_ERROR", "0"))
    os.environ["HYDRA_FULL_ERROR"] = "1"
    status = 0
    ending: Literal["FAILED", "KILLED"] | None = None
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status, ending = 130, "KILLED"
    except Exception as error:  # noqa: BLE001 (reported, and the process exits with 1)
        print_error(error)
        status, ending = 1, "FAILED"
    finally:
        end_sweep(ending)
        for store in _stores.values():
            store.close()
    if _failure is not None:
        return max(status, 1)
    return status or (2 if _check_failed else 0)


def print_error(error: Exception) -> None:
    """Print one or two lines about a user's error, and a trace of any other or where HYDRA_FULL_ERROR=1 asks for it."""
    expected = isinstance(error, EXPECTED) or str(error).startswith(_NO_OPTION)
    if os.environ.get("TDR_FULL_ERROR") == "1" or not expected:
        traceback.print_exception(error)
    print(f"error: {explain(error)}", file=sys.stderr)


# Errors that a message explains in full; a trace would only hide it.
_NO_OPTION = "Config group override must be"  # a plain ValueError of Hydra's
EXPECTED = (InputError, HydraException, OmegaConfBaseException, OSError, MemoryError)


def explain(error: BaseException) -> str:
    """An error in the user's words: the key, what is allowed and what was given, on one or two lines."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return f"{group} must be one of {', '.join(error.options)}; got {option!r}.{_nearest(option, error.options)}"
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return _explain_value(cause, cause.full_key)
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        what = "hydra.run.dir (hydra.sweep.dir with -m) must be a folder that can be written"
        return f"{what}; got {error.filename or 'it'}: {error.strerror or error}."
    if isinstance(error, MemoryError):
        return (
            "The arrays must fit into memory; they do not. Use fewer pixels (image.width, image.height) or parameters."
        )
    text = str(error)
    if text.startswith("Ambiguous value for argument"):
        # From one override with several values; Hydra's own advice is four lines long.
        return f"{text.splitlines()[0][29:]} must have one value; got several. To sweep over them, add -m."
    if "is not a subclass of" in text or text.startswith(_NO_OPTION):
        return "A config group must have one option; got none or several. --help lists the options."
    lines = [line.strip() for line in text.splitlines() if line.strip() and "See https" not in line]
    return " ".join(lines[:2]) or type(error).__name__


def _explain_value(error: OmegaConfBaseException, key: str) -> str:
    first_line = str(error.msg or error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        return f"{key} must be given; got nothing. Add {key}=... to the command."
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        parent, _, name = key.rpartition(".")
        known = [f.name for f in dataclasses.fields(error.object_type)] if error.object_type in _schemas() else []
        where = f"Keys in {parent}" if parent else "Keys at the top level"
        return f"{key} must be a known key; it is not. {where}: {', '.join(known) or 'none'}.{_nearest(name, known)}"
    for pattern, message in _CONVERSIONS:
        match = re.match(pattern, first_line)
        if match:
            return f"{key} {message.format(*match.groups())}"
    return f"{key}: {first_line}"


# What OmegaConf says of a value, and how it reads here.
_CONVERSIONS = (
    (r"field '.*' is not Optional", "must have a value; got null."),
    (r"Invalid value assigned: (\w+) is not a ListConfig, list or tuple.*", "must be a list; got one {0}."),
    (r"Value ('.*') of type '.*' could not be converted to Float", "must be a number; got {0}."),
    (r"Value ('.*') of type '.*' could not be converted to Integer", "must be a whole number; got {0}."),
    (r"Value ('.*') (?:of type '.*' could not be converted|is not a valid bool).*", "must be true or false; got {0}."),
    (r"Invalid value ('.*'), expected one of \[(.*)\]", "must be one of {1}; got {0}."),
)


def _schemas() -> set[type]:
    return {Config} | {f for options in SCHEMAS.values() for f in options.values()}


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
