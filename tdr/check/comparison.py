"""Jacobian images beside finite differences, entry by entry: what may be compared, and by how much they may differ.

Two values may differ by the bound of the finite differences, plus what rounding does to the tested value. Everything is
computed in float64, so that is how much the derivative changes under small relative changes of the data, measured at
each entry, and how large the parameter's entries are at the pixel, times float64's unit roundoff, times ``ROUNDINGS``;
and in a float32 run, once, the rounding of the result. Where the image is seen to be rounded to something coarser,
because a shader casts to float32 or lets large numbers nearly cancel, that takes the place of the unit roundoff.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tdr.check.surroundings import Surroundings, visibility_changes
from tdr.config.parameters import Column, Reads
from tdr.derivatives.finite_difference import EPS, ROUNDINGS, STEPS, UNDERFLOW, Differences, differences
from tdr.derivatives.fitted import fitted_differences
from tdr.derivatives.step_units import Extents
from tdr.render.passes import Passes
from tdr.results.check_result import COMPARED, Place
from tdr.results.jacobian_images import JacobianImages

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# An entry is too uncertain to compare if its tolerance exceeds this part of it, of the large entries of its column, and
# of what is as good as nothing beside the brightest pixel when the parameter moves by a unit.
USEFUL = 1e-2
LARGE = 0.9
NOTHING = 2.0**-20


@dataclass(frozen=True)
class Comparison:
    """Derivatives along D columns, or directions, at N pixels for C cotangents.

    Attributes:
        tested: (D, N, C) what is checked.
        reference: (D, N, C) the finite differences.
        tolerance: (D, N, C) by how much they may differ.
        rounding: (D, N, C) the part of it that rounding in the run explains.
        roundoff: (D,) what numbers are rounded to, relative to them: float64's unit, or what the image is seen to be.
        places: (D, N) uint8, :class:`tdr.results.check_result.Place`.
        units: (D,) the unit of each column's steps.
        estimated: finite differences of some columns under all lights, which show the rendering as it is.
    """

    tested: Array
    reference: Array
    tolerance: Array
    rounding: Array
    roundoff: Array
    places: npt.NDArray[np.uint8]
    units: Array
    estimated: Differences

    @functools.cached_property
    def comparable(self) -> Mask:
        """(D, N, C) whether the entry counts."""
        return np.broadcast_to(np.isin(self.places, COMPARED)[:, :, None], self.tested.shape)

    @functools.cached_property
    def difference(self) -> Array:
        """(D, N, C) the magnitude; NaN where nothing is compared, infinite where the tested value is not finite."""
        finite = np.isfinite(self.tested)
        difference = np.abs(np.where(finite, self.tested, 0.0) - self.reference)
        return np.where(self.comparable, np.where(finite, difference, np.inf), np.nan)

    @functools.cached_property
    def excess(self) -> Array:
        """(D, N, C) the difference in multiples of the tolerance, NaN where nothing is compared."""
        difference = self.difference
        return np.where(difference == 0.0, 0.0, difference / np.maximum(self.tolerance, np.finfo(np.float64).tiny))


def compare(
    passes: Passes,
    images: JacobianImages,
    columns: Sequence[Column],
    surroundings: Surroundings,
    extents: Extents,
    *,
    moving: bool,
    tested: Array | None = None,
) -> Comparison:
    """Compare columns with finite differences.

    Args:
        passes: the scene, rendered with its current settings.
        images: its Jacobian images.
        columns: D columns, all of each parameter that occurs.
        surroundings: the pixels.
        extents: of what is seen.
        moving: whether to find out which triangle the pixels see at every step, and to leave out the steps at which
            it is another, unless an edge passes through the pixel's centre.
        tested: (D, N, C) what is checked, if it is not what the images hold.
    """
    subset, cotangents = surroundings.subset, images.cotangents
    guesses = extents.units(passes, columns)

    def excluding(chosen: Sequence[Column], units: Array) -> Mask:
        excluded = surroundings.beyond_half_vector(chosen, np.diag(units), STEPS)
        if moving and chosen[0].parameter.reads is Reads.POSE:
            for d, (column, unit) in enumerate(zip(chosen, units, strict=True)):
                changes = visibility_changes(passes, [column], unit[None])[:, subset]
                # Where an edge passes through a pixel's centre no step is left; there the triangle is just held fixed.
                changes[:, changes[-3:].any(axis=0) & surroundings.near_edge] = False
                excluded[d] |= changes
        return excluded

    # A light's own numbers are seen under it alone: beside a bright light a dim one would drown in rounding.
    lights = np.array([column.index[0] if column.parameter.per_light else -1 for column in columns])
    if passes.num_lights == 1:
        lights[:] = -1
    groups = (
        list(np.arange(len(columns))[:, None]) if moving else [np.flatnonzero(lights == o) for o in np.unique(lights)]
    )
    parts, units = [], np.empty(len(columns))
    for group in groups:
        light = None if lights[group[0]] < 0 else int(lights[group[0]])
        part, units[group] = fitted_differences(
            passes,
            [columns[int(d)] for d in group],
            guesses[group],
            subset,
            cotangents,
            extents,
            excluding=excluding,
            light=light,
        )
        parts.append(part)
    if tested is None:
        tested = np.stack([surroundings.of_image(images.column(column)) for column in columns])
    magnitude = np.empty_like(tested)
    owners = [(column.parameter, light) for column, light in zip(columns, lights, strict=True)]
    for owner in set(owners):
        own = [other == owner for other in owners]
        magnitude[own] = np.nan_to_num(np.abs(tested[own]), posinf=0.0).max(axis=0)
    order = np.argsort(np.concatenate(groups))
    whole = next((part for group, part in zip(groups, parts, strict=True) if lights[group[0]] < 0), None)
    if whole is None:
        # All columns are lights' own; those of the first stand for all.
        first = np.flatnonzero(lights == lights.min())[: 1 if moving else None]
        named = [columns[int(d)] for d in first]
        whole = differences(passes, named, np.diag(units[first]), subset, cotangents, extents)
    comparison = _comparison(
        images,
        surroundings,
        tested,
        np.abs(tested),
        magnitude,
        _Estimated(parts, order),
        units,
        surroundings.beyond_half_vector(columns, np.diag(units), STEPS),
    )
    return replace(comparison, estimated=whole)


def compare_direction(
    passes: Passes,
    images: JacobianImages,
    direction: Array,
    surroundings: Surroundings,
    extents: Extents,
    steps: Array,
) -> Comparison:
    """Compare the derivative along a direction in the space of all columns with finite differences.

    Args:
        passes: the scene, rendered with its current settings.
        images: its Jacobian images.
        direction: (D,) in the units of the columns' derivatives.
        surroundings: the pixels.
        extents: of what is seen.
        steps: at least 3.

    Returns:
        The comparison; its one column is the direction.
    """
    subset = surroundings.subset
    beyond = surroundings.beyond_half_vector(images.columns, direction[None], steps)
    estimated = differences(
        passes, images.columns, direction[None], subset, images.cotangents, extents, steps=steps, excluded=beyond
    )
    tested = np.zeros((1, len(subset), len(images.cotangents)))
    magnitude = np.zeros_like(tested)
    for column, part in zip(images.columns, direction, strict=True):
        contribution = part * surroundings.of_image(images.column(column))
        tested += contribution
        magnitude += np.nan_to_num(np.abs(contribution), posinf=0.0)
    return _comparison(
        images,
        surroundings,
        tested,
        magnitude,
        magnitude,
        _Estimated([estimated], np.arange(1)),
        np.ones(1),
        beyond,
    )


@dataclass(frozen=True)
class _Estimated:
    """Finite differences of some columns, in parts.

    Attributes:
        parts: as they were computed.
        order: where each column is among those of all parts.
    """

    parts: Sequence[Differences]
    order: npt.NDArray[np.intp]

    def joined(self, name: str) -> Array:
        """An attribute that has an entry for each column, column by column."""
        return np.asarray(np.concatenate([getattr(part, name) for part in self.parts])[self.order])

    @property
    def brightest(self) -> Array:
        """(D,) the brightest pixel under the lights under which each column was seen, 1 where all is black."""
        brightest = []
        for part in self.parts:
            finite = np.abs(part.image[np.isfinite(part.image)])
            brightest += [np.max(finite, initial=0.0) or 1.0] * len(part.values)
        return np.array(brightest)[self.order]

    @property
    def roundoff(self) -> Array:
        """(D,) what numbers are rounded to, relative to them: float64's unit, or the image's where it jitters."""
        roundoff = []
        for part in self.parts:
            brightness = np.maximum(np.abs(part.image), np.finfo(np.float64).tiny)
            for jitter in part.jitter:
                seen = (jitter / brightness)[jitter > 0.0]
                roundoff.append(max(EPS, float(np.median(seen))) if seen.size else EPS)
        return np.array(roundoff)[self.order]


def _comparison(
    images: JacobianImages,
    surroundings: Surroundings,
    tested: Array,
    stored: Array,
    magnitude: Array,
    estimated: _Estimated,
    units: Array,
    beyond: Mask,
) -> Comparison:
    """Compare ``tested`` (D, N, C), which is made of stored numbers of the magnitude ``stored``."""
    joined, per_unit = estimated.joined, units[:, None, None]
    reference = joined("values") / per_unit
    roundoff = estimated.roundoff
    shading, geometry = joined("shading_condition") / per_unit, joined("geometry_condition") / per_unit
    geometry = np.fmax(geometry, _median_of_nonzero(shading + geometry))
    rounding = ROUNDINGS * (roundoff[:, None, None] * (shading + magnitude) + EPS * geometry)
    rounding += UNDERFLOW[images.precision]
    if images.precision == "f32":
        rounding += float(np.finfo(np.float32).eps) * np.nan_to_num(stored, posinf=0.0)
    # What a small change of the data makes undefined, nobody knows.
    rounding[np.isnan(rounding)] = np.inf
    tolerance = joined("bounds") / per_unit + rounding
    causes = joined("causes")
    # The least three steps are what a derivative takes at least.
    causes = np.where((causes == Place.visibility) & beyond[:, -3:].any(axis=1), Place.highlight_edge, causes)
    places = np.where(causes == 0, surroundings.place, causes).astype(np.uint8)
    edges = surroundings.edges()
    places = np.where((causes == Place.kink) & (edges > 0), edges, places)
    brightest = estimated.brightest[:, None, None] / per_unit
    uncertain = (tolerance > USEFUL * _typical(reference, tolerance, brightest)).any(axis=2)
    places[(causes == 0) & uncertain] = Place.imprecise
    # Where a light shines straight towards the camera, a half vector is the ratio of two numbers that are both zero but
    # for their rounding; what its derivative is there, nobody can say.
    wrong = ~(np.abs(tested - reference) <= tolerance).all(axis=2)
    places[wrong & (causes == 0) & surroundings.opposite] = Place.highlight_edge
    # At the edge of a light there is a kink, though rounding at short steps and bending at long ones may hide it.
    hidden = (np.abs(tested - reference) <= joined("bends") / per_unit + tolerance).all(axis=2)
    places = np.where(wrong & hidden & (causes == 0) & (edges > 0), edges, places)
    return Comparison(tested, reference, tolerance, rounding, roundoff, places, units, estimated.parts[0])


def _median_of_nonzero(condition: Array) -> Array:
    """What most pixels' derivatives change by per relative change of the data, (D, 1, C) of (D, N, C).

    At the edge of a light a pixel may happen to be dark after every change, and then shows none.
    """
    median = np.zeros((len(condition), 1, condition.shape[2]))
    for d, c in np.ndindex(len(condition), condition.shape[2]):
        changing = condition[d, :, c][(condition[d, :, c] > 0.0) & np.isfinite(condition[d, :, c])]
        if changing.size:
            median[d, 0, c] = np.median(changing)
    return median


def _typical(reference: Array, tolerance: Array, brightest: Array) -> Array:
    """What an entry's tolerance is measured by, (D, N, C); see ``USEFUL``."""
    magnitudes = np.abs(reference)
    significant = np.isfinite(tolerance) & (magnitudes > tolerance)
    large = np.array(brightest)
    for d in range(len(large)):
        if significant[d].any():
            large[d] = np.quantile(magnitudes[d][significant[d]], LARGE)
    return np.fmax(magnitudes, np.fmax(large, NOTHING * brightest))
