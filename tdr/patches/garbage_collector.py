"""Python's garbage collector looks less often through what stays anyway: modules, compiled kernels, settings, MLflow.

By default it looks through new objects whenever 700 have been made, and now and then through all there are. Imports and
Taichi's front end make hundreds of thousands that stay. So the main job sets another threshold before it imports
anything (:func:`collect_rarely`), takes what is there after compiling out of the collector's sight
(:func:`freeze_what_stays`) and everything at its end (:func:`leave_to_the_end`), and the process that keeps runs in
MLflow imports it unwatched (:func:`undisturbed`). Nothing is ever left uncollected that a run makes many times.
Without all this the main job and ``--help`` take 1.18 times the processor time.

Tried with Python 3.10 to 3.13.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
from collections.abc import Iterator

from tdr.errors import InputError
from tdr.patches.guard import applies

TRIED = ("3.10", "3.13")
# How many objects more there must be before the collector looks through the new ones.
THRESHOLD = 100_000


def collect_rarely() -> None:
    """Look for garbage after every hundred thousand new objects, from now on in this process."""
    if _applies():
        gc.set_threshold(THRESHOLD)


@functools.cache
def freeze_what_stays() -> None:
    """Tell the collector, once, that all there is now stays.

    joblib collects after each job, and without this looks through all of it anew, for a tenth of a second. Nothing is
    collected before: Ctrl-C would be lost in what Python runs while it clears away.
    """
    if _applies():
        gc.freeze()


def leave_to_the_end() -> None:
    """What there is goes with the process; Python would look through all of it for what to clear away before."""
    if _applies():
        gc.freeze()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Look for no garbage in this block, nor later in what was made in it."""
    if not _applies():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _applies() -> bool:
    # A wrong switch is answered where all mistakes on the command line are. That is later than the first use of this,
    # and earlier than the last.
    with contextlib.suppress(InputError):
        return applies(__name__, "Python", "{}.{}".format(*sys.version_info), TRIED)
    return False
