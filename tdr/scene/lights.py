"""Directional lights."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.config import LightConfig
from tdr.errors import InputError


class Gradient:
    """The gradient of a scalar with respect to one 3-vector a light.

    Args:
        num_lights: how many lights there are.

    Attributes:
        array: (lights, 3) float64.
    """

    def __init__(self, num_lights: int) -> None:
        self.array = np.zeros((num_lights, 3))

    @property
    def grad(self) -> Any:
        """The same numbers as records: ``grad[i].x``."""
        return self.array.view([("x", np.float64), ("y", np.float64), ("z", np.float64)])[:, 0].view(np.recarray)


class DirectionalLightArray:
    """Lights that shine along one direction everywhere.

    An array belongs to one pipeline: the gradients that it holds are that pipeline's.

    Args:
        **settings: see :class:`tdr.config.LightConfig`.

    Attributes:
        settings: the checked settings.
        light_directions: its ``grad[i]`` has x, y and z, what :meth:`tdr.Pipeline.backward` adds up for light i.
        light_colors: its ``grad[i]`` likewise.

    Raises:
        InputError: if a setting is out of range.
    """

    def __init__(self, **settings) -> None:
        self.settings = LightConfig(**settings)
        self.light_directions = Gradient(self.num_lights)
        self.light_colors = Gradient(self.num_lights)

    @property
    def num_lights(self) -> int:
        """How many lights there are."""
        return len(self.settings.direction)

    def directions(self) -> npt.NDArray[np.float64]:
        """(lights, 3) unit vectors along which the light travels, world space."""
        self.settings.apply_angles()  # they may have been set since the last call
        directions = np.asarray(self.settings.direction, dtype=np.float64)
        # The components are scaled first, so that the square of a tiny or huge one cannot under- or overflow.
        directions = directions / np.abs(directions).max(axis=1, keepdims=True)
        return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))

    def colors(self) -> npt.NDArray[np.float64]:
        """(lights, 3) linear RGB, intensity included."""
        colors = np.asarray(self.settings.color, dtype=np.float64)
        return np.array(np.broadcast_to(colors, (self.num_lights, 3)))

    def set_light_direction(self, light: int, direction: npt.ArrayLike) -> None:
        """Let one light travel along another direction, (3,), world space; it is normalized.

        Raises:
            InputError: if the light does not exist or the direction is not a nonzero finite vector.
        """
        self._check_light(light)
        self.settings.apply_angles()  # or angles that were set before would turn the new direction
        directions = [list(d) for d in self.settings.direction]
        directions[light] = np.asarray(direction, dtype=np.float64).tolist()
        self.settings = dataclasses.replace(self.settings, direction=directions)

    def set_light_color(self, light: int, color: npt.ArrayLike) -> None:
        """Give one light another colour, (3,), linear RGB.

        Raises:
            InputError: if the light does not exist or the colour is not finite and at least 0.
        """
        self._check_light(light)
        colors = self.colors().tolist()
        colors[light] = np.asarray(color, dtype=np.float64).tolist()
        self.settings = dataclasses.replace(self.settings, color=colors)

    def _check_light(self, light: int) -> None:
        if not 0 <= light < self.num_lights:
            raise InputError(f"light must be at least 0 and less than {self.num_lights}; got {light!r}.")
