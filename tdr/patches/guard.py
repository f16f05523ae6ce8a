"""Whether a patch may change somebody else's library: by the versions that it was tried with, and by a switch.

With the environment variable ``TDR_PATCHES=off`` all patches are left out; the results are the same, to the bit.
The main job then takes 1.35 times the processor time (1.5 times where MLflow keeps the run), ``--help`` 3.7 times, and
a sweep of 24 small jobs 1.5 times. These figures, and those that the patches give, are medians of five rounds by turns
on two cores that others used as well.
"""

from __future__ import annotations

import functools
import os
import re
import sys

from tdr.errors import InputError

VARIABLE = "TDR_PATCHES"


def applies(patch: str, library: str, version: str, tried: tuple[str, str]) -> bool:
    """Whether to apply a patch; one line on stderr, once a process, says that it steps aside for another version.

    Args:
        patch: the module.
        library: what it changes.
        version: the library's.
        tried: the first and the last version that the patch was tried with.

    Raises:
        InputError: if the switch is neither on nor off.
    """
    switch = os.environ.get(VARIABLE) or "on"
    if switch not in ("on", "off"):
        raise InputError(f"{VARIABLE} must be on or off; got {switch!r}.")
    if switch == "off":
        return False
    first, last = (_numbers(end) for end in tried)
    # Of a version with more numbers, as a release candidate has, those count that the others have as well.
    if first <= _numbers(version)[: len(first)] and _numbers(version)[: len(last)] <= last:
        return True
    _say_once(f"patch      {patch} steps aside: it was tried with {library} {_span(*tried)}, this is {version}")
    return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


@functools.cache
def _say_once(line: str) -> None:
    sys.stderr.write(line + "\n")
