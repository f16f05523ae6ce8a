"""From the command line to checked settings, and from errors to an exit status.

Hydra composes; what it does not check is checked here. Nothing here imports Taichi, and MLflow only where a sweep is
tracked, so ``--help`` and mistakes are answered at once.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import signal
import sys
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tdr.command.mistakes import explain, explain_argument, is_expected, quoted
from tdr.config import SCHEMAS, Config, CustomShaderConfig, TrackingConfig, reject_unknown_keys
from tdr.errors import InputError
from tdr.patches import garbage_collector, hydra_start
from tdr.results.record import environment_tags
from tdr.results.sweep import SWEEP, Sweep, run_name
from tdr.tracking.mlflow_client import redact

if TYPE_CHECKING:
    from tdr.tracking.process import TrackingProcess

ROOT = Path(__file__).resolve().parents[2]
CONF = str(ROOT / "conf")
SWEEPER = "hydra_plugins.tdr_sweeper.TdrSweeper"

# What the process should exit with, for all that it has run.
_statuses: set[int] = set()
# The stores that this process keeps runs in, by URI and experiment.
_stores: dict[tuple[str | None, str], TrackingProcess] = {}


def register() -> None:
    """Make the schemas that ``conf/`` refers to known to Hydra."""
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
    store.store(group="hydra/sweeper", name="tdr", node={"_target_": SWEEPER, "params": None})


def config_options() -> str:
    """The options of each config group, a line a group, for ``--help``."""
    lines = []
    for group in (*SCHEMAS, "experiment"):
        names = sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))
        lines.append(f"  {group + ':':12}{', '.join(names)}")
    return "\n".join(lines)


# At once, because the processes that run the jobs of a sweep do no more than import this module.
OmegaConf.register_new_resolver("tdr_root", lambda: str(ROOT), replace=True)
OmegaConf.register_new_resolver("tdr_options", config_options, replace=True)


@functools.cache
def environment() -> dict[str, str]:
    """What this process computes with: the code that it has loaded, whatever becomes of the files meanwhile."""
    return environment_tags(ROOT)


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


def tracking_of_run(folder: Path) -> TrackingConfig:
    """Where a run that is over was to be kept, by the config in its folder.

    Raises:
        InputError: if there is none, or it is not valid.
    """
    path = folder / ".hydra" / "config.yaml"
    try:
        written = OmegaConf.load(path)
        return tracking_settings(OmegaConf.merge(OmegaConf.structured(Config), {"tracking": written.tracking}))  # type: ignore[arg-type]
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise InputError(
            f"path must be the folder of a run, with {path.relative_to(folder)}; got {folder} ({error})."
        ) from error


def open_store(settings: TrackingConfig) -> TrackingProcess | None:
    """The store that runs are kept in, None if they are not; it is opened in the background, once a process.

    Raises:
        InputError: if no store can be what the settings say.
    """
    if not settings.enabled:
        return None
    key = (settings.uri, settings.experiment)
    if key not in _stores:
        from tdr.tracking.process import TrackingProcess

        _stores[key] = TrackingProcess(settings, ROOT)
    return _stores[key]


@dataclasses.dataclass(frozen=True)
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
        groups = (*SCHEMAS, "experiment")
        choices = {group: str(hydra.runtime.choices[group]) for group in groups if hydra.runtime.choices.get(group)}
        overrides = {}
        for override in OverridesParser.create().parse_overrides(list(hydra.overrides.task)):
            overrides[override.key_or_group] = "deleted" if override.is_delete() else override.get_value_string()
        folder = Path(hydra.runtime.output_dir)
        # Another sweeper than ours, Optuna's for example, leaves no plan; then every job is a run of its own.
        if hydra.mode is RunMode.MULTIRUN and (folder.parent / SWEEP).exists():
            sweep = Sweep.read(folder.parent)
            job = sweep.job_of(folder)
            return cls(job.name, folder, choices, overrides, sweep, sweep.uid_of(job))
        scene = [group for group in groups if group != "check"]
        changed = [key for key in overrides if key.partition(".")[0] in scene and key not in scene]
        name = run_name(changed, overrides, [choices[group] for group in scene if group in choices])
        return cls(name, folder, choices, overrides, None, uuid.uuid4().hex)


def exit_with(*statuses: int) -> None:
    """Note what the process should exit with: 1, else 2, wins over 0."""
    _statuses.update(statuses)


def report(error: Exception) -> None:
    """Print one or two lines about a user's error, and a trace of any other or where HYDRA_FULL_ERROR=1 asks for it."""
    trace = trace_of(error)
    if trace:
        print(trace, end="", file=sys.stderr)
    print(f"error: {explain(error)}", file=sys.stderr)


def trace_of(error: Exception) -> str:
    """The trace of an error if nobody expected it, or if HYDRA_FULL_ERROR=1 asks for it; else an empty text."""
    if is_expected(error) and os.environ.get("TDR_FULL_ERROR") != "1":
        return ""
    return "".join(traceback.format_exception(error))


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
    _end_on_signals()
    try:
        hydra_start.install()
        _refuse_credentials(sys.argv[1:])
        _refuse_pieces(sys.argv[1:])
        sys.argv[1:] = with_resumed(_multirun_first(sys.argv[1:]))
        main()
    except KeyboardInterrupt as error:
        print("interrupted", file=sys.stderr)
        return 128 + (error.args[0] if error.args else signal.SIGINT)
    except SystemExit as error:
        # Of an unknown option, which argparse has named; its own status, 2, is that of a failed check here.
        return 1 if error.code else 0
    except Exception as error:  # noqa: BLE001 (reported, and the process exits with 1)
        report(error)
        return 1
    finally:
        for store in _stores.values():
            store.close()
        garbage_collector.leave_to_the_end()
    return next((status for status in (1, 2) if status in _statuses), 0)


def _refuse_credentials(arguments: Sequence[str]) -> None:
    """Refuse a command line with credentials, because Hydra writes it into ``.hydra/``, which is uploaded.

    Raises:
        InputError: if there are any.
    """
    for argument in arguments:
        if redact(argument) != argument or re.search("MLFLOW_TRACKING_(PASSWORD|TOKEN)", argument):
            raise InputError(
                f"{argument.partition('=')[0]} must not contain a user name, a password or a token. "
                "Set the environment variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead."
            )


def _refuse_pieces(arguments: Sequence[str]) -> None:
    """Refuse what the shell has made of a value with spaces, if a piece of it looks like an option: ``-1,``.

    Raises:
        InputError: if there is such a piece; the message is about the argument that it belongs to.
    """
    for i, argument in enumerate(arguments):
        if re.match(r"-\.?\d", argument):
            beginnings = [a for a in arguments[:i] if "=" in a]
            raise InputError(explain_argument(beginnings[-1] if beginnings else argument))


def _end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process as Ctrl-C does: the sweep is closed before."""

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        # What nohup ignores stays ignored.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


def _multirun_first(arguments: list[str]) -> list[str]:
    """Arguments with ``-m`` before all others: Hydra does not understand it between two overrides."""
    flags = [a for a in arguments if a in ("-m", "--multirun")]
    return [*flags[:1], *(a for a in arguments if a not in flags)]


def with_resumed(arguments: list[str]) -> list[str]:
    """The command line with ``resume=<folder>`` replaced by that of the sweep in the folder.

    Args:
        arguments: those that the user gave.

    Returns:
        What Hydra gets. The working directory is that in which the sweep was started, for relative paths.

    Raises:
        InputError: if the folder is not a sweep's, or more is given than where its jobs run.
    """
    folders = [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]
    if not folders:
        return arguments
    sweep = Sweep.read(Path(folders[-1]).resolve())
    others = [a for a in arguments if not a.startswith("resume=") and a not in ("-m", "--multirun")]
    wrong = [a for a in others if not _is_about_launcher(a)]
    if wrong:
        raise InputError(
            f"resume must stand alone, or with hydra/launcher and its settings; got {' '.join(wrong)} as well. "
            "A sweep is resumed with the settings that it was started with."
        )
    command = list(sweep.command)
    if others:
        command = [o for o in command if not _is_about_launcher(o)]
    os.chdir(sweep.directory)
    return ["-m", *command, *others, f"hydra.sweep.dir={quoted(str(sweep.folder))}"]


def _is_about_launcher(override: str) -> bool:
    return override.lstrip("+~").startswith(("hydra/launcher=", "hydra.launcher."))
