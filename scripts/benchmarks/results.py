"""What the benchmark measures, as plain data: cases, figures with targets, and the comparison of two result files."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdr.words import counted

# A change within this part of the earlier median is never reported: timings of one binary differ by as much.
LEAST_NOISE = 0.05
# How many standard deviations of the repeats a median must move before the change counts.
DEVIATIONS = 3.0
# What is measured once has no spread. Compile times differ by this much from start to start.
NOISE_OF_ONE = 0.25


@dataclass(frozen=True)
class Case:
    """What is rendered and differentiated.

    Attributes:
        resolution: (height, width), pixels.
        scene: ``sphere``, ``layers`` or ``fan``; see :mod:`benchmarks.scenes`.
        triangles: how many the scene has.
        lights: how many there are.
        parameters: what the Jacobian is asked for: names, or ``all``.
        precision: ``f32`` or ``f64``.
        threads: of Taichi, and of the copy that a stage is compared with.
    """

    resolution: tuple[int, int] = (1024, 1024)
    scene: str = "sphere"
    triangles: int = 5120
    lights: int = 1
    parameters: tuple[str, ...] | str = ("light.direction",)
    precision: str = "f32"
    threads: int = 2

    @property
    def label(self) -> str:
        """In what it differs from the base case."""
        base = Case()
        height, width = self.resolution
        by = self.parameters if isinstance(self.parameters, str) else ", ".join(self.parameters)
        parts = {
            "resolution": f"{width} x {height}",
            "scene": self.scene,
            "triangles": counted(self.triangles, "triangle"),
            "lights": counted(self.lights, "light"),
            "parameters": f"by {by}",
            "precision": self.precision,
            "threads": counted(self.threads, "thread"),
        }
        differing = [text for name, text in parts.items() if getattr(self, name) != getattr(base, name)]
        return ", ".join(differing) or "base"


def spread(values: Sequence[float]) -> float:
    """The relative standard deviation of one repeat, from the median deviation: robust against single outliers."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(value - middle) for value in values) / abs(middle) if middle else 0.0


@dataclass(frozen=True)
class StageResult:
    """One stage of a case.

    Attributes:
        seconds: of each repeat.
        copy_seconds: of the copy, right after each repeat, that moves as many bytes.
        moved: what the stage must at least read and write -> bytes; see :func:`bytes_moved`.
    """

    seconds: list[float]
    copy_seconds: list[float]
    moved: dict[str, int]

    @property
    def over_copy(self) -> float:
        """How many times as long as the copy it takes: the median over neighbours."""
        return statistics.median(a / b for a, b in zip(self.seconds, self.copy_seconds, strict=True))


@dataclass(frozen=True)
class CaseResult:
    """One case.

    Attributes:
        case: what was measured.
        stages: stage -> its times.
        covered: covered pixels.
        peak_bytes: the largest resident memory of the process, before anything is copied.
        compile_cold: seconds from a started Taichi to the first Jacobian, of one pixel, with an empty kernel cache.
        compile_cached: the same in the next process, on the cache that the first one left.
        yardstick_seconds: how long the same arithmetic took, after each repeat; see :mod:`benchmarks.yardstick`.
        error: what happened, if it could not be measured.
    """

    case: Case
    stages: dict[str, StageResult] = field(default_factory=dict)
    covered: int = 0
    peak_bytes: int = 0
    compile_cold: float | None = None
    compile_cached: float | None = None
    yardstick_seconds: list[float] = field(default_factory=list)
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything, with what follows from it, for the result file."""
        stages = {
            name: {
                **dataclasses.asdict(stage),
                "median_s": statistics.median(stage.seconds),
                "spread": spread(stage.seconds),
                "ns_per_covered_pixel": 1e9 * statistics.median(stage.seconds) / max(self.covered, 1),
                "bytes_per_covered_pixel": sum(stage.moved.values()) / max(self.covered, 1),
                "over_copy": stage.over_copy,
            }
            for name, stage in self.stages.items()
        }
        return {**dataclasses.asdict(self), "label": self.case.label, "stages": stages}


@dataclass(frozen=True)
class Figure:
    """A number with a target.

    Attributes:
        name: what it is.
        values: of each repeat; empty if it could not be measured.
        target: the limit.
        sign: ``<=`` or ``>=``: on which side of the target it has to be.
        unit: of the values; ratios have none.
        note: what belongs to it.
    """

    name: str
    values: list[float]
    target: float
    sign: str = "<="
    unit: str = ""
    note: str = ""

    @property
    def value(self) -> float | None:
        """The median, None if nothing could be measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> bool:
        """Whether the target is reached. What could not be measured does not reach it."""
        if self.value is None or math.isnan(self.value):
            return False
        return self.value <= self.target if self.sign == "<=" else self.value >= self.target

    @property
    def verdict(self) -> str:
        """``pass`` or ``FALL SHORT``."""
        return "pass" if self.met else "FALL SHORT"

    def as_json(self) -> dict[str, Any]:
        """Everything, with what follows from it, for the result file."""
        return {**dataclasses.asdict(self), "value": self.value, "verdict": self.verdict}


def bytes_moved(stage: str, sizes: Mapping[str, int]) -> dict[str, int]:
    """What a stage must at least read and write: each array once, whatever the kernels do in between.

    Args:
        stage: ``visibility``, ``surface``, ``shade``, ``render`` (these two) or ``jacobian``.
        sizes: ``pixels``, ``covered``, ``vertices``, ``triangles``, ``normals``, ``columns`` (of the Jacobian, without
            the cotangents), ``moves`` (1 if a pose is among the parameters) and ``real`` (bytes of a number).

    Returns:
        What it is -> bytes.
    """
    pixels, covered, real = sizes["pixels"], sizes["covered"], sizes["real"]
    positions = 24 * sizes["vertices"] + 12 * sizes["triangles"]
    # Albedo has a row a vertex. The triangles name their normals.
    mesh = positions + 24 * sizes["vertices"] + 24 * sizes["normals"] + 12 * sizes["triangles"]
    g_buffer = 9 * 8 * covered  # float64 in every run
    seen = 8 * covered  # the list of covered pixels, and the triangle that each sees
    if stage == "visibility":
        return {"mesh": positions, "depths": 16 * pixels, "ids": 4 * pixels, "list": 4 * covered}
    if stage == "surface":
        return {"mesh": mesh, "seen": seen, "G-buffer": g_buffer}
    if stage == "shade":
        return {"G-buffer": g_buffer, "image": 3 * real * pixels}
    if stage == "render":
        return {"mesh": mesh, "seen": seen, "G-buffer": 2 * g_buffer, "image": 3 * real * pixels}
    source = {"mesh": mesh, "seen": seen} if sizes["moves"] else {}
    # Columns of the background are never touched.
    return {**source, "G-buffer": g_buffer, "columns": sizes["columns"] * real * covered}


@dataclass(frozen=True)
class Change:
    """What became of one measurement.

    Attributes:
        name: what was measured.
        before: the earlier median.
        after: the later one.
        ratio: how many times as bad as before it is now.
        noise: by how much more than 1 (or its inverse) the ratio must differ to count.
        machine: of a time, how many times as long the same arithmetic takes now; None if that is not known of both.
    """

    name: str
    before: float
    after: float
    ratio: float
    noise: float
    machine: float | None = None

    @property
    def relative(self) -> float:
        """How many times as bad it is relative to the machine."""
        return self.ratio / (self.machine or 1.0)

    @property
    def is_worse(self) -> bool:
        """Whether it got worse beyond noise, as it was measured and relative to the machine."""
        return min(self.ratio, self.relative) > 1.0 + self.noise

    @property
    def is_better(self) -> bool:
        """Whether it got better beyond noise, as it was measured and relative to the machine."""
        return max(self.ratio, self.relative) < 1.0 / (1.0 + self.noise)


def noise(before: Sequence[float], after: Sequence[float]) -> float:
    """By which part two medians may differ without a reason.

    DEVIATIONS times the spread of the repeats of both, at least LEAST_NOISE; NOISE_OF_ONE where one of them was
    measured once.
    """
    if min(len(before), len(after)) < 2:
        return NOISE_OF_ONE
    return max(LEAST_NOISE, DEVIATIONS * math.hypot(spread(before), spread(after)))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Compare what two result files have in common.

    Args:
        before: the earlier result, as in its file.
        after: the later one.

    Returns:
        One change for each measurement, the worst first.
    """
    earlier, found = _series(before), []
    for name, now in _series(after).items():
        if name in earlier:
            then = earlier[name]
            old, new = statistics.median(then.values), statistics.median(now.values)
            if old > 0.0 and new > 0.0:
                ratio = old / new if now.larger_is_better else new / old
                machine = None
                if then.yardstick and now.yardstick:
                    machine = statistics.median(now.yardstick) / statistics.median(then.yardstick)
                found.append(Change(name, old, new, ratio, noise(then.values, now.values), machine))
    return sorted(found, key=lambda change: -change.ratio)


@dataclass(frozen=True)
class _Series:
    """The repeats of one measurement; for times also how long the yardstick took meanwhile, if the file says so."""

    values: list[float]
    larger_is_better: bool = False
    yardstick: Sequence[float] = ()


def _series(result: Mapping[str, Any]) -> dict[str, _Series]:
    """Every measurement of a result file by its name."""
    series: dict[str, _Series] = {}
    for case in result["cases"]:
        label = case["label"]
        yardstick = case.get("yardstick_seconds", ())
        for stage, times in case["stages"].items():
            series[f"{label}: {stage}, s"] = _Series(times["seconds"], yardstick=yardstick)
        for key, name in (("compile_cold", "compile cold, s"), ("compile_cached", "compile cached, s")):
            if case[key]:
                series[f"{label}: {name}"] = _Series([case[key]], yardstick=yardstick)
        if case["peak_bytes"]:
            series[f"{label}: peak memory, bytes"] = _Series([case["peak_bytes"]])
    for figure in result["figures"]:
        if figure["values"]:
            series[figure["name"]] = _Series(figure["values"], larger_is_better=figure["sign"] == ">=")
    return series
