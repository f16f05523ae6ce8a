"""Poses: rotations against quaternions, and the device functions against NumPy."""

import numpy as np
import pytest
import taichi as ti
from reference import COMPLEX_STEP, rotation
from reference import normalized as unit

from tdr import backend
from tdr.scene.transforms import (
    look_at_matrix,
    normalized,
    rotation_matrix,
    tangential,
    turned,
    world_to_view,
)

EPS = np.finfo(np.float64).eps


@ti.kernel
def transform(
    vectors: ti.types.ndarray(ndim=2),
    rotation: ti.types.ndarray(ndim=2),
    turn: ti.types.ndarray(ndim=1),
    place: ti.types.ndarray(ndim=1),
    results: ti.types.ndarray(ndim=3),
):
    for i in range(vectors.shape[0]):
        matrix = ti.Matrix([[rotation[r, c] for c in range(3)] for r in range(3)])
        omega = ti.Vector([turn[n] for n in range(3)])
        translation = ti.Vector([place[n] for n in range(3)])
        vector = ti.Vector([vectors[i, n] for n in range(3)])
        in_turn = turned(vector, omega)
        in_view = world_to_view(vector, matrix, translation)
        for n in ti.static(range(3)):
            results[0, i, n] = in_turn[n]
            results[1, i, n] = in_view[n]


@ti.kernel
def normalize(
    vectors: ti.types.ndarray(ndim=2), cotangents: ti.types.ndarray(ndim=2), results: ti.types.ndarray(ndim=3)
):
    for i in range(vectors.shape[0]):
        direction = normalized(ti.Vector([vectors[i, n] for n in range(3)]))
        pulled_back = tangential(ti.Vector([cotangents[i, n] for n in range(3)]), direction)
        for n in ti.static(range(3)):
            results[0, i, n] = direction[n]
            results[1, i, n] = pulled_back[n]


@pytest.mark.usefixtures("f64")
def test_what_normalizing_hands_on(rng):
    """The cotangent of v, times its length, against complex steps of v / |v|."""
    vectors, cotangents = rng.normal(size=(2, 50, 3))
    results = np.zeros((2, 50, 3))
    normalize(vectors, cotangents, results)
    steps = vectors + 1j * COMPLEX_STEP * np.eye(3)[:, None]
    derivatives = np.einsum("dni,ni->nd", unit(steps).imag / COMPLEX_STEP, cotangents)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    tolerance = {"rtol": 0, "atol": 30 * EPS}  # about ten roundings of numbers below 3
    np.testing.assert_allclose(results[0], vectors / lengths, **tolerance)
    np.testing.assert_allclose(results[1], derivatives * lengths, **tolerance)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("turn", [[0.0, 0.0, 0.0], [0.3, -0.2, 0.5]])
def test_transforms_of_points(turn, rng):
    vectors, place = rng.normal(size=(50, 3)), [0.4, -1.2, 2.3]
    pose = rotation([0.7, -0.4, 1.1])
    results = backend.array(np.zeros((2, 50, 3)))
    transform(*(backend.array(a) for a in (vectors, pose, turn, place)), results)
    linear = np.eye(3) + np.cross(turn, np.eye(3)).T  # of exp([turn]x), which it is exactly at turn = 0
    # About ten roundings of sums of up to four terms below 10.
    tolerance = {"rtol": 0, "atol": 100 * np.finfo(backend.dtype()).eps}
    np.testing.assert_allclose(results[0], vectors @ linear.T, **tolerance)
    np.testing.assert_allclose(results[1], (vectors - place) @ pose, **tolerance)


@pytest.mark.parametrize("angle", [0.0, 1e-200, 1e-9, 0.3, np.pi, 5.0, 700.0])
def test_rotations_are_those_of_the_quaternion(angle, rng):
    for axis in rng.normal(size=(20, 3)):
        vector = angle * axis / np.linalg.norm(axis)
        # Sine and cosine of an angle that is rounded; the products that follow cost a few roundings more.
        np.testing.assert_allclose(rotation_matrix(vector), rotation(vector), rtol=0, atol=(16 + 2 * angle) * EPS)


def test_a_quarter_turn_is_counter_clockwise():
    np.testing.assert_allclose(rotation_matrix([0.0, 0.0, np.pi / 2]) @ [1.0, 0.0, 0.0], [0, 1, 0], rtol=0, atol=EPS)


def test_look_at(rng):
    for position, target in rng.normal(size=(20, 2, 3)):
        x, y, z = look_at_matrix(position, target).T
        np.testing.assert_allclose(np.stack([x, y, z]) @ np.stack([x, y, z]).T, np.eye(3), rtol=0, atol=8 * EPS)
        np.testing.assert_allclose(np.cross(x, y), z, rtol=0, atol=8 * EPS)
        np.testing.assert_allclose(z * np.linalg.norm(position - target), position - target, rtol=0, atol=32 * EPS)
        assert x[1] == pytest.approx(0.0, abs=EPS), "the horizon is level"
        assert y[1] > 0.0, "up is up"


@pytest.mark.parametrize("down", [1.0, -1.0])
def test_looking_straight_down_or_up(down):
    x, y, z = look_at_matrix([0.5, down, 0.5], [0.5, 0.0, 0.5]).T
    np.testing.assert_array_equal(z, [0.0, down, 0.0])
    np.testing.assert_array_equal(y, [0.0, 0.0, -1.0])
    np.testing.assert_array_equal(x, np.cross(y, z))
