"""What is said when the process ends without a word: an abort in a native library raises no exception."""

from __future__ import annotations

import atexit
import contextlib
import functools
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

# Reads lines until this process has ended, and then says the last one unless it is empty.
_HEIR = """
import sys

line = ""
for line in sys.stdin:
    pass
if line.strip():
    sys.stderr.write(line)
"""


@contextlib.contextmanager
def last_words(text: str) -> Iterator[None]:
    """Have a line written to stderr if the process ends inside the block, killed by whatever it is.

    A process of its own waits for that; it is started with the first block, and ends with this one.

    Args:
        text: what is to be said, one line.
    """
    will = _will()
    try:
        _write(will, text)
        yield
    finally:
        _write(will, "")


@functools.cache
def _will() -> IO[str]:
    # In a session of its own, so that Ctrl-C does not reach it.
    heir = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _HEIR],
        stdin=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        start_new_session=True,
    )
    assert heir.stdin is not None  # noqa: S101
    atexit.register(heir.communicate)
    return heir.stdin


def _write(will: IO[str], text: str) -> None:
    # What is there for an accident must not cause one.
    with contextlib.suppress(BrokenPipeError):
        will.write(text + "\n")
        will.flush()
