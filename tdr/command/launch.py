"""The process around a command: what it is started with, how it ends, and the exit status.

Nothing here imports Taichi, and MLflow only where a sweep is tracked, so ``--help`` and mistakes are answered at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tdr.command.arguments import prepare
from tdr.command.mistakes import print_error
from tdr.command.settings import ROOT, register
from tdr.config import TrackingConfig
from tdr.patches import garbage_collector, hydra_start
from tdr.terminal import complain

if TYPE_CHECKING:
    from tdr.tracking.process import TrackingProcess

# What the process should exit with, for all that it has run.
_statuses: set[int] = set()
# The signals that have interrupted this process.
_interruptions: list[int] = []
# The stores that this process keeps runs in, by URI and experiment.
_stores: dict[tuple[str | None, str], TrackingProcess] = {}


def open_store(settings: TrackingConfig) -> TrackingProcess | None:
    """The store that runs are kept in, None if they are not; it is opened in the background, once a process.

    Raises:
        InputError: if no store can be what the settings say.
    """
    if not settings.enabled:
        return None
    key = (settings.uri, settings.experiment)
    if key not in _stores:
        from tdr.tracking.process import TrackingProcess

        _stores[key] = TrackingProcess(settings, ROOT)
    return _stores[key]


def exit_with(*statuses: int) -> None:
    """Note what the process should exit with: 1, else 2, wins over 0."""
    _statuses.update(statuses)


def launch(main: Callable[[], None]) -> int:
    """Run a Hydra main function.

    Args:
        main: the decorated function.

    Returns:
        The exit status: 0, 2 if everything was computed but a check failed, 1 if anything else failed, 130 after
        Ctrl-C.
    """
    register()
    # With HYDRA_FULL_ERROR set, Hydra lets its errors through to here instead of printing them itself.
    os.environ.setdefault("TDR_FULL_ERROR", os.environ.get("HYDRA_FULL_ERROR", "0"))
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _end_on_signals()
    try:
        hydra_start.install()
        sys.argv[1:] = prepare(sys.argv[1:])
        main()
    except KeyboardInterrupt as error:
        complain("interrupted")
        return 128 + (error.args[0] if error.args else signal.SIGINT)
    except SystemExit as error:
        # Of an unknown option, which argparse has named; its own status, 2, is that of a failed check here.
        return 1 if error.code else 0
    except Exception as error:  # noqa: BLE001 (reported, and the process exits with 1)
        print_error(error)
        return 1
    finally:
        for store in _stores.values():
            store.close()
        garbage_collector.leave_to_the_end()
    return next((status for status in (1, 2) if status in _statuses), 0)


def stop_if_interrupted() -> None:
    """Go on with an interruption that somebody swallowed, as a bare ``except`` in Taichi's compiler does.

    Raises:
        KeyboardInterrupt: if the process was interrupted.
    """
    if _interruptions:
        raise KeyboardInterrupt(_interruptions[0])


def _end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process as Ctrl-C does: the sweep is closed before."""

    def interrupt(number: int, _: object) -> None:
        _interruptions.append(number)
        raise KeyboardInterrupt(number)

    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        # What nohup ignores stays ignored.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)
