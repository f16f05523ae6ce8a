"""Normals: against the formula, at seams, and where there are none."""

import math

import numpy as np
import pytest

from tdr.config import Shading
from tdr.scene.mesh import TriangleMesh
from tdr.scene.normals import NormalsEstimator

EPS = np.finfo(np.float64).eps


def angle_weighted_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The formula of Thürmer and Wüthrich, vertex by vertex."""
    normals = np.zeros_like(vertices)
    for vertex in range(len(vertices)):
        for triangle in triangles:
            for corner in np.flatnonzero(triangle == vertex):
                to_next = vertices[triangle[(corner + 1) % 3]] - vertices[vertex]
                to_last = vertices[triangle[(corner + 2) % 3]] - vertices[vertex]
                angle = math.acos(to_next @ to_last / np.linalg.norm(to_next) / np.linalg.norm(to_last))
                normal = np.cross(to_next, to_last)
                normals[vertex] += angle * normal / np.linalg.norm(normal)
        normals[vertex] /= np.linalg.norm(normals[vertex])
    return normals


def corner_normals(mesh: TriangleMesh, shading: Shading = Shading.smooth) -> np.ndarray:
    estimator = NormalsEstimator(mesh, shading)
    np.testing.assert_allclose(np.linalg.norm(estimator.normals, axis=1), 1.0, rtol=0, atol=4 * EPS)
    assert set(estimator.triangle_normal_ids.ravel()) == set(range(len(estimator.normals)))
    return estimator.normals[estimator.triangle_normal_ids]


@pytest.mark.parametrize(
    "mesh", [TriangleMesh.sphere(1), TriangleMesh.torus(0), TriangleMesh.cube(1)], ids=["sphere", "torus", "cube"]
)
@pytest.mark.parametrize("scale", [1e-180, 1.0, 1e180])
def test_smooth_normals_follow_the_formula_at_any_scale(mesh, scale):
    expected = angle_weighted_normals(mesh.vertices, mesh.triangles)[mesh.triangles]
    # acos loses half of the digits only near 0 and pi, where no angle of these meshes is.
    np.testing.assert_allclose(
        corner_normals(TriangleMesh(scale * mesh.vertices, mesh.triangles)), expected, rtol=0, atol=1e3 * EPS
    )


def test_how_a_square_is_cut_does_not_show():
    """The corners of a cube: with any weights but angles, the side with two triangles there would count more."""
    mesh = TriangleMesh.cube()
    np.testing.assert_allclose(corner_normals(mesh), mesh.vertices[mesh.triangles], rtol=0, atol=8 * EPS)


def test_flat_normals_are_one_a_triangle():
    mesh = TriangleMesh.cube()
    estimator = NormalsEstimator(mesh, Shading.flat)
    assert estimator.normals.shape == (12, 3)
    assert estimator.triangle_normal_ids.tolist() == [[i] * 3 for i in range(12)]
    assert estimator.num_undefined == 0
    sides = np.sqrt(3.0) * mesh.vertices[mesh.triangles].mean(axis=1)  # 1 along the side's axis, else a third
    np.testing.assert_allclose(estimator.normals, np.rint(sides), rtol=0, atol=4 * EPS)


def test_vertices_at_equal_positions_share_a_normal():
    """A triangle soup, as STL files are, is shaded like the mesh; -0.0 is the same place as 0.0."""
    mesh = TriangleMesh.sphere(1)
    soup = mesh.vertices[mesh.triangles].reshape(-1, 3)
    assert (soup == 0.0).any()
    soup[::2] = np.where(soup[::2] == 0.0, -0.0, soup[::2])
    triangles = np.random.default_rng(0).permutation(np.arange(len(soup)).reshape(-1, 3))
    separate = TriangleMesh(soup, triangles)
    assert len(NormalsEstimator(separate).normals) == mesh.num_vertices
    np.testing.assert_allclose(
        corner_normals(separate), corner_normals(mesh)[triangles[:, 0] // 3], rtol=0, atol=8 * EPS
    )


@pytest.mark.parametrize("gap", [0.0, 2.4e-16, 4e-15])
def test_vertices_that_rounding_tells_apart_share_a_normal(gap):
    """The ends of a seam, each computed in its own way; at 1e-9 they are two vertices."""
    mesh = TriangleMesh.sphere(2)
    soup = mesh.vertices[mesh.triangles].reshape(-1, 3)
    off = np.random.default_rng(0).uniform(-0.5, 0.5, soup.shape)
    triangles = np.arange(len(soup)).reshape(-1, 3)
    normals = corner_normals(TriangleMesh(soup + gap * off, triangles))
    np.testing.assert_allclose(normals, corner_normals(mesh), rtol=0, atol=1e-12)
    assert len(NormalsEstimator(TriangleMesh(soup + 1e-9 * off, triangles)).normals) > mesh.num_vertices


TWO_SPHERES = np.concatenate([x + TriangleMesh.sphere(1).vertices for x in ([[0.0, 0.0, 0.0]], [[3.0, 0.0, 0.0]])])


@pytest.mark.parametrize("against", [[], [0], [5, 6, 7], "every second", "the whole second sphere"])
@pytest.mark.parametrize("repeated", [[], [3, 40], "all"])
@pytest.mark.parametrize("turned", [True, False])
def test_how_neighbours_are_wound_does_not_show(against, repeated, turned):
    """On the side that is seen; and what is there twice, wound alike or not, counts once."""
    own = TriangleMesh.sphere(1).triangles
    right = np.concatenate([own, own + 42])
    mesh = TriangleMesh(TWO_SPHERES, right)
    triangles = right.copy()
    if against == "every second":
        against = np.arange(0, len(right), 2)[:-3]  # in a half each sphere keeps what its first triangle is
    elif against == "the whole second sphere":
        against = np.arange(len(own), len(right))
    triangles[against] = triangles[against][:, ::-1]
    again = np.arange(len(right)) if repeated == "all" else np.array(repeated, dtype=int)
    copies = np.roll(triangles[again], 1, axis=1)
    triangles = np.concatenate([triangles, copies[:, ::-1] if turned else copies])
    estimator = NormalsEstimator(TriangleMesh(TWO_SPHERES, triangles))
    assert estimator.num_undefined == 0
    assert estimator.num_repeated == len(again)
    assert estimator.num_reversed == (0 if len(against) == len(own) else min(len(against), len(right) - len(against)))
    # The renderer turns a normal to the side from which its triangle runs counter-clockwise.
    normals = estimator.normals[estimator.triangle_normal_ids]
    corners = TWO_SPHERES[triangles]
    outward = corners - np.where(corners[:, :, :1].mean(axis=1, keepdims=True) > 1.5, 3.0, 0.0) * [1.0, 0.0, 0.0]
    expected = np.sign(np.sum(np.cross(*np.moveaxis(np.diff(corners, axis=1), 1, 0)) * outward[:, 0], axis=1))
    shown = normals * expected[:, None, None]
    np.testing.assert_allclose(shown, by_position(mesh, triangles), rtol=0, atol=1e-12)


def by_position(mesh: TriangleMesh, triangles: np.ndarray) -> np.ndarray:
    """The outward normals at the corners of triangles, (F, 3, 3)."""
    normals = np.empty_like(mesh.vertices)
    normals[mesh.triangles] = corner_normals(mesh)
    return normals[triangles]


def test_a_moebius_strip_keeps_its_winding():
    angle = np.linspace(0.0, 2.0 * np.pi, 21)[:20]
    across = np.stack([np.cos(angle / 2) * np.cos(angle), np.cos(angle / 2) * np.sin(angle), np.sin(angle / 2)], axis=1)
    middle = np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], axis=1)
    vertices = np.concatenate([middle - 0.3 * across, middle + 0.3 * across])
    k = np.arange(19)
    strip = np.concatenate([np.stack([k, k + 1, k + 20], axis=1), np.stack([k + 1, k + 21, k + 20], axis=1)])
    closed = np.concatenate([strip, [[19, 20, 39], [20, 0, 39]]])
    assert NormalsEstimator(TriangleMesh(vertices, closed)).num_reversed == 0
    assert NormalsEstimator(TriangleMesh(vertices, strip[:, ::-1])).num_reversed == 0


def test_where_normals_cancel_each_corner_uses_its_triangles_normal():
    """Two triangles in a plane that meet at a vertex alone, wound in opposite ways; and a vertex that none uses."""
    vertices = [[0.1, 0.2, 0.3], [1.1, 0.2, 0.3], [0.1, 1.2, 0.3], [-0.9, 0.2, 0.3], [0.1, -0.8, 0.3], [9.0, 9.0, 9.0]]
    mesh = TriangleMesh(vertices, [[0, 1, 2], [0, 4, 3]])
    estimator = NormalsEstimator(mesh)
    assert estimator.num_undefined == 1
    normals = corner_normals(mesh)
    np.testing.assert_allclose(normals[0], [[0.0, 0.0, 1.0]] * 3, rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(normals[1], [[0.0, 0.0, -1.0]] * 3, rtol=0, atol=8 * EPS)


def test_normals_are_read_only():
    estimator = NormalsEstimator(TriangleMesh.cube())
    assert estimator.triangle_normal_ids.dtype == np.int32
    for array in (estimator.normals, estimator.triangle_normal_ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
