"""Cameras: projections against OpenGL's matrices, and what the settings mean."""

import numpy as np
import pytest
import taichi as ti

import tdr
from tdr import backend
from tdr.errors import InputError

ASPECT, NEAR, FAR = 1.6, 0.5, 20.0
CAMERAS = {
    "perspective": tdr.PerspectiveCamera(position=[0.4, -0.3, 1.0], rotation=[0.2, 0.5, -0.3], fov=50.0),
    "orthographic": tdr.OrthographicCamera(position=[0.4, -0.3, 1.0], rotation=[0.2, 0.5, -0.3], height=3.0),
}
cameras = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())


@ti.kernel
def project(
    camera: ti.template(),
    points: ti.types.ndarray(ndim=2),
    lens: ti.types.ndarray(ndim=1),
    rotation: ti.types.ndarray(ndim=2),
    clip: ti.types.ndarray(ndim=2),
    to_eye: ti.types.ndarray(ndim=2),
):
    """Clip-space positions of points in view space, and directions to the eye of the same points in world space."""
    for i in range(points.shape[0]):
        point = ti.Vector([points[i, n] for n in range(3)])
        corner = camera.view_to_clip(point, camera.focal(lens[0]), lens[1], lens[2], lens[3])
        for n in ti.static(range(4)):
            clip[i, n] = corner[n]
        axes = ti.Matrix([[rotation[r, c] for c in range(3)] for r in range(3)])
        position = ti.Vector([lens[4 + n] for n in range(3)])
        direction = camera.to_eye(point, position, axes, ti.Vector([lens[7 + n] for n in range(3)]))
        for n in ti.static(range(3)):
            to_eye[i, n] = direction[n]


def projected(camera, points: np.ndarray, turn=(0.0, 0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    clip, to_eye = backend.array(np.zeros((len(points), 4))), backend.array(np.zeros((len(points), 3)))
    lens = backend.array([camera.lens_value(), ASPECT, NEAR, FAR, *camera.settings.position, *turn])
    project(type(camera), backend.array(points), lens, backend.array(camera.rotation()), clip, to_eye)
    return clip, to_eye


def frustum(left, right, bottom, top, near, far) -> np.ndarray:
    """glFrustum of the OpenGL 2.1 reference pages."""
    matrix = np.zeros((4, 4))
    matrix[0, [0, 2]] = 2 * near / (right - left), (right + left) / (right - left)
    matrix[1, [1, 2]] = 2 * near / (top - bottom), (top + bottom) / (top - bottom)
    matrix[2, 2:] = -(far + near) / (far - near), -2 * far * near / (far - near)
    matrix[3, 2] = -1.0
    return matrix


def ortho(left, right, bottom, top, near, far) -> np.ndarray:
    """glOrtho of the same."""
    matrix = np.diag([2 / (right - left), 2 / (top - bottom), -2 / (far - near), 1.0])
    matrix[:3, 3] = -(right + left) / (right - left), -(top + bottom) / (top - bottom), -(far + near) / (far - near)
    return matrix


@pytest.mark.usefixtures("precision")
@cameras
def test_projection_is_opengls(camera, rng):
    points = rng.uniform([-4, -4, -10], [4, 4, 2], (50, 3))
    if camera.lens == "camera.fov":
        top = NEAR * np.tan(np.radians(25.0))
        matrix = frustum(-ASPECT * top, ASPECT * top, -top, top, NEAR, FAR)
    else:
        matrix = ortho(-ASPECT * 1.5, ASPECT * 1.5, -1.5, 1.5, NEAR, FAR)
    clip, _to_eye = projected(camera, points)
    expected = np.column_stack([points, np.ones(50)]) @ matrix.T
    # Fewer than ten roundings of numbers below 16.
    np.testing.assert_allclose(clip, expected, rtol=0, atol=160 * np.finfo(backend.dtype()).eps)


@pytest.mark.usefixtures("f64")
@cameras
def test_the_view_ends_where_the_settings_say(camera):
    """The corners of the image at the near and the far plane come to the corners of the cube of clip space."""
    signs = 2.0 * np.indices((2, 2, 2)).reshape(3, 8).T - 1.0
    depth = np.where(signs[:, 2] < 0, NEAR, FAR)
    half_height = depth * np.tan(np.radians(25.0)) if camera.lens == "camera.fov" else 1.5 + 0.0 * depth
    points = np.column_stack([signs[:, 0] * ASPECT * half_height, signs[:, 1] * half_height, -depth])
    clip, _to_eye = projected(camera, points)
    np.testing.assert_allclose(clip[:, :3] / clip[:, 3:], signs, rtol=0, atol=64 * np.finfo(np.float64).eps)


@pytest.mark.usefixtures("precision")
def test_to_eye(rng):
    points, turn = rng.normal(size=(50, 3)), np.array([0.2, -0.1, 0.3])
    atol = 64 * np.finfo(backend.dtype()).eps  # about twenty roundings of numbers below 3
    camera = CAMERAS["perspective"]
    towards = camera.settings.position - points
    expected = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    np.testing.assert_allclose(projected(camera, points)[1], expected, rtol=0, atol=atol)
    camera = CAMERAS["orthographic"]
    axis = camera.rotation()[:, 2]
    np.testing.assert_allclose(projected(camera, points)[1], np.tile(axis, (50, 1)), rtol=0, atol=atol)
    axis += np.cross(turn, axis)
    turned = np.tile(axis / np.linalg.norm(axis), (50, 1))
    np.testing.assert_allclose(projected(camera, points, turn)[1], turned, rtol=0, atol=atol)


def test_the_orientation_is_look_at_turned_about_the_worlds_axes():
    looking = tdr.PerspectiveCamera(position=[1.0, 2.0, 3.0], look_at=[0.0, 2.0, 3.0])
    np.testing.assert_array_equal(looking.rotation() @ [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0])
    turned = tdr.PerspectiveCamera(position=[1.0, 2.0, 3.0], look_at=[0.0, 2.0, 3.0], rotation=[0.0, np.pi / 2, 0.0])
    eps = np.finfo(np.float64).eps
    np.testing.assert_allclose(turned.rotation() @ [0.0, 0.0, -1.0], [0.0, 0.0, 1.0], rtol=0, atol=eps)
    np.testing.assert_allclose(turned.rotation() @ [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], rtol=0, atol=eps)


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"camera\.fov must .* less than 180; got 180"):
        tdr.PerspectiveCamera(fov=180.0)
    with pytest.raises(InputError, match=r"camera\.height must .* greater than 0; got -1"):
        tdr.OrthographicCamera(height=-1.0)
