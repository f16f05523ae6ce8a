"""Send runs that are only on disk to MLflow, as often as you like: what is there already is not sent again.

A sweep that was killed is also closed: its own run does not stay RUNNING.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tdr.command.settings import ROOT, tracking_of_run
from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.results import naming
from tdr.results.record import RunRecord, environment_tags
from tdr.results.sweep import Sweep, SweepRunsError
from tdr.sweeps.standing import Standing, close_sweep, draw, open_sweep, unsent
from tdr.terminal import track
from tdr.tracking.store import TrackingStore
from tdr.words import counted


class Stores:
    """The stores that runs were to be kept in, each opened once.

    Args:
        uri: a store to send all runs to instead.
    """

    def __init__(self, uri: str | None) -> None:
        self._uri = uri
        self._open: dict[tuple[str | None, str], TrackingStore] = {}

    def of(self, settings: TrackingConfig) -> TrackingStore | None:
        """The store of runs with some settings, None if they were not to be kept in any."""
        if self._uri is not None:
            settings = replace(settings, enabled=True, uri=self._uri)
        if not settings.enabled:
            return None
        return self._open.setdefault((settings.uri, settings.experiment), TrackingStore(settings, ROOT))


def send_sweep(folder: Path, stores: Stores) -> str:
    """Send the runs of a sweep that a store does not have, and close the sweep there; returns what was done."""
    sweep = Sweep.read(folder)
    store = stores.of(sweep.tracking)
    if store is None:
        return "not tracked (tracking.enabled=false); --uri says where to send it"
    try:
        with sweep.running():
            run_id = open_sweep(store, sweep, environment_tags(ROOT))
            records = [record for job in sweep.jobs if (record := sweep.record_of(job)) is not None]
            left = unsent(store, run_id, records)
            for record in track(left, "runs"):
                store.log(record)
            close_sweep(store, run_id, sweep, draw(sweep), Standing.of(sweep).status, {})
    except SweepRunsError:
        return "is running, and sends its runs itself"
    return f"{len(left)} of {counted(len(records), 'run')} sent, {len(records) - len(left)} were there"


def send_run(folder: Path, stores: Stores) -> str:
    """Send a single run, unless the store has it; returns what was done."""
    store = stores.of(tracking_of_run(folder))
    if store is None:
        return "not tracked (tracking.enabled=false); --uri says where to send it"
    link = store.log(RunRecord.read_json(folder / naming.RECORD))
    return f"in the store: {link.url}"


def find(folders: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """The runs and sweeps in some folders, oldest name first, and whether each is a sweep."""
    for folder in folders:
        sweeps = sorted(path.parent for path in folder.rglob(naming.SWEEP))
        yield from ((sweep, True) for sweep in sweeps)
        for path in sorted(folder.rglob(naming.RECORD)):
            if path.parent.parent not in sweeps:
                yield path.parent, False


def main() -> None:
    """Send everything, go on where something cannot be sent, and exit with 1 then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="of runs and sweeps, or above them; default: all")
    parser.add_argument("--uri", help="send all to this store (an MLflow server, or sqlite:///<file>)")
    arguments = parser.parse_args()
    folders = arguments.folders or [path for path in (ROOT / "outputs", ROOT / "multirun") if path.is_dir()]
    stores = Stores(arguments.uri)
    failed = 0
    for folder in folders:
        if not folder.is_dir():
            print(f"error: folders must be folders of runs; got {folder}, which does not exist.", file=sys.stderr)
            failed += 1
    found = 0
    for folder, is_sweep in find(folder.resolve() for folder in folders if folder.is_dir()):
        found += 1
        try:
            said = send_sweep(folder, stores) if is_sweep else send_run(folder, stores)
            print(f"{os.path.relpath(folder)}: {said}", flush=True)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one folder, the others are sent)
            failed += 1
            kind = "" if isinstance(error, (InputError, OSError)) else f"{type(error).__name__}: "
            print(f"error: {os.path.relpath(folder)}: {kind}{error}", file=sys.stderr, flush=True)
    if not found:
        print(f"nothing to send in {', '.join(map(str, folders)) or 'outputs and multirun'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
