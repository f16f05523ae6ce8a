"""What kernels are compiled for: the scene's kinds and parameters, and which of them are differentiated."""

import functools
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config.parameters import Parameter, Reads
from tdr.config.shader_file import ATTRIBUTES
from tdr.scene.camera import Camera

# Rows of an array or a field that geometry is read from, float64 whatever the precision of the run.
VECTOR = ti.types.vector(3, ti.f64)
TRIANGLE = ti.types.vector(3, ti.i32)
MATRIX = ti.types.matrix(3, 3, ti.f64)


# The shader's inputs through which parameters of the shading come in; a constant of the shader is an input itself.
INPUTS = {"light.direction": "light.to_light", "mesh.albedo": "surface.albedo"}


@functools.cache
def _structs(_epoch: int, constants: tuple[str, ...]) -> SimpleNamespace:
    """The structs that shaders get; see :mod:`tdr.shaders.built_in`."""
    return SimpleNamespace(
        Surface=ti.types.struct(**dict.fromkeys(ATTRIBUTES["surface"], VECTOR)),
        Light=ti.types.struct(**dict.fromkeys(ATTRIBUTES["light"], VECTOR)),
        Constants=ti.types.struct(**dict.fromkeys(constants, ti.f64)),
    )


@dataclass(frozen=True)
class Layout:
    """What a kernel is compiled for.

    Attributes:
        camera: the camera's class.
        shader: the shader's class.
        parameters: all parameters of the scene; their numbers stand in this order in a row of values.
        perturbed: the names of those that forward mode perturbs, for all pixels alike.
        pulled_back: the names of those that reverse passes lead to, pixel by pixel.
    """

    camera: type[Camera]
    shader: type
    parameters: tuple[Parameter, ...]
    perturbed: frozenset[str] = frozenset()
    pulled_back: frozenset[str] = frozenset()

    def offset(self, name: str) -> int:
        """Where a parameter's numbers begin in a row of values."""
        offset = 0
        for parameter in self.parameters:
            if parameter.name == name:
                return offset
            offset += parameter.size
        raise KeyError(name)

    def parameter(self, name: str) -> Parameter:
        """The parameter of a name."""
        return next(p for p in self.parameters if p.name == name)

    def size(self, name: str) -> int:
        """How many numbers a parameter has (for one light)."""
        return self.parameter(name).size

    def columns_before(self, name: str, per_light: bool) -> int:
        """How many columns (for one light) the parameters have that reverse passes lead to and that come before one.

        Args:
            name: the one.
            per_light: whether to count those of which each light has its own, or those that all have in common.
        """
        before = self.parameters[: self.parameters.index(self.parameter(name))]
        return sum(p.size for p in before if p.name in self.pulled_back and p.per_light == per_light)

    @property
    def num_numbers(self) -> int:
        """How many numbers a row of values has."""
        return sum(p.size for p in self.parameters)

    def rows(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What kernels read of a scene's numbers.

        Args:
            values: (rows, numbers), see :class:`tdr.render.values.SceneValues`.

        Returns:
            The same with the extent of the camera's view in the place of its lens, and directions of unit length.
        """
        rows = np.array(values)
        lens, direction = self.offset(self.camera.lens), self.offset("light.direction")
        rows[:, lens] = self.camera.extent(rows[:, lens])
        rows[:, direction : direction + 3] /= np.linalg.norm(rows[:, direction : direction + 3], axis=1, keepdims=True)
        return rows

    @property
    def constants(self) -> tuple[str, ...]:
        """The names of the shader's constants."""
        return tuple(p.name for p in self.parameters if p.name.startswith("shader."))

    @property
    def structs(self) -> SimpleNamespace:
        """The structs ``Surface``, ``Light`` and ``Constants`` that the shader's functions get."""
        names = tuple(name.removeprefix("shader.") for name in self.constants)
        return _structs(backend.epoch(), names)

    def leads_to(self, per_light: bool) -> bool:
        """Whether reverse passes lead to a parameter of which each light has its own, or that all have in common."""
        return any(self.parameter(name).per_light == per_light for name in self.pulled_back)

    @property
    def moves(self) -> bool:
        """Whether they lead to a parameter that is read before shading."""
        return any(self.parameter(name).reads is Reads.POSE for name in self.pulled_back)

    @functools.cached_property
    def slots(self) -> frozenset[str]:
        """The shader's inputs that have a slot for each pixel, because a parameter comes in through them."""
        slots = {INPUTS.get(name, name) for name in self.pulled_back if self.parameter(name).reads is Reads.SHADING}
        if self.moves:
            slots |= {f"surface.{attribute}" for attribute in ATTRIBUTES["surface"]}
        return frozenset(slots)
