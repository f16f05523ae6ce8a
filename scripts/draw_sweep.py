"""Draw a sweep, or any runs that MLflow has, as a whole: contact sheet, film, plots and a page to leaf through.

For a sweep's folder, say where it is; the files are written into it:

    python scripts/draw_sweep.py multirun/2026-01-31/12-00-00_000000

For runs in MLflow, say which, as in the UI's search field, and where the files should go:

    python scripts/draw_sweep.py --runs "params.mesh = 'sphere'" --axes shader.shininess --to drawn
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tdr.command.settings import ROOT
from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.results.record import RunRecord
from tdr.results.sweep import Sweep
from tdr.sweep_views.files import write_sweep
from tdr.sweep_views.swept import Swept, SweptRun
from tdr.sweeps.standing import draw
from tdr.tracking.store import TrackingStore
from tdr.words import counted


def axes_of(records: Sequence[RunRecord], chosen: Sequence[str]) -> list[str]:
    """What varies among runs: the parameters chosen, or all that do not have the same value in all of them.

    Raises:
        InputError: if a run lacks a parameter that was chosen.
    """
    for axis in chosen:
        for record in records:
            if axis not in record.params:
                known = ", ".join(record.params)
                raise InputError(f"--axes must name parameters of every run; got {axis}. {record.name} has {known}.")
    if chosen:
        return list(chosen)
    names = dict.fromkeys(name for record in records for name in record.params)
    axes = [name for name in names if len({str(record.params.get(name)) for record in records}) > 1]
    # Angles say what the direction follows from.
    angles = {"light.azimuth", "light.elevation"} & set(axes)
    return [axis for axis in axes if not (angles and axis == "light.direction")]


def draw_runs(records: Sequence[RunRecord], axes: Sequence[str], folder: Path) -> list[str]:
    """Draw runs into a folder; returns the files."""
    runs = [
        SweptRun.read(record.name, {axis: str(record.params.get(axis, "none")) for axis in axes}, record.output_dir)
        for record in records
    ]
    return write_sweep(folder, Swept.of(axes, runs)).names


def main() -> None:
    """Draw what was asked for, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a sweep's folder")
    parser.add_argument("--runs", help="which runs of MLflow's, as in the UI's search field")
    parser.add_argument("--axes", default="", help="what varies, with commas; default: every parameter that does")
    parser.add_argument("--to", type=Path, help="the folder for what is drawn of --runs")
    parser.add_argument("--uri", help="an MLflow server, or sqlite:///<file>; default: this repository's mlflow.db")
    parser.add_argument("--experiment", default="tdr", help="the MLflow experiment")
    arguments = parser.parse_args()
    try:
        if (arguments.folder is None) == (arguments.runs is None):
            raise InputError("Either a sweep's folder or --runs must be given; got both or neither.")
        if arguments.folder is not None:
            folder, names = arguments.folder, draw(Sweep.read(arguments.folder)).names
        else:
            if arguments.to is None:
                raise InputError("--to must be given with --runs; got nothing. Name a folder for the files.")
            folder = arguments.to
            store = TrackingStore(TrackingConfig(uri=arguments.uri, experiment=arguments.experiment), ROOT)
            with tempfile.TemporaryDirectory() as scratch:
                records = store.fetch(arguments.runs, Path(scratch))
                if not records:
                    raise InputError(f"--runs must find runs in {store.uri}; got {arguments.runs!r}, which finds none.")
                axes = axes_of(records, [axis for axis in arguments.axes.split(",") if axis])
                print(f"{counted(len(records), 'run')}, over {', '.join(axes) or 'nothing that varies'}")
                names = draw_runs(records, axes, folder)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    print("\n".join(str(folder / name) for name in names))


if __name__ == "__main__":
    main()
