"""Visibility: which triangle each pixel sees.

Discontinuous, so never differentiated, and always decided in float64, so that it does not depend on the precision of
the run.
"""

import numpy as np
import numpy.typing as npt
import taichi as ti

from tdr.mesh import TriangleMesh
from tdr.stages.camera import Camera
from tdr.stages.edges import RUN, bounding_box, covers, depth_at, draw_rows, key_of, signed_area
from tdr.stages.projection import Corners, Vertex, corners_of, is_across, num_parts, part_of, project_vertices, spread

# Triangles that are sorted before they are drawn. More are hardly faster, and take long to compile.
BLOCK = 16
# A triangle whose bounding box has more pixels is left to a second pass, which shares it out among the threads.
LARGE = 4096
# Rows and columns in which one thread draws all large triangles; their keys fit into a processor's second cache.
TILE = (16, 1024)


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
        self._first_columns = np.empty(height, dtype=np.int32)
        self._row_counts = np.zeros(height, dtype=np.int64)
        self._positions = np.empty((0, 4))
        self._depths_behind = np.empty(0)
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
            self._depths_behind = np.empty(mesh.num_vertices)
            self._large = np.empty(mesh.num_triangles, dtype=np.int32)
        vertices = (self._positions, self._depths_behind)
        project_vertices(mesh.vertices, model, rotations, view, camera, height, width, *vertices)
        id_bits = mesh.num_triangles.bit_length()
        num_large = np.zeros(1, dtype=np.int32)
        common = (*vertices, mesh.triangles, cull_back_faces, id_bits, self._keys, self._large, num_large)
        draw_small(*common)
        if num_large[0] > 0:
            draw_large(*common)
        rows = (self._first_columns, self._row_counts)
        resolve(self._keys, id_bits, self.triangle_id_buffer, *rows)
        row_ends = np.cumsum(self._row_counts)
        self.pixels = np.empty(int(row_ends[-1]), dtype=np.int32)
        self.triangle_ids = np.empty_like(self.pixels)
        list_covered(self.triangle_id_buffer, *rows, row_ends, self.pixels, self.triangle_ids)


@ti.func
def pixel_of(entry, box):
    """The row and the column of an entry of the lists in :func:`draw_small`."""
    return box.first_row + ((entry >> 1) & 1), box.first_column + (entry & 1)


@ti.kernel
def draw_small(
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    depths_behind: ti.types.ndarray(dtype=ti.f64, ndim=1),
    triangles: ti.types.ndarray(dtype=Corners, ndim=1),
    cull_back_faces: ti.i32,
    id_bits: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    large: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_large: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """Draw the triangles whose bounding box is small; list the others in ``large`` and count them in ``num_large``.

    Most triangles of a fine mesh have one pixel or none. Which, is chance, and a processor that guesses wrong loses
    more time than the arithmetic takes. So each step goes over a block of triangles without a branch and lists what is
    left for the next one. What writes to no array but its own is compiled to vector instructions.
    """
    num_triangles = triangles.shape[0]
    height = keys.shape[0]
    width = keys.shape[1]
    for item in range((num_triangles + ti.static(BLOCK - 1)) // ti.static(BLOCK) * ti.static(spread(16))):
        if item & ti.static(spread(16) - 1) != 0:
            continue
        block = item // ti.static(spread(16))
        first = block * ti.static(BLOCK)
        num = ti.min(ti.static(BLOCK), num_triangles - first)
        # Which triangles of the block have one pixel in their box and cover it, up to 2 x 2 pixels, or are others.
        is_covered = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        is_tiny = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        is_other = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        # Which of 2 x 2 pixels are in the box, a bit each.
        pixels = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        for n in range(num):
            triangle = corners_of(positions, triangles, first + n)
            box = bounding_box(triangle, height, width)
            rows = box.end_row - box.first_row
            columns = box.end_column - box.first_column
            is_cut = is_across(triangle)
            is_drawn = (rows > 0) & (columns > 0) & ((cull_back_faces == 0) | (signed_area(triangle) < 0.0))
            is_single = (rows == 1) & (columns == 1)
            is_small = (rows <= 2) & (columns <= 2)
            covers_first = covers(triangle, box.first_row, box.first_column)
            is_covered[n] = ti.cast(is_drawn & is_single & (not is_cut) & covers_first, ti.i32)
            is_tiny[n] = ti.cast(is_drawn & is_small & (not is_single) & (not is_cut), ti.i32)
            is_other[n] = ti.cast((is_drawn & (not is_small)) | is_cut, ti.i32)
            pixels[n] = 1 | ((columns - 1) << 1) | ((rows - 1) << 2) | (((rows - 1) & (columns - 1)) << 3)
        # Pixels are listed as 4 * (triangle of the block) + 2 * row + column.
        covered = ti.Vector([0] * ti.static(4 * BLOCK), ti.i32)
        num_covered = 0
        tiny = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        num_tiny = 0
        others = ti.Vector([0] * ti.static(BLOCK), ti.i32)
        num_others = 0
        for n in range(num):
            covered[num_covered] = 4 * n
            num_covered += is_covered[n]
            tiny[num_tiny] = n
            num_tiny += is_tiny[n]
            others[num_others] = n
            num_others += is_other[n]
        candidates = ti.Vector([0] * ti.static(4 * BLOCK), ti.i32)
        num_candidates = 0
        for m in range(num_tiny):
            for i in ti.static(range(4)):
                candidates[num_candidates] = 4 * tiny[m] + i
                num_candidates += (pixels[tiny[m]] >> i) & 1
        is_kept = ti.Vector([0] * ti.static(4 * BLOCK), ti.i32)
        for m in range(num_candidates):
            triangle = corners_of(positions, triangles, first + (candidates[m] >> 2))
            row, column = pixel_of(candidates[m], bounding_box(triangle, height, width))
            is_kept[m] = ti.cast(covers(triangle, row, column), ti.i32)
        for m in range(num_candidates):
            covered[num_covered] = candidates[m]
            num_covered += is_kept[m]
        for m in range(num_covered):
            t = first + (covered[m] >> 2)
            triangle = corners_of(positions, triangles, t)
            row, column = pixel_of(covered[m], bounding_box(triangle, height, width))
            key = key_of(depth_at(triangle, row, column), triangle, t, id_bits)
            if key > keys[row, column]:
                ti.atomic_max(keys[row, column], key)
        for m in range(num_others):
            t = first + others[m]
            is_listed = False
            for part in range(num_parts(positions, triangles, t)):
                triangle = corners_of(positions, triangles, t)
                if is_across(triangle):
                    triangle = part_of(positions, depths_behind, triangles, t, part)
                box = bounding_box(triangle, height, width)
                rows = box.end_row - box.first_row
                columns = box.end_column - box.first_column
                if rows > 0 and columns > 0 and (cull_back_faces == 0 or signed_area(triangle) < 0.0):
                    # rows * columns could overflow an int.
                    if columns <= ti.static(LARGE) // rows:
                        draw_rows(triangle, box, t, id_bits, keys, True)
                    elif not is_listed:
                        large[ti.atomic_add(num_large[0], 1)] = t
                        is_listed = True


@ti.kernel
def draw_large(
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    depths_behind: ti.types.ndarray(dtype=ti.f64, ndim=1),
    triangles: ti.types.ndarray(dtype=Corners, ndim=1),
    cull_back_faces: ti.i32,
    id_bits: ti.i32,
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    large: ti.types.ndarray(dtype=ti.i32, ndim=1),
    num_large: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """Draw the triangles that :func:`draw_small` has listed: one thread a tile, so that no two write to a pixel."""
    height = keys.shape[0]
    width = keys.shape[1]
    tiles_in_row = (width + ti.static(TILE[1] - 1)) // ti.static(TILE[1])
    num_tiles = (height + ti.static(TILE[0] - 1)) // ti.static(TILE[0]) * tiles_in_row
    for item in range(num_tiles * ti.static(spread(1))):
        if item & ti.static(spread(1) - 1) != 0:
            continue
        tile = item // ti.static(spread(1))
        first_row = tile // tiles_in_row * ti.static(TILE[0])
        first_column = tile % tiles_in_row * ti.static(TILE[1])
        for n in range(num_large[0]):
            t = large[n]
            for part in range(num_parts(positions, triangles, t)):
                triangle = corners_of(positions, triangles, t)
                if is_across(triangle):
                    triangle = part_of(positions, depths_behind, triangles, t, part)
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
def resolve(
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
    id_bits: ti.i32,
    triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=2),
    first_columns: ti.types.ndarray(dtype=ti.i32, ndim=1),
    row_counts: ti.types.ndarray(dtype=ti.i64, ndim=1),
):
    """Turn keys into ids, count the covered pixels of each row and find the first, and clear the keys."""
    width = keys.shape[1]
    for item in range(keys.shape[0] * ti.static(spread(16))):
        if item & ti.static(spread(16) - 1) != 0:
            continue
        row = item // ti.static(spread(16))
        mask = (ti.cast(1, ti.u64) << ti.cast(id_bits, ti.u64)) - ti.cast(1, ti.u64)
        covered = 0
        first_column = width
        for run in range((width + ti.static(RUN - 1)) // ti.static(RUN)):
            first = run * ti.static(RUN)
            end = ti.min(first + ti.static(RUN), width)
            # Most runs are background and were it before; nothing is written there.
            num_changed = 0
            for column in range(first, end):
                num_changed += ti.cast((keys[row, column] > 0) | (triangle_id[row, column] >= 0), ti.i32)
            if num_changed > 0:
                for column in range(first, end):
                    key = keys[row, column]
                    triangle_id[row, column] = ti.cast(key & mask, ti.i32) - 1
                    if key > 0:
                        keys[row, column] = ti.cast(0, ti.u64)
                        covered += 1
                        first_column = ti.min(first_column, column)
        first_columns[row] = first_column
        row_counts[row] = ti.cast(covered, ti.i64)


@ti.kernel
def list_covered(
    triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=2),
    first_columns: ti.types.ndarray(dtype=ti.i32, ndim=1),
    row_counts: ti.types.ndarray(dtype=ti.i64, ndim=1),
    row_ends: ti.types.ndarray(dtype=ti.i64, ndim=1),
    pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
    triangle_ids: ti.types.ndarray(dtype=ti.i32, ndim=1),
):
    """List the covered pixels and what they see, row by row."""
    width = triangle_id.shape[1]
    for item in range(triangle_id.shape[0] * ti.static(spread(16))):
        if item & ti.static(spread(16) - 1) != 0:
            continue
        row = item // ti.static(spread(16))
        end = ti.cast(row_ends[row], ti.i32)
        n = end - ti.cast(row_counts[row], ti.i32)
        column = first_columns[row]
        while n < end:
            t = triangle_id[row, column]
            if t >= 0:
                pixels[n] = row * width + column
                triangle_ids[n] = t
                n += 1
            column += 1
