"""How long things take, as ratios inside one run: ``python scripts/benchmark.py``.

Warm, medians of ``--repeats``. The scene is the default sphere of 5,120 triangles under one light. Prints a table, and
for each target whether it is met.
"""

from __future__ import annotations

import argparse
import platform
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import tdr
from tdr.config import CheckConfig, CheckMode, Config, JacobianConfig, LightConfig, Method, Precision
from tdr.jacobian import differentiate
from tdr.pipeline import Pipeline
from tdr.timing import Stopwatch

ROOT = Path(__file__).resolve().parents[1]


def median(function: Callable[[], object], repeats: int) -> float:
    """The median time of a call in seconds, after one call that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def sphere(resolution: int) -> Pipeline:
    """The default scene, rendered once."""
    lights = tdr.DirectionalLightArray(direction=[[1, -1, -1]])
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(4), light_array=lights, resolution=(resolution, resolution))
    pipeline.forward()
    return pipeline


def measure_stages(resolution: int, repeats: int) -> dict[str, float]:
    """Seconds of visibility, plain render and Jacobians at one resolution."""
    pipeline = sphere(resolution)
    light = JacobianConfig()
    everything = JacobianConfig(parameters="all")
    return {
        "visibility": median(pipeline.find_visible, repeats),
        "render": median(pipeline.render, repeats),
        "light.direction": median(lambda: differentiate(pipeline, light), repeats),
        "all": median(lambda: differentiate(pipeline, everything), repeats),
    }


def measure_loop(resolution: int, repeats: int) -> tuple[float, float]:
    """Seconds of the batched Jacobian of light.direction, and of the loop (once: it is slow)."""
    pipeline = sphere(resolution)
    batched = median(lambda: differentiate(pipeline, JacobianConfig()), repeats)
    start = time.perf_counter()
    differentiate(pipeline, JacobianConfig(method=Method.loop))
    return batched, time.perf_counter() - start


def measure_check(parameters: str | list[str], repeats: int) -> tuple[float, float, float]:
    """A whole warm run at 512 x 512 with everything that it writes, without a check and with a quick one.

    The two take turns, so that what else the machine does slows both down alike.

    Returns:
        The median seconds of each, and the median of the ratios of neighbours.
    """
    run = runpy.run_path(str(ROOT / "experiments" / "jacobian.py"))["run"]
    times = np.empty((repeats + 1, 2))
    for turn in times:
        for i, mode in enumerate((CheckMode.off, CheckMode.quick)):
            config = Config(
                light=LightConfig(direction=[[1.0, -1.0, -1.0]]),
                jacobian=JacobianConfig(parameters=parameters),
                check=CheckConfig(mode),
            )
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                run(config, Path(folder), Stopwatch())
                turn[i] = time.perf_counter() - start
    off, quick = times[1:].T  # the first turn does not count
    return float(np.median(off)), float(np.median(quick)), float(np.median(quick / off))


def measure_command(repeats: int) -> tuple[float, float]:
    """Seconds of the main command at 256 x 256 with kernels cached, and of the bare imports."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            str(ROOT / "experiments" / "jacobian.py"),
            "light=tilted",
            "image.width=256",
            "image.height=256",
            f"hydra.run.dir={folder}/run",
            f"tracking.uri=sqlite:///{folder}/mlflow.db",
        ]
        imports = [sys.executable, "-c", "import taichi, hydra, trimesh, mlflow"]

        def run(arguments: list[str]) -> None:
            subprocess.run(arguments, check=True, capture_output=True, cwd=folder)

        return median(lambda: run(command), repeats), median(lambda: run(imports), repeats)


def main() -> None:
    """Measure, print the tables, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    console = Console(width=110)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    console.print(f"tdr {commit.stdout.strip() or 'unknown'}, {platform.processor() or platform.machine()}, f32, ms")

    tdr.start(Precision.f32)
    stages = {resolution: measure_stages(resolution, repeats) for resolution in (256, 512, 1024)}
    table = Table("resolution", *next(iter(stages.values())))
    for resolution, times in stages.items():
        table.add_row(str(resolution), *(f"{1e3 * seconds:.2f}" for seconds in times.values()))
    console.print(table)
    batched, loop = measure_loop(128, repeats)
    console.print(f"128 x 128: batched {1e3 * batched:.2f} ms, loop {1e3 * loop:.0f} ms")
    parameters: dict[str, str | list[str]] = {"light.direction": ["light.direction"], "all": "all"}
    checks = {name: measure_check(chosen, max(9, repeats)) for name, chosen in parameters.items()}
    for name, (off, quick, ratio) in checks.items():
        console.print(
            f"whole run at 512 x 512, {name}: {1e3 * off:.0f} ms without, {1e3 * quick:.0f} ms with check=quick; "
            f"ratio {ratio:.2f}"
        )
    command, imports = measure_command(max(9, repeats))
    console.print(f"main command at 256 x 256, second start: {command:.2f} s; bare imports {imports:.2f} s")

    at = stages[1024]
    ratios = [
        ("Jacobian of light.direction / plain render, 1024", at["light.direction"] / at["render"], "<=", 2.0),
        ("Jacobian of all parameters / plain render, 1024", at["all"] / at["render"], "<=", 4.5),
        ("visibility / plain render, 1024", at["visibility"] / at["render"], "<=", 0.5),
        ("plain render, 1024 / 512", at["render"] / stages[512]["render"], "<=", 4.6),
        ("Jacobian, 1024 / 512", at["light.direction"] / stages[512]["light.direction"], "<=", 4.6),
        ("loop / batched, 128", loop / batched, ">=", 1000.0),
        *((f"run with / without check=quick, {name}", ratio, "<=", 1.5) for name, (_, _, ratio) in checks.items()),
        ("main command / bare imports", command / imports, "<=", 2.0),
    ]
    table = Table("ratio", "measured", "target", "")
    missed = 0
    for name, ratio, sign, target in ratios:
        met = ratio <= target if sign == "<=" else ratio >= target
        missed += not met
        table.add_row(name, f"{ratio:.2f}", f"{sign} {target:g}", "pass" if met else "FALL SHORT")
    console.print(table)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
