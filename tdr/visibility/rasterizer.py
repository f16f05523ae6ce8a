"""Visibility: which triangle each pixel sees.

Discontinuous, so never differentiated, and always decided in float64, so that it does not depend on the precision of
the run.
"""

import numpy as np
import numpy.typing as npt

from tdr.backend import ti
from tdr.scene.camera import Camera
from tdr.scene.mesh import TriangleMesh
from tdr.visibility.edges import RUN, bounding_box, draw_rows, key_at, signed_area
from tdr.visibility.projection import (
    BEHIND,
    Corners,
    Vertex,
    corners_of,
    is_shared,
    num_parts,
    part_of,
    project_vertices,
    spread,
)

# Triangles whose boxes are found together, and pixels in which they are drawn together, both in vector instructions.
# More are hardly faster, and take long to compile.
BLOCK = 16
BATCH = 32
# Blocks that a thread takes at once.
BLOCKS = 32
# Stands for a triangle whose box exceeds 2 x 2 pixels, or that crosses the near plane.
LARGER = 16
# A triangle whose box has more pixels is shared out among the threads.
LARGE = 4096
# Rows and columns in which one thread draws all large triangles; their keys fit into a processor's second cache.
TILE = (16, 1024)


# Columns of a row, from the first to before the end.
Span = ti.types.vector(2, ti.i32)


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
        triangle_ids: (N,) int32, the triangle that each of them sees.

    Source: Pineda 1988, "A parallel algorithm for polygon rasterization" (edge functions).
    """

    def __init__(self, height: int, width: int) -> None:
        self.triangle_id_buffer = np.full((height, width), -1, dtype=np.int32)
        self.pixels = np.empty(0, dtype=np.int32)
        self.triangle_ids = np.empty(0, dtype=np.int32)
        self._keys = np.zeros((height, width), dtype=np.uint64)
        self._spans = np.zeros((height, 2), dtype=np.int32)
        self._positions = np.empty((0, 4))
        self._first_pixels = np.empty(0, dtype=np.uint32)
        self._small = np.empty(0, dtype=np.int32)
        self._large = np.empty(0, dtype=np.int32)

    def forward(
        self,
        mesh: TriangleMesh,
        model: npt.NDArray[np.float64],
        rotations: npt.NDArray[np.float64],
        view: npt.NDArray[np.float64],
        camera: type[Camera],
        cull_back_faces: bool,
    ) -> None:
        """Fill ``triangle_id_buffer``, ``pixels`` and ``triangle_ids``.

        Args:
            mesh: the mesh, object space.
            model: see :func:`project_vertices`, likewise ``rotations`` and ``view``.
            rotations: likewise.
            view: likewise.
            camera: the camera's class.
            cull_back_faces: whether triangles whose clockwise side is seen are left out.
        """
        height, width = self.triangle_id_buffer.shape
        # Kept from frame to frame: fresh memory is slow where it is touched first.
        if len(self._positions) != mesh.num_vertices or len(self._large) != mesh.num_triangles:
            self._positions = np.empty((mesh.num_vertices, 4))
            self._first_pixels = np.empty(mesh.num_vertices, dtype=np.uint32)
            self._small = np.empty(mesh.num_triangles, dtype=np.int32)
            self._large = np.empty(mesh.num_triangles, dtype=np.int32)
        vertices = (self._positions, self._first_pixels)
        # height * width is less than 2**31, so that rows and columns together take at most 32 bits.
        column_bits = width.bit_length()
        project_vertices(mesh.vertices, model, rotations, view, camera, height, width, column_bits, *vertices)
        id_bits = mesh.num_triangles.bit_length()
        common = (*vertices, mesh.triangles, cull_back_faces, id_bits, self._keys)
        num_small, num_large = np.zeros((2, 1), dtype=np.int32)
        small, large = (self._small, num_small), (self._large, num_large)
        draw_tiny(column_bits, *common, *small)
        if num_small[0] > 0:
            draw_small(*common, *small, *large)
        if num_large[0] > 0:
            draw_large(*common, *large)
        spans, row_starts = np.zeros((height, 2), dtype=np.int32), np.zeros(height + 1, dtype=np.int64)
        lowest, highest = int(self._first_pixels.min()), int(self._first_pixels.max())
        # Where the near plane cuts a triangle, it may reach rows that no vertex is in.
        first_row, end_row = (0, height) if highest == BEHIND else (lowest >> column_bits, highest >> column_bits)
        count_covered(first_row, end_row, self._keys, spans, row_starts[1:])
        np.cumsum(row_starts, out=row_starts)
        self.pixels = np.empty(int(row_starts[-1]), dtype=np.int32)
        self.triangle_ids = np.empty_like(self.pixels)
        lists = (row_starts, self.pixels, self.triangle_ids)
        resolve(self._keys, id_bits, self.triangle_id_buffer, self._spans, spans, *lists)
        self._spans = spans


@ti.kernel
def draw_tiny(
    column_bits: ti.i32,
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    first_pixels: ti.types.ndarray(dtype=ti.u32, ndim=1),
    triangles: ti.types.ndarray(dtype=Corners, ndim=1),
    cull_back_faces: ti.i32,
    id_bits: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    small: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_small: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """Draw the triangles whose box has up to 2 x 2 pixels; list in ``small`` what is larger, and count it.

    Most triangles of a fine mesh have one pixel in their box or none. Which, is chance, and a processor that guesses
    wrong loses more time than the arithmetic takes. So each step goes over a block of triangles or a batch of pixels
    without a branch and lists what is left for the next one. What writes to no array but its own is compiled to vector
    instructions.
    """
    num_triangles = triangles.shape[0]
    num_items = (num_triangles + ti.static(BLOCKS * BLOCK - 1)) // ti.static(BLOCKS * BLOCK)
    distance = spread(num_items)
    for item in range(num_items * distance):
        if item % distance != 0:
            continue
        one = ti.u32(1)
        shift = ti.cast(column_bits, ti.u32)
        mask = (one << shift) - one
        # Of each triangle of a block the first pixel of its box, and which of 2 x 2 pixels are in it, a bit each.
        corner = ti.Vector([0] * ti.static(BLOCK), ti.u32)
        in_box = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        # The pixels of such boxes that wait for being drawn, and whose they are.
        pixel = ti.Vector([0] * ti.static(BATCH + 4 * BLOCK), ti.u32)
        owner = ti.Vector([0] * ti.static(BATCH + 4 * BLOCK), ti.i32)
        num_pixels = 0
        # What the owners of a batch of pixels write there.
        key = ti.Vector([0] * ti.static(BATCH), ti.u64)
        listed = ti.Vector([0] * ti.static(max(BLOCK, BATCH)), ti.i32)
        for block in range(ti.static(BLOCKS)):
            first = (item // distance * ti.static(BLOCKS) + block) * ti.static(BLOCK)
            num = ti.min(ti.static(BLOCK), num_triangles - first)
            for n in range(num):
                p = first_pixels[triangles[first + n][0]]
                q = first_pixels[triangles[first + n][1]]
                r = first_pixels[triangles[first + n][2]]
                # The same box as bounding_box finds: what rounds each of three numbers up rounds the largest up, too.
                lowest = ti.min(p, q, r)
                highest = ti.max(p, q, r)
                top = lowest >> shift
                left = ti.min(p & mask, q & mask, r & mask)
                rows = (highest >> shift) - top
                columns = ti.max(p & mask, q & mask, r & mask) - left
                bits = one | ((columns - one) << 1) | ((rows - one) << 2) | (((rows - one) & (columns - one)) << 3)
                is_tiny = (rows <= 2) & (columns <= 2)
                is_empty = (rows == 0) | (columns == 0)
                is_cut = (highest == ti.u32(BEHIND)) & (lowest != ti.u32(BEHIND))
                corner[n] = (top << shift) | left
                in_box[n] = ti.select(is_tiny, ti.cast(bits, ti.i32), ti.static(LARGER))
                in_box[n] = ti.select(is_cut, ti.static(LARGER), ti.select(is_empty, 0, in_box[n]))
            num_listed = 0
            for n in range(num):
                pixel[num_pixels] = corner[n]
                owner[num_pixels] = first + n
                num_pixels += in_box[n] & 1
                listed[num_listed] = n
                num_listed += ti.cast(in_box[n] > 1, ti.i32)
            for m in range(num_listed):
                n = listed[m]
                if in_box[n] == ti.static(LARGER):
                    small[ti.atomic_add(num_small[0], 1)] = first + n
                else:
                    for i in ti.static(range(1, 4)):
                        pixel[num_pixels] = corner[n] + ((ti.u32(i >> 1) << shift) | ti.u32(i & 1))
                        owner[num_pixels] = first + n
                        num_pixels += (in_box[n] >> i) & 1
            # All batches are full but the last.
            least = ti.select(block < ti.static(BLOCKS - 1), ti.static(BATCH), 1)
            while num_pixels >= least:
                count = ti.min(num_pixels, ti.static(BATCH))
                num_pixels -= count
                for m in range(ti.static(BATCH)):
                    t = owner[num_pixels + m]
                    row = ti.cast(pixel[num_pixels + m] >> shift, ti.i32)
                    column = ti.cast(pixel[num_pixels + m] & mask, ti.i32)
                    key_here = key_at(corners_of(positions, triangles, t), row, column, cull_back_faces, t, id_bits)
                    key[m] = ti.select(m < count, key_here, ti.cast(0, ti.u64))
                num_listed = 0
                for m in range(ti.static(BATCH)):
                    listed[num_listed] = m
                    num_listed += ti.cast(key[m] > 0, ti.i32)
                for m in range(num_listed):
                    row = ti.cast(pixel[num_pixels + listed[m]] >> shift, ti.i32)
                    column = ti.cast(pixel[num_pixels + listed[m]] & mask, ti.i32)
                    if key[listed[m]] > keys[row, column]:
                        if ti.static(is_shared()):
                            ti.atomic_max(keys[row, column], key[listed[m]])
                        else:
                            keys[row, column] = key[listed[m]]


@ti.kernel
def draw_small(
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    first_pixels: ti.types.ndarray(dtype=ti.u32, ndim=1),
    triangles: ti.types.ndarray(dtype=Corners, ndim=1),
    cull_back_faces: ti.i32,
    id_bits: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    small: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_small: ti.types.ndarray(dtype=ti.i32, ndim=1),
    large: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_large: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """Draw the triangles that :func:`draw_tiny` has listed, unless they are large; list those in ``large``."""
    distance = spread(num_small[0])
    for item in range(num_small[0] * distance):
        if item % distance != 0:
            continue
        t = small[item // distance]
        is_large = False
        for part in range(num_parts(first_pixels, triangles, t)):
            triangle = part_of(positions, first_pixels, triangles, t, part)
            box = bounding_box(triangle, keys.shape[0], keys.shape[1])
            rows = box.end_row - box.first_row
            columns = box.end_column - box.first_column
            if rows > 0 and columns > 0 and (cull_back_faces == 0 or signed_area(triangle) < 0.0):
                # rows * columns could overflow an int.
                if columns <= ti.static(LARGE) // rows:
                    draw_rows(triangle, box, t, id_bits, keys, ti.static(is_shared()))
                else:
                    is_large = True
        if is_large:
            large[ti.atomic_add(num_large[0], 1)] = t


@ti.kernel
def draw_large(
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    first_pixels: ti.types.ndarray(dtype=ti.u32, ndim=1),
    triangles: ti.types.ndarray(dtype=Corners, ndim=1),
    cull_back_faces: ti.i32,
    id_bits: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    large: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_large: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """Draw what :func:`draw_small` has listed, one thread a tile, so that no two write to a pixel."""
    height = keys.shape[0]
    width = keys.shape[1]
    tiles_in_row = (width + ti.static(TILE[1] - 1)) // ti.static(TILE[1])
    num_tiles = (height + ti.static(TILE[0] - 1)) // ti.static(TILE[0]) * tiles_in_row
    distance = spread(num_tiles)
    for item in range(num_tiles * distance):
        if item % distance != 0:
            continue
        tile = item // distance
        first_row = tile // tiles_in_row * ti.static(TILE[0])
        first_column = tile % tiles_in_row * ti.static(TILE[1])
        for n in range(num_large[0]):
            t = large[n]
            for part in range(num_parts(first_pixels, triangles, t)):
                triangle = part_of(positions, first_pixels, triangles, t, part)
                box = bounding_box(triangle, height, width)
                rows = box.end_row - box.first_row
                columns = box.end_column - box.first_column
                if rows > 0 and columns > ti.static(LARGE) // rows:
                    box.first_row = ti.max(box.first_row, first_row)
                    box.end_row = ti.min(box.end_row, first_row + ti.static(TILE[0]))
                    box.first_column = ti.max(box.first_column, first_column)
                    box.end_column = ti.min(box.end_column, first_column + ti.static(TILE[1]))
                    if (
                        box.first_row < box.end_row
                        and box.first_column < box.end_column
                        and (cull_back_faces == 0 or signed_area(triangle) < 0.0)
                    ):
                        draw_rows(triangle, box, t, id_bits, keys, False)


@ti.kernel
def count_covered(
    first_row: ti.i32,
    end_row: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    spans: ti.types.ndarray(dtype=Span, ndim=1),
    row_counts: ti.types.ndarray(dtype=ti.i64, ndim=1),
):
    """Count the covered pixels of each of some rows, and find columns that they are between."""
    width = keys.shape[1]
    distance = spread(end_row - first_row)
    for item in range((end_row - first_row) * distance):
        if item % distance != 0:
            continue
        row = first_row + item // distance
        covered = 0
        span = Span(width, 0)
        for run in range((width + ti.static(RUN - 1)) // ti.static(RUN)):
            first = run * ti.static(RUN)
            end = ti.min(first + ti.static(RUN), width)
            in_run = 0
            for column in range(first, end):
                in_run += ti.cast(keys[row, column] > 0, ti.i32)
            if in_run > 0:
                covered += in_run
                span = Span(ti.min(span[0], first), end)
        spans[row] = span
        row_counts[row] = ti.cast(covered, ti.i64)


@ti.kernel
def resolve(
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    id_bits: ti.i32,
    triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=2),
    spans_before: ti.types.ndarray(dtype=Span, ndim=1),
    spans: ti.types.ndarray(dtype=Span, ndim=1),
    row_starts: ti.types.ndarray(dtype=ti.i64, ndim=1),
    pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
    triangle_ids: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """Turn keys into ids, list the covered pixels row by row with what they see, and clear the keys.

    Nothing is written where the background was background before.
    """
    width = keys.shape[1]
    distance = spread(keys.shape[0])
    for item in range(keys.shape[0] * distance):
        if item % distance != 0:
            continue
        row = item // distance
        mask = (ti.cast(1, ti.u64) << ti.cast(id_bits, ti.u64)) - ti.cast(1, ti.u64)
        for column in range(spans_before[row][0], spans_before[row][1]):
            triangle_id[row, column] = -1
        n = ti.cast(row_starts[row], ti.i32)
        for column in range(spans[row][0], spans[row][1]):
            key = keys[row, column]
            if key > 0:
                t = ti.cast(key & mask, ti.i32) - 1
                triangle_id[row, column] = t
                pixels[n] = row * width + column
                triangle_ids[n] = t
                keys[row, column] = ti.cast(0, ti.u64)
                n += 1
