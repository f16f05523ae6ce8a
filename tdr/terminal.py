"""What a person reads on the terminal while a run goes on: results on stdout, progress on stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

T = TypeVar("T")

# Whether progress is shown; the jobs of a sweep, of which many may run at a time, show none.
_progress = True

# Nothing moves on the screen for work that is over sooner, seconds.
PATIENCE = 2.0


def say(line: str = "") -> None:
    """Print one line, however long; links and paths stay in one piece.

    That nobody reads on, as behind ``| head``, or that there is no room for it is no error of a run, whose results are
    in its folder: nothing is said from then on.
    """
    try:
        print(line, flush=True)
    except OSError as error:
        _leave(sys.stdout)
        if error.errno != errno.EPIPE:
            complain(f"warning: stdout: {error.strerror}; what is not shown is in the run's folder")


def complain(text: str) -> None:
    """Print what is wrong on stderr, as long as somebody reads it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _leave(sys.stderr)


def _leave(stream: TextIO) -> None:
    """Let what is still written to a stream go nowhere."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def say_where(what: str, url: str, ui_command: str | None) -> None:
    """Print where something can be seen, and what opens the UI there unless it is a server that runs already."""
    say(f"MLflow     {what}: {url}")
    if ui_command is not None:
        say(f"           after: {ui_command}")


def hide_progress() -> None:
    """Show no progress from now on in this process."""
    global _progress
    _progress = False


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Show that a phase is going on, on a terminal only."""
    # Rich, which shows nothing elsewhere, is imported on a terminal only.
    seen = _progress and sys.stderr.isatty()
    with _spinner(f"{name} ...") if seen else contextlib.nullcontext():
        yield


def _spinner(text: str) -> Live:
    from rich.live import Live
    from rich.spinner import Spinner

    # Where rich stands in for stdout, Taichi says while it is imported that it has found a graphical shell.
    spinner = Spinner("dots", text)
    return Live(spinner, console=_progress_console(), transient=True, redirect_stdout=False, redirect_stderr=False)


def track(items: Sequence[T], name: str) -> Iterator[T]:
    """Iterate over items; a progress bar with the time left appears if it takes longer than two seconds.

    Args:
        items: what to iterate over.
        name: what is being done.
    """
    start = time.monotonic()
    remaining = iter(items)
    done = 0
    for item in remaining:
        yield item
        done += 1
        if time.monotonic() - start > PATIENCE:
            break
    yield from _with_bar(remaining, name, done, len(items))


def _with_bar(remaining: Iterable[T], name: str, done: int, total: int) -> Iterator[T]:
    if done == total or not _progress:
        yield from remaining
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_progress_console(), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(name, total=total, completed=done)
        for item in remaining:
            yield item
            progress.advance(task)


def _progress_console() -> Console:
    from rich.console import Console

    return Console(stderr=True)
