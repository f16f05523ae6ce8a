"""How long things take, and whether that got better or worse: ``python scripts/benchmark.py``.

Prints tables, writes all of it to a JSON file and compares it with the previous one. Exits with 1 if a target is
missed. Sweeps start from a sphere of 5,120 triangles under one light at 1024 x 1024, derivatives by light.direction,
f32, two threads. Times are warm and medians; what is compared takes turns, and a ratio is the median over neighbours.
"/ copy" is how many times as long a stage takes as a copy that moves as many bytes as the stage must at least read and
write, in the same process and with as many threads.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.groups import GROUPS, Suite
from benchmarks.results import DEVIATIONS, LEAST_NOISE, NOISE_OF_ONE, CaseResult, Figure, changes, spread

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks"
PACKAGES = ("taichi", "numpy", "hydra-core", "mlflow", "embreex")


def describe_tree() -> dict[str, Any]:
    """The commit, and which tracked or new files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.rstrip()

    return {
        "commit": git("rev-parse", "--short", "HEAD") or "unknown",
        "dirty": [line[3:] for line in git("status", "--porcelain").splitlines()],
    }


def describe_machine() -> dict[str, Any]:
    """What the times depend on beside the code."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "none"
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), **versions}


def case_table(results: Sequence[CaseResult]) -> Table:
    """The stages of the cases."""
    table = Table(
        "case",
        "stage",
        "ms",
        "+/- %",
        "ns/pixel",
        "bytes/pixel",
        "of which",
        "/ copy",
        "peak MB",
        "compile s",
        "cached s",
    )
    for column in table.columns[2:]:
        column.justify = "right"
    table.columns[6].justify = "left"
    for result in results:
        if result.error is not None:
            table.add_row(result.case.label, f"FAILED: {result.error}")
        for i, (stage, times) in enumerate(result.stages.items()):
            median = statistics.median(times.seconds)
            moved = {what: size / max(result.covered, 1) for what, size in times.moved.items()}
            row = [
                result.case.label if i == 0 else "",
                stage,
                f"{1e3 * median:.2f}",
                f"{100 * spread(times.seconds):.0f}",
                f"{1e9 * median / max(result.covered, 1):.1f}",
                f"{sum(moved.values()):.0f}",
                ", ".join(f"{what} {size:.0f}" for what, size in moved.items()),
                f"{times.over_copy:.1f}",
            ]
            if i == 0:
                row.append(f"{result.peak_bytes / 1e6:.0f}")
                row += [f"{s:.2f}" if s else "" for s in (result.compile_cold, result.compile_cached)]
            table.add_row(*row, end_section=i == len(result.stages) - 1)
    return table


def figure_table(figures: Sequence[Figure]) -> Table:
    """The figures and their verdicts."""
    table = Table("figure", "measured", "+/- %", "target", "", "")
    for figure in figures:
        value = "-" if figure.value is None else f"{figure.value:.3g} {figure.unit}".rstrip()
        deviation = f"{100 * spread(figure.values):.0f}" if len(figure.values) > 1 else ""
        verdict = figure.verdict if figure.met else f"[bold red]{figure.verdict}[/]"
        table.add_row(
            figure.name,
            value,
            deviation,
            f"{figure.sign} {figure.target:g} {figure.unit}".rstrip(),
            verdict,
            figure.note,
        )
    return table


def read_result(path: Path) -> dict[str, Any]:
    """The content of a result file.

    Raises:
        ValueError: if it is none.
    """
    result = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(result, dict) or not {"groups", "tree", "machine", "load", "cases", "figures"} <= result.keys():
        raise ValueError("it is no result file of this command")
    return result


def find_previous(groups: Sequence[str]) -> tuple[Path, dict[str, Any]] | None:
    """The last result file that has all of some groups, and its content."""
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        result = read_result(path)
        if set(groups) <= set(result["groups"]):
            return path, result
    return None


def print_changes(console: Console, previous: Path, before: dict[str, Any], result: dict[str, Any]) -> None:
    """Say what got slower and what got faster than in an earlier result file."""
    console.print(
        f"\nagainst {previous}: {before['tree']['commit']}{' (DIRTY)' if before['tree']['dirty'] else ''}, load "
        f"{before['load']['start']:.1f} to {before['load']['end']:.1f}"
    )
    for key, value in result["machine"].items():
        if before["machine"][key] != value:
            console.print(f"[bold]{key} differs: {before['machine'][key]} then, {value} now[/]")
    found = changes(before, result)
    timed = [change.machine for change in found if change.machine is not None]
    if timed:
        console.print(
            f"the machine takes {statistics.median(timed):.2f} times as long for the same arithmetic "
            f"({min(timed):.2f} to {max(timed):.2f}, case by case)"
        )
    else:
        console.print("[bold]how fast the machine was then is not known; if it differs, all times do[/]")
    for title, chosen in (
        ("got slower or larger", [change for change in found if change.is_worse]),
        ("got faster or smaller", [change for change in reversed(found) if change.is_better]),
    ):
        table = Table(title, "before", "after", "times", "machine", "noise")
        for change in chosen:
            numbers = f"{change.before:.4g}", f"{change.after:.4g}", f"{change.after / change.before:.2f}"
            table.add_row(
                change.name,
                *numbers,
                "" if change.machine is None else f"{change.machine:.2f}",
                f"{100 * change.noise:.0f} %",
            )
        console.print(table if chosen else f"nothing {title}")
    console.print(
        f"{len(found)} measurements compared. A change counts beyond its noise, that of a time only if it still does "
        f"when it is divided by the machine's. Noise: {DEVIATIONS:g} standard deviations of the repeats of both, at "
        f"least {100 * LEAST_NOISE:g} %; {100 * NOISE_OF_ONE:g} % of what is measured once."
    )


def print_header(console: Console, tree: dict[str, Any], machine: dict[str, Any], load: float) -> None:
    """Say what is measured, and where."""
    versions = ", ".join(f"{key} {value}" for key, value in machine.items() if key not in ("cpu", "cores"))
    console.print(f"tdr {tree['commit']}, {machine['cpu']}, {machine['cores']} cores, {versions}; load {load:.1f}")
    if tree["dirty"]:
        console.print(f"[bold]DIRTY TREE[/]: not as committed: {', '.join(tree['dirty'])}")
    if load > 0.5 * machine["cores"]:
        console.print("[bold]BUSY MACHINE[/]: times are longer than they need be, and differ by chance from run to run")


def measure(console: Console, groups: Sequence[str], quick: bool) -> tuple[list[CaseResult], list[Figure]]:
    """Measure groups; a case that several have is measured and listed once."""
    cases: dict[str, CaseResult] = {}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as cache:
        suite = Suite(quick, Path(cache))
        for group in groups:
            with console.status(f"measuring {group}"):
                for result in GROUPS[group](suite):
                    if isinstance(result, Figure):
                        figures.append(result)
                    else:
                        cases[result.case.label] = result
    return list(cases.values()), figures


def main() -> None:
    """Measure, print, compare, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few cases and most figures, in two to three minutes")
    parser.add_argument("--only", choices=GROUPS, metavar="NAME", help=f"one group: {', '.join(GROUPS)}")
    parser.add_argument("--out", type=Path, help="the result file; else benchmarks/<time>-<commit>[-dirty].json")
    parser.add_argument("--against", type=Path, help="compare with this file; else with the last one in benchmarks/")
    options = parser.parse_args()
    groups = [options.only] if options.only else list(GROUPS)
    try:
        # Before anything is measured: a wrong path should not cost minutes.
        against: Path | None = options.against
        previous = find_previous(groups) if against is None else (against, read_result(against))
    except (OSError, ValueError) as error:
        parser.error(f"--against must name a result file, and {RESULTS} must hold nothing else; got {error}.")
    tree, machine, started = describe_tree(), describe_machine(), datetime.datetime.now()
    name = f"{started:%Y-%m-%d_%H-%M-%S}-{tree['commit']}{'-dirty' if tree['dirty'] else ''}.json"
    out = options.out or RESULTS / name
    out.parent.mkdir(parents=True, exist_ok=True)

    console = Console(width=150)
    load = os.getloadavg()[0]
    print_header(console, tree, machine, load)
    cases, figures = measure(console, groups, options.quick)
    result = {
        "tree": tree,
        "machine": machine,
        "started": started.isoformat(timespec="seconds"),
        "seconds": (datetime.datetime.now() - started).total_seconds(),
        "load": {"start": load, "end": os.getloadavg()[0]},
        "quick": options.quick,
        "groups": groups,
        "cases": [case.as_json() for case in cases],
        "figures": [figure.as_json() for figure in figures],
    }
    out.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if cases:
        console.print(case_table(cases))
    if figures:
        console.print(figure_table(figures))
    if previous is not None:
        print_changes(console, *previous, result)
    console.print(f"{result['seconds']:.0f} s, load {os.getloadavg()[0]:.1f} at the end; written to {out}")
    missed = [figure.name for figure in figures if not figure.met] + [case.case.label for case in cases if case.error]
    if missed:
        console.print(f"{len(missed)} fall short: {'; '.join(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
