"""Checks Jacobian images by methods that share nothing with the one that made them.

The judge is :mod:`tdr.derivatives.finite_difference`: the plain renderer under displaced settings, in float64 in every
run, with an error bound for every entry. A *quick* check compares every column at random pixels, and a random direction
v in the space of all columns at many more, where it also compares <w, Jv> with <J^T w, v> for a random cotangent w. A
*full* check compares every pixel of every column, leaves out the steps at which a pixel sees another triangle, and
compares with forward mode and, at a few pixels, with the one-pixel loop.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tdr.check.closer_look import flat_range, separate_channels
from tdr.check.column import judge_column
from tdr.check.comparison import Comparison, compare, compare_direction
from tdr.check.diagnosis import Circumstances, diagnose, is_unchanged
from tdr.check.explanation import ColumnSample
from tdr.check.rendering import judge_rendering
from tdr.check.surroundings import Surroundings
from tdr.config import CheckMode, Method
from tdr.config.parameters import Column, Parameter
from tdr.derivatives.finite_difference import STEPS, central_differences
from tdr.derivatives.jacobian import Track, compute_at, silently
from tdr.derivatives.step_units import Extents
from tdr.errors import InputError, check_choice
from tdr.render.passes import Passes
from tdr.render.pipeline import Pipeline
from tdr.results.check_result import CheckResult, ColumnCheck, DirectionCheck, Place, StepCurve, Verdict
from tdr.results.jacobian_images import JacobianImages
from tdr.shaders.custom import suspects
from tdr.shaders.rules import ZEROING

Array = npt.NDArray[np.float64]

# How many pixels a quick check looks at in every column, and along its random direction.
SAMPLE = 512
DIRECTION_SAMPLE = 4096
# The steps along a random direction: where the bounds are near their least, and the smallest, which show kinks.
DIRECTION_STEPS: Array = STEPS[5:]
# At how many pixels a full check runs the one-pixel loop.
LOOP_SAMPLE = 16
# How many standard deviations a normal number may be off: more happens once in 5e8.
CONFIDENCE = 6.0


def check_jacobian(pipeline: Pipeline, jacobian: JacobianImages, mode: CheckMode | str = "quick") -> CheckResult:
    """Check Jacobian images of what a pipeline rendered last.

    Args:
        pipeline: the scene, with the settings that the Jacobian images belong to.
        jacobian: what :func:`tdr.compute_jacobian` computed of it.
        mode: ``quick``: random pixels and a random direction; ``full``: every pixel of every column.

    Returns:
        Errors, tolerances and a verdict for every column and the whole, with findings in words.

    Raises:
        InputError: if the mode is neither, or the Jacobian images are of another size than the pipeline's image.
    """
    if mode not in ("quick", "full", CheckMode.quick, CheckMode.full):
        raise InputError(f"mode must be 'quick' or 'full'; got {mode!r}.")
    if jacobian.triangle_id.shape != tuple(pipeline.resolution):
        raise InputError(
            f"jacobian must have the size of the pipeline's image, {pipeline.resolution}; "
            f"got {jacobian.triangle_id.shape}."
        )
    return check(pipeline, jacobian, check_choice("mode", CheckMode, mode))


def check(pipeline: Pipeline, images: JacobianImages, mode: CheckMode, track: Track = silently) -> CheckResult:
    """Check Jacobian images of what a pipeline rendered last.

    Args:
        pipeline: the scene, with the settings that the Jacobian images belong to.
        images: its Jacobian images.
        mode: ``quick`` or ``full``.
        track: wraps the loop over parameters, to show progress.
    """
    if len(pipeline.passes.rasterizer.pixels) == 0:
        height, width = pipeline.resolution
        return CheckResult(
            mode=mode.value,
            precision=images.precision,
            method=images.method,
            reference=_REFERENCE,
            verdict=Verdict.not_comparable,
            columns=(),
            direction=None,
            findings=("Nothing is visible, so there is nothing to compare.",),
            sampled=0,
            place=np.zeros((height, width), np.uint8),
            pixels=np.empty(0, np.int32),
            errors=np.empty(0),
            excesses=np.empty(0),
            curve=None,
        )
    # What is not finite is counted and judged, and needs no warning.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return _Check(pipeline.passes, images, mode).run(track)


_REFERENCE = "central differences in float64"


@dataclass(frozen=True)
class _Direction:
    """A random direction (D,), and what comparing it at some pixels showed."""

    surroundings: Surroundings
    tangent: Array
    comparison: Comparison


class _Check:
    """A check of one set of Jacobian images, with what it has found so far."""

    def __init__(self, passes: Passes, images: JacobianImages, mode: CheckMode) -> None:
        self.passes = passes
        self.images = images
        self.mode = mode
        self.rng = np.random.default_rng(0)
        self.covered = len(passes.rasterizer.pixels)
        self.drawn = np.sort(self.rng.permutation(self.covered)[:DIRECTION_SAMPLE])
        # a map over all pixels, row by row, and what was found at some of them
        background, unsampled = np.uint8(Place.background), np.uint8(Place.unsampled)
        self.place = np.where(images.triangle_id.reshape(-1) >= 0, unsampled, background)
        self.pixels = np.empty(0, np.int32)
        self.errors, self.excesses = np.empty((2, 0))
        self.findings: list[str] = []
        self.wrong = False

    def run(self, track: Track) -> CheckResult:
        quick = self.mode is CheckMode.quick
        subset: npt.NDArray[np.integer] = self.sample() if quick else np.arange(self.covered)
        # A quick check evaluates all columns at once, a full one needs the memory for one parameter at a time.
        parameters = self.images.parameters
        groups = [parameters] if quick else [(parameter,) for parameter in parameters]
        direction: _Direction | None = None
        checks: list[ColumnCheck] = []
        circumstances: Circumstances | None = None
        surroundings = Surroundings(self.passes, subset)
        others: dict[str, npt.NDArray[np.floating]] = {}
        for group in track(groups, "checks"):
            chosen = np.array([column.parameter in group for column in self.images.columns])
            comparison = self.compare(group, surroundings)
            if quick:
                direction = self.direction(comparison.units)
                subset, before = self.with_suspects(subset, direction), len(subset)
                if len(subset) > before:
                    surroundings = Surroundings(self.passes, subset)
                    comparison = self.compare(group, surroundings)
            # The derivatives are asked for again after much else was computed, which must not matter.
            others = others or self.other_engines(subset)
            if self.images.method == Method.finite_difference.value:
                comparison = replace(comparison, reference=others["again"][chosen].astype(np.float64))
            if circumstances is None:
                circumstances, findings, wrong = judge_rendering(
                    self.passes, self.images, comparison.estimated, surroundings, self.extents
                )
                self.findings += findings
                self.wrong |= wrong
            here = {name: values[chosen] for name, values in others.items()}
            columns = [column for column in self.images.columns if column.parameter in group]
            checks += self.judge_columns(columns, comparison, surroundings, here, circumstances)
            right = subset[(np.nan_to_num(comparison.excess, nan=0.0) <= 1.0).all(axis=(0, 2))]
        directional = None if direction is None else self.judge_direction(direction, right)
        verdicts = {check.verdict for check in checks}
        verdict = Verdict.passed
        if self.wrong or Verdict.failed in verdicts:
            verdict = Verdict.failed
            self.findings += suspects(self.passes.scene.shader)
        elif any(check.zero for check in checks):
            self.findings += suspects(self.passes.scene.shader, ZEROING)
        if verdict is Verdict.passed and Verdict.not_comparable in verdicts:
            verdict = Verdict.not_comparable
        shape = self.images.triangle_id.shape
        result = CheckResult(
            mode=self.mode.value,
            precision=self.images.precision,
            method=self.images.method,
            reference=_REFERENCE,
            verdict=verdict,
            columns=tuple(checks),
            direction=directional,
            findings=tuple(self.findings),
            sampled=len(subset),
            place=self.place.reshape(shape),
            pixels=self.pixels,
            errors=self.errors,
            excesses=self.excesses,
            curve=None,
        )
        return replace(result, curve=self.curve(result.worst))

    def compare(self, group: Sequence[Parameter], surroundings: Surroundings) -> Comparison:
        """Compare the columns of some parameters at some pixels."""
        columns = [column for column in self.images.columns if column.parameter in group]
        moving = self.mode is CheckMode.full
        return compare(self.passes, self.images, columns, surroundings, self.extents, moving=moving)

    def other_engines(self, subset: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.floating]]:
        """The same derivatives (D, N, C) again, and in a full check by the other of reverse and forward mode."""
        images, parameters = self.images, self.images.parameters
        same, other = Method.batched, Method.forward
        if images.method == Method.forward.value:
            same, other = other, same
        engines = {"again": compute_at(self.passes, parameters, images.cotangents, subset, same)}
        if self.mode is CheckMode.full:
            try:
                engines["other"] = compute_at(self.passes, parameters, images.cotangents, subset, other)
            except InputError as error:
                # Forward mode refuses some functions that reverse mode differentiates; finite differences still judge.
                self.findings.append(f"Not compared with {other.value} mode: {error}")
            # What an undefined pixel's derivative is, depends on the order of its terms.
            colors = images.image.reshape(-1, 3)[self.passes.rasterizer.pixels[subset]]
            defined = np.flatnonzero(np.isfinite(colors).all(axis=1))
            few = np.sort(self.rng.choice(defined, min(LOOP_SAMPLE, len(defined)), replace=False))
            loop = compute_at(self.passes, parameters, images.cotangents, subset[few], Method.loop)
            batched = compute_at(self.passes, parameters, images.cotangents, subset[few], Method.batched)
            if not np.array_equal(loop, batched, equal_nan=True):
                self.fail("One reverse pass a pixel gives other numbers than one reverse pass for all pixels.")
        return engines

    def fail(self, finding: str) -> None:
        """Note what is wrong with the whole."""
        self.wrong = True
        self.findings.append(finding)

    # ------------------------------------------------------------------------------------------- a random direction

    @functools.cached_property
    def extents(self) -> Extents:
        """How large what is seen is."""
        return Extents.of(self.around_drawn.part)

    @functools.cached_property
    def around_drawn(self) -> Surroundings:
        """Where a quick check compares a random direction, which includes where it compares every column."""
        return Surroundings(self.passes, self.drawn)

    def sample(self) -> npt.NDArray[np.integer]:
        """Where a quick check compares every column: at the boundary, and at random."""
        boundary = self.rng.permutation(self.drawn[self.around_drawn.place == Place.boundary])
        order = np.concatenate([boundary[: SAMPLE // 4], self.rng.permutation(self.drawn)])
        _, first = np.unique(order, return_index=True)
        return np.sort(order[np.sort(first)][:SAMPLE])

    def direction(self, units: Array) -> _Direction:
        """Compare a random direction at many pixels; ``units`` (D,) are those of the columns' steps."""
        tangent = self.rng.standard_normal(len(self.images.columns)) * units
        comparison = compare_direction(
            self.passes, self.images, tangent, self.around_drawn, self.extents, DIRECTION_STEPS
        )
        return _Direction(self.around_drawn, tangent, comparison)

    def with_suspects(self, subset: npt.NDArray[np.integer], direction: _Direction) -> npt.NDArray[np.integer]:
        """Pixels, and those at which a direction is off the most."""
        excess = np.fmax.reduce(direction.comparison.excess[0], axis=1)
        off = np.flatnonzero(excess > 1.0)
        return np.union1d(subset, direction.surroundings.subset[off[np.argsort(-excess[off])][: SAMPLE // 4]])

    def judge_direction(self, direction: _Direction, right: npt.NDArray[np.integer]) -> DirectionCheck:
        """Judge a direction; ``right`` are where in the list of covered pixels every column is right.

        A derivative along a direction is the sum of the columns', so where all of them are right it is the finite
        differences along the direction that are wrong: a kink is harder to see there.
        """
        surroundings, comparison = direction.surroundings, direction.comparison
        off = (comparison.excess[0] > 1.0).any(axis=1)
        excused = off & np.isin(surroundings.subset, right)
        comparison = replace(comparison, places=np.where(excused, Place.kink, comparison.places).astype(np.uint8))
        self.paint(
            surroundings,
            comparison,
            np.max(np.abs(comparison.reference), initial=0.0, where=comparison.comparable),
        )
        counts = comparison.comparable[0] & np.isfinite(comparison.tested[0])
        weights = np.where(counts, self.rng.standard_normal(counts.shape), 0.0)
        columns = [np.nan_to_num(surroundings.of_image(self.images.column(c))) for c in self.images.columns]
        # <w, Jv> and <J^T w, v> differ by the sum of w_n e_n, where e_n is at most the entry's tolerance. However the
        # errors e hang together, w is normal and knows nothing of them: so is the sum, with the standard deviation |e|.
        allowed = np.where(counts, comparison.tolerance[0], 0.0)
        out_of_tolerance = int(np.count_nonzero(comparison.excess[0] > 1.0))
        result = DirectionCheck(
            tangent=float(np.sum(weights * np.where(counts, comparison.reference[0], 0.0))),
            cotangent=float(np.dot(direction.tangent, [np.sum(weights * column) for column in columns])),
            tolerance=float(min(np.sum(np.abs(weights) * allowed), CONFIDENCE * np.hypot.reduce(allowed, axis=None))),
            pixels=int(np.count_nonzero(counts.any(axis=1))),
            out_of_tolerance=out_of_tolerance,
        )
        self.wrong |= out_of_tolerance > 0 or abs(result.tangent - result.cotangent) > result.tolerance
        return result

    # --------------------------------------------------------------------------------------------------- the columns

    def judge_columns(
        self,
        columns: Sequence[Column],
        comparison: Comparison,
        surroundings: Surroundings,
        engines: dict[str, npt.NDArray[np.floating]],
        circumstances: Circumstances,
    ) -> list[ColumnCheck]:
        """Judge columns by what comparing them showed."""
        largest = {p: self.images.largest_magnitudes(p) for p in dict.fromkeys(column.parameter for column in columns)}
        known = np.nan_to_num(np.abs(comparison.reference)).max(axis=(1, 2), initial=0.0, where=comparison.comparable)
        scale = np.array([largest[column.parameter][column.index] for column in columns])
        scale = np.where(scale > 0.0, scale, known)
        self.paint(surroundings, comparison, scale)
        rows_columns = np.stack(np.divmod(surroundings.pixels, self.images.triangle_id.shape[1]), axis=1)
        repeats = self.images.method != Method.finite_difference.value
        cosines = surroundings.cosines() if (comparison.excess > 1.0).any() else None
        compared = [
            ColumnSample(
                column,
                rows_columns,
                comparison.tested[d],
                comparison.reference[d],
                comparison.tolerance[d],
                comparison.comparable[d],
                engines["again"][d].astype(np.float64) if repeats else None,
                surroundings.opposite,
                cosines,
            )
            for d, column in enumerate(columns)
        ]
        checks = []
        for d, sample in enumerate(compared):
            is_sibling = [other.column.parameter == sample.column.parameter for other in compared]
            others = [compared[i] for i in np.argsort(np.logical_not(is_sibling), kind="stable")]
            channels = None
            if sample.wrong.any():
                channels = separate_channels(self.passes, self.images, sample, surroundings, self.extents)
            unit = float(comparison.units[d])
            still = flat_range(self.passes, sample.column, unit, surroundings) if is_unchanged(sample) else np.inf
            findings = [*diagnose(sample, others, circumstances, channels, still)]
            again = engines["again"][d].astype(np.float64)
            other = engines["other"][d].astype(np.float64) if "other" in engines else None
            checks.append(judge_column(sample, comparison, d, float(scale[d]), surroundings, again, other, findings))
        return checks

    def paint(self, surroundings: Surroundings, comparison: Comparison, scale: npt.ArrayLike) -> None:
        """Enter a comparison into the maps; of several, the worst stays."""
        pixels = surroundings.pixels
        scale = np.maximum(np.reshape(scale, (-1, 1)), np.finfo(np.float64).tiny)
        error = np.fmax.reduce(np.fmax.reduce(comparison.difference, axis=2) / scale)
        excess = np.fmax.reduce(comparison.excess, axis=(0, 2))
        known, self.pixels = self.pixels, np.union1d(self.pixels, pixels)
        before, here = np.searchsorted(self.pixels, known), np.searchsorted(self.pixels, pixels)
        found = np.full((2, len(self.pixels)), np.nan)
        found[:, before] = self.errors, self.excesses
        found[:, here] = np.fmax(found[:, here], [error, excess])
        self.errors, self.excesses = found
        self.place[pixels] = np.maximum(self.place[pixels], comparison.places.max(axis=0))

    def curve(self, worst: ColumnCheck | None) -> StepCurve | None:
        """Finite differences of the worst entry of all, step by step."""
        if worst is None or worst.worst is None:
            return None
        entry = worst.worst
        pixel = entry.row * self.images.triangle_id.shape[1] + entry.column
        where = np.searchsorted(self.passes.rasterizer.pixels, [pixel])
        (unit,) = self.extents.units(self.passes, [worst.column])
        direction = np.array([[unit]])
        central = central_differences(self.passes, [worst.column], direction, where, self.images.cotangents)
        differences = central[0, :, 0, entry.channel or 0] / unit
        return StepCurve(worst.column.name, worst.column.parameter.unit, entry, STEPS * unit, differences)
