"""Lights: unit directions whatever is given, and setting them one by one."""

import numpy as np
import pytest

import tdr
from tdr.errors import InputError


@pytest.mark.parametrize("length", [1e-300, 1e-200, 1.0, 1e200, 1.7e308])
def test_directions_are_unit_vectors_at_any_length(length):
    lights = tdr.DirectionalLightArray(direction=[[length, 0.0, -length], [0.0, -length, 0.0]])
    half = np.sqrt(0.5)
    eps = np.finfo(np.float64).eps
    np.testing.assert_allclose(lights.directions(), [[half, 0.0, -half], [0.0, -1.0, 0.0]], rtol=0, atol=eps)


def test_one_color_serves_all_lights():
    lights = tdr.DirectionalLightArray(direction=[[0, 0, -1], [1, 0, 0]], color=[[0.5, 0.25, 2.0]])
    assert lights.num_lights == 2
    np.testing.assert_array_equal(lights.colors(), [[0.5, 0.25, 2.0]] * 2)


def test_lights_are_set_one_by_one():
    lights = tdr.DirectionalLightArray(direction=[[0, 0, -1], [1, 0, 0]])
    lights.set_light_direction(1, np.array([0.0, -2.0, 0.0]))
    lights.set_light_color(0, (0.5, 0.25, 2.0))
    np.testing.assert_array_equal(lights.directions(), [[0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
    np.testing.assert_array_equal(lights.colors(), [[0.5, 0.25, 2.0], [1.0, 1.0, 1.0]])


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("set_light_direction", (2, [0, 0, 1]), "light must be at least 0 and less than 2; got 2"),
        ("set_light_color", (-1, [0, 0, 1]), "light must be at least 0 and less than 2; got -1"),
        ("set_light_direction", (0, [0, 0, 0]), "light.direction must not be the zero vector"),
        ("set_light_direction", (0, [0, 0, np.nan]), "light.direction must have 3 finite components"),
        ("set_light_direction", (0, [0, 1]), "light.direction must be a list of 3 numbers"),
        ("set_light_color", (0, [0, 0, -1]), "light.color must have components of at least 0"),
    ],
)
def test_what_cannot_be_set_is_refused_and_changes_nothing(method, arguments, message):
    lights = tdr.DirectionalLightArray(direction=[[0, 0, -1], [1, 0, 0]])
    with pytest.raises(InputError) as error:
        getattr(lights, method)(*arguments)
    assert str(error.value).startswith(message)
    np.testing.assert_array_equal(lights.directions(), [[0, 0, -1], [1, 0, 0]])
    np.testing.assert_array_equal(lights.colors(), np.ones((2, 3)))
