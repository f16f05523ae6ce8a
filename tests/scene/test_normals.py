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


@pytest.mark.parametrize("back", [[2, 1, 0], [1, 0, 2], [0, 2, 1]])
def test_where_normals_cancel_each_corner_uses_its_triangles_normal(back):
    """A sheet with triangles on both sides, next to it a triangle on one side only, and a vertex that none uses."""
    vertices = np.array([[0.1, 0.2, 0.3], [1.1, 0.3, 0.7], [0.2, 1.4, 0.9], [1.7, 1.6, -0.3], [-9.0, -9.0, -9.0]])
    mesh = TriangleMesh(vertices, [[0, 1, 2], back, [1, 3, 2]])
    estimator = NormalsEstimator(mesh)
    flat = NormalsEstimator(mesh, Shading.flat).normals
    assert estimator.num_undefined == 1
    normals = corner_normals(mesh)
    np.testing.assert_allclose(normals[0, 0], flat[0], rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(normals[1, back.index(0)], -flat[0], rtol=0, atol=8 * EPS)
    # At vertices 1 and 2 the sheet cancels out of the sum, and the third triangle's normal remains.
    np.testing.assert_allclose(normals[0, 1:], [flat[2]] * 2, rtol=0, atol=16 * EPS)
    np.testing.assert_allclose(normals[2], [flat[2]] * 3, rtol=0, atol=16 * EPS)


def test_normals_are_read_only():
    estimator = NormalsEstimator(TriangleMesh.cube())
    assert estimator.triangle_normal_ids.dtype == np.int32
    for array in (estimator.normals, estimator.triangle_normal_ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
