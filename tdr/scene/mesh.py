"""Triangle meshes on the host: built from formulas or read from files, checked once, in object space."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tdr.config import CubeConfig, FileMeshConfig, MeshConfig, SphereConfig, TorusConfig, TorusKnotConfig
from tdr.errors import InputError
from tdr.scene.mesh_files import as_rows_of_three, check_indices, read_mesh_file, triangulate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]


class TriangleMesh:
    """An immutable triangle mesh in object space.

    Counter-clockwise triangles face front. Degenerate triangles (two corners at one position, or corners on one line
    as far as float64 can tell) cover no area and have no normal: they are left out and counted.

    Args:
        vertices: (V, 3) finite positions.
        triangles: (F, 3) zero-based vertex indices.
        vertex_albedo: (V, 3) linear RGB, each at least 0; white if not given.

    Attributes:
        vertices: (V, 3) float64, read-only.
        triangles: (F, 3) int32, read-only, without the degenerate ones.
        vertex_albedo: (V, 3) float64, read-only.
        num_degenerate: how many degenerate triangles were left out.

    Raises:
        InputError: if an array has a wrong shape, a position or albedo is not finite, an albedo is negative, an
            index does not exist, or no triangle has an area.
    """

    def __init__(
        self, vertices: npt.ArrayLike, triangles: npt.ArrayLike, vertex_albedo: npt.ArrayLike | None = None
    ) -> None:
        positions = as_rows_of_three("vertices", vertices)
        albedo = np.ones_like(positions) if vertex_albedo is None else as_rows_of_three("vertex_albedo", vertex_albedo)
        if len(albedo) != len(positions):
            raise InputError(f"vertex_albedo must have one row a vertex, {len(positions)}; got {len(albedo)}.")
        if np.any(albedo < 0.0):
            raise InputError(f"vertex_albedo must be at least 0; got {albedo.min():g}.")
        indices = np.asarray(triangles)
        if indices.ndim != 2 or indices.shape[1] != 3 or len(indices) == 0 or indices.dtype.kind not in "iu":
            raise InputError(
                f"triangles must be integers of shape (F, 3) with at least one row; "
                f"got {indices.dtype} of shape {indices.shape}."
            )
        check_indices(indices, len(positions))
        degenerate = _is_degenerate(positions[indices])
        if degenerate.all():
            raise InputError(f"triangles must have at least one with an area; got {len(indices)}, all degenerate.")

        self.vertices: Final = positions
        self.triangles: Final = np.ascontiguousarray(indices[~degenerate], dtype=np.int32)
        self.vertex_albedo: Final = albedo
        self.num_degenerate: Final = int(degenerate.sum())
        for array in (self.vertices, self.triangles, self.vertex_albedo):
            array.setflags(write=False)

    @property
    def num_vertices(self) -> int:
        """How many vertices it has, those that no triangle uses included."""
        return len(self.vertices)

    @property
    def num_triangles(self) -> int:
        """How many triangles it has, the degenerate ones left out."""
        return len(self.triangles)

    @classmethod
    def sphere(cls, subdivisions: int = SphereConfig.subdivisions) -> TriangleMesh:
        """The unit sphere as a subdivided icosahedron.

        Args:
            subdivisions: each splits every triangle into 4: ``20 * 4**subdivisions`` triangles; 0 to 9.

        Raises:
            InputError: if ``subdivisions`` is out of range.
        """
        SphereConfig(subdivisions=subdivisions)
        turn = 2.0 * np.pi / 5.0 * np.arange(5)
        upper = np.stack([2.0 * np.sin(turn), np.ones(5), 2.0 * np.cos(turn)], axis=1) / np.sqrt(5.0)
        vertices = np.concatenate([[[0.0, 1.0, 0.0]], upper, -upper, [[0.0, -1.0, 0.0]]])
        # The lower ring is the upper one mirrored at the origin, so below upper vertex k stand -upper[k + 2], to the
        # left, and -upper[k + 3], to the right.
        k = np.arange(5)
        here, after = 1 + k, 1 + (k + 1) % 5
        left, right = 6 + (k + 2) % 5, 6 + (k + 3) % 5
        fans = [(0 * k, here, after), (here, right, after), (here, left, right), (0 * k + 11, right, left)]
        triangles = np.concatenate([np.stack(fan, axis=1) for fan in fans])
        for _ in range(subdivisions):
            vertices, triangles = _subdivide(vertices, triangles)
            vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
        return cls(vertices, triangles)

    @classmethod
    def cube(cls, subdivisions: int = CubeConfig.subdivisions) -> TriangleMesh:
        """The axis-aligned cube whose corners lie on the unit sphere.

        Args:
            subdivisions: each splits every triangle into 4: ``12 * 4**subdivisions`` triangles; 0 to 9.

        Raises:
            InputError: if ``subdivisions`` is out of range.
        """
        CubeConfig(subdivisions=subdivisions)
        vertices = (2.0 * np.indices((2, 2, 2)).reshape(3, 8).T - 1.0) / np.sqrt(3.0)  # vertex 4x + 2y + z
        squares = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
        triangles = triangulate(vertices, squares).reshape(-1, 3)
        for _ in range(subdivisions):
            vertices, triangles = _subdivide(vertices, triangles)
        return cls(vertices, triangles)

    @classmethod
    def torus(
        cls, subdivisions: int = TorusConfig.subdivisions, tube_radius: float = TorusConfig.tube_radius
    ) -> TriangleMesh:
        """A torus around the z axis, of outer radius 1.

        Args:
            subdivisions: ``16 * 2**subdivisions`` segments around the axis and half as many around the tube; 0 to 8.
            tube_radius: in (0, 0.5).

        Raises:
            InputError: if an argument is out of range.
        """
        TorusConfig(subdivisions=subdivisions, tube_radius=tube_radius)
        return cls(*_tube(16 * 2**subdivisions, 8 * 2**subdivisions, p=1, q=0, radius=tube_radius))

    @classmethod
    def torus_knot(
        cls,
        subdivisions: int = TorusKnotConfig.subdivisions,
        p: int = TorusKnotConfig.p,
        q: int = TorusKnotConfig.q,
        tube_radius: float = TorusKnotConfig.tube_radius,
    ) -> TriangleMesh:
        """A tube along the (p, q) torus knot, within the unit sphere.

        With many turns or a wide tube its strands run into each other.

        Args:
            subdivisions: ``64 * 2**subdivisions`` segments along the knot, ``4 * 2**subdivisions`` around the tube;
                0 to 7.
            p: turns around the z axis.
            q: turns through the hole; coprime to ``p``.
            tube_radius: in (0, 0.3).

        Raises:
            InputError: if an argument is out of range.
        """
        TorusKnotConfig(subdivisions=subdivisions, p=p, q=q, tube_radius=tube_radius)
        return cls(*_tube(64 * 2**subdivisions, 4 * 2**subdivisions, p=p, q=q, radius=tube_radius))

    @classmethod
    def load(cls, path: str | Path, normalize: bool = True) -> TriangleMesh:
        """Read a mesh file: OBJ, and every other format that trimesh reads, among them PLY, STL, OFF, glTF and 3MF.

        Vertices and triangles keep the order of the file, the parts of a scene are joined at their places, and
        polygons are cut into triangles. (trimesh cuts PLY and OFF polygons of mixed sizes, which comes out right for
        convex ones.) The vertex colours of OBJ, PLY and glTF become the albedo, white where there are none; they are
        taken as sRGB-encoded, except in glTF, which specifies linear ones. Materials, textures, the file's normals,
        points and lines are not read.

        Args:
            path: the file; its extension tells the format.
            normalize: move the centre of the bounding box to the origin and scale the mesh so that its farthest
                vertex is at distance 1. Vertices that no triangle uses do not count.

        Raises:
            InputError: if there is no such file, if it cannot be read completely, or if what it holds is no mesh that
                the constructor accepts. The message names the file.
        """
        file = Path(path).expanduser()
        try:
            vertices, triangles, albedo = read_mesh_file(file)
            if len(triangles) == 0:
                raise InputError("the file must hold at least one triangle; got none.")
            mesh = cls(vertices, triangles, albedo)
            if normalize:
                is_used = np.zeros(mesh.num_vertices, dtype=bool)
                is_used[mesh.triangles] = True
                used = mesh.vertices[is_used]
                center = 0.5 * (used.min(axis=0) + used.max(axis=0))
                radius = np.linalg.norm(used - center, axis=1).max()
                mesh = cls((mesh.vertices - center) / radius, triangles, albedo)
        except OSError as error:
            reason = f"{str(file.absolute())!r}: {error.strerror}"
            raise InputError(f"mesh.path must name a file that can be read; got {str(path)!r} ({reason}).") from None
        except InputError as error:
            raise InputError(f"mesh.path {str(path)!r}: {error}") from None
        return mesh


def _is_degenerate(corners: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether rounding alone could have made each triangle's area. ``corners`` (F, 3, 3) -> (F,)."""
    # Scale each triangle by its longest edge L (largest component), so that nothing under- or overflows. With P the
    # largest coordinate and u = eps / 2, a corner is known to u P, so a component of an edge (over L) to 3 u P / L and
    # the cross product of two edges, each no longer than sqrt(3), to 18 u P / L. Evaluating the cross product adds at
    # most 14 u, and L <= 2 P, so 28 u P / L. Together 46 u P / L = 23 eps P / L; the bound is the next power of two.
    edges = corners[:, 1:] - corners[:, :1]
    length = np.maximum(np.abs(edges).max(axis=(1, 2)), np.abs(edges[:, 1] - edges[:, 0]).max(axis=1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        edges /= length[:, None, None]
        doubled_area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
        bound = 32.0 * np.finfo(np.float64).eps * np.abs(corners).max(axis=(1, 2)) / length
    degenerate: npt.NDArray[np.bool_] = ~(doubled_area > bound)
    return degenerate


def _subdivide(vertices: FloatArray, triangles: IntArray) -> tuple[FloatArray, IntArray]:
    """Split every triangle into 4 at the midpoints of its edges; neighbours share them.

    The vertices are in the order in which the triangles use them, so that what is read together lies together.
    """
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys, edge_ids = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_inverse=True)
    start, end = np.divmod(keys, len(vertices))
    a, b, c = triangles.T
    ab, bc, ca = len(vertices) + edge_ids.reshape(-1, 3).T
    split = np.array([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]).transpose(2, 0, 1).reshape(-1, 3)
    vertices = np.concatenate([vertices, 0.5 * (vertices[start] + vertices[end])])
    first_use = np.empty(len(vertices), dtype=np.int64)
    first_use[split.reshape(-1)[::-1]] = np.arange(split.size)[::-1]
    order = np.argsort(first_use)
    new_ids = np.empty_like(order)
    new_ids[order] = np.arange(len(order))
    return vertices[order], new_ids[split]


def _tube(segments: int, sides: int, *, p: int, q: int, radius: float) -> tuple[FloatArray, IntArray]:
    """A closed tube along the (p, q) knot on a torus around the z axis; (1, 0) is the torus's outer equator."""
    t = 2.0 * np.pi / segments * np.arange(segments)
    zero = np.zeros(segments)
    radial = np.stack([np.cos(p * t), np.sin(p * t), zero], axis=1)
    forward = np.stack([-np.sin(p * t), np.cos(p * t), zero], axis=1)
    # The torus's normal is a frame that never degenerates and closes by itself, unlike the curve's own.
    outward = np.cos(q * t)[:, None] * radial + np.stack([zero, zero, np.sin(q * t)], axis=1)
    onward = -np.sin(q * t)[:, None] * radial + np.stack([zero, zero, np.cos(q * t)], axis=1)
    major, minor = 2.0 / 3.0 * (1.0 - radius), 1.0 / 3.0 * (1.0 - radius)
    tangents = p * (major + minor * np.cos(q * t))[:, None] * forward + q * minor * onward
    sideways = np.cross(tangents / np.linalg.norm(tangents, axis=1, keepdims=True), outward)

    angle = 2.0 * np.pi / sides * np.arange(sides)[:, None]
    ring = np.cos(angle) * outward[:, None] + np.sin(angle) * sideways[:, None]
    vertices = (major * radial + minor * outward)[:, None] + radius * ring
    a = np.arange(segments * sides).reshape(segments, sides)
    b, d = np.roll(a, -1, axis=1), np.roll(a, -1, axis=0)
    c = np.roll(b, -1, axis=0)
    return vertices.reshape(-1, 3), np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def build_mesh(config: MeshConfig) -> TriangleMesh:
    """Make or load the mesh that a config describes.

    Args:
        config: one of the mesh schemas.

    Raises:
        InputError: if the file cannot be used, or the config is of no known kind.
    """
    match config:
        case SphereConfig():
            return TriangleMesh.sphere(config.subdivisions)
        case CubeConfig():
            return TriangleMesh.cube(config.subdivisions)
        case TorusConfig():
            return TriangleMesh.torus(config.subdivisions, config.tube_radius)
        case TorusKnotConfig():
            return TriangleMesh.torus_knot(config.subdivisions, config.p, config.q, config.tube_radius)
        case FileMeshConfig():
            return TriangleMesh.load(config.path, config.normalize)
    raise InputError(f"mesh must be one of the schemas of tdr.config; got {type(config).__name__}.")
