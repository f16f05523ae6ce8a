"""The one error that a user's input can cause, the checks that raise it, and what its message ends with.

A message reads ``<config key or argument> must <condition>; got <value>. <what to do>``.
"""

from __future__ import annotations

import difflib
import enum
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=enum.Enum)


class InputError(ValueError):
    """Something that the user gave cannot be used; the message says which key, what it got and what is allowed."""


class UnknownAttribute(InputError, AttributeError):
    """Something was set that there is not."""


class UnknownName(InputError, KeyError):
    """Something was asked for by a name that nothing has."""

    def __str__(self) -> str:
        # A KeyError shows the text of its message in quotes.
        return str(self.args[0])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: the nearest one that is.

    Args:
        name: what was given.
        known: the names that there are.

    Returns:
        `` Did you mean tilted?``, with a space before it; empty if none is near.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def check_number(
    key: str,
    value: Any,
    *,
    above: float | None = None,
    below: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> None:
    """Check that a value is a finite number in an interval.

    Args:
        key: the config key or argument, for the message.
        value: what was given.
        above: open lower bound.
        below: open upper bound.
        least: closed lower bound.
        most: closed upper bound.

    Raises:
        InputError: if it is not.
    """
    bounds = []
    if above is not None:
        bounds.append(f"greater than {above:g}")
    if least is not None:
        bounds.append(f"at least {least:g}")
    if below is not None:
        bounds.append(f"less than {below:g}")
    if most is not None:
        bounds.append(f"at most {most:g}")
    condition = " and ".join(["be a finite number", *bounds])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{key} must {condition}; got {value!r}.")
    if (
        (above is not None and value <= above)
        or (below is not None and value >= below)
        or (least is not None and value < least)
        or (most is not None and value > most)
    ):
        raise InputError(f"{key} must {condition}; got {value!r}.")


def check_integer(key: str, value: Any, *, least: int, most: int | None = None) -> None:
    """Check that a value is a whole number in a closed interval.

    Args:
        key: the config key or argument, for the message.
        value: what was given.
        least: lower bound.
        most: upper bound.

    Raises:
        InputError: if it is not.
    """
    bounds = f"at least {least}" if most is None else f"from {least} to {most}"
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        raise InputError(f"{key} must be a whole number, {bounds}; got {value!r}.")


def check_choice(key: str, options: type[Choice], value: Any) -> Choice:
    """Turn a value into a member of an enumeration.

    Args:
        key: the config key or argument, for the message.
        options: the enumeration.
        value: a member, or a member's value.

    Raises:
        InputError: if it is neither.
    """
    try:
        return options(value)
    except ValueError:
        names = ", ".join(str(option.value) for option in options)
        raise InputError(f"{key} must be one of {names}; got {value!r}.") from None


def is_list(value: Any) -> bool:
    """Whether a value is a list, or something like it; a text is none."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def check_vector(key: str, value: Any, *, nonzero: bool = False, least: float | None = None) -> None:
    """Check that a value is a list of three finite numbers.

    Args:
        key: the config key or argument, for the message.
        value: what was given.
        nonzero: whether the zero vector is refused.
        least: closed lower bound of every component.

    Raises:
        InputError: if it is not.
    """
    if not is_list(value) or len(value) != 3:
        raise InputError(f"{key} must be a list of 3 numbers; got {value!r}.")
    for component in value:
        if isinstance(component, bool) or not isinstance(component, (int, float)) or not math.isfinite(component):
            raise InputError(f"{key} must have 3 finite components; got {list(value)!r}.")
        if least is not None and component < least:
            raise InputError(f"{key} must have components of at least {least:g}; got {list(value)!r}.")
    if nonzero and math.hypot(*value) == 0.0:
        raise InputError(f"{key} must not be the zero vector; got {list(value)!r}.")
