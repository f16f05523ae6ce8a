"""From what Hydra composes to valid settings: what it lets pass, a number out of range for example, is refused here."""

from __future__ import annotations

from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tdr.command.mistakes import message_of
from tdr.config import SCHEMAS, Config, CustomShaderConfig, TrackingConfig, reject_unknown_keys
from tdr.errors import InputError
from tdr.results import naming

ROOT = Path(__file__).resolve().parents[2]
CONF = str(ROOT / "conf")
SWEEPER = "hydra_plugins.tdr_sweeper.TdrSweeper"

# The config groups of which one option each describes a run.
GROUPS = (*SCHEMAS, "experiment")


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
    for group in GROUPS:
        names = sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))
        lines.append(f"  {group + ':':12}{', '.join(names)}")
    return "\n".join(lines)


# At once, because the processes that run the jobs of a sweep do no more than import this module.
OmegaConf.register_new_resolver("tdr_root", lambda: str(ROOT), replace=True)
OmegaConf.register_new_resolver("tdr_options", config_options, replace=True)


def validate(composed: DictConfig) -> Config:
    """The config that Hydra composed, as valid settings.

    Raises:
        InputError: if a value is missing or out of range, or a key is unknown.
    """
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise InputError(message_of(error)) from error
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
        raise InputError(message_of(error)) from error
    assert isinstance(settings, TrackingConfig)  # noqa: S101
    return settings


def tracking_of_run(folder: Path) -> TrackingConfig:
    """Where a run that is over was to be kept, by the config in its folder.

    Raises:
        InputError: if there is none, or it is not valid.
    """
    path = folder / naming.CONFIG
    try:
        written = OmegaConf.load(path)
        return tracking_settings(OmegaConf.merge(OmegaConf.structured(Config), {"tracking": written.tracking}))  # type: ignore[arg-type]
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"path must be the folder of a run, with {naming.CONFIG}; got {folder} ({error}).") from error
