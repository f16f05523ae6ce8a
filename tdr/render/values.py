"""The numbers of a scene: where they are kept, as one table, and displaced."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.config import MeshConfig
from tdr.config.parameters import Column, Parameter, Reads, parameters_of
from tdr.scene.camera import Camera
from tdr.scene.lights import DirectionalLightArray
from tdr.scene.mesh import TriangleMesh
from tdr.scene.transforms import rotation_matrix

Array = npt.NDArray[np.float64]

ROTATIONS = ("mesh.rotation", "camera.rotation")


@dataclass
class Scene:
    """What is rendered; each part holds its own settings.

    Attributes:
        mesh: the mesh, object space.
        camera: the camera.
        light_array: the lights.
        shader: the shader (:mod:`tdr.shaders.built_in`).
        placement: the mesh's pose, colour factor, kind of normals and back-face culling.
    """

    mesh: TriangleMesh
    camera: Camera
    light_array: DirectionalLightArray
    shader: Any
    placement: MeshConfig

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that the scene can be differentiated with respect to."""
        return (
            *parameters_of("light", self.light_array.settings),
            *parameters_of("shader", self.shader.settings),
            *parameters_of("mesh", self.placement),
            *parameters_of("camera", self.camera.settings),
        )

    def rotations(self) -> Array:
        """The current orientations of the mesh and of the camera, (2, 3, 3)."""
        return np.stack([rotation_matrix(self.placement.rotation), self.camera.rotation()])

    def check_settings(self) -> None:
        """Check the settings of all parts: a change of a field is not checked when it is made.

        Raises:
            InputError: if one is out of range.
        """
        for settings in (self.camera.settings, self.light_array.settings, self.shader.settings, self.placement):
            dataclasses.replace(settings)


@dataclass(frozen=True)
class SceneValues:
    """The numbers of a scene, apart from its mesh.

    Attributes:
        parameters: all its parameters.
        values: (lights, numbers): one row a light, columns in the order of ``parameters``.
        rotations: (2, 3, 3), of the mesh and of the camera.
    """

    parameters: tuple[Parameter, ...]
    values: Array
    rotations: Array

    @classmethod
    def of(cls, scene: Scene) -> SceneValues:
        """The current numbers of a scene.

        Directions are unit vectors, angles radians, and turns (``mesh.rotation``, ``camera.rotation``) zero, because
        they are counted from the current pose.
        """
        camera, placement = scene.camera, scene.placement
        current: dict[str, npt.ArrayLike] = {
            **{f"shader.{name}": value for name, value in vars(scene.shader.settings).items()},
            "mesh.albedo": placement.albedo,
            "mesh.translation": placement.translation,
            "mesh.rotation": [0.0, 0.0, 0.0],
            "mesh.scale": placement.scale,
            "camera.position": camera.settings.position,
            "camera.rotation": [0.0, 0.0, 0.0],
            camera.lens: camera.lens_value(),
        }
        rows = []
        for direction, color in zip(scene.light_array.directions(), scene.light_array.colors(), strict=True):
            current |= {"light.direction": direction, "light.color": color}
            rows.append(np.concatenate([np.atleast_1d(current[p.name]) for p in scene.parameters]))
        return cls(scene.parameters, np.array(rows, dtype=np.float64), scene.rotations())

    def __getitem__(self, name: str) -> Array:
        """A parameter's numbers, (lights, size): a view."""
        first = 0
        for parameter in self.parameters:
            if parameter.name == name:
                return self.values[..., first : first + parameter.size]
            first += parameter.size
        raise KeyError(name)

    def lit_by(self, light: int) -> SceneValues:
        """The scene with one of its lights alone, which brings the ambient term along."""
        return dataclasses.replace(self, values=self.values[light : light + 1])

    def displaced(self, columns: Sequence[Column], displacement: Array) -> SceneValues:
        """The scene with some numbers displaced; rotations turn by the full rotation, not by its first order.

        Args:
            columns: D columns.
            displacement: (D,), each in the unit of its column's derivative.
        """
        return self.all_displaced(columns, displacement[None])[0]

    def all_displaced(self, columns: Sequence[Column], displacements: Array) -> list[SceneValues]:
        """The scene under many displacements (S, D); see :meth:`displaced`."""
        values = np.repeat(self.values[None], len(displacements), axis=0)
        rotations = np.repeat(self.rotations[None], len(displacements), axis=0)
        turns = np.zeros((len(displacements), 2, 3))
        moved = SceneValues(self.parameters, values, rotations)
        for column, steps in zip(columns, displacements.T, strict=True):
            name, index = column.parameter.name, column.index
            if name in ROTATIONS:
                turns[:, ROTATIONS.index(name), index[0]] += steps
                continue
            component = index[-1] if column.parameter.components else 0
            rows = slice(index[0], index[0] + 1) if column.parameter.per_light else slice(None)
            numbers = moved[name][:, rows, component]
            # Adding 0 would change the sign of a negative zero.
            np.add(numbers, steps[:, None], out=numbers, where=steps[:, None] != 0.0)
        for scene, which in np.argwhere(turns.any(axis=2)):
            rotations[scene, which] = rotation_matrix(turns[scene, which]) @ self.rotations[which]
        return [SceneValues(self.parameters, *numbers) for numbers in zip(values, rotations, strict=True)]

    def nudged(self, what: Reads, size: float, rng: np.random.Generator, coordinates: float) -> SceneValues:
        """Change every number by a random part of it.

        Args:
            what: ``POSE`` for what places the mesh and the camera; ``SHADING`` for what else the shader reads, with
                positions: mesh and camera are moved together, which changes no other geometry.
            size: the largest relative change.
            rng: the source of randomness.
            coordinates: how large positions are, world units.
        """
        moved = SceneValues(self.parameters, self.values.copy(), self.rotations.copy())
        for parameter in self.parameters:
            if parameter.reads is what:
                factors = 1.0 + size * rng.uniform(-1.0, 1.0, moved[parameter.name].shape)
                moved[parameter.name][:] *= factors if parameter.per_light else factors[:1]
        if what is Reads.POSE:
            for which in range(2):
                moved.rotations[which] = rotation_matrix(size * rng.uniform(-1.0, 1.0, 3)) @ self.rotations[which]
        else:
            shift = size * coordinates * rng.uniform(-1.0, 1.0, 3)
            moved["camera.position"][:] += shift
            moved["mesh.translation"][:] += shift
        return moved
