"""Where rays meet triangles, and what is interpolated there."""

import numpy as np
import pytest
import taichi as ti

import tdr
from tdr import backend
from tdr.render.interpolator import interpolate, intersect, ray_slopes


@ti.kernel
def locate(
    corners: ti.types.ndarray(ndim=3),
    origins: ti.types.ndarray(ndim=2),
    directions: ti.types.ndarray(ndim=2),
    attributes: ti.types.ndarray(ndim=3),
    weights: ti.types.ndarray(ndim=2),
    distances: ti.types.ndarray(ndim=1),
    values: ti.types.ndarray(ndim=2),
):
    for i in range(corners.shape[0]):
        weight, distance = intersect(
            ti.Vector([corners[i, 0, n] for n in range(3)]),
            ti.Vector([corners[i, 1, n] for n in range(3)]),
            ti.Vector([corners[i, 2, n] for n in range(3)]),
            ti.Vector([origins[i, n] for n in range(3)]),
            ti.Vector([directions[i, n] for n in range(3)]),
        )
        distances[i] = distance
        for n in ti.static(range(4)):
            weights[i, n] = weight[n]
        value = interpolate(
            weight,
            ti.Vector([attributes[i, 0, n] for n in range(3)]),
            ti.Vector([attributes[i, 1, n] for n in range(3)]),
            ti.Vector([attributes[i, 2, n] for n in range(3)]),
        )
        for n in ti.static(range(3)):
            values[i, n] = value[n]


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("behind", [False, True], ids=["in-front", "one-corner-behind-the-eye"])
def test_a_ray_meets_a_triangle_where_it_was_aimed(behind, rng):
    count = 100
    expected = rng.dirichlet([1.0, 1.0, 1.0], count)
    corners = rng.uniform([-3, -3, -5], [3, 3, -1], (count, 3, 3))
    if behind:
        corners[:, 0, 2] *= -0.1
    origins = rng.uniform(-0.2, 0.2, (count, 3))
    hit = np.einsum("ni,nij->nj", expected, corners)
    distance = rng.uniform(0.5, 2.0, count)
    directions = (hit - origins) / distance[:, None]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = -np.sign(np.sum(directions * normals, axis=1))
    attributes = rng.normal(size=(count, 3, 3))
    weights, values = backend.array(np.zeros((count, 4))), backend.array(np.zeros((count, 3)))
    distances = backend.array(np.zeros(count))
    locate(*(backend.array(a) for a in (corners, origins, directions, attributes)), weights, distances, values)

    longest = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2).max(axis=1)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    area = np.abs(np.sum(unit * normals, axis=1))
    # Coordinates up to 6 in size are rounded, which moves the barycentrics by that over the triangle's least height;
    # ten such roundings.
    error = 60 * np.finfo(backend.dtype()).eps * longest / area
    assert (np.abs(weights[:, :3] - expected) <= error[:, None]).all()
    np.testing.assert_array_equal(weights[:, 3], facing)
    # Along the ray a rounding moves the point by that over the sine of the angle between ray and plane.
    along = 60 * np.finfo(backend.dtype()).eps * np.linalg.norm(normals, axis=1) / area
    assert (np.abs(distances - distance) <= along / np.linalg.norm(directions, axis=1)).all()
    weighted = np.einsum("ni,nij->nj", expected, attributes)
    assert (np.abs(values - weighted) <= 3 * np.abs(attributes).max() * error[:, None]).all()


@ti.kernel
def differentiate(
    corners: ti.types.ndarray(ndim=3), directions: ti.types.ndarray(ndim=2), slopes: ti.types.ndarray(ndim=3)
):
    for i in range(corners.shape[0]):
        slope_1, slope_2, slope_distance = ray_slopes(
            ti.Vector([corners[i, 0, n] for n in range(3)]),
            ti.Vector([corners[i, 1, n] for n in range(3)]),
            ti.Vector([corners[i, 2, n] for n in range(3)]),
            ti.Vector([directions[i, n] for n in range(3)]),
        )
        for n in ti.static(range(3)):
            slopes[i, 0, n] = slope_1[n]
            slopes[i, 1, n] = slope_2[n]
            slopes[i, 2, n] = slope_distance[n]


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("length", [1.0, -2.5])
def test_a_shifted_ray_meets_the_plane_elsewhere(length, rng):
    """Origin + distance * direction = corner + b1 * edge + b2 * edge is a linear system, which NumPy solves."""
    count = 100
    corners, directions = rng.normal(size=(count, 3, 3)), rng.normal(size=(count, 3))
    edges = corners[:, 1:] - corners[:, :1]
    system = np.stack([edges[:, 0], edges[:, 1], -directions], axis=2)
    expected = np.linalg.inv(system)
    slopes = np.zeros((count, 3, 3))
    differentiate(corners, length * directions, slopes)
    slopes[:, 2] *= length
    # Some ten roundings, which a flat system multiplies by its condition number.
    error = 10 * np.finfo(np.float64).eps * np.linalg.cond(system) * np.abs(expected).max(axis=(1, 2))
    assert (np.abs(slopes - expected) <= error[:, None, None]).all()


@pytest.mark.usefixtures("precision")
def test_geometry_is_kept_in_float64():
    mesh = tdr.TriangleMesh.torus(0)
    normals = tdr.NormalsEstimator(mesh)
    interpolator = tdr.TriangleAttributeInterpolator(mesh, normals)
    expected = (mesh.vertices, mesh.triangles, normals.normals, normals.triangle_normal_ids, mesh.vertex_albedo)
    for array, values in zip(interpolator.attributes, expected, strict=True):
        assert array.dtype == values.dtype
        np.testing.assert_array_equal(array, values)
    interpolator.resize(5)
    assert [(a.shape, a.dtype) for a in interpolator.g_buffer] == 3 * [((5, 3), np.float64)]
