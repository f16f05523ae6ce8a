"""Interpolation of vertex attributes at a pixel."""

import numpy as np
import taichi as ti

from tdr import backend
from tdr.mesh import TriangleMesh
from tdr.normals import NormalsEstimator


@ti.func
def cross_2d(a, b):
    """The z component of the cross product of two vectors' (x, y)."""
    return a[0] * b[1] - a[1] * b[0]


@ti.func
def barycentrics_at(clip_0, clip_1, clip_2, ndc_x, ndc_y):
    """Perspective-correct barycentrics of a triangle at a point of the screen.

    No division by w, so corners may lie behind the camera. Working relative to the pixel keeps the cross products
    of a small triangle free of cancellation.

    Args:
        clip_0: first corner in clip space, (4,).
        clip_1: second corner.
        clip_2: third corner.
        ndc_x: the point, normalized device coordinates.
        ndc_y: likewise.

    Returns:
        (b0, b1, b2, facing): b sums to 1; facing is 1 where the counter-clockwise side is seen, else -1.

    Differentiable with respect to the corners.
    Source: Olano & Greer 1997, "Triangle scan conversion using 2D homogeneous coordinates", section 3.
    """
    d_0 = ti.Vector([clip_0[0] - ndc_x * clip_0[3], clip_0[1] - ndc_y * clip_0[3]])
    d_1 = ti.Vector([clip_1[0] - ndc_x * clip_1[3], clip_1[1] - ndc_y * clip_1[3]])
    d_2 = ti.Vector([clip_2[0] - ndc_x * clip_2[3], clip_2[1] - ndc_y * clip_2[3]])
    e_0 = cross_2d(d_1, d_2)
    e_1 = cross_2d(d_2, d_0)
    e_2 = cross_2d(d_0, d_1)
    total = e_0 + e_1 + e_2
    facing = -1.0
    if total > 0.0:
        facing = 1.0
    return ti.Vector([e_0 / total, e_1 / total, e_2 / total, facing])


@ti.func
def interpolate(barycentrics, attribute_0, attribute_1, attribute_2):
    """The weighted mean of three corner attributes; differentiable with respect to all of them."""
    return barycentrics[0] * attribute_0 + barycentrics[1] * attribute_1 + barycentrics[2] * attribute_2


class TriangleAttributeInterpolator:
    """The attributes of a mesh's vertices, and their values at the covered pixels (the G-buffer).

    Args:
        mesh: the mesh, object space.
        normals_estimator: its normals.

    Attributes:
        attributes: what kernels read, floating-point numbers in float64: vertices (V, 3), triangles (F, 3), normals
            (N, 3), the normals' ids of each triangle (F, 3), and the vertices' albedo (V, 3).
        g_buffer: in the precision of the run, (pixels, 3) each, in the order of the covered pixels: positions, world
            space; normals, unit, world space, on the side that the camera sees; and albedos, linear RGB, without the
            mesh's factor.
    """

    def __init__(self, mesh: TriangleMesh, normals_estimator: NormalsEstimator) -> None:
        self.attributes = (
            mesh.vertices,
            mesh.triangles,
            normals_estimator.normals,
            normals_estimator.triangle_normal_ids,
            mesh.vertex_albedo,
        )
        self.g_buffer = tuple(np.empty((0, 3), dtype=backend.dtype()) for _ in range(3))

    def resize(self, num_pixels: int) -> None:
        """Make room for the attributes of so many covered pixels."""
        if num_pixels != len(self.g_buffer[0]):
            self.g_buffer = tuple(np.empty((num_pixels, 3), dtype=backend.dtype()) for _ in range(3))
