"""Finite differences by columns, with units of their steps that fit the image.

The unit of a step that is read off the scene (:mod:`tdr.derivatives.step_units`) is a guess: a shader may bend within a
millionth of it, or be a straight line for a million of it. Where bounds come out wide, steps over many orders of
magnitude are tried at a few pixels, and if others fit better, the differences are taken with these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column
from tdr.derivatives.extrapolation import extrapolated
from tdr.derivatives.finite_difference import STEPS, Chunk, Differences, differences
from tdr.derivatives.step_units import Extents, has_own_scale
from tdr.render.passes import Passes
from tdr.shaders.custom import loops_at_run_time

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Excluding = Callable[[Sequence[Column], Array], Mask]

# All steps that are tried, in units; at how many pixels. Where a number may be that of a loop's trips, none is longer
# than the last.
LADDER: Array = np.exp2(np.arange(26.0, -48.0, -2.0))
_LOOPING = 4.0
_TRIED = 48
# A bound is narrow at this part of the entry or of the column's median entry, and where all of a column is zero, at
# this part of the brightest pixel a unit.
_NARROW = 2.0**-20
_ZERO = 2.0**-30
# A step fits where it tells a derivative to one part in so many.
_CLEAR = 64.0
# A column whose bounds are wide at more than this part of its entries is tried again.
_WIDE = 0.05
# Where in the ladder of ``STEPS`` the step that fits best shall be, and how far from it is near enough.
_BEST = float(STEPS[3])
_NEAR = 2.0**5


def fitted_differences(
    passes: Passes,
    columns: Sequence[Column],
    units: Array,
    subset: npt.NDArray[np.integer],
    cotangents: Array,
    extents: Extents,
    *,
    excluding: Excluding | None = None,
    light: int | None = None,
) -> tuple[Differences, Array]:
    """Differentiate the image by columns.

    Args:
        passes: the scene, rendered with its current settings.
        columns: D columns.
        units: (D,) where to begin.
        subset: (N,) where the pixels stand in the list of covered pixels.
        cotangents: (C, 3).
        extents: of what is seen.
        excluding: which steps of columns with some units must not be used, (D, J, N); see
            :func:`tdr.derivatives.finite_difference.differences`, as for
        light: likewise.

    Returns:
        The derivatives by each column, per unit, and the units, (D,).
    """

    def with_units(chosen: Sequence[Column], units: Array) -> Differences:
        excluded = None if excluding is None else excluding(chosen, units)
        return differences(passes, chosen, np.diag(units), subset, cotangents, extents, excluded=excluded, light=light)

    first = with_units(columns, units)
    wide = _wide(first, columns)
    often = [d for d in range(len(columns)) if wide[d].size and np.mean(wide[d]) > _WIDE]
    better = units.copy()
    for d in often:
        better[d] *= _factor(passes, columns[d], units[d], first, d, wide[d], subset, cotangents, light)
    again = [d for d in often if better[d] != units[d]]
    if not again:
        return first, units
    if first.jitter.any():
        # What looked coarse along these columns was taken to be so along all of them.
        again = list(range(len(columns)))
    named = [columns[d] for d in again]
    second = with_units(named, better[again])
    ratios = (units[again] / better[again])[:, None, None]
    # What narrows one channel or pixel and loses another is no gain.
    after, before = (second.bounds * ratios).max(axis=2), first.bounds[again].max(axis=2)
    improved = np.mean(after < before, axis=1) > np.mean(after > before, axis=1)
    improved &= np.count_nonzero(np.isinf(after), axis=1) <= np.count_nonzero(np.isinf(before), axis=1)
    # A longer step that disagrees with a shorter one, or sees the image jitter, skips what is between.
    skips = np.abs(second.values * ratios - first.values[again]) > second.bounds * ratios + first.bounds[again]
    skips |= second.jitter > first.jitter[again]
    improved &= (better[again] < units[again]) | ~skips.any(axis=(1, 2))
    improved |= better[again] == units[again]
    kept = np.array(again)[improved]
    of_all = ("image", "noise", "repeats")
    merged = {field.name: getattr(first, field.name).copy() for field in fields(first) if field.name not in of_all}
    for name, values in merged.items():
        values[kept] = getattr(second, name)[improved]
    units = units.copy()
    units[kept] = better[kept]
    return replace(first, **merged), units


def _wide(estimated: Differences, columns: Sequence[Column]) -> Mask:
    """Which entries have a wide bound, (D, N, C)."""
    magnitudes, bounds = np.abs(estimated.values), estimated.bounds
    finite = np.abs(estimated.image[np.isfinite(estimated.image)])
    brightest = np.max(finite, initial=0.0)
    wide = np.empty(bounds.shape, dtype=bool)
    for d, column in enumerate(columns):
        significant = magnitudes[d][magnitudes[d] > bounds[d]]
        if len(significant):
            wide[d] = ~(bounds[d] <= _NARROW * np.fmax(magnitudes[d], np.median(significant)))
        else:
            # A number whose image is a straight line may only seem to do nothing, because its steps are too short.
            wide[d] = ~(bounds[d] <= _ZERO * brightest) | has_own_scale(column)
    return wide


def _factor(
    passes: Passes,
    column: Column,
    unit: float,
    estimated: Differences,
    d: int,
    wide: Mask,
    subset: npt.NDArray[np.integer],
    cotangents: Array,
    light: int | None,
) -> float:
    """By how much another unit fits a column better where bounds are ``wide`` (N, C), a power of 2; 1 if none does."""
    finite = np.isfinite(estimated.image).all(axis=1)
    # Pixels at which the image changes say more, and of those every so many.
    moves = np.nan_to_num(np.abs(estimated.central[d])).max(axis=(0, 2))
    order = np.flatnonzero(finite)[np.argsort(-moves[finite], kind="stable")]
    half = order[: max(_TRIED, len(order) // 2)]
    tried = np.sort(half[:: max(1, len(half) // _TRIED)][:_TRIED])
    if not len(tried):
        return 1.0
    ladder = LADDER[LADDER <= _LOOPING] if loops_at_run_time(passes.scene.shader) else LADDER
    chunk = Chunk(passes, [column], np.array([[unit]]), subset[tried], cotangents, ladder, light)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        central, second, h, noise = chunk.ladder(estimated.noise[tried])
        if _jumps(second[0], noise[0], estimated.jitter[d, tried]):
            return 1.0
        values, bounds, _, steps = extrapolated(central, second, h, noise)
    # Where rounding hides a kink, a short step is trusted too, with a bound as wide as the derivative.
    significant = wide[tried] & np.isfinite(bounds[0]) & (np.abs(values[0]) > _CLEAR * bounds[0])
    if not significant.any():
        return 1.0
    best = np.exp2(np.round(np.median(np.log2(steps[0][significant]))))
    factor = best / _BEST
    return float(factor) if not 1.0 / _NEAR <= factor <= _NEAR else 1.0


def _jumps(second: Array, noise: Array, jitter: Array) -> bool:
    """Whether an image that jitters is a staircase, and not a fast wave.

    On a stair, a step too short to leave it shows only what else changes, and that is not the derivative that is asked
    for. With the step, second differences of a wave fall by 16 at most from each step to the next; a stair's height is
    there or not.

    Args:
        second: (J, N, C) the magnitude of the second difference of each step.
        noise: (J, N, C) by how much the displaced image may be off.
        jitter: (N, C) by how much it jitters.
    """
    before, after = second[:-1], second[1:]
    drops: Mask = (before < 4.0 * jitter) & (before > 256.0 * noise[1:]) & (before > 256.0 * after)
    return bool(jitter.any() and np.mean(np.any(drops, axis=0)[jitter > 0.0]) > 0.5)
