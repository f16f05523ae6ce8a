"""Cameras: from view space to clip space (OpenGL: visible points have -w <= x, y, z <= w)."""

import numpy as np
import numpy.typing as npt
import taichi as ti
import taichi.math as tm

from tdr.config import CameraConfig, OrthographicCameraConfig, PerspectiveCameraConfig
from tdr.stages.transforms import look_at_matrix, rotation_matrix


class Camera:
    """What the cameras have in common: settings and a pose.

    Attributes:
        settings: the checked settings, lengths in world units, angles in degrees (``fov``) and radians (``rotation``).
    """

    settings: CameraConfig

    # the name of the one parameter of the projection
    lens: str

    def lens_value(self) -> float:
        """That parameter's value, as kernels read it."""
        raise AttributeError(f"{type(self).__name__} has no projection; use PerspectiveCamera or OrthographicCamera.")

    def rotation(self) -> npt.NDArray[np.float64]:
        """The orientation, (3, 3): columns are the camera's axes in world space."""
        settings = self.settings
        base = np.eye(3) if settings.look_at is None else look_at_matrix(settings.position, settings.look_at)
        return rotation_matrix(settings.rotation) @ base


class PerspectiveCamera(Camera):
    """A pinhole camera.

    Args:
        **settings: see :class:`tdr.config.PerspectiveCameraConfig`.

    Raises:
        InputError: if a setting is out of range.
    """

    lens = "camera.fov"

    def __init__(self, **settings) -> None:
        self.settings: PerspectiveCameraConfig = PerspectiveCameraConfig(**settings)

    def lens_value(self) -> float:
        """The vertical field of view in radians."""
        return float(np.deg2rad(self.settings.fov))

    @staticmethod
    @ti.func
    def focal(fov):
        """The focal length, in half image heights, of a field of view in radians; differentiable."""
        return ti.cos(0.5 * fov) / ti.sin(0.5 * fov)

    @staticmethod
    @ti.func
    def view_to_clip(p, focal, aspect, near, far):
        """Clip-space position (x, y, z, w) of a view-space point.

        Differentiable with respect to p and focal. aspect is width / height.
        Source: OpenGL 4.6 compatibility specification, section 12.1.4 (perspective matrix, in its symmetric form).
        """
        return ti.Vector(
            [focal / aspect * p[0], focal * p[1], ((far + near) * p[2] + 2.0 * far * near) / (near - far), -p[2]],
        )

    @staticmethod
    @ti.func
    def to_eye(position_world, camera_position, rotation, turn):
        """The unit vector from a surface point to the camera, world space."""
        return tm.normalize(camera_position - position_world)


class OrthographicCamera(Camera):
    """A parallel projection.

    Args:
        **settings: see :class:`tdr.config.OrthographicCameraConfig`.

    Raises:
        InputError: if a setting is out of range.
    """

    lens = "camera.height"

    def __init__(self, **settings) -> None:
        self.settings: OrthographicCameraConfig = OrthographicCameraConfig(**settings)

    def lens_value(self) -> float:
        """The height of the view in world units."""
        return float(self.settings.height)

    @staticmethod
    @ti.func
    def focal(height):
        """Half image heights per world unit, of a view so many world units high; differentiable."""
        return 2.0 / height

    @staticmethod
    @ti.func
    def view_to_clip(p, focal, aspect, near, far):
        """Clip-space position (x, y, z, w) of a view-space point.

        Differentiable with respect to p and focal. aspect is width / height.
        Source: OpenGL 4.6 compatibility specification, section 12.1.4 (orthographic matrix, in its symmetric form).
        """
        return ti.Vector(
            [focal / aspect * p[0], focal * p[1], (2.0 * p[2] + (far + near)) / (near - far), 0.0 * p[2] + 1.0],
        )

    @staticmethod
    @ti.func
    def to_eye(position_world, camera_position, rotation, turn):
        """The unit vector towards the camera, world space: the same at every point."""
        return turned_axis(rotation, turn)


@ti.func
def turned_axis(rotation, turn):
    """The camera's z axis in world space, (3,)."""
    axis = ti.Vector([rotation[0, 2], rotation[1, 2], rotation[2, 2]])
    return tm.normalize(axis + tm.cross(turn, axis))


CAMERAS: dict[type[CameraConfig], type[Camera]] = {
    PerspectiveCameraConfig: PerspectiveCamera,
    OrthographicCameraConfig: OrthographicCamera,
}
