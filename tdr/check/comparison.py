"""Jacobian images beside finite differences, entry by entry: what may be compared, and by how much they may differ.

Two values may differ by the bound of the finite differences, plus what rounding does to the tested value: how much the
derivative changes under small relative changes of the data, measured at each entry, and how large the parameter's
entries are at the pixel, times the unit roundoff of the run, times ``ROUNDINGS``.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tdr.config import Method
from tdr.config.parameters import Column, Reads
from tdr.derivatives.finite_difference import (
    EPS,
    NUDGED_STEP,
    ROUNDINGS,
    STEPS,
    UNDERFLOW,
    Differences,
    differences,
    scales,
    visibility_changes,
)
from tdr.render.pipeline import Pipeline
from tdr.results.check_result import COMPARED, Place
from tdr.results.jacobian_images import JacobianImages
from tdr.visibility.projection import BEHIND, project_vertices

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# An entry is too uncertain to compare if its tolerance exceeds this part of it, of the column's median entry, and of
# the brightest pixel in one unit of the parameter.
USEFUL = 1e-2
# How near to 0 a cosine is where its sign changes within the least steps.
EDGE = 2.0**-12
# How near to a pixel's centre, in pixels, an edge may pass over it within the least steps.
NEAR = 2.0**-6
# A function of the half vector l + v is analytic as long as l + v is displaced by less than its length: at its zero it
# cannot be normalized. Beyond that radius of convergence differences may agree with each other and be wrong: to both
# sides a highlight is gone, say. By Cauchy's estimate the k-th term of the Taylor series falls as (step / radius)**k,
# so up to this part of it the terms that are left out are at most a sixteenth of those that the bound rests on.
ANALYTIC = 0.25
# Where l + v is shorter than this, rounding is not measured: it is by differences of a step that is too long.
OPPOSITE = NUDGED_STEP / ANALYTIC
# What turns l + v; what else moves mesh or camera leaves the pixel's ray as it is.
_TURNING = ("light.direction", "camera.rotation", "camera.fov")


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
    pipeline: Pipeline,
    images: JacobianImages,
    columns: Sequence[Column],
    surroundings: Surroundings,
    *,
    moving: bool,
    reverse: Array | None = None,
) -> Comparison:
    """Compare columns with finite differences, or, where they are finite differences, with reverse mode.

    Args:
        pipeline: the scene, rendered with its current settings.
        images: its Jacobian images.
        columns: D columns, all of each parameter that occurs.
        surroundings: the pixels.
        moving: whether to find out which triangle the pixels see at every step, and to leave out the steps at which
            it is another.
        reverse: (D, N, C) what reverse mode gives; needed where the images are finite differences.
    """
    units = scales(pipeline, columns)
    entries, cotangents = surroundings.entries, images.cotangents
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
            excluded = excluded | visibility_changes(pipeline, chosen, steps[0])[:, entries]
        light = int(owners[group[0]]) or None
        parts.append(differences(pipeline, chosen, steps, entries, cotangents, excluded=excluded, light=light))
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
    pipeline: Pipeline, images: JacobianImages, direction: Array, surroundings: Surroundings, steps: Array
) -> Comparison:
    """Compare the derivative along a direction in the space of all columns with finite differences.

    Args:
        pipeline: the scene, rendered with its current settings.
        images: its Jacobian images.
        direction: (D,) in the units of the columns' derivatives.
        surroundings: the pixels.
        steps: at least 3.

    Returns:
        The comparison; its one column is the direction.
    """
    entries = surroundings.entries
    beyond = surroundings.beyond_half_vector(images.columns, direction[None], steps)
    estimated = differences(
        pipeline, images.columns, direction[None], entries, images.cotangents, steps=steps, excluded=beyond
    )
    tested = np.zeros((1, len(entries), len(images.cotangents)))
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


def project(pipeline: Pipeline) -> Array:
    """The mesh's vertices on the image, (V, 2): x and y in pixels from the top left corner; 0 behind the near plane."""
    height, width = pipeline.resolution
    settings, placement = pipeline.camera.settings, pipeline.placement
    positions = np.empty((pipeline.mesh.num_vertices, 4))
    first_pixels = np.empty(pipeline.mesh.num_vertices, dtype=np.uint32)
    project_vertices(
        pipeline.mesh.vertices,
        np.array([placement.scale, *placement.translation], dtype=np.float64),
        pipeline.rotations(),
        pipeline.camera.view(settings.position, pipeline.camera.lens_value(), width / height),
        type(pipeline.camera),
        height,
        width,
        width.bit_length(),
        positions,
        first_pixels,
    )
    return np.where(first_pixels[:, None] == BEHIND, 0.0, positions[:, :2])


class Surroundings:
    """Some covered pixels and what lies around them.

    Args:
        pipeline: the scene, rendered with its current settings.
        entries: (N,) entries of the list of covered pixels.

    Attributes:
        entries: as given.
        pixels: (N,) int32, row by row.
        place: (N,) uint8: interior, or boundary where a neighbour sees the background or a triangle that shares no
            vertex with the pixel's own.
        beside_another: (N,) whether a neighbour sees another triangle, or none.
    """

    def __init__(self, pipeline: Pipeline, entries: npt.NDArray[np.integer]) -> None:
        self.entries = entries
        self.pixels = pipeline.rasterizer.pixels[entries]
        self._pipeline = pipeline
        height, width = pipeline.resolution
        triangle_id = pipeline.rasterizer.triangle_id_buffer
        triangles = pipeline.mesh.triangles
        row, column = np.divmod(self.pixels, width)
        own = triangle_id[row, column]
        detached, other = np.zeros((2, len(entries)), dtype=np.bool_)
        for down, right in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            seen = triangle_id[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
            differs = np.flatnonzero(seen != own)
            other[differs] = True
            corners, others = triangles[own[differs]], triangles[seen[differs]]
            shares = (corners[:, :, None] == others[:, None, :]).any(axis=(1, 2))
            detached[differs[~shares | (seen[differs] < 0)]] = True
        self.beside_another = other
        self.place = np.where(detached, Place.boundary, Place.interior).astype(np.uint8)

    def near_edge(self) -> Mask:
        """(N,) whether an edge of a triangle that the pixel or a neighbour sees passes through the pixel's centre."""
        corners = project(self._pipeline)
        height, width = self._pipeline.resolution
        triangle_id = self._pipeline.rasterizer.triangle_id_buffer
        row, column = np.divmod(self.pixels, width)
        centre = np.stack([column + 0.5, row + 0.5], axis=1)
        near = np.zeros(len(self.entries), dtype=np.bool_)
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            seen = triangle_id[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
            triangle = corners[self._pipeline.mesh.triangles[np.maximum(seen, 0)]]
            for start, end in ((0, 1), (1, 2), (2, 0)):
                along = triangle[:, end] - triangle[:, start]
                to_centre = centre - triangle[:, start]
                squared = np.maximum(np.sum(along * along, axis=1), np.finfo(np.float64).tiny)
                share = np.clip(np.sum(to_centre * along, axis=1) / squared, 0.0, 1.0)
                distance = np.linalg.norm(to_centre - share[:, None] * along, axis=1)
                # A corner behind the camera is nowhere on the image.
                near |= (seen >= 0) & ~(distance > NEAR)
        return near

    def of_image(self, image: npt.NDArray[np.floating]) -> Array:
        """The pixels' values of an image (H, W, C), as (N, C) float64."""
        row, column = np.divmod(self.pixels, image.shape[1])
        return np.asarray(image[row, column], dtype=np.float64)

    def to_eye(self) -> Array:
        """(N, 3) unit vectors from the surface towards the camera."""
        camera = self._pipeline.camera
        if camera.lens == "camera.fov":
            to_eye = np.asarray(camera.settings.position) - self._interpolated(0)
            return np.asarray(to_eye / np.linalg.norm(to_eye, axis=1, keepdims=True))
        return np.broadcast_to(camera.rotation()[:, 2], (len(self.entries), 3))

    @functools.cached_property
    def opposite(self) -> Mask:
        """(N,) whether a light shines straight towards the camera, so that no half vector exists."""
        return np.asarray((self.half_vectors <= OPPOSITE).any(axis=0))

    @functools.cached_property
    def half_vectors(self) -> Array:
        """(lights, N) the length of l + v, the sum of the unit vectors to the light and to the camera."""
        between = self.to_eye() - self._pipeline.light_array.directions()[:, None]
        return np.asarray(np.linalg.norm(between, axis=2))

    def beyond_half_vector(self, columns: Sequence[Column], directions: Array, steps: Array) -> Mask:
        """At which steps a half vector may be too far from where it is to be analytic.

        Args:
            columns: D columns.
            directions: (M, D), as for :func:`tdr.derivatives.finite_difference.differences`.
            steps: (J,).

        Returns:
            (M, J, N).
        """
        lengths = self.half_vectors
        speeds = np.zeros((len(directions), len(lengths)))
        for column, parts in zip(columns, np.abs(directions).T, strict=True):
            if column.parameter.name in _TURNING:
                lights = column.index[:1] if column.parameter.per_light else range(len(lengths))
                speeds[:, list(lights)] += parts[:, None]
        displaced = speeds[:, None, :, None] * steps[:, None, None]
        return np.asarray((displaced > ANALYTIC * lengths).any(axis=2))

    def edges(self) -> npt.NDArray[np.uint8]:
        """(N,) where the surface is parallel to a light or at the edge of its highlight; 0 elsewhere."""
        normals = self._interpolated(1)
        edges = np.zeros(len(self.entries), dtype=np.uint8)
        for to_light in -self._pipeline.light_array.directions():
            between = self.to_eye() + to_light
            length = np.maximum(np.linalg.norm(between, axis=1), EDGE)
            edges[np.abs(np.sum(normals * between, axis=1)) <= EDGE * length] = Place.highlight_edge
        edges[self.opposite] = Place.highlight_edge
        for to_light in -self._pipeline.light_array.directions():
            edges[np.abs(normals @ to_light) <= EDGE] = Place.light_edge
        return edges

    def _interpolated(self, which: int) -> Array:
        """(N, 3) the positions (0) or the normals (1) of the surface."""
        return np.asarray(self._part.interpolator.g_buffer[which], dtype=np.float64)

    @functools.cached_property
    def _part(self) -> Pipeline:
        return self._pipeline.restricted(self.entries)
