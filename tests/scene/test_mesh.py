"""Meshes: what is built, what is read from files, and what is refused."""

import math

import numpy as np
import pytest

from tdr.errors import InputError
from tdr.scene.mesh import TriangleMesh

EPS = np.finfo(np.float64).eps
CLOSED = {
    "sphere-0": (TriangleMesh.sphere(0), 2),
    "sphere-3": (TriangleMesh.sphere(3), 2),
    "cube-0": (TriangleMesh.cube(), 2),
    "cube-2": (TriangleMesh.cube(2), 2),
    "torus-0": (TriangleMesh.torus(0), 0),
    "torus-1": (TriangleMesh.torus(1, tube_radius=0.45), 0),
    "torus_knot-0": (TriangleMesh.torus_knot(0), 0),
    "torus_knot-1": (TriangleMesh.torus_knot(1, p=3, q=5, tube_radius=0.05), 0),
    "torus_knot-equal": (TriangleMesh.torus_knot(1, p=1, q=1), 0),
}


def volume(mesh: TriangleMesh) -> float:
    """Signed: positive if the triangles are counter-clockwise seen from outside."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.triangles], 1, 0)
    return float(np.sum(a * np.cross(b, c)) / 6.0)


@pytest.mark.parametrize(("mesh", "euler_characteristic"), CLOSED.values(), ids=CLOSED.keys())
def test_built_meshes_are_closed_and_face_outwards(mesh, euler_characteristic):
    edges = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges), "an edge is used twice in one direction"
    assert directed == {(b, a) for a, b in directed}, "an edge has a triangle on one side only"
    assert mesh.num_vertices - len(edges) // 2 + mesh.num_triangles == euler_characteristic
    assert set(mesh.triangles.ravel()) == set(range(mesh.num_vertices))
    assert volume(mesh) > 0.0
    assert mesh.num_degenerate == 0
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(1.0, abs=4 * EPS)


@pytest.mark.parametrize("subdivisions", [0, 1, 4])
def test_sphere(subdivisions):
    mesh = TriangleMesh.sphere(subdivisions)
    assert mesh.num_triangles == 20 * 4**subdivisions
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 1.0, rtol=0, atol=4 * EPS)


def test_spheres_approach_the_sphere_with_the_square_of_the_edge_length():
    missing = [4.0 / 3.0 * math.pi - volume(TriangleMesh.sphere(subdivisions)) for subdivisions in (3, 4, 5)]
    assert missing[0] / missing[1] == pytest.approx(4.0, rel=0.05)
    assert missing[1] / missing[2] == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize("subdivisions", [0, 1, 3])
def test_cube(subdivisions):
    mesh = TriangleMesh.cube(subdivisions)
    assert mesh.num_triangles == 12 * 4**subdivisions
    np.testing.assert_allclose(np.abs(mesh.vertices).max(axis=1), 1 / math.sqrt(3), rtol=0, atol=EPS)
    assert volume(mesh) == pytest.approx(8 / 3**1.5)


def test_torus():
    mesh = TriangleMesh.torus(subdivisions=1, tube_radius=0.2)
    assert mesh.num_triangles == 2 * (16 * 2) * (8 * 2)
    x, y, z = mesh.vertices.T
    np.testing.assert_allclose((np.hypot(x, y) - 0.8) ** 2 + z**2, 0.2**2, rtol=0, atol=8 * EPS)


@pytest.mark.parametrize(("p", "q"), [(2, 3), (3, 2), (1, 1), (5, 4)])
def test_torus_knot_winds_p_times_around_the_axis_and_q_times_through_the_hole(p, q):
    mesh = TriangleMesh.torus_knot(subdivisions=1, p=p, q=q, tube_radius=0.1)
    rings = mesh.vertices.reshape(64 * 2, 4 * 2, 3)
    centers = rings.mean(axis=1)
    np.testing.assert_allclose(np.linalg.norm(rings - centers[:, None], axis=2), 0.1, rtol=0, atol=8 * EPS)
    # Rings stand across the curve: 128 points give its direction to a few per cent.
    along = np.roll(centers, -1, axis=0) - np.roll(centers, 1, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    assert np.abs(np.einsum("ijk,ik->ij", rings - centers[:, None], along)).max() < 0.1 * 0.1
    x, y, z = np.concatenate([centers, centers[:1]]).T
    around_axis = np.unwrap(np.arctan2(y, x))
    through_hole = np.unwrap(np.arctan2(z, np.hypot(x, y) - 0.6))  # the torus's circle has radius 2/3 of 0.9
    assert abs(around_axis[-1] - around_axis[0]) == pytest.approx(2 * math.pi * p)
    assert abs(through_hole[-1] - through_hole[0]) == pytest.approx(2 * math.pi * q)


@pytest.mark.parametrize(
    ("build", "key"),
    [
        (lambda: TriangleMesh.sphere(-1), "mesh.subdivisions"),
        (lambda: TriangleMesh.cube(10), "mesh.subdivisions"),
        (lambda: TriangleMesh.torus(2, tube_radius=0.5), "mesh.tube_radius"),
        (lambda: TriangleMesh.torus_knot(p=2, q=4), "coprime"),
    ],
)
def test_arguments_out_of_range_are_refused(build, key):
    with pytest.raises(InputError, match=key):
        build()


# Built from arrays

CORNERS = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_arrays_of_other_types_are_converted():
    mesh = TriangleMesh(np.array(CORNERS, dtype=np.float32, order="F"), np.array([[0, 1, 2]], dtype=np.uint64))
    assert mesh.vertices.tolist() == CORNERS
    assert mesh.triangles.tolist() == [[0, 1, 2]]
    assert (mesh.vertices.dtype, mesh.triangles.dtype, mesh.vertex_albedo.dtype) == (np.float64, np.int32, np.float64)
    assert mesh.vertex_albedo.tolist() == [[1.0] * 3] * 3


def test_arrays_are_copied_and_read_only():
    vertices, triangles, albedo = np.array(CORNERS), np.array([[0, 1, 2]], dtype=np.int32), np.ones((3, 3))
    mesh = TriangleMesh(vertices, triangles, albedo)
    vertices[:], triangles[:], albedo[:] = 7.0, 0, 0.5
    assert mesh.vertices.tolist() == CORNERS
    assert mesh.triangles.tolist() == [[0, 1, 2]]
    assert mesh.vertex_albedo.tolist() == [[1.0] * 3] * 3
    for array in (mesh.vertices, mesh.triangles, mesh.vertex_albedo):
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("vertices", "triangles", "albedo", "message"),
    [
        ([[0.0, 0.0]] * 3, [[0, 1, 2]], None, r"vertices must have shape \(V, 3\); got \(3, 2\)"),
        ([["a", "b", "c"]], [[0, 1, 2]], None, "vertices must be numbers"),
        (
            [CORNERS[0], [0, NAN, 1], [INF, 0, 0]],
            [[0, 1, 2]],
            None,
            "vertices must be finite; got 2 .* first at index 1",
        ),
        (CORNERS, [], None, "triangles must be integers .* at least one row; got .*shape \\(0,\\)"),
        (CORNERS, [[0, 1]], None, "triangles must be integers of shape"),
        (CORNERS, [[0.0, 1.0, 2.0]], None, "triangles must be integers of shape .* got float64"),
        (CORNERS, [[0, 1, 2], [0, 3, 1]], None, "indices from 0 to 2; got 3 in triangle 1"),
        (CORNERS, [[0, -1, 2]], None, "indices from 0 to 2; got -1 in triangle 0"),
        (CORNERS, [[0, 1, 2**31]], None, "indices from 0 to 2; got 2147483648"),
        (CORNERS, [[0, 1, 1]], None, "triangles must have at least one with an area; got 1, all degenerate"),
        (CORNERS, [[0, 1, 2]], [1.0, 1.0, 1.0], r"vertex_albedo must have shape \(V, 3\); got \(3,\)"),
        (CORNERS, [[0, 1, 2]], [[1.0] * 3] * 2, "vertex_albedo must have one row a vertex, 3; got 2"),
        (CORNERS, [[0, 1, 2]], [[1.0] * 3, [NAN] * 3, [1.0] * 3], "vertex_albedo must be finite; got 1"),
        (CORNERS, [[0, 1, 2]], [[1.0] * 3, [-0.5] * 3, [1.0] * 3], "vertex_albedo must be at least 0; got -0.5"),
    ],
)
def test_bad_arrays_are_refused(vertices, triangles, albedo, message):
    with pytest.raises(InputError, match=message):
        TriangleMesh(vertices, triangles, albedo)


def test_degenerate_triangles_are_left_out_and_counted():
    line = np.outer([0.1, 0.2, 0.3], [1.0, 3.0, 7.0])  # collinear but for rounding
    vertices = np.concatenate([CORNERS, line, line + 1000.0, [CORNERS[1]]])
    triangles = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 1, 9], [1, 1, 2], [0, 0, 0], [2, 0, 1]]
    mesh = TriangleMesh(vertices, triangles)
    assert mesh.triangles.tolist() == [[0, 1, 2], [2, 0, 1]]
    assert (mesh.num_triangles, mesh.num_degenerate, mesh.num_vertices) == (2, 5, 10)


@pytest.mark.parametrize("size", [1e-200, 1e-12, 1.0, 1e200])
@pytest.mark.parametrize("thinness", [1.0, 1e-9])
def test_small_large_and_thin_triangles_are_kept(size, thinness):
    assert TriangleMesh(np.array(CORNERS) * [size, size * thinness, 1.0], [[0, 1, 2]]).num_degenerate == 0


def test_small_triangles_far_from_the_origin_are_kept():
    assert TriangleMesh(1e-9 * np.array(CORNERS) + [1.0, 2.0, 3.0], [[0, 1, 2]]).num_degenerate == 0
