"""The plainest rasterizer that is right: what ours has to beat on hard scenes.

One thread a triangle, a loop over its bounding box, and one 64-bit atomic maximum a pixel, of its depth's bits and its
id. In float32, without clipping and without a fill rule.
"""

import numpy as np

import tdr
from tdr.backend import ti


class PlainRasterizer:
    """Finds the triangle that each pixel sees, of a mesh in front of an unturned perspective camera on the z axis.

    Args:
        pipeline: the scene.

    Attributes:
        triangle_id: (H, W) int32, -1 for background.
    """

    def __init__(self, pipeline: tdr.Pipeline) -> None:
        height, width = pipeline.resolution
        self._vertices = pipeline.mesh.vertices.astype(np.float32)
        self._triangles = pipeline.mesh.triangles
        self._corners = np.empty((len(self._vertices), 3), dtype=np.float32)
        self._distance = pipeline.camera.settings.position[2]
        self._focal = 1.0 / np.tan(0.5 * pipeline.camera.lens_value())
        self._keys = np.empty((height, width), dtype=np.uint64)
        self.triangle_id = np.empty((height, width), dtype=np.int32)

    def forward(self) -> None:
        """Fill ``triangle_id``."""
        height, width = self.triangle_id.shape
        clear(self._keys)
        project(self._vertices, self._distance, self._focal, height, width, self._corners)
        draw(self._corners, self._triangles, self._keys)
        resolve(self._keys, self.triangle_id)
        ti.sync()


@ti.kernel
def clear(keys: ti.types.ndarray(dtype=ti.u64, ndim=2)):
    """Set all keys to that of the background."""
    for row, column in ti.ndrange(keys.shape[0], keys.shape[1]):
        keys[row, column] = ti.cast(0, ti.u64)


@ti.kernel
def project(
    vertices: ti.types.ndarray(dtype=ti.f32, ndim=2),
    distance: ti.f32,
    focal: ti.f32,
    height: ti.i32,
    width: ti.i32,
    corners: ti.types.ndarray(dtype=ti.f32, ndim=2),
):
    """Write x and y in pixels and 1 / w of each vertex."""
    for v in range(vertices.shape[0]):
        scale = 1.0 / (distance - vertices[v, 2])
        corners[v, 0] = 0.5 * width + 0.5 * height * focal * vertices[v, 0] * scale
        corners[v, 1] = 0.5 * height * (1.0 - focal * vertices[v, 1] * scale)
        corners[v, 2] = scale


@ti.func
def edge(p, q, x, y):
    """Twice the area of the triangle of two points, in pixels, and (x, y)."""
    return (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])


@ti.kernel
def draw(
    corners: ti.types.ndarray(dtype=ti.f32, ndim=2),
    triangles: ti.types.ndarray(dtype=ti.i32, ndim=2),
    keys: ti.types.ndarray(dtype=ti.u64, ndim=2),
):
    """Write each triangle's key to the pixels that it covers."""
    for t in range(triangles.shape[0]):
        p = ti.Vector([corners[triangles[t, 0], i] for i in range(3)])
        q = ti.Vector([corners[triangles[t, 1], i] for i in range(3)])
        r = ti.Vector([corners[triangles[t, 2], i] for i in range(3)])
        area = edge(p, q, r[0], r[1])
        if area != 0.0:
            first_column = ti.max(0, ti.cast(ti.ceil(ti.min(p[0], q[0], r[0]) - 0.5), ti.i32))
            first_row = ti.max(0, ti.cast(ti.ceil(ti.min(p[1], q[1], r[1]) - 0.5), ti.i32))
            last_column = ti.min(keys.shape[1] - 1, ti.cast(ti.floor(ti.max(p[0], q[0], r[0]) - 0.5), ti.i32))
            last_row = ti.min(keys.shape[0] - 1, ti.cast(ti.floor(ti.max(p[1], q[1], r[1]) - 0.5), ti.i32))
            inverse = 1.0 / area
            for row in range(first_row, last_row + 1):
                for column in range(first_column, last_column + 1):
                    x = column + 0.5
                    y = row + 0.5
                    b_0 = edge(q, r, x, y) * inverse
                    b_1 = edge(r, p, x, y) * inverse
                    b_2 = edge(p, q, x, y) * inverse
                    if b_0 >= 0.0 and b_1 >= 0.0 and b_2 >= 0.0:
                        depth = b_0 * p[2] + b_1 * q[2] + b_2 * r[2]
                        bits = ti.cast(ti.bit_cast(ti.cast(depth, ti.f32), ti.u32), ti.u64)
                        ti.atomic_max(keys[row, column], (bits << ti.cast(32, ti.u64)) | ti.cast(t + 1, ti.u64))


@ti.kernel
def resolve(keys: ti.types.ndarray(dtype=ti.u64, ndim=2), triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=2)):
    """Turn keys into ids."""
    for row, column in ti.ndrange(keys.shape[0], keys.shape[1]):
        triangle_id[row, column] = ti.cast(keys[row, column] & ti.u64(0xFFFFFFFF), ti.i32) - 1
