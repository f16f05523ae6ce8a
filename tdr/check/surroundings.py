"""Some pixels of an image and what lies around them: where derivatives need not exist, and differences may mislead."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column
from tdr.derivatives.finite_difference import NUDGED_STEP, STEPS
from tdr.render.passes import Passes
from tdr.render.values import SceneValues
from tdr.results.check_result import Place
from tdr.visibility.projection import BEHIND, project_vertices
from tdr.visibility.rasterizer import TriangleRasterizer

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

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


def project(passes: Passes) -> Array:
    """The mesh's vertices on the image, (V, 2): x and y in pixels from the top left corner; 0 behind the near plane."""
    height, width = passes.resolution
    settings, placement = passes.scene.camera.settings, passes.scene.placement
    positions = np.empty((passes.scene.mesh.num_vertices, 4))
    first_pixels = np.empty(passes.scene.mesh.num_vertices, dtype=np.uint32)
    project_vertices(
        passes.scene.mesh.vertices,
        np.array([placement.scale, *placement.translation], dtype=np.float64),
        passes.scene.rotations(),
        passes.scene.camera.view(settings.position, passes.scene.camera.lens_value(), width / height),
        type(passes.scene.camera),
        height,
        width,
        width.bit_length(),
        positions,
        first_pixels,
    )
    return np.where(first_pixels[:, None] == BEHIND, 0.0, positions[:, :2])


def visibility_changes(passes: Passes, columns: Sequence[Column], direction: Array, steps: Array = STEPS) -> Mask:
    """Which covered pixels see another triangle when the scene is displaced along a direction, step by step.

    Args:
        passes: the scene, rendered with its current settings.
        columns: D columns.
        direction: (D,).
        steps: (J,).

    Returns:
        (J, covered pixels): whether the triangle changes at the step or at its opposite.
    """
    pixels = passes.rasterizer.pixels
    seen = passes.rasterizer.triangle_id_buffer.reshape(-1)[pixels]
    height, width = passes.resolution
    scene = SceneValues.of(passes.scene)
    changes = np.zeros((len(steps), len(pixels)), dtype=np.bool_)
    rasterizer = TriangleRasterizer(height, width)
    for j, step in enumerate(steps):
        for signed in (step, -step):
            moved = scene.displaced(columns, signed * direction)
            lens = moved[passes.scene.camera.lens][0, 0]
            rasterizer.forward(
                passes.scene.mesh,
                model=np.array([moved["mesh.scale"][0, 0], *moved["mesh.translation"][0]]),
                rotations=moved.rotations,
                view=passes.scene.camera.view(moved["camera.position"][0], lens, width / height),
                camera=type(passes.scene.camera),
                cull_back_faces=passes.scene.placement.cull_back_faces,
            )
            changes[j] |= rasterizer.triangle_id_buffer.reshape(-1)[pixels] != seen
    return changes


class Surroundings:
    """Some covered pixels and what lies around them.

    Args:
        passes: the scene, rendered with its current settings.
        subset: (N,) where the pixels stand in the list of covered pixels.

    Attributes:
        subset: as given.
        pixels: (N,) int32, row by row.
        place: (N,) uint8: interior, or boundary where a neighbour sees the background or a triangle that shares no
            vertex with the pixel's own.
        beside_another: (N,) whether a neighbour sees another triangle, or none.
    """

    def __init__(self, passes: Passes, subset: npt.NDArray[np.integer]) -> None:
        self.subset = subset
        self.pixels = passes.rasterizer.pixels[subset]
        self._passes = passes
        height, width = passes.resolution
        triangle_id = passes.rasterizer.triangle_id_buffer
        triangles = passes.scene.mesh.triangles
        row, column = np.divmod(self.pixels, width)
        own = triangle_id[row, column]
        detached, other = np.zeros((2, len(subset)), dtype=np.bool_)
        for down, right in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            seen = triangle_id[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
            differs = np.flatnonzero(seen != own)
            other[differs] = True
            corners, others = triangles[own[differs]], triangles[seen[differs]]
            shares = (corners[:, :, None] == others[:, None, :]).any(axis=(1, 2))
            detached[differs[~shares | (seen[differs] < 0)]] = True
        self.beside_another = other
        self.place = np.where(detached, Place.boundary, Place.interior).astype(np.uint8)

    @functools.cached_property
    def near_edge(self) -> Mask:
        """(N,) whether an edge of a triangle that the pixel or a neighbour sees passes through the pixel's centre."""
        corners = project(self._passes)
        height, width = self._passes.resolution
        triangle_id = self._passes.rasterizer.triangle_id_buffer
        row, column = np.divmod(self.pixels, width)
        centre = np.stack([column + 0.5, row + 0.5], axis=1)
        near = np.zeros(len(self.subset), dtype=np.bool_)
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            seen = triangle_id[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
            triangle = corners[self._passes.scene.mesh.triangles[np.maximum(seen, 0)]]
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
        camera = self._passes.scene.camera
        if camera.lens == "camera.fov":
            to_eye = np.asarray(camera.settings.position) - self._interpolated(0)
            return np.asarray(to_eye / np.linalg.norm(to_eye, axis=1, keepdims=True))
        return np.broadcast_to(camera.rotation()[:, 2], (len(self.subset), 3))

    @functools.cached_property
    def opposite(self) -> Mask:
        """(N,) whether a light shines straight towards the camera, so that no half vector exists."""
        return np.asarray((self.half_vectors <= OPPOSITE).any(axis=0))

    @functools.cached_property
    def half_vectors(self) -> Array:
        """(lights, N) the length of l + v, the sum of the unit vectors to the light and to the camera."""
        between = self.to_eye() - self._passes.scene.light_array.directions()[:, None]
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

    def cosines(self) -> dict[str, Array]:
        """What shading depends on, name -> (N,): n.l and n.h of each light, and n.v."""
        normals, to_eye = self._interpolated(1), self.to_eye()
        directions = -self._passes.scene.light_array.directions()
        cosines = {}
        for i, to_light in enumerate(directions):
            of_light = f" of light {i}" if len(directions) > 1 else ""
            between = to_eye + to_light
            length = np.maximum(np.linalg.norm(between, axis=1), EDGE)
            cosines[f"n.l{of_light}"] = normals @ to_light
            cosines[f"n.h{of_light}"] = np.sum(normals * between, axis=1) / length
        return cosines | {"n.v": np.sum(normals * to_eye, axis=1)}

    def edges(self) -> npt.NDArray[np.uint8]:
        """(N,) where the surface is parallel to a light or at the edge of its highlight; 0 elsewhere."""
        normals = self._interpolated(1)
        edges = np.zeros(len(self.subset), dtype=np.uint8)
        for to_light in -self._passes.scene.light_array.directions():
            between = self.to_eye() + to_light
            length = np.maximum(np.linalg.norm(between, axis=1), EDGE)
            edges[np.abs(np.sum(normals * between, axis=1)) <= EDGE * length] = Place.highlight_edge
        edges[self.opposite] = Place.highlight_edge
        for to_light in -self._passes.scene.light_array.directions():
            edges[np.abs(normals @ to_light) <= EDGE] = Place.light_edge
        return edges

    def _interpolated(self, which: int) -> Array:
        """(N, 3) the positions (0) or the normals (1) of the surface."""
        return np.asarray(self.part.interpolator.g_buffer[which], dtype=np.float64)

    @functools.cached_property
    def part(self) -> Passes:
        """The passes with these pixels only, and their G-buffer."""
        return self._passes.restricted(self.subset)
