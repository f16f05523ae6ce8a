"""Interpolation of vertex attributes at a pixel."""

import numpy as np

from tdr.backend import ti, tm
from tdr.scene.mesh import TriangleMesh
from tdr.scene.normals import NormalsEstimator


@ti.func
def intersect(corner_0, corner_1, corner_2, origin, direction):
    """Where a ray meets the plane of a triangle, before or behind its origin.

    The barycentrics are perspective-correct by construction, and corners may lie behind the camera. Working relative to
    a corner keeps the products of a small triangle free of cancellation.

    Args:
        corner_0: first corner, (3,).
        corner_1: second corner.
        corner_2: third corner.
        origin: a point of the ray, in the same space.
        direction: the ray's direction, of any length.

    Returns:
        (b0, b1, b2, facing): b sums to 1; facing is 1 where the counter-clockwise side is seen, else -1. And the
        distance from the origin, in lengths of the direction.

    Differentiable with respect to all arguments.
    Source: Moeller & Trumbore 1997, "Fast, minimum storage ray/triangle intersection", equation 5.
    """
    edge_1 = corner_1 - corner_0
    edge_2 = corner_2 - corner_0
    offset = origin - corner_0
    area = tm.cross(edge_1, edge_2)
    moment = tm.cross(offset, direction)
    scale = -1.0 / tm.dot(direction, area)
    b_1 = scale * tm.dot(edge_2, moment)
    b_2 = -scale * tm.dot(edge_1, moment)
    facing = ti.select(scale > 0.0, 1.0, -1.0)
    return ti.Vector([1.0 - b_1 - b_2, b_1, b_2, facing]), scale * tm.dot(offset, area)


@ti.func
def ray_slopes(corner_0, corner_1, corner_2, direction):
    """How :func:`intersect` changes when the ray is shifted: the gradients of its equation 5.

    Args:
        corner_0: first corner, (3,).
        corner_1: second corner.
        corner_2: third corner.
        direction: the ray's direction, of any length and either sign, in the same space.

    Returns:
        The gradients of b1, of b2, and of the distance times the direction's length, signed likewise, (3,) each, with
        respect to a shift of the ray. A turn of the ray shifts it too, by what it moves where it meets the triangle.
        All are at right angles to the direction but the last. b1 and b2 are linear: they are these gradients times the
        way from the first corner.
    """
    edge_1 = corner_1 - corner_0
    edge_2 = corner_2 - corner_0
    area = tm.cross(edge_1, edge_2)
    scale = 1.0 / tm.dot(direction, area)
    return scale * tm.cross(edge_2, direction), scale * tm.cross(direction, edge_1), -scale * area


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
        g_buffer: float64, (pixels, 3) each, in the order of the covered pixels: positions, world space; normals, unit,
            world space, on the side that the camera sees; and albedos, linear RGB, without the mesh's factor.
    """

    def __init__(self, mesh: TriangleMesh, normals_estimator: NormalsEstimator) -> None:
        self.attributes = (
            mesh.vertices,
            mesh.triangles,
            normals_estimator.normals,
            normals_estimator.triangle_normal_ids,
            mesh.vertex_albedo,
        )
        self.allocate(0)

    def allocate(self, num_pixels: int) -> None:
        """Make a new G-buffer for so many covered pixels."""
        self.g_buffer = tuple(np.empty((num_pixels, 3)) for _ in range(3))

    def resize(self, num_pixels: int) -> None:
        """Make room for the attributes of so many covered pixels."""
        if num_pixels != len(self.g_buffer[0]):
            self.allocate(num_pixels)
