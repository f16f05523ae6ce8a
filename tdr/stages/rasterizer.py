"""Visibility: which triangle each pixel sees.

Discontinuous, so never differentiated, and always decided in float64, so that it does not depend on the precision of
the run.
"""

import numpy as np
import numpy.typing as npt
import taichi as ti

from tdr.mesh import TriangleMesh
from tdr.stages.camera import Camera
from tdr.stages.transforms import model_to_world, world_to_view

# A triangle whose bounding box has more pixels is left to a second pass, which shares it out among the threads.
LARGE = 4096
# Rows of a large triangle that one thread draws at a time.
STRIP = 16
# What stands in place of the depth of a vertex behind the near plane (1 - depth_ndc is at most 2 in front of it).
BEHIND = 4.0
# By how much, in pixels, the computed end of a row may be off; the edge function decides about what lies within.
SLACK = 0.01
# Along an edge that is flatter than this the end of a row is not computed, because rounding would exceed the slack.
FLATTEST = 1e-6

Edge = ti.types.struct(x=ti.f64, y=ti.f64, dx=ti.f64, dy=ti.f64, sign=ti.f64, least=ti.f64, slope=ti.f64, side=ti.i32)
Box = ti.types.struct(first_row=ti.i32, last_row=ti.i32, first_column=ti.i32, last_column=ti.i32)
Corner = ti.types.vector(4, ti.f64)
Pixel = ti.types.vector(3, ti.f64)
Triangle = ti.types.struct(p=Pixel, q=Pixel, r=Pixel)


class TriangleRasterizer:
    """Finds the triangle that each pixel sees.

    A pixel is covered by a triangle that contains its centre, (column + 0.5, row + 0.5); a centre on an edge belongs
    to the triangle of which it is a top or left edge, so that neighbours share no pixel and leave none out. Both
    neighbours evaluate a shared edge from the same two numbers in the same order, so rounding cannot open a gap.
    Triangles that cross the near plane are clipped; the far plane cuts pixel by pixel. The nearest triangle is seen; of
    triangles whose depths agree to rounding any one is, the same one in every run, and of exact copies the last.

    Args:
        height: rows, at least 1.
        width: columns, at least 1.

    Attributes:
        triangle_id_buffer: (H, W) int32, -1 for background.
        pixels: (N,) int32, the covered pixels as row * W + column, in that order.

    Source: Pineda 1988, "A parallel algorithm for polygon rasterization" (edge functions).
    """

    def __init__(self, height: int, width: int) -> None:
        self.triangle_id_buffer = np.full((height, width), -1, dtype=np.int32)
        self.pixels = np.empty(0, dtype=np.int32)
        self._keys = np.zeros((height, width), dtype=np.uint64)
        self._row_counts = np.zeros(height, dtype=np.int64)

    def forward(
        self,
        mesh: TriangleMesh,
        model: npt.NDArray[np.float64],
        rotations: npt.NDArray[np.float64],
        view: npt.NDArray[np.float64],
        camera: type[Camera],
        cull_back_faces: bool,
    ) -> None:
        """Fill ``triangle_id_buffer`` and ``pixels``.

        Args:
            mesh: the mesh, object space.
            model: see :func:`project_vertices`, likewise ``rotations`` and ``view``.
            rotations: likewise.
            view: likewise.
            camera: the camera's class.
            cull_back_faces: whether triangles whose clockwise side is seen are left out.
        """
        height, width = self.triangle_id_buffer.shape
        clip = np.empty((mesh.num_vertices, 4))
        pixel = np.empty((mesh.num_vertices, 3))
        project_vertices(mesh.vertices, model, rotations, view, camera, height, width, clip, pixel)
        id_bits = mesh.num_triangles.bit_length()
        large = np.empty(mesh.num_triangles, dtype=np.int32)
        num_large = np.zeros(1, dtype=np.int32)
        for num_strips in (0, -(-height // STRIP)):
            draw(clip, pixel, mesh.triangles, cull_back_faces, id_bits, self._keys, large, num_large, num_strips)
        resolve(self._keys, id_bits, self.triangle_id_buffer, self._row_counts)
        row_ends = np.cumsum(self._row_counts)
        self.pixels = np.empty(int(row_ends[-1]), dtype=np.int32)
        list_covered(self.triangle_id_buffer, row_ends - self._row_counts, self.pixels)


@ti.func
def above_near(corner):
    """How far a clip-space corner is in front of the near plane, in clip units."""
    return corner[2] + corner[3]


@ti.func
def to_pixel(corner, height, width):
    """(x, y) in pixels from the image's top left corner, and 1 - depth_ndc: 2 at the near plane, 0 at the far one."""
    x = (0.5 * corner[0] / corner[3] + 0.5) * width
    y = (0.5 - 0.5 * corner[1] / corner[3]) * height
    return ti.Vector([x, y, (corner[3] - corner[2]) / corner[3]], ti.f64)


@ti.kernel
def project_vertices(
    vertices: ti.types.ndarray(dtype=ti.f64, ndim=2),
    model: ti.types.ndarray(dtype=ti.f64, ndim=1),
    rotations: ti.types.ndarray(dtype=ti.f64, ndim=3),
    view: ti.types.ndarray(dtype=ti.f64, ndim=1),
    camera: ti.template(),
    height: ti.i32,
    width: ti.i32,
    positions_clip: ti.types.ndarray(dtype=ti.f64, ndim=2),
    positions_pixel: ti.types.ndarray(dtype=ti.f64, ndim=2),
):
    """Transform vertices to clip space and on to pixels.

    Args:
        vertices: (V, 3) object space.
        model: (4,) scale and translation of the mesh.
        rotations: (2, 3, 3) of the mesh and of the camera.
        view: (7,) camera position, the extent of its view, the aspect ratio, near and far.
        camera: the camera's class.
        height: rows of the image.
        width: columns of the image.
        positions_clip: (V, 4), written.
        positions_pixel: (V, 3), written; see :func:`to_pixel`. The depth of a vertex behind the near plane is BEHIND.
    """
    for v in range(vertices.shape[0]):
        model_rotation = ti.Matrix([[rotations[0, i, j] for j in range(3)] for i in range(3)], ti.f64)
        camera_rotation = ti.Matrix([[rotations[1, i, j] for j in range(3)] for i in range(3)], ti.f64)
        world = model_to_world(
            ti.Vector([vertices[v, i] for i in range(3)], ti.f64),
            model_rotation,
            model[0],
            ti.Vector([model[1 + i] for i in range(3)], ti.f64),
        )
        position = world_to_view(world, camera_rotation, ti.Vector([view[i] for i in range(3)], ti.f64))
        clip = camera.view_to_clip(position, view[3], view[4], view[5], view[6])
        for i in ti.static(range(4)):
            positions_clip[v, i] = clip[i]
        pixel = ti.Vector([0.0, 0.0, ti.static(BEHIND)], ti.f64)
        if above_near(clip) >= 0.0:
            pixel = to_pixel(clip, height, width)
        for i in ti.static(range(3)):
            positions_pixel[v, i] = pixel[i]


@ti.func
def cut(inside, outside):
    """Where an edge crosses the near plane; always taken from the inside, so neighbours get the same point."""
    d = above_near(inside)
    return inside + d / (d - above_near(outside)) * (outside - inside)


@ti.func
def num_parts(positions_pixel: ti.template(), triangles: ti.template(), t):
    """How many triangles are left of triangle t in front of the near plane: 0, 1 or 2."""
    behind = 0
    for i in ti.static(range(3)):
        if positions_pixel[triangles[t, i], 2] == ti.static(BEHIND):
            behind += 1
    parts = 1
    if behind == 1:
        parts = 2
    elif behind == 3:
        parts = 0
    return parts


@ti.func
def part_of(
    positions_clip: ti.template(), positions_pixel: ti.template(), triangles: ti.template(), t, part, height, width
):
    """One of the triangles that are left of triangle t in front of the near plane, in pixels."""
    i = triangles[t, 0]
    j = triangles[t, 1]
    k = triangles[t, 2]
    triangle = Triangle(
        Pixel(positions_pixel[i, 0], positions_pixel[i, 1], positions_pixel[i, 2]),
        Pixel(positions_pixel[j, 0], positions_pixel[j, 1], positions_pixel[j, 2]),
        Pixel(positions_pixel[k, 0], positions_pixel[k, 1], positions_pixel[k, 2]),
    )
    behind = ti.static(BEHIND)
    if triangle.p[2] == behind or triangle.q[2] == behind or triangle.r[2] == behind:
        a = Corner(*[positions_clip[i, n] for n in ti.static(range(4))])
        b = Corner(*[positions_clip[j, n] for n in ti.static(range(4))])
        c = Corner(*[positions_clip[k, n] for n in ti.static(range(4))])
        in_a = above_near(a) >= 0.0
        in_b = above_near(b) >= 0.0
        in_c = above_near(c) >= 0.0
        # Turn the triangle until a is the corner that stands alone on its side of the plane.
        if in_b != in_a and in_b != in_c:
            a, b, c = b, c, a
        elif in_c != in_a and in_c != in_b:
            a, b, c = c, a, b
        if above_near(a) >= 0.0:
            b = cut(a, b)
            c = cut(a, c)
        elif part == 0:
            a = cut(b, a)
        else:
            kept = c
            first = cut(b, a)
            b = c
            c = cut(kept, a)
            a = first
        triangle = Triangle(to_pixel(a, height, width), to_pixel(b, height, width), to_pixel(c, height, width))
    return triangle


@ti.func
def make_edge(p, q):
    """The edge from p to q of a triangle that lies on its positive side, in pixels.

    The end points are sorted, so that the neighbour, which sees the edge the other way round, computes the same
    numbers with the other sign. Points on the edge belong to the triangle if it is a top or a left edge (y points
    down): then the least value inside is 0, else the least positive normal number.
    """
    dx = q[0] - p[0]
    dy = q[1] - p[1]
    # By its bits: a literal has the run's precision, in which it would be 0.
    least = ti.bit_cast(ti.cast(1, ti.u64) << ti.cast(52, ti.u64), ti.f64)
    if dy < 0.0 or (dy == 0.0 and dx > 0.0):
        least = 0.0
    # Which end of a row the edge bounds: 1 the first pixel, -1 the last, 0 neither.
    side = 0
    slope = ti.cast(0.0, ti.f64)
    if ti.abs(dy) > ti.static(FLATTEST) * ti.abs(dx):
        slope = dx / dy
        side = 1
        if dy > 0.0:
            side = -1
    edge = Edge(p[0], p[1], dx, dy, ti.cast(1.0, ti.f64), least, slope, side)
    if p[0] > q[0] or (p[0] == q[0] and p[1] > q[1]):
        edge = Edge(q[0], q[1], p[0] - q[0], p[1] - q[1], ti.cast(-1.0, ti.f64), least, slope, side)
    return edge


@ti.func
def contains(edge, column, row):
    """Whether a pixel's centre is on the triangle's side of an edge.

    Rounding keeps the edge function monotone along a row, so the covered pixels of a row are an interval.
    """
    x = ti.cast(column, ti.f64) + 0.5
    y = ti.cast(row, ti.f64) + 0.5
    return edge.sign * (edge.dx * (y - edge.y) - edge.dy * (x - edge.x)) >= edge.least


@ti.func
def bounding_box(triangle, height, width):
    """The pixels whose centres lie in the bounding box of a triangle, cut to the image."""
    p = triangle.p
    q = triangle.q
    r = triangle.r
    low_x = ti.min(p[0], q[0], r[0])
    low_y = ti.min(p[1], q[1], r[1])
    high_x = ti.max(p[0], q[0], r[0])
    high_y = ti.max(p[1], q[1], r[1])
    # Cut before the conversion to int: points far outside would overflow it. A box beside the image stays empty.
    bottom = ti.cast(height, ti.f64) + 1.0
    right = ti.cast(width, ti.f64) + 1.0
    return Box(
        ti.cast(ti.ceil(ti.min(ti.max(low_y, 0.0), bottom) - 0.5), ti.i32),
        ti.cast(ti.floor(ti.max(ti.min(high_y, bottom - 1.0), -1.0) - 0.5), ti.i32),
        ti.cast(ti.ceil(ti.min(ti.max(low_x, 0.0), right) - 0.5), ti.i32),
        ti.cast(ti.floor(ti.max(ti.min(high_x, right - 1.0), -1.0) - 0.5), ti.i32),
    )


@ti.func
def draw_rows(triangle, box, t, id_bits, keys: ti.template()):
    """Write a triangle's key to each pixel that it covers in a box.

    A key holds 1 - depth_ndc in its high bits (the bits of a positive double sort like the number) and the id, from
    1, in its low bits, so that the largest key at a pixel is the nearest triangle.
    """
    p = triangle.p
    q = triangle.q
    r = triangle.r
    area = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
    if area != 0.0:
        depth_x = ((q[2] - p[2]) * (r[1] - p[1]) - (r[2] - p[2]) * (q[1] - p[1])) / area
        depth_y = ((r[2] - p[2]) * (q[0] - p[0]) - (q[2] - p[2]) * (r[0] - p[0])) / area
        second = q
        third = r
        if area < 0.0:
            second = r
            third = q
        edge_0 = make_edge(p, second)
        edge_1 = make_edge(second, third)
        edge_2 = make_edge(third, p)
        shift = ti.cast(id_bits, ti.u64)
        for row in range(box.first_row, box.last_row + 1):
            first = box.first_column
            last = box.last_column
            y = ti.cast(row, ti.f64) + 0.5
            for edge in ti.static((edge_0, edge_1, edge_2)):
                if edge.side != 0:
                    crossing = edge.x + edge.slope * (y - edge.y) - 0.5
                    # Cut before the conversion to int, which a point far outside would overflow.
                    crossing = ti.min(ti.max(crossing, -2.0), ti.cast(box.last_column + 2, ti.f64))
                    if edge.side == 1:
                        first = ti.max(first, ti.cast(ti.ceil(crossing - ti.static(SLACK)), ti.i32))
                    else:
                        last = ti.min(last, ti.cast(ti.floor(crossing + ti.static(SLACK)), ti.i32))
            while first <= last and not (
                contains(edge_0, first, row) and contains(edge_1, first, row) and contains(edge_2, first, row)
            ):
                first += 1
            while first < last and not (
                contains(edge_0, last, row) and contains(edge_1, last, row) and contains(edge_2, last, row)
            ):
                last -= 1
            depth_row = p[2] + depth_y * (y - p[1])
            for column in range(first, last + 1):
                depth = depth_row + depth_x * (ti.cast(column, ti.f64) + 0.5 - p[0])
                if depth >= 0.0:
                    key = ((ti.bit_cast(depth, ti.u64) >> shift) << shift) | ti.cast(t + 1, ti.u64)
                    if key > keys[row, column]:
                        ti.atomic_max(keys[row, column], key)


@ti.func
def faces_camera(triangle):
    """Whether a triangle, in pixels, runs counter-clockwise as seen on the screen (y points down)."""
    p = triangle.p
    q = triangle.q
    r = triangle.r
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]) < 0.0


@ti.kernel
def draw(
    positions_clip: ti.types.ndarray(dtype=ti.f64, ndim=2),
    positions_pixel: ti.types.ndarray(dtype=ti.f64, ndim=2),
    triangles: ti.types.ndarray(dtype=ti.i32, ndim=2),
    cull_back_faces: ti.i32,
    id_bits: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    large: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_large: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_strips: ti.i32,
):
    """Draw triangles.

    With ``num_strips`` 0, those whose bounding box is small; the others are listed in ``large`` and counted in
    ``num_large``. Otherwise the listed ones, a strip of rows at a time.
    """
    height = keys.shape[0]
    width = keys.shape[1]
    num_items = triangles.shape[0]
    if num_strips > 0:
        num_items = num_large[0] * num_strips
    for n in range(num_items):
        t = n
        if num_strips > 0:
            t = large[n // num_strips]
        is_listed = False
        for part in range(num_parts(positions_pixel, triangles, t)):
            triangle = part_of(positions_clip, positions_pixel, triangles, t, part, height, width)
            box = bounding_box(triangle, height, width)
            rows = box.last_row - box.first_row + 1
            columns = box.last_column - box.first_column + 1
            if rows > 0 and columns > 0 and (cull_back_faces == 0 or faces_camera(triangle)):
                # rows * columns could overflow an int.
                is_large = columns > ti.static(LARGE) // rows
                if num_strips > 0:
                    first_row = (n % num_strips) * ti.static(STRIP)
                    box.first_row = ti.max(box.first_row, first_row)
                    box.last_row = ti.min(box.last_row, first_row + ti.static(STRIP) - 1)
                elif is_large and not is_listed:
                    large[ti.atomic_add(num_large[0], 1)] = t
                    is_listed = True
                if is_large == (num_strips > 0):
                    draw_rows(triangle, box, t, id_bits, keys)


@ti.kernel
def resolve(
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    id_bits: ti.i32,
    triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=2),
    row_counts: ti.types.ndarray(dtype=ti.i64, ndim=1),
):
    """Turn keys into ids, count the covered pixels of each row, and clear the keys for the next frame."""
    for row in range(keys.shape[0]):
        mask = (ti.cast(1, ti.u64) << ti.cast(id_bits, ti.u64)) - ti.cast(1, ti.u64)
        covered = ti.cast(0, ti.i64)
        for column in range(keys.shape[1]):
            key = keys[row, column]
            triangle_id[row, column] = ti.cast(key & mask, ti.i32) - 1
            if key > 0:
                covered += 1
                keys[row, column] = ti.cast(0, ti.u64)
        row_counts[row] = covered


@ti.kernel
def list_covered(
    triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=2),
    row_starts: ti.types.ndarray(dtype=ti.i64, ndim=1),
    pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """List the covered pixels, row by row."""
    for row in range(triangle_id.shape[0]):
        n = ti.cast(row_starts[row], ti.i32)
        for column in range(triangle_id.shape[1]):
            if triangle_id[row, column] >= 0:
                pixels[n] = row * triangle_id.shape[1] + column
                n += 1
