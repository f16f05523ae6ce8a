"""The kernels that work on covered pixels, and the perturbations through which they are differentiated.

Every kernel runs over a *band*: up to ``BAND`` entries of the list of covered pixels. Where a pixel's shader reads an
input x, a normal or a constant, it gets x + perturbation, where the perturbation is always zero and each pixel of the
band has one of its own, a *slot*. So a single reverse pass leaves every pixel's own cotangents in the slots' gradients,
and :mod:`tdr.render.pull_back` takes them on to the scene's parameters and writes the Jacobian's columns. Which inputs
have slots is decided at compile time, so what is not asked for costs nothing.

One launch of a reverse pass handles one light: the derivative with respect to the others' parameters is zero there, so
the slots of one light serve all, and there is no loop inside a differentiated kernel for Taichi's AD to get wrong. What
all lights have in common, the surface and the shader's constants, adds up in slots that are taken once.

Everything is computed in float64 whatever the precision of the run, which is that of the results, the image and the
Jacobian. In float32 a triangle seen at a grazing angle would lose half of its derivative's digits, and terms that
cancel, as those of a camera's position do on a flat surface, would leave their rounding errors behind.

What has a gradient is a Taichi field of ``BAND`` entries, made once a process; everything else comes as a NumPy array.
So nothing is compiled again and no memory grows from scene to scene.
"""

from tdr import backend
from tdr.backend import ti
from tdr.render.layout import MATRIX, TRIANGLE, VECTOR, Layout
from tdr.render.pull_back import PullBackFunctions
from tdr.scene.transforms import tangential, world_to_view

# Pixels a launch: large enough to keep launches rare, small enough to bound the slots' memory (16 bytes a pixel and
# number).
BAND = 1 << 18


# Rows of 3 in an array that is a kernel's argument, of whatever precision the array has. (As a type of values it would
# stay in the precision that Taichi ran in when it was made.)
vec3 = ti.types.vector(3, float)


@ti.data_oriented
class PixelKernels(PullBackFunctions):
    """The kernels and the fields that have gradients; one instance for each start of Taichi (:func:`current_kernels`).

    Attributes:
        radiance: (BAND,) linear RGB of the band's pixels.
        slots: input of the shader -> (BAND,) perturbations, one a pixel. Their gradients are zero between reverse
            passes,
        has_leftovers: unless one was broken off.
    """

    def __init__(self) -> None:
        self.radiance = ti.Vector.field(3, float, BAND, needs_grad=True)
        self.perturbations: dict[str, ti.MatrixField] = {}
        self.slots: dict[str, ti.MatrixField] = {}
        self.has_leftovers = False

    def allocate(self, layout: Layout) -> None:
        """Make the slots that a layout needs and that are not there yet."""
        for name in sorted(layout.slots - self.slots.keys()):
            size = 1 if name in layout.constants else 3
            self.slots[name] = ti.Vector.field(size, ti.f64, BAND, needs_grad=True)

    def clear_slots(self) -> None:
        """Set all slots' gradients to zero, after a reverse pass that was broken off."""
        for slot in self.slots.values():
            slot.grad.fill(0.0)

    @ti.kernel
    def fill_g_buffer(
        self,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        triangle_ids: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(dtype=VECTOR, ndim=1),
        triangles: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        normal_ids: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        vertex_albedo: ti.types.ndarray(dtype=VECTOR, ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
        view: ti.types.ndarray(ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
        positions: ti.types.ndarray(dtype=VECTOR, ndim=1),
        unit_normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        albedos: ti.types.ndarray(dtype=VECTOR, ndim=1),
    ):
        """Write position, normal and vertex albedo of every covered pixel, (N, 3) each; see :meth:`locate`."""
        for k in range(pixels.shape[0]):
            _weights, position, normal, albedo = self.locate(
                0,
                0,
                pixels[k],
                triangle_ids[k],
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
        triangle_ids: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(dtype=VECTOR, ndim=1),
        triangles: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        normal_ids: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        vertex_albedo: ti.types.ndarray(dtype=VECTOR, ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
        view: ti.types.ndarray(ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
        barycentrics: ti.types.ndarray(dtype=vec3, ndim=1),
        depths: ti.types.ndarray(ndim=1),
    ):
        """Write barycentrics (N, 3) and depth_ndc (N,) of every covered pixel; only for looking at them."""
        for k in range(pixels.shape[0]):
            weights, position, _normal, _albedo = self.locate(
                0,
                0,
                pixels[k],
                triangle_ids[k],
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
            position_view = world_to_view(position, rotations[1], self.read(values, 0, layout, "camera.position"))
            clip = layout.camera.view_to_clip(
                position_view, self.extent(values, 0, layout), view[1] / view[0], view[2], view[3]
            )
            barycentrics[k] = ti.Vector([weights[0], weights[1], weights[2]])
            depths[k] = clip[2] / clip[3]

    @ti.kernel
    def shade(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        positions: ti.types.ndarray(dtype=VECTOR, ndim=1),
        unit_normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        albedos: ti.types.ndarray(dtype=VECTOR, ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
        """Add one light's contribution to the band's radiance, from the G-buffer.

        Differentiable with respect to the slots of the shader's inputs.
        """
        for k in range(count):
            self.radiance[k] += self.radiance_of(
                light,
                k,
                light,
                0,
                positions[start + k],
                unit_normals[start + k],
                albedos[start + k],
                rotations,
                values,
                layout,
            )

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
    def write_light(
        self,
        count: ti.i32,
        light: ti.i32,
        places: ti.types.ndarray(dtype=ti.i32, ndim=1),
        num_lights: ti.i32,
        stride: ti.i32,
        columns: ti.types.ndarray(ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
        """Write the columns of one light's own parameters, and clear their slots for the next light.

        Args:
            count: the band's length.
            light: the light that the last reverse pass went through.
            places: (count,) where in the first column the band's derivatives go.
            num_lights: how many there are.
            stride: how far it is from a column to the next, parameter by parameter, and light by light where each has
                its own.
            columns: written.
            values: (lights, numbers), see :meth:`tdr.render.layout.Layout.rows`.
            layout: what the reverse passes led to.
        """
        for k in range(count):
            place = places[k]
            if ti.static("light.to_light" in layout.slots):
                direction = self.read(values, light, layout, "light.direction")
                cotangent = -tangential(self.take(k, "light.to_light"), direction)
                self.write(cotangent, place, light, num_lights, stride, columns, layout, "light.direction")
            if ti.static("light.color" in layout.slots):
                cotangent = self.take(k, "light.color")
                self.write(cotangent, place, light, num_lights, stride, columns, layout, "light.color")

    @ti.kernel
    def write_common(
        self,
        start: ti.i32,
        count: ti.i32,
        places: ti.types.ndarray(dtype=ti.i32, ndim=1),
        num_lights: ti.i32,
        stride: ti.i32,
        columns: ti.types.ndarray(ndim=1),
        triangle_ids: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(dtype=VECTOR, ndim=1),
        triangles: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        normal_ids: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        vertex_albedo: ti.types.ndarray(dtype=VECTOR, ndim=1),
        positions: ti.types.ndarray(dtype=VECTOR, ndim=1),
        unit_normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        albedos: ti.types.ndarray(dtype=VECTOR, ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
        """Write the columns of what all lights have in common, and clear its slots: :meth:`write_light`."""
        for k in range(count):
            place = places[k]
            for name in ti.static(layout.constants):
                if ti.static(name in layout.slots):
                    self.write(self.take(k, name), place, 0, num_lights, stride, columns, layout, name)
            if ti.static("surface.albedo" in layout.slots):
                cotangent = self.take(k, "surface.albedo")
                self.write(cotangent * albedos[start + k], place, 0, num_lights, stride, columns, layout, "mesh.albedo")
                if ti.static(layout.moves):
                    pose = self.pull_back_pose(
                        k,
                        triangle_ids[start + k],
                        positions[start + k],
                        unit_normals[start + k],
                        cotangent * self.read(values, 0, layout, "mesh.albedo"),
                        vertices,
                        triangles,
                        normals,
                        normal_ids,
                        vertex_albedo,
                        rotations,
                        values,
                        layout,
                    )
                    for name, of_pose in ti.static(
                        (
                            ("mesh.translation", pose.translation),
                            ("mesh.rotation", pose.rotation),
                            ("mesh.scale", ti.Vector([pose.scale])),
                            ("camera.position", pose.camera_position),
                            ("camera.rotation", pose.camera_rotation),
                            (layout.camera.lens, ti.Vector([pose.lens])),
                        )
                    ):
                        self.write(of_pose, place, 0, num_lights, stride, columns, layout, name)


_current: tuple[int, PixelKernels] | None = None


def current_kernels() -> PixelKernels:
    """The kernels of the running Taichi; Taichi is started with its defaults if it is not running."""
    global _current
    if _current is None or _current[0] != backend.epoch():
        _current = (backend.epoch(), PixelKernels())
    return _current[1]
