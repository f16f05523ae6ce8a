"""Arguments that Hydra would answer with a trace, or take for something else, and what to type instead."""

from __future__ import annotations

import dataclasses
import re
from pathlib import PurePath

from tdr.config import SCHEMAS, Config
from tdr.config.parameters import Parameter, parameters_of
from tdr.errors import InputError

_GROUPS = (*SCHEMAS, "experiment")
# Groups with an option that names a file, and what the files' names end with.
_FILES = {"mesh": ("file", ""), "shader": ("custom", ".py")}


def refuse_misread(argument: str) -> None:
    """Refuse an argument of the command line, if it is one of these.

    Raises:
        InputError: the message says what to type.
    """
    key, equals, value = argument.partition("=")
    group, _, rest = key.lstrip("+~").partition(".")
    top = {*_GROUPS, *(field.name for field in dataclasses.fields(Config))}
    if key.startswith("--") and equals and key[2:].partition(".")[0] in top:
        raise InputError(f"{key[2:]} must be given without dashes; got {argument}. Type {argument[2:]}.")
    if key.startswith("~") and rest and group in top:
        raise InputError(
            f"{group}.{rest} must have a value; got {argument}, which takes it away. Type {group}.{rest}=..."
        )
    if key in _GROUPS and value.startswith("["):
        raise InputError(
            f"{key} must be one option; got {value}. To sweep over several, leave the brackets out and add -m; a "
            f"setting has its key before it, as in light.direction=[[1,-1,-1]]."
        )
    if key in _FILES and _is_file(value, _FILES[key][1]):
        typed = f"{key}={_FILES[key][0]} {key}.path={value}"
        raise InputError(f"{key} must be one of its options; got {value}. Type {typed}")
    for parameter in _vectors():
        light = r"(\.\d+)?" if parameter.per_light else ""
        match = re.fullmatch(rf"{re.escape(parameter.name)}{light}\.(?P<one>\w)", key.lstrip("+"))
        if match and match["one"] in parameter.components:
            numbers = ",".join(value if other == match["one"] else other for other in parameter.components)
            vector = f"[[{numbers}]]" if parameter.per_light else f"[{numbers}]"
            raise InputError(
                f"{parameter.name} must be given with all of its numbers; got {argument}. "
                f"Type {parameter.name}={vector} with the values of the others."
            )


def _is_file(value: str, suffix: str) -> bool:
    """Whether the value of a group names a file, and not one of several options."""
    path = PurePath(value)
    return "," not in value and (path.suffix == suffix if suffix else bool(path.suffix))


def _vectors() -> set[Parameter]:
    """The parameters that have components."""
    schemas = [(group, schema) for group, options in SCHEMAS.items() for schema in options.values()]
    return {p for group, schema in schemas for p in parameters_of(group, schema) if p.components}
