"""Barycentrics and what is interpolated with them, against ray-triangle intersection."""

import numpy as np
import pytest
import taichi as ti

import tdr
from tdr import backend
from tdr.stages.interpolator import barycentrics_at, interpolate


@ti.kernel
def locate(
    corners_clip: ti.types.ndarray(ndim=3),
    screen: ti.types.ndarray(ndim=2),
    attributes: ti.types.ndarray(ndim=3),
    weights: ti.types.ndarray(ndim=2),
    values: ti.types.ndarray(ndim=2),
):
    for i in range(corners_clip.shape[0]):
        clip_0 = ti.Vector([corners_clip[i, 0, n] for n in range(4)])
        clip_1 = ti.Vector([corners_clip[i, 1, n] for n in range(4)])
        clip_2 = ti.Vector([corners_clip[i, 2, n] for n in range(4)])
        weight = barycentrics_at(clip_0, clip_1, clip_2, screen[i, 0], screen[i, 1])
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
def test_barycentrics_are_those_of_the_ray(behind, rng):
    """The eye is at the origin and looks along -z, 90 degrees wide: w = -z, and the ray goes through (x, y, -1)."""
    count = 100
    expected = rng.dirichlet([1.0, 1.0, 1.0], count)
    corners = rng.uniform([-3, -3, -5], [3, 3, -1], (count, 3, 3))
    if behind:
        corners[:, 0, 2] *= -0.1
    hit = np.einsum("ni,nij->nj", expected, corners)
    facing = -np.sign(np.sum(hit * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1))
    clip = np.concatenate([corners, -corners[..., 2:]], axis=2)
    attributes = rng.normal(size=(count, 3, 3))
    weights, values = backend.array(np.zeros((count, 4))), backend.array(np.zeros((count, 3)))
    screen = hit[:, :2] / -hit[:, 2:]
    # Where the point is behind the eye, no pixel sees it.
    seen = hit[:, 2] < -0.1
    locate(*(backend.array(a) for a in (clip, screen, attributes)), weights, values)

    edges = np.roll(corners, -1, axis=1) - corners
    ray = hit / np.linalg.norm(hit, axis=1, keepdims=True)
    area = np.abs(np.sum(ray * np.cross(edges[:, 0], edges[:, 1]), axis=1))
    longest = np.linalg.norm(edges, axis=2).max(axis=1)
    # Coordinates up to 6 in size are rounded, which moves the barycentrics by that over the triangle's least height;
    # ten such roundings.
    error = 60 * np.finfo(backend.dtype()).eps * (longest / area)[:, None]
    assert seen.sum() > 50
    assert (np.abs(weights[:, :3] - expected) <= error)[seen].all()
    np.testing.assert_array_equal(weights[seen, 3], facing[seen])
    weighted = np.einsum("ni,nij->nj", expected, attributes)
    assert (np.abs(values - weighted) <= 3 * np.abs(attributes).max() * error)[seen].all()


@pytest.mark.usefixtures("precision")
def test_geometry_is_kept_in_float64_and_the_g_buffer_in_the_running_precision():
    mesh = tdr.TriangleMesh.torus(0)
    normals = tdr.NormalsEstimator(mesh)
    interpolator = tdr.TriangleAttributeInterpolator(mesh, normals)
    expected = (mesh.vertices, mesh.triangles, normals.normals, normals.triangle_normal_ids, mesh.vertex_albedo)
    for array, values in zip(interpolator.attributes, expected, strict=True):
        assert array.dtype == values.dtype
        np.testing.assert_array_equal(array, values)
    interpolator.resize(5)
    assert [(a.shape, a.dtype) for a in interpolator.g_buffer] == 3 * [((5, 3), backend.dtype())]
