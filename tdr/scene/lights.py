"""Directional lights."""

import copy
import dataclasses
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.config import LightConfig
from tdr.config.attributes import HasSettings
from tdr.errors import InputError


class Gradient:
    """The gradient of a scalar with respect to one 3-vector a light.

    Args:
        array: (lights, 3) float64, shown and not copied.
    """

    def __init__(self, array: npt.NDArray[np.float64]) -> None:
        self._array = array

    @property
    def grad(self) -> Any:
        """The numbers as records: ``grad[i].x``."""
        return self._array.view([("x", np.float64), ("y", np.float64), ("z", np.float64)])[:, 0].view(np.recarray)


@dataclasses.dataclass(eq=False)
class _Shared:
    """What an array and the same array as pipelines show it have in common.

    Attributes:
        settings: the checked settings.
        shown: the arrays that living pipelines show.
    """

    settings: LightConfig
    shown: weakref.WeakSet["DirectionalLightArray"] = dataclasses.field(default_factory=weakref.WeakSet)


class DirectionalLightArray(HasSettings):
    """Lights that shine along one direction everywhere.

    Several pipelines may have the same array: they share its settings, and each shows it with gradients of its own
    (``pipeline.light_array``).

    Args:
        **settings: see :class:`tdr.config.LightConfig`.

    Raises:
        InputError: if a setting is out of range.
    """

    def __init__(self, **settings) -> None:
        self._shared = _Shared(LightConfig(**settings))
        self._gradients: Mapping[str, npt.NDArray[np.float64]] = {}

    def shown_with(self, gradients: Mapping[str, npt.NDArray[np.float64]]) -> "DirectionalLightArray":
        """The same array, as a pipeline shows it.

        Args:
            gradients: the pipeline's; those of ``light.direction`` and ``light.color``, (lights, 3) each, are shown.
        """
        array = copy.copy(self)
        array._gradients = gradients  # noqa: SLF001 (of this class, as below)
        self._shared.shown.add(array)
        return array

    @property
    def settings(self) -> LightConfig:
        """The checked settings, in all pipelines the same."""
        return self._shared.settings

    @settings.setter
    def settings(self, settings: LightConfig) -> None:
        self._shared.settings = settings

    @property
    def light_directions(self) -> Gradient:
        """Its ``grad[i]`` has x, y and z, what :meth:`tdr.Pipeline.backward` adds up for light i.

        Raises:
            InputError: if it is asked of an array that several pipelines have, and not of ``pipeline.light_array``.
        """
        return self._gradient("light.direction")

    @property
    def light_colors(self) -> Gradient:
        """Its ``grad[i]`` likewise; raises likewise."""
        return self._gradient("light.color")

    def _gradient(self, name: str) -> Gradient:
        if name in self._gradients:
            return Gradient(self._gradients[name])
        shown = list(self._shared.shown)
        if len(shown) > 1:
            raise InputError(
                f"The gradient by {name} must be read of one pipeline; got an array that {len(shown)} pipelines have. "
                f"Read it of pipeline.light_array, or pipeline.gradients[{name!r}]."
            )
        return shown[0]._gradient(name) if shown else Gradient(np.zeros((self.num_lights, 3)))  # noqa: SLF001

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
