"""Command lines as checked settings, or as what they are answered with."""

from hydra import compose, initialize_config_dir

from tdr.command.mistakes import message_of
from tdr.command.settings import CONF, register, validate
from tdr.config import Config

register()


def settings(*overrides: str) -> Config:
    """The checked settings that a command line composes to."""
    with initialize_config_dir(version_base="1.3", config_dir=CONF):
        return validate(compose("jacobian", overrides=list(overrides)))


def answer(*overrides: str) -> str:
    """What a wrong command line is answered with."""
    try:
        settings(*overrides)
    except Exception as error:  # noqa: BLE001 (whatever it is, it must be explained)
        return message_of(error)
    raise AssertionError(f"{overrides} was accepted")
