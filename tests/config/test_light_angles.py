"""Light directions as angles: where the light stands, what a missing angle is, and that angles do not come back."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tdr
from tdr.config import LightConfig
from tdr.errors import InputError

THREE = [[1, -1, -1], [-1, -0.3, -0.8], [0.2, -0.6, 1]]


def turned(azimuth: float, elevation: float) -> np.ndarray:
    """The direction by another way: a light on the right, tilted up about y, then turned about the z axis."""
    a, e = np.radians(azimuth), -np.radians(elevation)
    about_y = np.array([[np.cos(e), 0, np.sin(e)], [0, 1, 0], [-np.sin(e), 0, np.cos(e)]])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return -about_z @ about_y @ [1.0, 0.0, 0.0]


def key_light(**settings) -> list[float]:
    return LightConfig(**settings).direction[0]


@given(azimuth=st.floats(-1000, 1000), elevation=st.floats(-90, 90))
def test_both_angles_place_the_light_on_the_dome(azimuth, elevation):
    # The angle of 1000 degrees is known to 1e-13, and each product is rounded.
    np.testing.assert_allclose(
        key_light(azimuth=azimuth, elevation=elevation), turned(azimuth, elevation), rtol=0, atol=2e-14
    )


@pytest.mark.parametrize(
    ("azimuth", "elevation", "direction"),
    [
        (0, 0, [-1, 0, 0]),
        (90, 0, [0, -1, 0]),
        (-90, 0, [0, 1, 0]),
        (180, 0, [1, 0, 0]),
        (720 + 270, 0, [0, 1, 0]),
        (360e15, 0, [-1, 0, 0]),
        (0, 90, [0, 0, -1]),
        (33, 90, [0, 0, -1]),
        (33, -90, [0, 0, 1]),
    ],
)
def test_multiples_of_a_right_angle_are_exact(azimuth, elevation, direction):
    assert key_light(azimuth=azimuth, elevation=elevation) == direction
    # -0.0 equals 0 but does not look like it.
    assert "-0.0" not in str(key_light(azimuth=azimuth, elevation=elevation))


def test_a_missing_angle_is_that_of_the_direction():
    tilted = [[1, -1, -1]]
    elevation = math.degrees(math.asin(1 / math.sqrt(3)))  # 35.26
    np.testing.assert_allclose(key_light(direction=tilted, azimuth=135), np.array(tilted[0]) / math.sqrt(3), atol=1e-15)
    np.testing.assert_allclose(key_light(direction=tilted, azimuth=20), turned(20, elevation), atol=1e-15)
    np.testing.assert_allclose(key_light(direction=tilted, elevation=-10), turned(135, -10), atol=1e-15)
    np.testing.assert_allclose(key_light(direction=[[1e-300, -1e-300, -1e-300]], azimuth=20), turned(20, elevation))
    np.testing.assert_allclose(key_light(direction=[[1.7e308, -1.7e308, -1.7e308]], azimuth=20), turned(20, elevation))


def test_an_azimuth_alone_tilts_a_light_along_the_z_axis():
    np.testing.assert_allclose(key_light(azimuth=30), turned(30, 45), atol=1e-15)
    np.testing.assert_allclose(key_light(direction=[[0, 0, 2]], azimuth=30), turned(30, -45), atol=1e-15)
    np.testing.assert_allclose(key_light(direction=[[1e-30, 0, -1]], azimuth=30), turned(30, 45), atol=1e-15)
    np.testing.assert_allclose(key_light(elevation=30), turned(0, 30), atol=1e-15)
    assert key_light(azimuth=30, elevation=90) == [0, 0, -1]


def test_angles_turn_the_first_light_alone():
    given_lights = [list(direction) for direction in THREE]
    config = LightConfig(direction=given_lights, azimuth=10, elevation=20)
    assert config.direction[1:] == THREE[1:]
    assert given_lights == THREE
    np.testing.assert_allclose(config.direction[0], turned(10, 20), atol=1e-15)
    assert LightConfig(direction=THREE).direction == THREE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"elevation": 90.5}, "light.elevation must be a finite number and at least -90 and at most 90; got 90.5."),
        ({"elevation": -91}, "light.elevation must be a finite number and at least -90 and at most 90; got -91."),
        ({"azimuth": math.nan}, "light.azimuth must be a finite number; got nan."),
        ({"azimuth": math.inf, "elevation": 0}, "light.azimuth must be a finite number; got inf."),
        ({"azimuth": "left"}, "light.azimuth must be a finite number; got 'left'."),
        ({"azimuth": True}, "light.azimuth must be a finite number; got True."),
    ],
)
def test_angles_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError) as error:
        LightConfig(**settings)
    assert str(error.value) == message
    lights = tdr.DirectionalLightArray()
    for name, value in settings.items():
        setattr(lights.settings, name, value)
    with pytest.raises(InputError):
        lights.directions()


def test_angles_do_not_come_back_when_lights_are_set():
    lights = tdr.DirectionalLightArray(direction=THREE, azimuth=10, elevation=20)
    np.testing.assert_allclose(lights.directions()[0], turned(10, 20), atol=1e-15)
    lights.set_light_direction(0, [0, -1, 0])
    lights.set_light_color(1, [1, 0, 0])
    lights.set_light_direction(2, [0, 0, 1])
    np.testing.assert_array_equal(lights.directions()[[0, 2]], [[0, -1, 0], [0, 0, 1]])
    lights.settings.direction = [[0, 0, -1]] * 3
    assert dataclasses.replace(lights.settings).direction == [[0, 0, -1]] * 3
    np.testing.assert_array_equal(lights.directions(), [[0, 0, -1]] * 3)


def test_angles_may_be_set_later_as_other_settings_may():
    lights = tdr.DirectionalLightArray(direction=THREE)
    lights.settings.azimuth = 10.0
    lights.settings.elevation = 20.0
    np.testing.assert_allclose(lights.directions()[0], turned(10, 20), atol=1e-15)
    lights.settings.azimuth = 50.0
    np.testing.assert_allclose(lights.directions()[0], turned(50, 20), atol=1e-15)
    lights.settings.azimuth = 90.0
    lights.set_light_direction(0, [0, 0, -1])
    np.testing.assert_array_equal(lights.directions()[0], [0, 0, -1])
