"""The registry of differentiable parameters.

A differentiable parameter has one name everywhere: the path in the config, the key in the result, the stem of a
picture's file name, the subject of an error message. It is registered by declaring the config field that holds its
value with :func:`differentiable`; nothing else lists parameters.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Sequence
from typing import Any

from tdr.errors import InputError, did_you_mean

VECTOR = ("x", "y", "z")
COLOR = ("r", "g", "b")


class Reads(enum.Enum):
    """The first stage that reads a parameter; it decides which kernel differentiates with respect to it."""

    SHADING = "shading"
    POSE = "pose"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One differentiable parameter of a scene.

    Attributes:
        name: its path in the config, for example ``light.direction``.
        components: the names of its numbers, ``()`` for a single number.
        reads: the first stage that reads it.
        per_light: whether each light has one of its own.
        unit: the unit of the derivative's denominator.
    """

    name: str
    components: tuple[str, ...]
    reads: Reads
    per_light: bool
    unit: str

    @functools.cached_property
    def size(self) -> int:
        """How many numbers it has (per light, if each light has its own)."""
        return max(1, len(self.components))

    def shape(self, num_lights: int) -> tuple[int, ...]:
        """The shape of its value in a scene with ``num_lights`` lights: (lights, 3), (3,) or ()."""
        lights = (num_lights,) if self.per_light else ()
        return (*lights, len(self.components)) if self.components else lights


def differentiable(
    default: Any,
    *,
    components: tuple[str, ...] = (),
    reads: Reads = Reads.SHADING,
    per_light: bool = False,
    unit: str = "1",
) -> Any:
    """Declare a config field that the renderer can be differentiated with respect to.

    Args:
        default: the field's default; a sequence is copied for each instance.
        components: see :class:`Parameter`.
        reads: see :class:`Parameter`.
        per_light: see :class:`Parameter`.
        unit: see :class:`Parameter`.

    Returns:
        A dataclass field.
    """
    metadata = {
        "differentiable": {
            "components": components,
            "reads": reads,
            "per_light": per_light,
            "unit": unit,
        }
    }
    if isinstance(default, list):
        return dataclasses.field(
            default_factory=lambda: [list(d) if isinstance(d, list) else d for d in default],
            metadata=metadata,
        )
    return dataclasses.field(default=default, metadata=metadata)


def parameters_of(group: str, config: Any) -> tuple[Parameter, ...]:
    """The parameters that one config group declares, in the order of their fields.

    Args:
        group: the group's name, the first half of each parameter's name.
        config: a config dataclass, class or instance.
    """
    return tuple(
        Parameter(name=f"{group}.{field.name}", **field.metadata["differentiable"])
        for field in dataclasses.fields(config)
        if "differentiable" in field.metadata
    )


def select_parameters(known: Sequence[Parameter], names: Sequence[str] | str) -> tuple[Parameter, ...]:
    """Pick parameters by name.

    Args:
        known: the parameters that the scene has.
        names: names from among them, each once, or a single one, or ``"all"``.

    Returns:
        The chosen parameters, in the order of ``known``.

    Raises:
        InputError: if a name is not known or stands twice; the message lists the known ones.
    """
    if names == "all":
        return tuple(known)
    names = [names] if isinstance(names, str) else names
    listed = ", ".join(parameter.name for parameter in known)
    for i, name in enumerate(names):
        if not any(parameter.name == name for parameter in known):
            raise InputError(
                f"jacobian.parameters must name parameters of this scene; got {name!r}. Known: {listed}."
                f"{did_you_mean(name, [parameter.name for parameter in known])}"
            )
        if name in names[:i]:
            raise InputError(f"jacobian.parameters must name each parameter once; got {name!r} twice.")
    return tuple(parameter for parameter in known if parameter.name in names)


@dataclasses.dataclass(frozen=True)
class Column:
    """One number of one parameter: one Jacobian image.

    Attributes:
        parameter: the parameter that it belongs to.
        index: where it stands in an array of the parameter's shape.
        name: the parameter's name, the light's index where it has one, and the component, joined by dots.
    """

    parameter: Parameter
    index: tuple[int, ...]
    name: str


def columns_of(parameters: Sequence[Parameter], num_lights: int) -> tuple[Column, ...]:
    """Every column of the given parameters, parameter by parameter and in C order within each."""
    columns = []
    for parameter in parameters:
        for light in range(num_lights) if parameter.per_light else [None]:
            lights = () if light is None else (light,)
            for i, component in enumerate(parameter.components or ("",)):
                index = (*lights, i) if parameter.components else lights
                parts = [parameter.name, *map(str, lights), *([component] if component else [])]
                columns.append(Column(parameter, index, ".".join(parts)))
    return tuple(columns)
