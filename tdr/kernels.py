"""The kernels that work on covered pixels, and the perturbations through which they are differentiated.

Every kernel runs over a *band*: up to ``BAND`` entries of the list of covered pixels. A pixel reads a parameter p as
p + perturbation, where the perturbation is always zero. With one perturbation for each pixel of the band (a *slot*) a
single reverse pass leaves every pixel's own derivative in the slots' gradients; with one perturbation shared by all
pixels it leaves their sum, as ordinary reverse mode does. Which parameters are perturbed is decided at compile time,
so what is not asked for costs nothing.

One launch handles one light: the derivative with respect to the others' parameters is zero there, so the slots of one
light serve all, and there is no loop inside a differentiated kernel for Taichi's AD to get wrong.

Parameters and geometry are read and computed in float64 whatever the precision of the run, which rounds when it shades
and stores: in float32 a triangle seen at a grazing angle would lose half of its derivative's digits, and float64 costs
a fifth of the time.

What has a gradient is a Taichi field of ``BAND`` entries, made once a process; everything else comes as a NumPy array.
So nothing is compiled again and no memory grows from scene to scene.
"""

import functools
from dataclasses import dataclass
from types import SimpleNamespace

from tdr import backend
from tdr.backend import ti, tm
from tdr.parameters import Parameter, Reads
from tdr.stages.interpolator import barycentrics_at, interpolate
from tdr.stages.transforms import model_to_world, turned, world_to_view

# Pixels a launch: large enough to keep launches rare, small enough to bound the slots' memory (8 bytes a pixel and
# column in float32).
BAND = 1 << 18


# Rows of 3 in an array that is a kernel's argument, of whatever precision the array has. (As a type of values it would
# stay in the precision that Taichi ran in when it was made.)
vec3 = ti.types.vector(3, float)


@functools.cache
def _structs(_epoch: int, constants: tuple[str, ...]) -> SimpleNamespace:
    """The structs that shaders get, in the precision that Taichi runs in; see :mod:`tdr.stages.shaders`."""
    vector = ti.types.vector(3, float)
    return SimpleNamespace(
        Surface=ti.types.struct(position=vector, normal=vector, albedo=vector, to_eye=vector),
        Light=ti.types.struct(to_light=vector, color=vector),
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
    def constants(self) -> tuple[str, ...]:
        """The names of the shader's constants."""
        return tuple(p.name for p in self.parameters if p.name.startswith("shader."))

    @property
    def structs(self) -> SimpleNamespace:
        """The structs ``Surface``, ``Light`` and ``Constants`` that the shader's functions get."""
        return _structs(backend.epoch(), tuple(name.removeprefix("shader.") for name in self.constants))

    @property
    def moves(self) -> bool:
        """Whether a perturbed parameter is read before shading, so that geometry must be differentiated too."""
        return any(p.reads is Reads.POSE for p in self.parameters if p.name in self.perturbed)


@ti.data_oriented
class PixelKernels:
    """The kernels and the fields that have gradients; one instance for each start of Taichi (:func:`current_kernels`).

    Attributes:
        radiance: (BAND,) linear RGB of the band's pixels.
        slots: parameter name -> (BAND,) perturbations, one a pixel.
        shared: parameter name -> () perturbation, one for all pixels.
    """

    def __init__(self) -> None:
        self.radiance = ti.Vector.field(3, float, BAND, needs_grad=True)
        self.slots: dict[str, ti.MatrixField] = {}
        self.shared: dict[str, ti.MatrixField] = {}

    def allocate(self, layout: Layout) -> None:
        """Make the perturbations that a layout needs and that are not there yet."""
        fields, shape = (self.slots, (BAND,)) if layout.per_pixel else (self.shared, ())
        for parameter in layout.parameters:
            if parameter.name in layout.perturbed and parameter.name not in fields:
                fields[parameter.name] = ti.Vector.field(parameter.size, float, shape, needs_grad=True)

    @ti.func
    def read(self, values: ti.template(), light, k, layout: ti.template(), name: ti.template()):
        """A parameter with its perturbation, (size,)."""
        offset = ti.static(layout.offset(name))
        size = ti.static(layout.size(name))
        value = ti.Vector([values[light, offset + i] for i in ti.static(range(size))])
        if ti.static(name in layout.perturbed and layout.per_pixel):
            value += self.slots[name][k]
        elif ti.static(name in layout.perturbed):
            value += self.shared[name][None]
        return value

    @ti.func
    def locate(
        self,
        k,
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

        Returns:
            weights (4,): barycentrics and facing; depth_ndc; position (3,) and unit normal (3,) on the side that the
            camera sees, world space; the vertices' albedo (3,).
        """
        ndc_x = (2.0 * (pixel % ti.cast(view[1], ti.i32)) + 1.0) / view[1] - 1.0
        ndc_y = 1.0 - (2.0 * (pixel // ti.cast(view[1], ti.i32)) + 1.0) / view[0]
        aspect = view[1] / view[0]
        model_rotation = ti.Matrix([[rotations[0, i, j] for j in range(3)] for i in range(3)])
        camera_rotation = ti.Matrix([[rotations[1, i, j] for j in range(3)] for i in range(3)])
        translation = self.read(values, 0, k, layout, "mesh.translation")
        turn = self.read(values, 0, k, layout, "mesh.rotation")
        scale = self.read(values, 0, k, layout, "mesh.scale")[0]
        camera_position = self.read(values, 0, k, layout, "camera.position")
        camera_turn = self.read(values, 0, k, layout, "camera.rotation")
        focal = layout.camera.focal(self.read(values, 0, k, layout, layout.camera.lens)[0])

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
        position,
        normal,
        albedo,
        rotations: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        """What one light contributes to a pixel, linear RGB, (3,); the first light brings the ambient term along."""
        camera_rotation = ti.Matrix([[rotations[1, i, j] for j in range(3)] for i in range(3)])
        to_eye = layout.camera.to_eye(
            position,
            self.read(values, light, k, layout, "camera.position"),
            camera_rotation,
            self.read(values, light, k, layout, "camera.rotation"),
        )
        factor = self.read(values, light, k, layout, "mesh.albedo")
        surface = layout.structs.Surface(position, normal, factor * albedo, to_eye)
        lamp = layout.structs.Light(
            -tm.normalize(self.read(values, light, k, layout, "light.direction")),
            self.read(values, light, k, layout, "light.color"),
        )
        constants = layout.structs.Constants(
            *[self.read(values, light, k, layout, name)[0] for name in ti.static(layout.constants)]
        )
        radiance = layout.shader.reflect(surface, lamp, constants)
        if light == 0:
            radiance += layout.shader.ambient(surface, constants)
        return radiance

    @ti.kernel
    def fill_g_buffer(
        self,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(ndim=2),
        triangles: ti.types.ndarray(dtype=ti.i32, ndim=2),
        normals: ti.types.ndarray(ndim=2),
        normal_ids: ti.types.ndarray(dtype=ti.i32, ndim=2),
        vertex_albedo: ti.types.ndarray(ndim=2),
        rotations: ti.types.ndarray(ndim=3),
        view: ti.types.ndarray(ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
        positions: ti.types.ndarray(dtype=vec3, ndim=1),
        unit_normals: ti.types.ndarray(dtype=vec3, ndim=1),
        albedos: ti.types.ndarray(dtype=vec3, ndim=1),
    ):
        """Write position, normal and vertex albedo of every covered pixel, (N, 3) each; see :meth:`locate`."""
        for k in range(pixels.shape[0]):
            _weights, _depth, position, normal, albedo = self.locate(
                k,
                pixels[k],
                triangle_id[pixels[k]],
                vertices,
                triangles,
                normals,
                normal_ids,
                vertex_albedo,
                rotations,
                view,
                values,
                layout,
            )
            positions[k] = position
            unit_normals[k] = normal
            albedos[k] = albedo

    @ti.kernel
    def fill_coordinates(
        self,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(ndim=2),
        triangles: ti.types.ndarray(dtype=ti.i32, ndim=2),
        normals: ti.types.ndarray(ndim=2),
        normal_ids: ti.types.ndarray(dtype=ti.i32, ndim=2),
        vertex_albedo: ti.types.ndarray(ndim=2),
        rotations: ti.types.ndarray(ndim=3),
        view: ti.types.ndarray(ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
        barycentrics: ti.types.ndarray(dtype=vec3, ndim=1),
        depths: ti.types.ndarray(ndim=1),
    ):
        """Write barycentrics (N, 3) and depth_ndc (N,) of every covered pixel; only for looking at them."""
        for k in range(pixels.shape[0]):
            weights, depth, _position, _normal, _albedo = self.locate(
                k,
                pixels[k],
                triangle_id[pixels[k]],
                vertices,
                triangles,
                normals,
                normal_ids,
                vertex_albedo,
                rotations,
                view,
                values,
                layout,
            )
            barycentrics[k] = ti.Vector([weights[0], weights[1], weights[2]])
            depths[k] = depth

    @ti.kernel
    def shade(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        positions: ti.types.ndarray(dtype=vec3, ndim=1),
        unit_normals: ti.types.ndarray(dtype=vec3, ndim=1),
        albedos: ti.types.ndarray(dtype=vec3, ndim=1),
        rotations: ti.types.ndarray(ndim=3),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
        """Add one light's contribution to the band's radiance, from the G-buffer.

        Differentiable with respect to the perturbations of what shading reads.
        """
        for k in range(count):
            self.radiance[k] += self.radiance_of(
                light,
                k,
                positions[start + k],
                unit_normals[start + k],
                albedos[start + k],
                rotations,
                values,
                layout,
            )

    @ti.kernel
    def locate_and_shade(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        triangle_id: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(ndim=2),
        triangles: ti.types.ndarray(dtype=ti.i32, ndim=2),
        normals: ti.types.ndarray(ndim=2),
        normal_ids: ti.types.ndarray(dtype=ti.i32, ndim=2),
        vertex_albedo: ti.types.ndarray(ndim=2),
        rotations: ti.types.ndarray(ndim=3),
        view: ti.types.ndarray(ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
        """Add one light's contribution to the band's radiance, from the triangles.

        Differentiable with respect to every perturbation, the triangle that a pixel sees held fixed.
        """
        for k in range(count):
            _weights, _depth, position, normal, albedo = self.locate(
                k,
                pixels[start + k],
                triangle_id[pixels[start + k]],
                vertices,
                triangles,
                normals,
                normal_ids,
                vertex_albedo,
                rotations,
                view,
                values,
                layout,
            )
            self.radiance[k] += self.radiance_of(light, k, position, normal, albedo, rotations, values, layout)

    @ti.kernel
    def clear_radiance(self, count: ti.i32):
        """Set the band's radiance to zero."""
        for k in range(count):
            self.radiance[k] = ti.Vector([0.0, 0.0, 0.0])

    @ti.kernel
    def write_image(
        self,
        start: ti.i32,
        count: ti.i32,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        image: ti.types.ndarray(dtype=vec3, ndim=1),
    ):
        """Copy the band's radiance to its pixels of an image, (H * W, 3)."""
        for k in range(count):
            image[pixels[start + k]] = self.radiance[k]

    @ti.kernel
    def seed(self, count: ti.i32, cotangent: ti.types.ndarray(ndim=1)):
        """Put the same cotangent, (3,), on every pixel of the band."""
        for k in range(count):
            self.radiance.grad[k] = ti.Vector([cotangent[0], cotangent[1], cotangent[2]])

    @ti.kernel
    def seed_from(
        self,
        start: ti.i32,
        count: ti.i32,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        cotangents: ti.types.ndarray(dtype=vec3, ndim=1),
    ):
        """Put an image of cotangents, (H * W, 3), on the pixels of the band."""
        for k in range(count):
            self.radiance.grad[k] = cotangents[pixels[start + k]]

    @ti.kernel
    def clear_slots(self, count: ti.i32, layout: ti.template()):
        """Set the slots' gradients to zero: reverse passes add to them."""
        for k in range(count):
            for name in ti.static(sorted(layout.perturbed)):
                for n in ti.static(range(layout.size(name))):
                    self.slots[name].grad[k][n] = 0.0

    @ti.kernel
    def add_slots(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        channel: ti.i32,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        first_columns: ti.types.ndarray(dtype=ti.i32, ndim=2),
        columns: ti.types.ndarray(ndim=3),
        layout: ti.template(),
    ):
        """Add the slots' gradients to the Jacobian's columns.

        Args:
            start: the band's first entry in the list of covered pixels.
            count: its length.
            light: the light that the last launch handled.
            channel: which cotangent was seeded.
            pixels: the covered pixels.
            first_columns: (perturbed parameters, lights), the column of each parameter's first number.
            columns: (D, H * W, C), added to.
            layout: what was perturbed.
        """
        for k in range(count):
            for i, name in ti.static(enumerate(sorted(layout.perturbed))):
                gradient = self.slots[name].grad[k]
                for n in ti.static(range(layout.size(name))):
                    column = first_columns[i, light] + n
                    pixel = pixels[start + k]
                    # Not +=, which would be atomic: no other pixel writes here.
                    columns[column, pixel, channel] = columns[column, pixel, channel] + gradient[n]

    @ti.kernel
    def clear_shared(self, layout: ti.template()):
        """Set the shared perturbations' gradients to zero: reverse passes add to them."""
        for name in ti.static(sorted(layout.perturbed)):
            for n in ti.static(range(layout.size(name))):
                self.shared[name].grad[None][n] = 0.0

    @ti.kernel
    def add_shared(
        self,
        light: ti.i32,
        first_columns: ti.types.ndarray(dtype=ti.i32, ndim=2),
        gradient: ti.types.ndarray(ndim=1),
        layout: ti.template(),
    ):
        """Add the shared perturbations' gradients to a vector, (D,); see :meth:`add_slots`."""
        for i, name in ti.static(enumerate(sorted(layout.perturbed))):
            for n in ti.static(range(layout.size(name))):
                gradient[first_columns[i, light] + n] += self.shared[name].grad[None][n]


_current: tuple[int, PixelKernels] | None = None


def current_kernels() -> PixelKernels:
    """The kernels of the running Taichi; Taichi is started with its defaults if it is not running."""
    global _current
    if _current is None or _current[0] != backend.epoch():
        _current = (backend.epoch(), PixelKernels())
    return _current[1]
