"""Mistakes on the command line, and other errors that a user can mend, in the user's words."""

from __future__ import annotations

import dataclasses
import os
import re
import traceback

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from tdr.config import SCHEMAS, Config
from tdr.errors import InputError, did_you_mean
from tdr.terminal import complain

_EXPECTED = (InputError, HydraException, OmegaConfBaseException, OSError, MemoryError)
_NO_OPTION = "Config group override must be"  # a plain ValueError of Hydra's
# The extra that each of Hydra's launchers comes with.
_LAUNCHERS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
_QUOTE = "Quote a value with spaces: 'light.direction=[[1, -1, -1]]'."


def quoted(text: str) -> str:
    """A value for an override, whatever characters it has."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def is_expected(error: BaseException) -> bool:
    """Whether :func:`message_of` says all that there is to say of an error; a trace would only hide it."""
    return isinstance(error, _EXPECTED) or str(error).startswith(_NO_OPTION)


def message_of(error: BaseException) -> str:
    """An error in the user's words: the key, what is allowed and what was given, on one or two lines."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        extra = _LAUNCHERS.get(option) if group == "hydra/launcher" else None
        remedy = f' Run: pip install -e ".[{extra}]"' if extra else did_you_mean(option, error.options)
        return f"{group} must be one of {', '.join(error.options)}; got {option!r}.{remedy}"
    if isinstance(error, OverrideParseException):
        return message_about_argument(error.override, str(error))
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return _message_of_value(cause, cause.full_key)
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
        key = text.splitlines()[0][29:]
        return f"{key} must have one value; got several. To sweep over them, add -m; a list has brackets."
    if "is not a subclass of" in text or text.startswith(_NO_OPTION):
        return "A config group must have one option; got none or several. --help lists the options."
    lines = [line.strip() for line in text.splitlines() if line.strip() and "See https" not in line]
    return " ".join(lines[:2]) or type(error).__name__


def print_error(error: Exception) -> None:
    """Print one or two lines about a user's error, and a trace of any other or where HYDRA_FULL_ERROR=1 asks for it."""
    complain(f"{trace_of(error)}error: {message_of(error)}")


def trace_of(error: Exception) -> str:
    """The trace of an error if nobody expected it, or if HYDRA_FULL_ERROR=1 asks for it; else an empty text."""
    if is_expected(error) and os.environ.get("TDR_FULL_ERROR") != "1":
        return ""
    return "".join(traceback.format_exception(error))


def message_about_argument(argument: str, message: str = "") -> str:
    """What is wrong with an argument that Hydra cannot read.

    Args:
        argument: one of the command line's.
        message: what Hydra says of it.
    """
    key, equals, value = argument.partition("=")
    if not equals or not re.fullmatch(r"[+~]*[\w/@:-]+(\.[\w-]+)*", key):
        return f"Each argument must have the form key=value, without spaces around the =; got {argument}. {_QUOTE}"
    reason = re.search(r"while evaluating '.*?': (.*)\n", message)
    if reason:
        return f"{key} must be a value, or a function that gives some; got {value} ({reason[1]})."
    if any(value.count(opening) != value.count(closing) for opening, closing in ("[]", "()", "{}")):
        return f"{key} must have brackets in pairs; got {value}. {_QUOTE}"
    return (
        f"{key} must be a value, or several with commas between; got {value}. "
        f'A text with special characters needs quotes of its own: "{key}={quoted(value)}".'
    )


def _message_of_value(error: OmegaConfBaseException, key: str) -> str:
    first_line = str(error.msg or error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        return f"{key} must be given; got nothing. Add {key}=... to the command."
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        parent, _, name = key.rpartition(".")
        known = [f.name for f in dataclasses.fields(error.object_type)] if error.object_type in _schemas() else []
        where = f"Keys in {parent}" if parent else "Keys at the top level"
        return (
            f"{key} must be a known key; it is not. {where}: {', '.join(known) or 'none'}.{did_you_mean(name, known)}"
        )
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
    single = {type(getattr(Config(), field.name)) for field in dataclasses.fields(Config)}
    return {Config} | single | {f for options in SCHEMAS.values() for f in options.values()}
