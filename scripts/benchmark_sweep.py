"""What a job of a sweep costs: ``python scripts/benchmark_sweep.py``; needs ``pip install -e ".[joblib]"``.

The same sweep of light directions is run twice in one go: with the real job, and with a job that does nothing, which is
what Hydra takes by itself. Then jobs that compute for seconds run in one process and in two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ROOT / "experiments" / "jacobian.py"

# A job that does nothing, swept by Hydra's own sweeper over the same settings.
EMPTY = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import hydra
from tdr.command import settings

@hydra.main(version_base="1.3", config_path=settings.CONF, config_name="jacobian")
def main(composed):
    print("job", flush=True)

settings.register()
main()
"""
OWN_SWEEPER = "hydra/sweeper=basic"


def run(script: Path, folder: Path, overrides: Sequence[str]) -> list[tuple[float, str]]:
    """Run a command; returns its lines, and when each came, seconds since the start."""
    command = [sys.executable, str(script), "-m", f"hydra.sweep.dir={folder}/sweep", *overrides]
    start = time.perf_counter()
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            lines.append((time.perf_counter() - start, line.rstrip()))
    lines.append((time.perf_counter() - start, "exit"))
    if process.returncode:
        sys.exit("\n".join(line for _, line in lines))
    return lines


def ends(lines: Sequence[tuple[float, str]], jobs: int) -> list[float]:
    """When each job of a sweep had ended."""
    return [when for when, line in lines if f"/{jobs}  " in line[:12] or line == "job"]


def measure_overhead(jobs: int, resolution: int) -> dict[str, float]:
    """Milliseconds a job, after the first: of the real sweep, of the empty one, and of the parts of a job."""
    directions = ",".join(
        f"[[{-np.cos(a):.6f},{-np.sin(a):.6f},-1]]" for a in np.linspace(0, 2 * np.pi, jobs, endpoint=False)
    )
    overrides = [f"light.direction={directions}", f"image.width={resolution}", f"image.height={resolution}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.py").write_text(EMPTY, encoding="utf-8")
        nothing = ends(run(folder / "empty.py", folder, [*overrides, OWN_SWEEPER]), jobs)
        (folder / "real").mkdir()
        lines = run(EXPERIMENT, folder / "real", [*overrides, f"tracking.uri=sqlite:///{folder}/real/mlflow.db"])
        records = [json.loads(path.read_text()) for path in sorted(folder.glob("real/sweep/*/record.json"))]
    first = ends(lines, jobs)[0]
    # The runs have been sent when the sweep says how many have finished; it is drawn after that.
    sent = next(when for when, line in lines if line.startswith("sweep") and "finished" in line)
    parts = {
        key: [record["metrics"][key] for record in records[1:]] for key in records[0]["metrics"] if "time_s" in key
    }
    return {
        "job": 1e3 * (sent - first) / (jobs - 1),
        "Hydra's empty job": 1e3 * (nothing[-1] - nothing[0]) / (jobs - 1),
        "compile, first job": 1e3 * records[0]["metrics"]["time_s/compile"],
        **{key.removeprefix("time_s/"): 1e3 * float(np.median(values)) for key, values in parts.items()},
        "the whole in its process": 1e3 * float(np.median([r["end_time"] - r["start_time"] for r in records[1:]])),
        "drawing the sweep, in all": 1e3 * (lines[-1][0] - sent),
    }


# Two kinds of jobs that compute for seconds: kernels of a full check, which use both cores in one process already, and
# pictures of all columns, which use one.
LONG = {
    "full check": ["jacobian.parameters=[light.direction,light.color,mesh.rotation]", "check=full"],
    "all columns": ["jacobian.parameters=all", "image.width=1024", "image.height=1024"],
}


def rate(kind: str, jobs: int, launcher: Sequence[str]) -> tuple[float, float]:
    """Jobs a second of a sweep, and how long a job computes."""
    values = ",".join(map(str, range(5, 5 + jobs)))
    overrides = [f"shader.shininess={values}", *LONG[kind], "tracking.enabled=false", *launcher]
    with tempfile.TemporaryDirectory() as name:
        when = ends(run(EXPERIMENT, Path(name), overrides), jobs)
        records = [json.loads(path.read_text()) for path in sorted(Path(name).glob("sweep/*/record.json"))]
    # The first job of each worker compiles.
    skip = 2
    seconds = float(np.median([record["metrics"]["time_s/total"] for record in records[skip:]]))
    return (jobs - skip) / (when[-1] - when[skip - 1]), seconds


def measure_processes(kind: str, jobs: int, turns: int = 3) -> tuple[float, float, float]:
    """Jobs a second in one process and with two workers, by turns, and how long a job computes: medians."""
    two_workers = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    measured = [(*rate(kind, jobs, []), rate(kind, jobs, two_workers)[0]) for _ in range(turns)]
    alone, seconds, two = np.median(measured, axis=0)
    return float(alone), float(two), float(seconds)


def main() -> None:
    """Measure, print the tables, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=64)
    jobs = parser.parse_args().jobs
    console = Console(width=110)
    times = measure_overhead(jobs, 256)
    table = Table(f"{jobs} directions, 256 x 256, quick check, SQLite", "ms a job")
    for name, value in times.items():
        table.add_row(name, f"{value:.1f}")
    console.print(table)
    ratios = {}
    for kind in LONG:
        alone, two, seconds = measure_processes(kind, 14)
        console.print(f"{kind}, {seconds:.1f} s: {alone:.3f} jobs a second in one process, {two:.3f} with two workers")
        ratios[f"two workers / one process, {kind}"] = two / alone
    results = [
        ("a job beyond Hydra's empty one, ms", times["job"] - times["Hydra's empty job"], "<=", 150.0),
        *((name, ratio, ">=", 1.6) for name, ratio in ratios.items()),
        ("compile, later jobs / first job", times["compile"] / times["compile, first job"], "<=", 0.1),
    ]
    table = Table("figure", "measured", "target", "")
    missed = 0
    for name, value, sign, target in results:
        met = value <= target if sign == "<=" else value >= target
        missed += not met
        table.add_row(name, f"{value:.2f}", f"{sign} {target:g}", "pass" if met else "FALL SHORT")
    console.print(table)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
