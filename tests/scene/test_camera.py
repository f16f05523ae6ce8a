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
    view: ti.types.ndarray(ndim=1),
    backwards: ti.types.ndarray(ndim=1),
    clip: ti.types.ndarray(ndim=2),
    to_eye: ti.types.ndarray(ndim=2),
):
    """Clip-space positions of points in view space, and directions to the eye of the same points in world space."""
    for i in range(points.shape[0]):
        point = ti.Vector([points[i, n] for n in range(3)])
        corner = camera.view_to_clip(point, view[0], view[1], view[2], view[3])
        for n in ti.static(range(4)):
            clip[i, n] = corner[n]
        position = ti.Vector([view[4 + n] for n in range(3)])
        direction = camera.to_eye(point, position, ti.Vector([backwards[n] for n in range(3)]))
        for n in ti.static(range(3)):
            to_eye[i, n] = direction[n]


def projected(camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    clip, to_eye = backend.array(np.zeros((len(points), 4))), backend.array(np.zeros((len(points), 3)))
    view = backend.array([camera.extent(camera.lens_value()), ASPECT, NEAR, FAR, *camera.settings.position])
    project(type(camera), backend.array(points), view, backend.array(camera.rotation()[:, 2]), clip, to_eye)
    return clip, to_eye


@ti.kernel
def aim(
    camera: ti.template(),
    extent: float,
    screen: ti.types.ndarray(ndim=2),
    origins: ti.types.ndarray(ndim=2),
    directions: ti.types.ndarray(ndim=2),
):
    """The rays through points of the screen, in half image heights from its centre."""
    for i in range(screen.shape[0]):
        origin, direction = camera.ray(screen[i, 0] * extent, screen[i, 1] * extent)
        for n in ti.static(range(3)):
            origins[i, n] = origin[n]
            directions[i, n] = direction[n]


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


@pytest.mark.usefixtures("f64")
@cameras
def test_a_ray_has_one_place_on_the_screen(camera, rng):
    """Wherever a point lies on the ray, OpenGL's matrix brings it to the place that the ray went through."""
    screen = rng.uniform(-1.5, 1.5, (50, 2))
    origins, directions = np.zeros((50, 3)), np.zeros((50, 3))
    aim(type(camera), float(camera.extent(camera.lens_value())), screen, origins, directions)
    for distance in (0.7, 19.0):
        clip, _to_eye = projected(camera, origins + distance * directions)
        expected = screen / [ASPECT, 1.0]
        # About ten roundings of numbers below 30.
        np.testing.assert_allclose(clip[:, :2] / clip[:, 3:], expected, rtol=0, atol=300 * np.finfo(np.float64).eps)


@ti.kernel
def slope_of(camera: ti.template(), extent: float, slope: ti.types.ndarray(ndim=1)):
    for i in range(slope.shape[0]):
        slope[i] = camera.extent_slope(extent)


@pytest.mark.usefixtures("f64")
@cameras
def test_the_extents_slope_is_its_derivative(camera):
    """Against a central difference, whose error is 1e-10 by its step and the third derivative, at most 4."""
    lens, step, slope = camera.lens_value(), 1e-5, np.zeros(1)
    difference = (camera.extent(lens + step) - camera.extent(lens - step)) / (2 * step)
    slope_of(type(camera), float(camera.extent(lens)), slope)
    np.testing.assert_allclose(slope, difference, rtol=0, atol=1e-9)


@pytest.mark.usefixtures("precision")
def test_to_eye(rng):
    points = rng.normal(size=(50, 3))
    atol = 4 * np.finfo(backend.dtype()).eps  # a rounding or two of numbers below 4
    camera = CAMERAS["perspective"]
    expected = camera.settings.position - points
    np.testing.assert_allclose(projected(camera, points)[1], expected, rtol=0, atol=atol)
    camera = CAMERAS["orthographic"]
    expected = np.tile(camera.rotation()[:, 2], (50, 1))
    np.testing.assert_allclose(projected(camera, points)[1], expected, rtol=0, atol=atol)


@ti.kernel
def pull_back(
    camera: ti.template(),
    to_eye: ti.types.ndarray(ndim=1),
    cotangent: ti.types.ndarray(ndim=1),
    results: ti.types.ndarray(ndim=2),
):
    for _ in range(1):
        of_position, of_turn = camera.pull_back_to_eye(
            ti.Vector([to_eye[n] for n in range(3)]), ti.Vector([cotangent[n] for n in range(3)])
        )
        for n in ti.static(range(3)):
            results[0, n] = of_position[n]
            results[1, n] = of_turn[n]


@pytest.mark.usefixtures("f64")
@cameras
def test_to_eye_is_pulled_back_to_the_camera(camera, rng):
    """<cotangent, J step> is <J^T cotangent, step>, with J by what the camera's vectors are in world space."""
    to_eye, cotangent, step, turn = rng.normal(size=(4, 3))
    results = np.zeros((2, 3))
    pull_back(type(camera), to_eye, cotangent, results)
    moved = step if camera.lens == "camera.fov" else np.cross(turn, to_eye)
    expected = cotangent @ moved
    actual = results @ np.stack([step, turn], axis=1)
    np.testing.assert_allclose(np.trace(actual), expected, rtol=0, atol=20 * np.finfo(np.float64).eps)


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
