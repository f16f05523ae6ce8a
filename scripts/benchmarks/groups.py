"""What the benchmark measures: sweeps over one axis at a time, and figures with targets."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarks.process import (
    ROOT,
    MeasurementError,
    Worker,
    command_timer,
    environment,
    interleave,
    measure_case,
    measure_memory,
)
from benchmarks.results import Case, CaseResult, Figure

REPEATS = 9
BASE = Case()
ALL = replace(BASE, parameters="all")
SHADING = (
    "light.direction",
    "light.color",
    "shader.ambient",
    "shader.diffuse",
    "shader.specular",
    "shader.shininess",
    "mesh.albedo",
)
GIGABYTE = 1e9

# What a second start has to be compared with: the imports alone, and opening the store as MLflow itself does.
BARE = """
import sys
import taichi, hydra, mlflow
assert mlflow.MlflowClient(tracking_uri=sys.argv[1]).get_experiment_by_name("tdr") is not None
"""

Result = CaseResult | Figure
Measure = Callable[[], tuple[list[float], str]]


class Suite:
    """What the groups share.

    Args:
        quick: whether a subset is measured, with compile times of the base case only.
        cache: a folder for the kernels of all processes whose compile times are not measured.
    """

    def __init__(self, quick: bool, cache: Path) -> None:
        self.quick = quick
        self.cache = cache
        self._measured: dict[Case, CaseResult] = {}

    def case(self, case: Case) -> CaseResult:
        """A case, measured once."""
        if case not in self._measured:
            cache = self.cache if self.quick and case != BASE else None
            self._measured[case] = measure_case(case, cache, REPEATS)
        return self._measured[case]

    def cases(self, all_of_them: list[Case], quick: list[Case]) -> Iterator[CaseResult]:
        """A sweep: all of it, or those of a quick run."""
        yield from map(self.case, quick if self.quick else all_of_them)

    def figure(
        self, name: str, target: float, measure: Measure, *, sign: Literal["<=", ">="] = "<=", unit: str = ""
    ) -> Figure:
        """A figure of what a function measures: its values and a note; or of why it could not be measured."""
        try:
            values, note = measure()
        except MeasurementError as error:
            values, note = [], str(error)
        return Figure(name, values, target, sign, unit, note)

    def ratio(
        self,
        name: str,
        target: float,
        above: tuple[Case, str],
        below: tuple[Case, str],
        *,
        sign: Literal["<=", ">="] = "<=",
        per_covered_pixel: bool = False,
    ) -> Figure:
        """How many times as long one thing takes as another; their processes (one for one case) take turns.

        Args:
            name: of the figure.
            target: its limit.
            above: a case, and what of it is timed.
            below: what it is compared with.
            sign: see :class:`Figure`.
            per_covered_pixel: whether each time is divided by the number of its covered pixels.
        """

        def measure() -> tuple[list[float], str]:
            with ExitStack() as stack:
                workers = {case: stack.enter_context(Worker(case, self.cache)) for case in {above[0], below[0]}}
                again = len(workers) > 1
                timers = [workers[case].timer(what, again) for case, what in (above, below)]
                upper, lower = interleave(timers, REPEATS)
                factor = 1.0
                if per_covered_pixel:
                    first, second = (workers[case].ask("sizes")["covered"] for case, _ in (above, below))
                    factor = second / first
            return quotients(upper, lower, factor), medians(upper, lower)

        return self.figure(name, target, measure, sign=sign)


def quotients(above: list[float], below: list[float], factor: float = 1.0) -> list[float]:
    """The ratios of neighbours."""
    return [factor * a / b for a, b in zip(above, below, strict=True)]


def medians(above: list[float], below: list[float]) -> str:
    """The medians of two series of seconds, for a note."""
    return " against ".join(
        f"{median:.2f} s" if median > 1.0 else f"{1e3 * median:.3g} ms"
        for median in map(statistics.median, (above, below))
    )


def square(size: int) -> Case:
    """The base case at another resolution."""
    return replace(BASE, resolution=(size, size))


def resolution(suite: Suite) -> Iterator[Result]:
    """Resolutions, and what pixels cost that see nothing."""
    yield from suite.cases([square(128 * 2**k) for k in range(7)], quick=[square(128), BASE])
    for name, stage in (("render", "render"), ("Jacobian", "jacobian")):
        yield suite.ratio(
            f"{name} per covered pixel, 4096 / 1024", 1.15, (square(4096), stage), (BASE, stage), per_covered_pixel=True
        )
    wide = replace(BASE, resolution=(1024, 2048))
    yield suite.ratio(
        "Jacobian, twice the pixels / the same surface alone", 1.1, (wide, "jacobian"), (BASE, "jacobian")
    )


def triangles(suite: Suite) -> Iterator[Result]:
    """Numbers of triangles, and the rasterizer against Embree."""
    sizes = [replace(BASE, triangles=20 * 4**k) for k in range(3, 10)]
    yield from suite.cases(sizes, quick=[BASE, replace(BASE, triangles=1310720)])
    many = replace(BASE, triangles=1310720, threads=1)

    def against_embree() -> tuple[list[float], str]:
        with Worker(many, suite.cache) as worker:
            timers = [worker.timer(what, again=True) for what in ("visibility", "embree")]
            ours, embree = interleave(timers, REPEATS)
            note = f"{medians(ours, embree)}; other ids at {worker.ask('ids_differ', 'embree')} pixels"
        return quotients(ours, embree), note

    yield suite.figure("visibility of 1.3M triangles / Embree, one thread each", 0.2, against_embree)
    if not suite.quick:
        huge = replace(square(4096), triangles=5242880)
        yield suite.ratio(
            "visibility of 5.2M / 1.3M triangles at 4096 (proportional: 4)",
            4.4,
            (huge, "visibility"),
            (replace(huge, triangles=1310720), "visibility"),
        )


def hard(suite: Suite) -> Iterator[Result]:
    """Scenes that are hard to rasterize, against the plain loop."""
    scenes = {
        "two full-screen triangles": replace(BASE, scene="layers", triangles=2),
        "50 full-screen layers": replace(BASE, scene="layers", triangles=100),
        "a fan of 2000 slivers": replace(BASE, scene="fan", triangles=2000),
    }
    for name, case in scenes.items():

        def against_plain(case: Case = case) -> tuple[list[float], str]:
            with Worker(case, suite.cache) as worker:
                ours, plain = interleave([worker.timer("visibility"), worker.timer("plain")], REPEATS)
                note = f"{medians(ours, plain)}; other ids at {worker.ask('ids_differ', 'plain')} pixels"
            return quotients(ours, plain), note

        yield suite.figure(f"visibility of {name} / plain atomic loop", 1.0, against_plain)


def lights(suite: Suite) -> Iterator[Result]:
    """Numbers of lights."""
    yield from suite.cases([replace(BASE, lights=n) for n in (1, 4, 16, 64)], quick=[BASE, replace(BASE, lights=4)])


def columns(suite: Suite) -> Iterator[Result]:
    """Numbers of columns, and what Jacobians cost beyond the render."""
    yield from suite.cases(
        [BASE, replace(BASE, parameters=SHADING[:2]), replace(BASE, parameters=SHADING), ALL], quick=[BASE, ALL]
    )
    for name, case, upper, target in (
        ("Jacobian of light.direction / plain render, 1024", BASE, "jacobian", 1.2),
        ("Jacobian of all parameters / plain render, 1024", ALL, "jacobian", 2.5),
        ("visibility / plain render, 1024", BASE, "visibility", 0.5),
    ):

        def within(case: Case = case, upper: str = upper) -> tuple[list[float], str]:
            result = suite.case(case)
            if result.error is not None:
                raise MeasurementError(result.error)
            above, below = (result.stages[stage].seconds for stage in (upper, "render"))
            return quotients(above, below), medians(above, below)

        yield suite.figure(name, target, within)
    if not suite.quick:
        yield suite.ratio(
            "one pass a pixel / one pass for all, 128",
            1000.0,
            (square(128), "loop"),
            (square(128), "jacobian"),
            sign=">=",
        )


def precision(suite: Suite) -> Iterator[Result]:
    """Single and double precision."""
    double = replace(BASE, precision="f64")
    yield from suite.cases([BASE, double], quick=[BASE, double])
    for name, case, stage in (
        ("render", BASE, "render"),
        ("Jacobian of light.direction", BASE, "jacobian"),
        ("Jacobian of all parameters", ALL, "jacobian"),
    ):
        yield suite.ratio(f"{name}, f64 / f32", 1.6, (replace(case, precision="f64"), stage), (case, stage))


def threads(suite: Suite) -> Iterator[Result]:
    """One thread and two."""
    yield from suite.cases([replace(BASE, threads=1), BASE], quick=[replace(BASE, threads=1), BASE])


def check(suite: Suite) -> Iterator[Result]:
    """A whole run with everything that it writes, and what a quick check adds to it."""
    for name, parameters in (("light.direction", ("light.direction",)), ("all", "all")):
        case = replace(square(512), parameters=parameters)
        yield suite.ratio(f"run with / without check=quick, {name}, 512", 1.5, (case, "checked_run"), (case, "run"))


def start(suite: Suite) -> Iterator[Result]:
    """The way from the shell to the first picture, and to the first word."""
    from tdr.tracking.mlflow_client import ENVIRONMENT

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = environment(suite.cache, ENABLE_TAICHI_HEADER_PRINT="0", TI_SKIP_VERSION_CHECK="ON", **ENVIRONMENT)
        store = f"sqlite:///{folder}/mlflow.db"
        job = [sys.executable, str(ROOT / "experiments" / "jacobian.py"), "light=tilted"]
        first = [*job, "image.width=128", "image.height=128", f"hydra.run.dir={folder}/run", f"tracking.uri={store}"]

        def second_start() -> tuple[list[float], str]:
            ours = command_timer(first, variables, folder)
            bare = command_timer([sys.executable, "-c", BARE, store], variables, folder)
            upper, lower = interleave([ours, bare], REPEATS)
            return quotients(upper, lower), medians(upper, lower)

        yield suite.figure(
            "second start of the main job at 128 / bare imports and opening the store", 1.35, second_start
        )
        hydra = command_timer([sys.executable, "-c", "import hydra"], variables, folder)
        for words, arguments, status in (
            ("--help", ["--help"], 0),
            ("a configuration error", ["light.intensty=2"], 1),
        ):
            answer = command_timer([*job, *arguments], variables, folder, status)

            def later_than_hydra(answer: Callable[[], float] = answer) -> tuple[list[float], str]:
                upper, lower = interleave([answer, hydra], REPEATS)
                return [a - b for a, b in zip(upper, lower, strict=True)], medians(upper, lower)

            yield suite.figure(f"{words} answers later than import hydra", 0.3, later_than_hydra, unit="s")


def memory(suite: Suite) -> Iterator[Result]:
    """An image that is larger than memory's comfort, by the main command; once, and not in a quick run."""
    if suite.quick:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = 8192
        arguments = ["light=tilted", "jacobian.parameters=all", f"image.width={size}", f"image.height={size}"]
        command = [sys.executable, str(ROOT / "experiments" / "jacobian.py"), *arguments]
        # MLflow would keep all files twice.
        command += [f"hydra.run.dir={folder}/run", "tracking.enabled=false"]

        def peak() -> tuple[list[float], str]:
            needed = 27 * 4 * size * size
            if shutil.disk_usage(folder).free < 2 * needed:
                raise MeasurementError(f"{folder} must have {2 * needed / GIGABYTE:.0f} GB free")
            most = int(0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
            found, note = measure_memory(command, environment(suite.cache), folder, min(most, int(3 * 4 * GIGABYTE)))
            return [found / GIGABYTE], note

        yield suite.figure("peak memory of 8192 x 8192, all columns", 4.0, peak, unit="GB")


GROUPS: dict[str, Callable[[Suite], Iterator[Result]]] = {
    group.__name__: group
    for group in (columns, resolution, triangles, hard, lights, precision, threads, check, start, memory)
}
