"""Amounts of memory: as people write them, and how much of it a run may take."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tdr.errors import InputError

_UNITS = {
    **{"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9},
    **{"kib": 2**10, "mib": 2**20, "gib": 2**30},
}
# What a run takes where it is not told otherwise: so much, or this part of what is free where that is less.
_USUAL = 10**9
_SHARE = 0.25


def parse_bytes(key: str, value: Any, *, most: int) -> int:
    """Read an amount of memory.

    Args:
        key: the config key, for the message.
        value: a number of bytes, or a text such as ``2GB``, ``512 MB`` or ``1.5GiB``.
        most: the largest amount that is allowed, bytes.

    Returns:
        Bytes.

    Raises:
        InputError: if it is neither, less than one byte, or too much.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*([a-z]*)", str(value).strip().lower())
    unit = _UNITS.get(match[2]) if match and not isinstance(value, bool) else None
    size = 0 if unit is None or match is None else round(float(match[1]) * unit)
    if not 1 <= size <= most:
        raise InputError(
            f"{key} must be a number of bytes or a text such as 2GB or 512MB, at most {format_bytes(most)}; "
            f"got {value!r}."
        )
    return size


def format_bytes(size: float) -> str:
    """An amount of memory with two or three digits: ``7.2 GB``."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size >= 10 * unit else f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


@functools.cache
def usual_limit() -> int:
    """How much memory results take at a time unless a run is told otherwise, bytes; the same in all of a process.

    A gigabyte; on Linux a quarter of the free memory, or of the control group's limit, where that is less.
    """
    return int(min([_USUAL, *(_SHARE * size for size in _free())]))


def _free(root: Path = Path("/")) -> Iterator[int]:
    """Bounds of the memory that this process can get, bytes; none where the system is not Linux."""
    # Not every system has the files, nor every control group a limit.
    with contextlib.suppress(OSError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield 1024 * int(line.split()[1])
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
            group = root / "sys/fs/cgroup" / top / path.lstrip("/")
            # A group is bound by the limits of those around it too.
            for folder in (group, *group.parents):
                with contextlib.suppress(OSError, ValueError):  # "max": no limit
                    yield int((folder / name).read_text())
