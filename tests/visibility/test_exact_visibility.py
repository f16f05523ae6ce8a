"""Visibility against exact arithmetic: nothing is rounded between the vertices in pixels and the triangle that is seen.

Pixels are decided in fractions, by another way: triangles across the near plane become one polygon, which is not split.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest

import tdr
from tdr.visibility.projection import BEHIND

pytestmark = pytest.mark.usefixtures("f64")

ROUNDING = Fraction(1, 2**53)
HALF = Fraction(1, 2)
RESOLUTION = (24, 32)

Corner = list[Fraction]


def in_front(corners: list[Corner]) -> list[Corner]:
    """What is left in front of the near plane of a triangle with corners (x w, y w, d w, w), where d = 1 - depth_ndc.

    Source: Sutherland & Hodgman 1974, "Reentrant polygon clipping".
    """
    polygon = []
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        above_start, above_end = (2 * corner[3] - corner[2] for corner in (start, end))
        if above_start >= 0:
            polygon.append(start)
        if (above_start >= 0) != (above_end >= 0):
            s = above_start / (above_start - above_end)
            polygon.append([a + s * (b - a) for a, b in zip(start, end, strict=True)])
    return [[value / corner[3] for value in corner[:3]] for corner in polygon]


def doubled_area(p: Corner, q: Corner, r: Corner) -> Fraction:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def contains(polygon: list[Corner], x: Fraction, y: Fraction) -> bool:
    """Whether a polygon whose inside is to the right of its edges, as y points down, owns a point."""
    for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        dx, dy = b[0] - a[0], b[1] - a[1]
        value = dx * (y - a[1]) - dy * (x - a[0])
        # A left edge runs up, a top edge to the right.
        if value < 0 or (value == 0 and not (dy < 0 or (dy == 0 and dx > 0))):
            return False
    return True


def depth_bound(polygon: list[Corner], x: Fraction, y: Fraction, depth: Fraction, id_bits: int) -> Fraction:
    """By how much the depth of a pixel may be off in float64.

    The plane through three corners is (N_x (x - p_x) + N_y (y - p_y)) / A + p_d, with N and A 2 x 2 determinants of
    differences of corners. A determinant a b - c d is off by less than 4 u (|a b| + |c d|), u = 2^-53. Corners on the
    near plane are rounded to 8 u of their coordinates, which moves depth along its slope. A key drops its last bits.
    """
    worst = Fraction(0)
    for p, q, r in itertools.combinations(polygon, 3):
        area = doubled_area(p, q, r)
        if area == 0:
            continue
        (ax, ay, ad), (bx, by, bd) = ([c - o for c, o in zip(corner, p, strict=True)] for corner in (q, r))
        slope_x, slope_y = (ad * by - bd * ay) / area, (bd * ax - ad * bx) / area
        off_x = 4 * (abs(ad * by) + abs(bd * ay)) + abs(slope_x) * 4 * (abs(ax * by) + abs(ay * bx))
        off_y = 4 * (abs(bd * ax) + abs(ad * bx)) + abs(slope_y) * 4 * (abs(ax * by) + abs(ay * bx))
        largest_x, largest_y = (max(abs(corner[i]) for corner in polygon) for i in range(2))
        off = (off_x * abs(x - p[0]) + off_y * abs(y - p[1])) / abs(area)
        off += 16 * (abs(slope_x) * (largest_x + abs(x)) + abs(slope_y) * (largest_y + abs(y)) + 2)
        worst = max(worst, off)
    return worst * ROUNDING + depth / 2 ** (52 - id_bits)


def exact_depths(pipeline: tdr.Pipeline) -> dict[tuple[int, int], dict[int, tuple[Fraction, Fraction]]]:
    """Pixel -> each triangle that it is covered by -> 1 - depth_ndc there, and its bound."""
    rasterizer, mesh = pipeline.passes.rasterizer, pipeline.mesh
    height, width = pipeline.resolution
    vertices = []
    for position, first_pixel in zip(rasterizer._positions, rasterizer._first_pixels, strict=True):
        x, y, depth, w = (Fraction(float(value)) for value in position)
        vertices.append([x, y, depth, w] if first_pixel == BEHIND else [x * w, y * w, depth * w, w])
    pixels: dict[tuple[int, int], dict[int, tuple[Fraction, Fraction]]] = {}
    for t, corners in enumerate(mesh.triangles):
        polygon = in_front([vertices[v] for v in corners])
        area = next((a for a in (doubled_area(*c) for c in itertools.combinations(polygon, 3)) if a != 0), 0)
        if area == 0 or (area > 0 and pipeline.placement.cull_back_faces):
            continue
        ring = polygon if area > 0 else polygon[::-1]
        (low_x, high_x), (low_y, high_y) = ((min(c[i] for c in ring), max(c[i] for c in ring)) for i in range(2))
        p, q, r = next(c for c in itertools.combinations(polygon, 3) if doubled_area(*c) != 0)
        area = doubled_area(p, q, r)
        slope_x = ((q[2] - p[2]) * (r[1] - p[1]) - (r[2] - p[2]) * (q[1] - p[1])) / area
        slope_y = ((r[2] - p[2]) * (q[0] - p[0]) - (q[2] - p[2]) * (r[0] - p[0])) / area
        for row in range(max(0, int(low_y) - 1), min(height, int(high_y) + 2)):
            for column in range(max(0, int(low_x) - 1), min(width, int(high_x) + 2)):
                x, y = column + HALF, row + HALF
                if contains(ring, x, y):
                    depth = p[2] + slope_x * (x - p[0]) + slope_y * (y - p[1])
                    if depth >= 0:
                        bound = depth_bound(polygon, x, y, depth, mesh.num_triangles.bit_length())
                        pixels.setdefault((row, column), {})[t] = depth, bound
    return pixels


def assert_exact(pipeline: tdr.Pipeline) -> float:
    """Coverage is exact everywhere, the triangle that is seen wherever two depths differ by more than rounding.

    Returns:
        The part of the covered pixels where they do.
    """
    pipeline.passes.find_visible()
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    expected = exact_depths(pipeline)
    assert {(int(row), int(column)) for row, column in np.argwhere(ids >= 0)} == set(expected)
    decided = 0
    for pixel, depths in expected.items():
        best = max(depths, key=lambda t: depths[t][0])
        nearest, bound = depths[best]
        perhaps = {t for t, (depth, its_bound) in depths.items() if depth + its_bound >= nearest - bound}
        assert ids[pixel] in perhaps, f"pixel {pixel} sees {ids[pixel]} instead of {best}"
        decided += len(perhaps) == 1
    return decided / len(expected)


def on_screen(rng, count: int, size: float) -> np.ndarray:
    """Triangles (count, 3, 3) of a size in pixels, all over a screen of one unit a pixel."""
    centre = rng.uniform(-0.5, 0.5, (count, 1, 3)) * [RESOLUTION[1], RESOLUTION[0], 16.0]
    return centre + rng.uniform(-1.0, 1.0, (count, 3, 3)) * [size, size, 4.0]


def slivers(rng, count: int, size: float, width: float) -> np.ndarray:
    """Triangles (count, 3, 3) of a length and a width in pixels, all over the screen."""
    corners = on_screen(rng, count, size)
    s = rng.uniform(0.0, 1.0, (count, 1))
    corners[:, 2] = corners[:, 0] + s * (corners[:, 1] - corners[:, 0])
    corners[:, 2] += rng.uniform(-1.0, 1.0, (count, 3)) * [width, width, 4.0]
    return corners


SCENES = {
    "below a pixel": lambda rng: on_screen(rng, 400, 0.5),
    "some pixels": lambda rng: on_screen(rng, 80, 3.0),
    "crossing": lambda rng: on_screen(rng, 16, 20.0),
    "far beyond the screen": lambda rng: np.concatenate([on_screen(rng, 8, 1e2), on_screen(rng, 16, 1e4)]),
    "slivers": lambda rng: np.concatenate([slivers(rng, 100, 20.0, 0.1), slivers(rng, 400, 1e3, 0.01)]),
    "all kinds": lambda rng: np.concatenate(
        [on_screen(rng, 200, 1.0), on_screen(rng, 8, 20.0), on_screen(rng, 4, 1e3), slivers(rng, 40, 100.0, 0.1)]
    ),
}


def pipeline_of(corners: np.ndarray, camera, resolution=RESOLUTION, **placement) -> tdr.Pipeline:
    mesh = tdr.TriangleMesh(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3))
    return tdr.Pipeline(mesh, camera, placement=tdr.MeshConfig(**placement), resolution=resolution)


@pytest.mark.parametrize("cull_back_faces", [False, True])
@pytest.mark.parametrize("name", SCENES)
def test_parallel_projection(name, cull_back_faces, rng):
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, 20.0], height=float(RESOLUTION[0]), far=30.0)
    decided = assert_exact(pipeline_of(SCENES[name](rng), camera, cull_back_faces=cull_back_faces))
    assert decided > 0.99


@pytest.mark.parametrize("name", SCENES)
def test_perspective_across_the_near_and_the_far_plane(name, rng):
    camera = tdr.PerspectiveCamera(position=[0.0, 0.0, 1.0], rotation=[0.1, 0.2, 0.3], fov=100.0, near=0.5, far=12.0)
    pipeline = pipeline_of(SCENES[name](rng), camera)
    assert assert_exact(pipeline) > 0.99
    is_behind = pipeline.passes.rasterizer._first_pixels[pipeline.mesh.triangles] == BEHIND
    is_cut = is_behind.any(axis=1) & ~is_behind.all(axis=1)
    if name == "far beyond the screen":
        assert is_cut[pipeline.passes.rasterizer.triangle_ids].any()


@pytest.mark.parametrize("step", [0.5, 0.25])
def test_corners_and_edges_at_pixel_centres(step, rng):
    """Coordinates with few digits: nothing is rounded, and many centres are on edges."""
    corners = np.round(on_screen(rng, 60, 6.0) / step) * step
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, 20.0], height=32.0, far=30.0)
    assert_exact(pipeline_of(corners, camera, resolution=(32, 32)))
