"""Coverage: triangles that share edges draw each pixel exactly once."""

import numpy as np
import pytest
from reference import Scene, find_visible

import tdr

pytestmark = pytest.mark.usefixtures("precision")

CELLS = 8
SIZE = 4 * CELLS


def random_triangulation(rng) -> tuple[np.ndarray, np.ndarray]:
    """A sheet of random triangles over the pixels 0 to SIZE, either way round.

    Its vertices are at whole and half pixels, so many are at pixel centres and many edges run through some.
    """
    row, column = np.indices((CELLS + 1, CELLS + 1))
    points = 4.0 * np.stack([column, row], axis=-1)
    inner = (slice(1, -1), slice(1, -1))
    points[inner] += rng.integers(-1, 2, points[inner].shape) / 2.0
    first = (row[:-1, :-1] * (CELLS + 1) + column[:-1, :-1]).reshape(-1)
    triangles = []
    for cell in np.stack([first, first + CELLS + 1, first + CELLS + 2, first + 1], axis=1):
        a, b, c, d = np.roll(cell, rng.integers(2))
        triangles += [[a, b, c][:: rng.choice([1, -1])], [a, c, d][:: rng.choice([1, -1])]]
    return points.reshape(-1, 2), np.array(triangles)


def times_drawn(vertices: np.ndarray, triangles: np.ndarray, camera, resolution) -> np.ndarray:
    """How often each pixel is drawn when every triangle is drawn on its own."""
    count = np.zeros(resolution, dtype=int)
    for triangle in triangles:
        pipeline = tdr.Pipeline(tdr.TriangleMesh(vertices, [triangle]), camera, resolution=resolution)
        pipeline.passes.find_visible()
        count += pipeline.passes.rasterizer.triangle_id_buffer == 0
    return count


@pytest.mark.parametrize("resolution", [(SIZE, SIZE), (SIZE, SIZE // 2)])
def test_edges_and_corners_at_pixel_centres(resolution, rng):
    """One world unit a pixel and powers of two everywhere, so nothing is rounded and the reference is exact."""
    points, triangles = random_triangulation(rng)
    vertices = np.column_stack([points[:, 0] - resolution[1] / 2, SIZE / 2 - points[:, 1], 0.0 * points[:, 0]])
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, 4.0], height=float(SIZE))
    pipeline = tdr.Pipeline(tdr.TriangleMesh(vertices, triangles), camera, resolution=resolution)
    assert pipeline.mesh.num_triangles == len(triangles)
    pipeline.passes.find_visible()
    expected = find_visible(Scene.of(pipeline))
    assert not expected.certain.all(), "some pixel centres are on edges"
    assert (expected.covers.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(pipeline.passes.rasterizer.triangle_id_buffer, expected.triangle_id)
    np.testing.assert_array_equal(times_drawn(vertices, triangles, camera, resolution), 1)


@pytest.mark.parametrize("turn", [0, 1], ids=["flat", "steep"])
def test_long_edges_through_pixel_centres(turn):
    """A fan from far off the screen to far beyond it: slopes are rounded, the edge functions are exact."""
    # 2079 columns = 27 * 7 * 11: many edges come through pixel centres every few columns, at slopes like 1/21.
    rim = np.arange(-150, 151, 3)
    points = np.array([[-1000, 0], *[[1079, y] for y in rim]]) + 0.5
    vertices = np.column_stack([np.roll(points, turn, axis=1), np.zeros(len(points))])
    i = np.arange(1, len(rim))
    triangles = np.stack([0 * i, i, i + 1], axis=1)
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, 4.0], height=64.0)
    pipeline = tdr.Pipeline(tdr.TriangleMesh(vertices, triangles), camera, resolution=(64, 64))
    pipeline.passes.find_visible()
    expected = find_visible(Scene.of(pipeline))
    assert not expected.certain.all(), "some pixel centres are on edges"
    np.testing.assert_array_equal(pipeline.passes.rasterizer.triangle_id_buffer, expected.triangle_id)
    np.testing.assert_array_equal(times_drawn(vertices, triangles, camera, (64, 64)), 1)


@pytest.mark.parametrize("resolution", [(SIZE, SIZE), (7, 33)])
def test_a_crumpled_sheet(resolution, rng):
    """In perspective, each vertex somewhere along its own ray: coordinates are rounded, but neighbours share them."""
    points, triangles = random_triangulation(rng)
    points = (points - SIZE / 2) * [resolution[1], -resolution[0]] / SIZE  # pixels, from the middle, y up
    depth = rng.uniform(1.0, 3.0, len(points))
    on_screen = np.tan(np.pi / 6) * points * 2 / resolution[0]
    vertices = np.column_stack([on_screen * depth[:, None], 3.5 - depth])
    np.testing.assert_array_equal(times_drawn(vertices, triangles, None, resolution), 1)


def test_a_sheet_that_crosses_the_near_plane(rng):
    """The ground from before the camera to behind it; below the horizon each pixel is drawn once."""
    points, triangles = random_triangulation(rng)
    vertices = np.column_stack([points[:, 0] - SIZE / 2, rng.uniform(-1.2, -0.8, len(points)), points[:, 1] - SIZE / 2])
    camera = tdr.PerspectiveCamera(position=[0.3, 0.0, 2.1], rotation=[-0.9, 0.0, 0.0], near=0.5)
    count = times_drawn(vertices, triangles, camera, (32, 40))
    pipeline = tdr.Pipeline(tdr.TriangleMesh(vertices, triangles), camera, resolution=(32, 40))
    expected = find_visible(Scene.of(pipeline))
    np.testing.assert_array_equal(count[expected.certain], expected.covers.sum(axis=0)[expected.certain])
    np.testing.assert_array_equal(count[-16:], 1)
