"""Rigid poses: the model transform and the view transform, and their derivatives.

A pose is a rotation R (host, float64) and a *turn*, an axis-angle vector in world axes that is zero at the current
pose: the full rotation is exp([turn]x) R. Device functions apply it to first order, x + turn x x, which at turn = 0 has
the value and the derivative of the exponential exactly (Rodrigues 1840).
"""

import numpy as np
import numpy.typing as npt

from tdr.backend import ti, tm


def rotation_matrix(axis_angle: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The rotation by an axis-angle vector (Rodrigues' formula).

    Args:
        axis_angle: (3,) radians; its length is the angle.

    Returns:
        (3, 3) float64.
    """
    vector = np.asarray(axis_angle, dtype=np.float64)
    angle = np.linalg.norm(vector)
    if angle == 0.0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross)


def look_at_matrix(position: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The orientation of a camera that looks from one point to another, world y up (-z where it looks along y).

    Args:
        position: (3,) world space.
        target: (3,) world space, another point.

    Returns:
        (3, 3) float64, columns are the camera's x, y and z axes in world space; it looks along its -z.
    """
    z = np.asarray(position, dtype=np.float64) - np.asarray(target, dtype=np.float64)
    z /= np.linalg.norm(z)
    x = np.cross([0.0, 1.0, 0.0], z)
    if np.linalg.norm(x) < 1e-12:
        x = np.cross([0.0, 0.0, -1.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


@ti.func
def turned(vector, turn):
    """A vector after a turn: (3,), differentiable in both at turn = 0."""
    return vector + tm.cross(turn, vector)


@ti.func
def normalized(vector):
    """A vector over its length, (3,), at the price of one division."""
    return vector * (1.0 / ti.sqrt(tm.dot(vector, vector)))


@ti.func
def tangential(cotangent, unit):
    """The part of a cotangent that is at right angles to a unit vector: over |v|, what v / |v| hands on to v; (3,)."""
    return cotangent - tm.dot(cotangent, unit) * unit


@ti.func
def world_to_view(position_world, rotation, camera_position):
    """A world-space point in the camera's axes: R^T (p - camera_position); (3,)."""
    return rotation.transpose() @ (position_world - camera_position)
