"""Command lines as checked settings, or as what they are answered with."""

from hydra import compose, initialize_config_dir

from tdr.command import launch
from tdr.command.mistakes import explain
from tdr.config import Config

launch.register()


def settings(*overrides: str) -> Config:
    """The checked settings that a command line composes to."""
    with initialize_config_dir(version_base="1.3", config_dir=launch.CONF):
        return launch.check(compose("jacobian", overrides=list(overrides)))


def answer(*overrides: str) -> str:
    """What a wrong command line is answered with."""
    try:
        settings(*overrides)
    except Exception as error:  # noqa: BLE001 (whatever it is, it must be explained)
        return explain(error)
    raise AssertionError(f"{overrides} was accepted")
