"""Cameras: from view space to clip space (OpenGL: visible points have -w <= x, y, z <= w)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.backend import ti
from tdr.config import CameraConfig, OrthographicCameraConfig, PerspectiveCameraConfig
from tdr.config.attributes import HasSettings
from tdr.scene.transforms import look_at_matrix, rotation_matrix


class Camera(HasSettings):
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

    @staticmethod
    def extent(lens: Any) -> Any:
        """Half the height of the view, a perspective camera's at distance 1, in world units.

        Args:
            lens: a value of the projection's parameter, or an array of them.
        """
        raise AttributeError(f"no projection for {lens}; use PerspectiveCamera or OrthographicCamera.")

    def view(self, position: npt.ArrayLike, lens: float, aspect: float) -> npt.NDArray[np.float64]:
        """What visibility reads of a camera besides its rotation.

        Args:
            position: (3,) world space.
            lens: the value of the projection's parameter.
            aspect: width / height of the image.

        Returns:
            (7,): position, extent, aspect ratio, near and far.
        """
        numbers = [*np.asarray(position), self.extent(lens), aspect, self.settings.near, self.settings.far]
        return np.array(numbers, dtype=np.float64)

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
    def extent(lens):  # noqa: D102
        return np.tan(0.5 * lens)

    @staticmethod
    @ti.func
    def extent_slope(extent):
        """The derivative of the extent with respect to the field of view, per radian."""
        return 0.5 * (1.0 + extent * extent)

    @staticmethod
    @ti.func
    def view_to_clip(p, extent, aspect, near, far):
        """Clip-space position (x, y, z, w) of a view-space point.

        Differentiable with respect to p and extent. aspect is width / height.
        Source: OpenGL 4.6 compatibility specification, section 12.1.4 (perspective matrix, in its symmetric form).
        """
        # Entries of the matrix first: they are the same for all points, and divisions take long.
        x, y = 1.0 / (extent * aspect), 1.0 / extent
        z, z_shift = (far + near) / (near - far), 2.0 * far * near / (near - far)
        return ti.Vector([x * p[0], y * p[1], z * p[2] + z_shift, -p[2]])

    @staticmethod
    @ti.func
    def ray(x, y):
        """The ray through a point of the view plane at distance 1: origin and direction (not unit), view space."""
        return ti.Vector([0.0, 0.0, 0.0]), ti.Vector([x, y, -1.0])

    @staticmethod
    @ti.func
    def to_eye(position_world, camera_position, backwards):
        """The vector from a surface point to the camera, world space; ``backwards`` is the camera's z axis."""
        return camera_position - position_world

    @staticmethod
    @ti.func
    def pull_back_to_eye(to_eye, cotangent):
        """From the cotangent of :meth:`to_eye` to those of the camera's position and of a turn of the camera.

        The surface point gets the opposite of the position's.
        """
        return cotangent, ti.Vector([0.0, 0.0, 0.0])


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
    def extent(lens):  # noqa: D102
        return 0.5 * lens

    @staticmethod
    @ti.func
    def extent_slope(extent):
        """The derivative of the extent with respect to the height of the view."""
        return 0.5 + 0.0 * extent

    @staticmethod
    @ti.func
    def view_to_clip(p, extent, aspect, near, far):
        """Clip-space position (x, y, z, w) of a view-space point.

        Differentiable with respect to p and extent. aspect is width / height.
        Source: OpenGL 4.6 compatibility specification, section 12.1.4 (orthographic matrix, in its symmetric form).
        """
        x, y = 1.0 / (extent * aspect), 1.0 / extent
        z, z_shift = 2.0 / (near - far), (far + near) / (near - far)
        return ti.Vector([x * p[0], y * p[1], z * p[2] + z_shift, 0.0 * p[2] + 1.0])

    @staticmethod
    @ti.func
    def ray(x, y):
        """The ray through a point of the view plane: origin and direction, view space."""
        return ti.Vector([x, y, 0.0]), ti.Vector([0.0, 0.0, -1.0])

    @staticmethod
    @ti.func
    def to_eye(position_world, camera_position, backwards):
        """The direction to the camera, world space: the same at every point, the camera's z axis."""
        return backwards

    @staticmethod
    @ti.func
    def pull_back_to_eye(to_eye, cotangent):
        """See :meth:`PerspectiveCamera.pull_back_to_eye`."""
        return ti.Vector([0.0, 0.0, 0.0]), ti.math.cross(to_eye, cotangent)


CAMERAS: dict[type[CameraConfig], type[Camera]] = {
    PerspectiveCameraConfig: PerspectiveCamera,
    OrthographicCameraConfig: OrthographicCamera,
}
