"""One pixel as a smooth function of the scene: where it sees its triangle, and the colour that it gets from one light.

The functions here compose the stages and are written once; every kernel that renders, differentiates or checks calls
them. They take what they read (the mesh, rotations, values of parameters) as arrays or fields alike: forward mode can
differentiate past fields only.
"""

import functools
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config.parameters import Parameter, Reads
from tdr.config.shader_file import ATTRIBUTES
from tdr.render.interpolator import interpolate, intersect
from tdr.scene.camera import Camera
from tdr.scene.transforms import normalized, turned

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
            values: (rows, numbers), see :meth:`tdr.Pipeline.values`.

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


@ti.data_oriented
class PixelFunctions:
    """The device functions of one pixel.

    Attributes:
        perturbations: parameter name -> (), the same for all pixels, for forward mode.
        slots: input of the shader -> perturbations, one a pixel, for reverse mode.
    """

    perturbations: dict[str, ti.MatrixField]
    slots: dict[str, ti.MatrixField]

    @ti.func
    def read(self, values: ti.template(), row, layout: ti.template(), name: ti.template()):
        """A parameter with its perturbation, (size,), from a row of values."""
        offset = ti.static(layout.offset(name))
        value = ti.Vector([values[row, offset + i] for i in ti.static(range(layout.size(name)))])
        if ti.static(name in layout.perturbed):
            return value + self.perturbations[name][None]
        else:
            return value

    @ti.func
    def extent(self, values: ti.template(), row, layout: ti.template()):
        """The extent of the camera's view, see :class:`Camera`, with the perturbation of its lens."""
        extent = values[row, ti.static(layout.offset(layout.camera.lens))]
        if ti.static(layout.camera.lens in layout.perturbed):
            return extent + layout.camera.extent_slope(extent) * self.perturbations[layout.camera.lens][None][0]
        else:
            return extent

    @ti.func
    def turn(self, layout: ti.template(), name: ti.template()):
        """The perturbation of a rotation, (3,); zero, as its value always is, if it is not perturbed."""
        if ti.static(name in layout.perturbed):
            return self.perturbations[name][None]
        else:
            return ti.Vector([0.0, 0.0, 0.0])

    @ti.func
    def after_turn(self, vector, turn, layout: ti.template(), name: ti.template()):
        """A vector after a turn, which is left out at compile time where nothing turns."""
        if ti.static(name in layout.perturbed):
            return turned(vector, turn)
        else:
            return vector

    @ti.func
    def with_slot(self, value, k, layout: ti.template(), name: ti.template()):
        """An input of the shader, with its slot if it has one."""
        if ti.static(name in layout.slots):
            return value + self.slots[name][k]
        else:
            return value

    @ti.func
    def locate(
        self,
        row,
        pose,
        pixel,
        triangle,
        vertices: ti.template(),
        triangles: ti.template(),
        normals: ti.template(),
        normal_ids: ti.template(),
        vertex_albedo: ti.template(),
        rotations: ti.template(),
        view: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        """Where a pixel sees its triangle.

        Args:
            row: the row of values that is read.
            pose: which rotations are read.
            pixel: the pixel, row by row.
            triangle: the triangle that it sees.
            vertices: see :class:`tdr.render.interpolator.TriangleAttributeInterpolator`, and the next four likewise.
            triangles: as above.
            normals: as above.
            normal_ids: as above.
            vertex_albedo: as above.
            rotations: (2 * poses,) matrices, of the mesh and of the camera by turns.
            view: height, width, near, far.
            values: (rows, numbers), see :meth:`Layout.rows`.
            layout: what is compiled.

        Returns:
            weights (4,): barycentrics and facing; position (3,) and unit normal (3,) on the side that the camera sees,
            world space; the vertices' albedo (3,).
        """
        width = ti.cast(view[1], ti.i32)
        # Of the pixel's centre, in half image heights from the image's.
        half_pixel = 1.0 / view[0]
        x = (2 * (pixel % width) + 1 - width) * half_pixel
        y = (view[0] - (2 * (pixel // width) + 1)) * half_pixel
        model_rotation = rotations[2 * pose]
        camera_rotation = rotations[2 * pose + 1]
        translation = self.read(values, row, layout, "mesh.translation")
        scale = self.read(values, row, layout, "mesh.scale")[0]
        camera_position = self.read(values, row, layout, "camera.position")

        mesh_turn = self.turn(layout, "mesh.rotation")
        camera_turn = self.turn(layout, "camera.rotation")

        # The ray is brought to the triangle, not the triangle's three corners to the ray.
        extent = self.extent(values, row, layout)
        origin_view, direction_view = layout.camera.ray(x * extent, y * extent)
        origin = camera_position + self.after_turn(
            camera_rotation @ origin_view, camera_turn, layout, "camera.rotation"
        )
        direction = self.after_turn(camera_rotation @ direction_view, camera_turn, layout, "camera.rotation")
        to_model = model_rotation.transpose()
        corners = triangles[triangle]
        weights, distance = intersect(
            vertices[corners[0]],
            vertices[corners[1]],
            vertices[corners[2]],
            to_model @ self.after_turn(origin - translation, -mesh_turn, layout, "mesh.rotation") * (1.0 / scale),
            to_model @ self.after_turn(direction, -mesh_turn, layout, "mesh.rotation"),
        )
        position = origin + scale * distance * direction

        ids = normal_ids[triangle]
        normal_model = interpolate(weights, normals[ids[0]], normals[ids[1]], normals[ids[2]])
        unit_normal = normalized(model_rotation @ normal_model)
        normal = weights[3] * self.after_turn(unit_normal, mesh_turn, layout, "mesh.rotation")
        albedo = interpolate(weights, vertex_albedo[corners[0]], vertex_albedo[corners[1]], vertex_albedo[corners[2]])
        return weights, position, normal, albedo

    @ti.func
    def radiance_of(
        self,
        light,
        k,
        row,
        pose,
        position,
        normal,
        albedo,
        rotations: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        """What one light contributes to a pixel, linear RGB, (3,); the first light brings the ambient term along.

        Args:
            light: the light.
            k: whose slots are read.
            row: see :meth:`locate`, likewise ``pose``, ``rotations``, ``values`` and ``layout``.
            pose: likewise.
            position: what :meth:`locate` returns, and the next two likewise.
            normal: as above.
            albedo: as above.
            rotations: as above.
            values: as above.
            layout: as above.
        """
        camera_rotation = rotations[2 * pose + 1]
        backwards = ti.Vector([camera_rotation[i, 2] for i in range(3)])
        to_eye = layout.camera.to_eye(
            position,
            self.read(values, row, layout, "camera.position"),
            self.after_turn(backwards, self.turn(layout, "camera.rotation"), layout, "camera.rotation"),
        )
        direction = self.read(values, row, layout, "light.direction")
        if ti.static("light.direction" in layout.perturbed):
            direction = normalized(direction)
        surface = layout.structs.Surface(
            self.with_slot(position, k, layout, "surface.position"),
            self.with_slot(normal, k, layout, "surface.normal"),
            self.with_slot(self.read(values, row, layout, "mesh.albedo") * albedo, k, layout, "surface.albedo"),
            self.with_slot(normalized(to_eye), k, layout, "surface.to_eye"),
        )
        lamp = layout.structs.Light(
            self.with_slot(-direction, k, layout, "light.to_light"),
            self.with_slot(self.read(values, row, layout, "light.color"), k, layout, "light.color"),
        )
        constants = layout.structs.Constants(
            *[
                self.with_slot(self.read(values, row, layout, name), k, layout, name)[0]
                for name in ti.static(layout.constants)
            ]
        )
        radiance = layout.shader.reflect(surface, lamp, constants)
        if light == 0:
            radiance += layout.shader.ambient(surface, constants)
        return radiance
