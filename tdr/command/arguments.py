"""The command line before Hydra gets it: what is refused, and ``resume=<folder>``, which stands for a sweep's own."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tdr.command.misread import refuse_misread
from tdr.command.mistakes import message_about_argument, quoted
from tdr.command.settings import ROOT
from tdr.errors import InputError
from tdr.results.sweep import Sweep
from tdr.tracking.mlflow_client import redact


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments that Hydra gets in the place of those that the user gave.

    Args:
        arguments: those that the user gave.

    Returns:
        The same, ``-m`` before all others; or those of the sweep that is to be resumed. Then the working directory is
        that in which the sweep was started, for relative paths.

    Raises:
        InputError: if there are credentials among them, or what Hydra would misread; if a folder to be resumed is not
            a sweep's, or more is given than where its jobs run.
    """
    _refuse_credentials(arguments)
    _refuse_pieces(arguments)
    for argument in arguments:
        refuse_misread(argument)
        _refuse_folder(argument)
    return with_resumed(_multirun_first(arguments))


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
            raise InputError(message_about_argument(beginnings[-1] if beginnings else argument))


def _refuse_folder(argument: str) -> None:
    """Refuse a run's folder with more in it than the run: all that lies in it would be sent along.

    Raises:
        InputError: if the command is started in it or below it, or if it holds the repository.
    """
    key, _, value = argument.partition("=")
    if key == "hydra.run.dir" and "${" not in value:
        folder = Path(value.strip("'\"")).resolve()
        if any(place.resolve().is_relative_to(folder) for place in (Path.cwd(), ROOT)):
            raise InputError(f"{key} must be a folder of the run's own; got {value}. Leave it out, or name a new one.")


def _multirun_first(arguments: Sequence[str]) -> list[str]:
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
