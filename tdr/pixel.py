"""One pixel as a smooth function of the scene: where it sees its triangle, and the colour that it gets from one light.

The functions here compose the stages and are written once; every kernel that renders, differentiates or checks calls
them. They take what they read (the mesh, rotations, values of parameters) as arrays or fields alike: forward mode can
differentiate past fields only.
"""

import functools
from dataclasses import dataclass
from types import SimpleNamespace

from tdr import backend
from tdr.backend import ti, tm
from tdr.config import Precision
from tdr.parameters import Parameter, Reads
from tdr.shader_file import ATTRIBUTES
from tdr.stages.interpolator import barycentrics_at, interpolate
from tdr.stages.transforms import model_to_world, turned, world_to_view


@functools.cache
def _structs(_epoch: int, _precision: Precision, constants: tuple[str, ...]) -> SimpleNamespace:
    """The structs that shaders get, in the precision that is compiled; see :mod:`tdr.stages.shaders`."""
    vector = ti.types.vector(3, float)
    return SimpleNamespace(
        Surface=ti.types.struct(**dict.fromkeys(ATTRIBUTES["surface"], vector)),
        Light=ti.types.struct(**dict.fromkeys(ATTRIBUTES["light"], vector)),
        Constants=ti.types.struct(**dict.fromkeys(constants, float)),
    )


@dataclass(frozen=True)
class Layout:
    """What a kernel is compiled for.

    Attributes:
        camera: the camera's class.
        shader: the shader's class.
        parameters: all parameters of the scene; their numbers stand in this order in a row of values.
        perturbed: the names of those that are perturbed.
        per_pixel: whether each pixel has perturbations of its own or all share one.
    """

    camera: type
    shader: type
    parameters: tuple[Parameter, ...]
    perturbed: frozenset[str] = frozenset()
    per_pixel: bool = True

    def offset(self, name: str) -> int:
        """Where a parameter's numbers begin in a row of values."""
        offset = 0
        for parameter in self.parameters:
            if parameter.name == name:
                return offset
            offset += parameter.size
        raise KeyError(name)

    def size(self, name: str) -> int:
        """How many numbers a parameter has (for one light)."""
        return next(p.size for p in self.parameters if p.name == name)

    @property
    def num_numbers(self) -> int:
        """How many numbers a row of values has."""
        return sum(p.size for p in self.parameters)

    @property
    def constants(self) -> tuple[str, ...]:
        """The names of the shader's constants."""
        return tuple(p.name for p in self.parameters if p.name.startswith("shader."))

    @property
    def structs(self) -> SimpleNamespace:
        """The structs ``Surface``, ``Light`` and ``Constants`` that the shader's functions get."""
        names = tuple(name.removeprefix("shader.") for name in self.constants)
        return _structs(backend.epoch(), backend.compiling_precision(), names)

    @property
    def moves(self) -> bool:
        """Whether a perturbed parameter is read before shading, so that geometry must be differentiated too."""
        return any(p.reads is Reads.POSE for p in self.parameters if p.name in self.perturbed)


@ti.data_oriented
class PixelFunctions:
    """The device functions of one pixel.

    Attributes:
        slots: parameter name -> perturbations, one a pixel.
        shared: parameter name -> () perturbation, one for all pixels.
    """

    slots: dict[str, ti.MatrixField]
    shared: dict[str, ti.MatrixField]

    @ti.func
    def read(self, values: ti.template(), row, k, layout: ti.template(), name: ti.template()):
        """A parameter with its perturbation, (size,), from a row of values."""
        offset = ti.static(layout.offset(name))
        size = ti.static(layout.size(name))
        value = ti.Vector([values[row, offset + i] for i in ti.static(range(size))])
        if ti.static(name in layout.perturbed and layout.per_pixel):
            value += self.slots[name][k]
        elif ti.static(name in layout.perturbed):
            value += self.shared[name][None]
        return value

    @ti.func
    def locate(
        self,
        k,
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
            k: whose perturbations are read.
            row: the row of values that is read.
            pose: which rotations are read.
            pixel: the pixel, row by row.
            triangle: the triangle that it sees.
            vertices: see :class:`tdr.stages.interpolator.TriangleAttributeInterpolator`, and the next four likewise.
            triangles: as above.
            normals: as above.
            normal_ids: as above.
            vertex_albedo: as above.
            rotations: (2 * poses, 3, 3), of the mesh and of the camera by turns.
            view: height, width, near, far.
            values: (rows, numbers), see :meth:`tdr.Pipeline.values`.
            layout: what is compiled.

        Returns:
            weights (4,): barycentrics and facing; depth_ndc; position (3,) and unit normal (3,) on the side that the
            camera sees, world space; the vertices' albedo (3,).
        """
        ndc_x = (2.0 * (pixel % ti.cast(view[1], ti.i32)) + 1.0) / view[1] - 1.0
        ndc_y = 1.0 - (2.0 * (pixel // ti.cast(view[1], ti.i32)) + 1.0) / view[0]
        aspect = view[1] / view[0]
        model_rotation = ti.Matrix([[rotations[2 * pose, i, j] for j in range(3)] for i in range(3)])
        camera_rotation = ti.Matrix([[rotations[2 * pose + 1, i, j] for j in range(3)] for i in range(3)])
        translation = self.read(values, row, k, layout, "mesh.translation")
        turn = self.read(values, row, k, layout, "mesh.rotation")
        scale = self.read(values, row, k, layout, "mesh.scale")[0]
        camera_position = self.read(values, row, k, layout, "camera.position")
        camera_turn = self.read(values, row, k, layout, "camera.rotation")
        focal = layout.camera.focal(self.read(values, row, k, layout, layout.camera.lens)[0])

        v_0 = triangles[triangle, 0]
        v_1 = triangles[triangle, 1]
        v_2 = triangles[triangle, 2]
        world_0 = model_to_world(
            ti.Vector([vertices[v_0, i] for i in range(3)]), model_rotation, turn, scale, translation
        )
        world_1 = model_to_world(
            ti.Vector([vertices[v_1, i] for i in range(3)]), model_rotation, turn, scale, translation
        )
        world_2 = model_to_world(
            ti.Vector([vertices[v_2, i] for i in range(3)]), model_rotation, turn, scale, translation
        )
        view_0 = world_to_view(world_0, camera_rotation, camera_turn, camera_position)
        view_1 = world_to_view(world_1, camera_rotation, camera_turn, camera_position)
        view_2 = world_to_view(world_2, camera_rotation, camera_turn, camera_position)
        clip_0 = layout.camera.view_to_clip(view_0, focal, aspect, view[2], view[3])
        clip_1 = layout.camera.view_to_clip(view_1, focal, aspect, view[2], view[3])
        clip_2 = layout.camera.view_to_clip(view_2, focal, aspect, view[2], view[3])
        weights = barycentrics_at(clip_0, clip_1, clip_2, ndc_x, ndc_y)
        clip = interpolate(weights, clip_0, clip_1, clip_2)

        n_0 = normal_ids[triangle, 0]
        n_1 = normal_ids[triangle, 1]
        n_2 = normal_ids[triangle, 2]
        normal_model = interpolate(
            weights,
            ti.Vector([normals[n_0, i] for i in range(3)]),
            ti.Vector([normals[n_1, i] for i in range(3)]),
            ti.Vector([normals[n_2, i] for i in range(3)]),
        )
        normal = weights[3] * tm.normalize(turned(model_rotation @ normal_model, turn))
        albedo = interpolate(
            weights,
            ti.Vector([vertex_albedo[v_0, i] for i in range(3)]),
            ti.Vector([vertex_albedo[v_1, i] for i in range(3)]),
            ti.Vector([vertex_albedo[v_2, i] for i in range(3)]),
        )
        return weights, clip[2] / clip[3], interpolate(weights, world_0, world_1, world_2), normal, albedo

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
        """What one light contributes to a pixel, linear RGB, (3,); the first light brings the ambient term along."""
        camera_rotation = ti.Matrix([[rotations[2 * pose + 1, i, j] for j in range(3)] for i in range(3)])
        to_eye = layout.camera.to_eye(
            position,
            self.read(values, row, k, layout, "camera.position"),
            camera_rotation,
            self.read(values, row, k, layout, "camera.rotation"),
        )
        factor = self.read(values, row, k, layout, "mesh.albedo")
        surface = layout.structs.Surface(position, normal, factor * albedo, to_eye)
        lamp = layout.structs.Light(
            -tm.normalize(self.read(values, row, k, layout, "light.direction")),
            self.read(values, row, k, layout, "light.color"),
        )
        constants = layout.structs.Constants(
            *[self.read(values, row, k, layout, name)[0] for name in ti.static(layout.constants)]
        )
        radiance = layout.shader.reflect(surface, lamp, constants)
        if light == 0:
            radiance += layout.shader.ambient(surface, constants)
        return radiance
