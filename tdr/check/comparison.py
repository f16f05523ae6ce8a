"""Jacobian images beside finite differences, entry by entry: what may be compared, and by how much they may differ.

Two values may differ by the bound of the finite differences, plus what rounding does to the tested value: how much the
derivative changes under small relative changes of the data, measured at each entry, and how large the parameter's
entries are at the pixel, times the unit roundoff of the run, times ``ROUNDINGS``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tdr.check.surroundings import Surroundings
from tdr.config import Method
from tdr.config.parameters import Column, Reads
from tdr.derivatives.finite_difference import (
    EPS,
    ROUNDINGS,
    STEPS,
    UNDERFLOW,
    Differences,
    differences,
    scales,
    visibility_changes,
)
from tdr.render.passes import Passes
from tdr.results.check_result import COMPARED, Place
from tdr.results.jacobian_images import JacobianImages

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# An entry is too uncertain to compare if its tolerance exceeds this part of it, of the column's median entry, and of
# the brightest pixel in one unit of the parameter.
USEFUL = 1e-2


@dataclass(frozen=True)
class Comparison:
    """Derivatives along D columns, or directions, at N pixels for C cotangents.

    Attributes:
        tested: (D, N, C) what is checked.
        reference: (D, N, C) the finite differences.
        tolerance: (D, N, C) by how much they may differ.
        rounding: (D, N, C) the part of it that rounding in the run explains.
        places: (D, N) uint8, :class:`tdr.results.check_result.Place`.
        estimated: finite differences that this rests on: of the first column and all that were computed together with
            it, under all lights.
    """

    tested: Array
    reference: Array
    tolerance: Array
    rounding: Array
    places: npt.NDArray[np.uint8]
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
    *,
    moving: bool,
    reverse: Array | None = None,
) -> Comparison:
    """Compare columns with finite differences, or, where they are finite differences, with reverse mode.

    Args:
        passes: the scene, rendered with its current settings.
        images: its Jacobian images.
        columns: D columns, all of each parameter that occurs.
        surroundings: the pixels.
        moving: whether to find out which triangle the pixels see at every step, and to leave out the steps at which
            it is another.
        reverse: (D, N, C) what reverse mode gives; needed where the images are finite differences.
    """
    units = scales(passes, columns)
    subset, cotangents = surroundings.subset, images.cotangents
    beyond = surroundings.beyond_half_vector(columns, np.diag(units), STEPS)
    # All under the first light are seen under all of them, so that one part shows the rendering as it is.
    owners = np.array([column.index[0] if column.parameter.per_light else 0 for column in columns])
    groups = (
        list(np.arange(len(columns))[:, None]) if moving else [np.flatnonzero(owners == o) for o in np.unique(owners)]
    )
    parts = []
    for group in groups:
        chosen, steps, excluded = [columns[int(d)] for d in group], np.diag(units[group]), beyond[group]
        if moving and chosen[0].parameter.reads is Reads.POSE:
            excluded = excluded | visibility_changes(passes, chosen, steps[0])[:, subset]
        light = int(owners[group[0]]) or None
        parts.append(differences(passes, chosen, steps, subset, cotangents, excluded=excluded, light=light))
    tested = np.stack([surroundings.of_image(images.column(column)) for column in columns])
    magnitude = np.empty_like(tested)
    for parameter in {column.parameter for column in columns}:
        of_parameter = [column.parameter == parameter for column in columns]
        magnitude[of_parameter] = np.nan_to_num(np.abs(tested[of_parameter]), posinf=0.0).max(axis=0)
    estimated = _Estimated(parts, np.argsort(np.concatenate(groups)))
    comparison = _comparison(images, surroundings, tested, magnitude, estimated, units[:, None, None], beyond)
    if images.method == Method.finite_difference.value:
        assert reverse is not None  # noqa: S101
        return replace(comparison, reference=reverse)
    return comparison


def compare_direction(
    passes: Passes, images: JacobianImages, direction: Array, surroundings: Surroundings, steps: Array
) -> Comparison:
    """Compare the derivative along a direction in the space of all columns with finite differences.

    Args:
        passes: the scene, rendered with its current settings.
        images: its Jacobian images.
        direction: (D,) in the units of the columns' derivatives.
        surroundings: the pixels.
        steps: at least 3.

    Returns:
        The comparison; its one column is the direction.
    """
    subset = surroundings.subset
    beyond = surroundings.beyond_half_vector(images.columns, direction[None], steps)
    estimated = differences(
        passes, images.columns, direction[None], subset, images.cotangents, steps=steps, excluded=beyond
    )
    tested = np.zeros((1, len(subset), len(images.cotangents)))
    magnitude = np.zeros_like(tested)
    for column, part in zip(images.columns, direction, strict=True):
        contribution = part * surroundings.of_image(images.column(column))
        tested += contribution
        magnitude += np.nan_to_num(np.abs(contribution), posinf=0.0)
    return _comparison(
        images, surroundings, tested, magnitude, _Estimated([estimated], np.arange(1)), np.ones((1, 1, 1)), beyond
    )


@dataclass(frozen=True)
class _Estimated:
    """Finite differences of some columns, in parts, of which the first is under all lights.

    Attributes:
        parts: as they were computed.
        order: where each column is among those of all parts.
    """

    parts: Sequence[Differences]
    order: npt.NDArray[np.intp]

    def joined(self, name: str) -> Array:
        """An attribute that has an entry for each column, column by column."""
        return np.asarray(np.concatenate([getattr(part, name) for part in self.parts])[self.order])


def _comparison(
    images: JacobianImages,
    surroundings: Surroundings,
    tested: Array,
    magnitude: Array,
    estimated: _Estimated,
    units: Array,
    beyond: Mask,
) -> Comparison:
    joined = estimated.joined
    roundoff = EPS if images.precision == "f64" else float(np.finfo(np.float32).eps)
    reference = joined("values") / units
    rounding = ROUNDINGS * (
        roundoff * (joined("shading_condition") / units + magnitude) + EPS * joined("geometry_condition") / units
    )
    # What is below the normal numbers of the run's precision is lost.
    tolerance = joined("bounds") / units + rounding + UNDERFLOW[images.precision]
    causes = joined("causes")
    image = estimated.parts[0].image
    # The least three steps are what a derivative takes at least.
    causes = np.where((causes == Place.visibility) & beyond[:, -3:].any(axis=1), Place.highlight_edge, causes)
    places = np.where(causes == 0, surroundings.place, causes).astype(np.uint8)
    edges = surroundings.edges()
    places = np.where((causes == Place.kink) & (edges > 0), edges, places)
    uncertain = (tolerance > USEFUL * _typical(reference, tolerance, image, units)).any(axis=2)
    places[(causes == 0) & uncertain] = Place.imprecise
    # Where a light shines straight towards the camera, a half vector is the ratio of two numbers that are both zero but
    # for their rounding; what its derivative is there, nobody can say.
    wrong = ~(np.abs(tested - reference) <= tolerance).all(axis=2)
    places[wrong & (causes == 0) & surroundings.opposite] = Place.highlight_edge
    return Comparison(tested, reference, tolerance, rounding, places, estimated.parts[0])


def _typical(reference: Array, tolerance: Array, image: Array, units: Array) -> Array:
    """What an entry's tolerance is measured by: itself, the median of those that are not zero, or the brightness."""
    magnitudes = np.abs(reference)
    significant = np.where(np.isfinite(tolerance) & (magnitudes > tolerance), magnitudes, np.nan)
    medians = np.array([np.median(m[np.isfinite(m)]) if np.isfinite(m).any() else 0.0 for m in significant])
    brightest = np.max(np.abs(image[np.isfinite(image)]), initial=0.0) or 1.0
    return np.asarray(np.fmax(np.fmax(magnitudes, medians[:, None, None]), brightest / units))
