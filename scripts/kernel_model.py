"""What the kernels of a covered pixel consist of, and how near they come to what one core can do.

``python scripts/kernel_model.py`` counts the operations in the code that Taichi generates, measures how long one core
takes for one of each kind, and compares the kernels' times with the sum. Code is counted as it stands: of a branch that
LLVM has made two versions of, both. docs/performance.md explains the table.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

# Read by Taichi when it is imported: one core, and the generated code of every kernel in the working directory.
SETTINGS = {
    "TI_CPU_MAX_NUM_THREADS": "1",
    "TI_OFFLINE_CACHE": "0",
    "TI_PRINT_KERNEL_LLVM_IR_OPTIMIZED": "1",
}
BODY = r"^define [^\n]*@function_body.*?^}"
KINDS = {
    "f64": r"= (?:fmul|fadd|fsub) double",
    "f32": r"= (?:fmul|fadd|fsub) float",
    "div": r"= (?:fdiv|sdiv) ",
    "sqrt": r"call (?:double|float) @llvm\.sqrt",
    "call": r"call (?:double|float) @(?:llvm\.)?(?:pow|log|exp|sin|cos)",
}


def operations(kernel: Callable[[], object]) -> Counter[str]:
    """Compile a kernel by calling it, and count its operations for one pixel by kind."""
    for file in Path().glob("*.ll"):
        file.unlink()
    kernel()
    # What is done for one entry of a loop is a function of its own; copies of it are elsewhere, where it was inlined.
    code = "\n".join(
        body for file in Path().glob("*.ll") for body in re.findall(BODY, file.read_text(), re.MULTILINE | re.DOTALL)
    )
    return Counter({kind: len(re.findall(pattern, code, re.MULTILINE)) for kind, pattern in KINDS.items()})


def nanoseconds(kernel: Callable[[], object], count: int, repeats: int = 15) -> float:
    """The least processor time of a call, for each of so many entries."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        kernel()
        times.append(time.process_time() - start)
    return 1e9 * min(times) / count


@dataclass(frozen=True)
class Costs:
    """Nanoseconds that one core takes for one operation, when it has nothing else to do and need not wait."""

    arithmetic: float
    division: float
    power: float
    byte: float

    def of(self, counted: Counter[str], moved: int) -> tuple[float, float]:
        """What a pixel's operations take, and what moving its bytes takes."""
        divisions = counted["div"] + counted["sqrt"]
        computing = self.arithmetic * (counted["f64"] + counted["f32"]) + self.division * divisions
        return computing + self.power * counted["call"], self.byte * moved


def measure_costs() -> Costs:
    """Measure them: eight chains of operations side by side, so that none waits for the one before."""
    from tdr.backend import ti

    entries, chains, length = 1 << 15, 8, 32

    @ti.kernel
    def multiply_and_add(x: ti.types.ndarray(dtype=ti.f64, ndim=1)):
        for i in range(x.shape[0]):
            value = ti.Vector([x[i] + n for n in range(chains)])
            for _ in ti.static(range(length)):
                value = value * 0.999 + 0.001
            x[i] = value.sum()

    @ti.kernel
    def divide(x: ti.types.ndarray(dtype=ti.f64, ndim=1)):
        for i in range(x.shape[0]):
            value = ti.Vector([x[i] + n for n in range(chains)])
            for _ in ti.static(range(length)):
                value = 1.5 / value
            x[i] = value.sum()

    @ti.kernel
    def power(x: ti.types.ndarray(dtype=ti.f64, ndim=1), exponent: ti.f64):
        for i in range(x.shape[0]):
            base = ti.Vector([0.6 + 0.04 * n for n in range(chains)])
            x[i] = ti.exp(exponent * ti.log(base + 1e-8 * x[i])).sum()

    doubles = np.ones(entries)
    multiply_and_add(doubles)
    divide(doubles)
    power(doubles, 32.0)
    source, target = np.ones(1 << 26, np.uint8), np.ones(1 << 26, np.uint8)
    return Costs(
        arithmetic=nanoseconds(lambda: multiply_and_add(doubles), entries * chains * length * 2),
        division=nanoseconds(lambda: divide(doubles), entries * chains * length),
        power=nanoseconds(lambda: power(doubles, 32.0), 2 * entries * chains),
        byte=nanoseconds(lambda: np.copyto(target, source), 2 << 26),
    )


def measure(resolution: int) -> None:
    """Print the table."""
    import tdr
    from tdr import backend
    from tdr.config import JacobianConfig, select_parameters
    from tdr.derivatives.jacobian import differentiate

    tdr.start()
    costs = measure_costs()
    lights = tdr.DirectionalLightArray(direction=[[1, -1, -1]])
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(4), light_array=lights, resolution=(resolution, resolution))
    pipeline.passes.find_visible()
    covered = len(pipeline.passes.rasterizer.pixels)
    start, count = pipeline.passes.bands()[0]
    rows = len(np.unique(pipeline.passes.rasterizer.pixels // resolution))

    def reverse(names: list[str] | str) -> Callable[[], object]:
        layout = pipeline.passes.layout(pulled_back=select_parameters(pipeline.parameters, names))
        columns = np.zeros((27, covered), backend.dtype())
        places = np.arange(covered, dtype=np.int32)
        return lambda: pipeline.passes.pull_back(start, count, layout, places, covered, columns.reshape(-1))

    # Bytes that a pixel reads or writes. A mesh's own data are shared by many pixels and stay in cache. Only colours
    # and results are in the precision of the run. A number in a slot is read, added to, taken and cleared.
    g_buffer, color, ids, slot, result = 9 * 8, 3 * 4, 2 * 4, 5 * 8, 4
    stages: dict[str, tuple[Callable[[], object], int]] = {
        "G-buffer": (pipeline.passes.compute_surface, ids + g_buffer),
        "shade": (pipeline.passes.shade, g_buffer + 5 * color + 4),
        "reverse pass, light.direction": (
            reverse(["light.direction"]),
            color + g_buffer + 3 * slot + ids + 3 * result,
        ),
        "reverse pass, all": (reverse("all"), color + 2 * g_buffer + 22 * slot + 2 * ids + 27 * result),
    }
    table = Table("a covered pixel", *KINDS, "bytes", "computing", "moving", "measured", "measured / larger")
    for name, (stage, moved) in stages.items():
        counted = operations(stage)
        computing, moving = costs.of(counted, moved)
        measured = nanoseconds(stage, covered)
        counts = [str(counted[kind]) for kind in KINDS]
        times = [f"{value:.0f} ns" for value in (computing, moving, measured)]
        table.add_row(name, *counts, str(moved), *times, f"{measured / max(computing, moving):.1f}")
    for name, names, numbers in (("light.direction", ["light.direction"], 3), ("all", "all", 27)):
        settings = JacobianConfig(parameters=names)
        whole = partial(differentiate, pipeline, settings)
        whole()
        rest = nanoseconds(whole, covered) - nanoseconds(reverse(names), covered)
        moved = round(numbers * result * rows * resolution / covered)
        row = [f"the rest of the Jacobian, {name}", *len(KINDS) * [""], str(moved), ""]
        table.add_row(*row, f"{costs.byte * moved:.0f} ns", f"{rest:.0f} ns", f"{rest / (costs.byte * moved):.1f}")
    console = Console(width=140)
    console.print(f"{resolution} x {resolution}, {covered} pixels covered, f32, one core; nanoseconds of its time")
    console.print(
        f"one core: {costs.arithmetic:.2f} ns a product or sum, {costs.division:.2f} ns a division or root, "
        f"{costs.power:.1f} ns a logarithm or exponential, {1 / costs.byte:.1f} GB/s copied (read and written)"
    )
    console.print(table)


def main() -> None:
    """Start over with Taichi's settings, in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=1024)
    resolution = parser.parse_args().resolution
    if SETTINGS.items() <= os.environ.items():
        measure(resolution)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--resolution", str(resolution)]
        sys.exit(subprocess.run(command, cwd=folder, env={**os.environ, **SETTINGS}).returncode)


if __name__ == "__main__":
    main()
