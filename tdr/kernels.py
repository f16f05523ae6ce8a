"""The kernels that work on covered pixels, and the perturbations through which they are differentiated.

Every kernel runs over a *band*: up to ``BAND`` entries of the list of covered pixels. A pixel reads a parameter p as
p + perturbation, where the perturbation is always zero. With one perturbation for each pixel of the band (a *slot*) a
single reverse pass leaves every pixel's own derivative in the slots' gradients; with one perturbation shared by all
pixels it leaves their sum, as ordinary reverse mode does. Which parameters are perturbed is decided at compile time,
so what is not asked for costs nothing.

One launch handles one light: the derivative with respect to the others' parameters is zero there, so the slots of one
light serve all, and there is no loop inside a differentiated kernel for Taichi's AD to get wrong.

A derivative with respect to a pose goes through the G-buffer: the passes of all lights leave the cotangents of
position, normal and albedo in slots of their own, from which one more pass goes on to the pose.

Everything is computed in float64 whatever the precision of the run, which is that of the results, the image and the
Jacobian. In float32 a triangle seen at a grazing angle would lose half of its derivative's digits, and terms that
cancel, as those of a camera's position do on a flat surface, would leave their rounding errors behind.

What has a gradient is a Taichi field of ``BAND`` entries, made once a process; everything else comes as a NumPy array.
So nothing is compiled again and no memory grows from scene to scene.
"""

from tdr import backend
from tdr.backend import ti
from tdr.pixel import MATRIX, TRIANGLE, VECTOR, Layout, PixelFunctions
from tdr.stages.transforms import world_to_view

# Pixels a launch: large enough to keep launches rare, small enough to bound the slots' memory (16 bytes a pixel and
# column).
BAND = 1 << 18


# Rows of 3 in an array that is a kernel's argument, of whatever precision the array has. (As a type of values it would
# stay in the precision that Taichi ran in when it was made.)
vec3 = ti.types.vector(3, float)


@ti.data_oriented
class PixelKernels(PixelFunctions):
    """The kernels and the fields that have gradients; one instance for each start of Taichi (:func:`current_kernels`).

    Attributes:
        radiance: (BAND,) linear RGB of the band's pixels.
        surface: (BAND,) perturbations of the G-buffer: positions, normals and albedos; none before a pose is perturbed.
        slots: parameter name -> (BAND,) perturbations, one a pixel.
        shared: parameter name -> () perturbation, one for all pixels.
    """

    def __init__(self) -> None:
        self.radiance = ti.Vector.field(3, float, BAND, needs_grad=True)
        self.surface: list[ti.MatrixField] = []
        self.slots: dict[str, ti.MatrixField] = {}
        self.shared: dict[str, ti.MatrixField] = {}

    def allocate(self, layout: Layout) -> None:
        """Make the perturbations that a layout needs and that are not there yet."""
        fields, shape = (self.slots, (BAND,)) if layout.per_pixel else (self.shared, ())
        for parameter in layout.parameters:
            if parameter.name in layout.perturbed and parameter.name not in fields:
                fields[parameter.name] = ti.Vector.field(parameter.size, ti.f64, shape, needs_grad=True)
        if layout.moves and not self.surface:
            self.surface += [VECTOR.field(shape=BAND, needs_grad=True) for _ in range(3)]

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
                k,
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
                k,
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
            position_view = world_to_view(position, rotations[1], self.read(values, 0, k, layout, "camera.position"))
            clip = layout.camera.view_to_clip(
                position_view, self.extent(values, 0, k, layout), view[1] / view[0], view[2], view[3]
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

        Differentiable with respect to the perturbations of what shading reads, and of the G-buffer where a pose is
        perturbed.
        """
        for k in range(count):
            position = positions[start + k]
            normal = unit_normals[start + k]
            albedo = albedos[start + k]
            if ti.static(layout.moves):
                position += self.surface[0][k]
                normal += self.surface[1][k]
                albedo += self.surface[2][k]
            self.radiance[k] += self.radiance_of(
                light, k, light, 0, position, normal, albedo, rotations, values, layout
            )

    @ti.kernel
    def locate_surface(
        self,
        start: ti.i32,
        count: ti.i32,
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
    ):
        """The G-buffer of the band as a function of its pose, the triangle that a pixel sees held fixed.

        Only its reverse pass runs: from the gradients of ``surface``, which it uses up, to the pose's perturbations.
        """
        for k in range(count):
            _weights, position, normal, albedo = self.locate(
                k,
                0,
                0,
                pixels[start + k],
                triangle_ids[start + k],
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
            self.surface[0][k] = position
            self.surface[1][k] = normal
            self.surface[2][k] = albedo

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
    def clear_surface(self, count: ti.i32):
        """Set the gradients of the G-buffer's perturbations to zero, likewise."""
        for k in range(count):
            for i in ti.static(range(3)):
                self.surface[i].grad[k] = ti.Vector([0.0, 0.0, 0.0])

    @ti.kernel
    def write_columns(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        channel: ti.i32,
        num_channels: ti.i32,
        places: ti.types.ndarray(dtype=ti.i32, ndim=1),
        first_columns: ti.types.ndarray(dtype=ti.i32, ndim=2),
        columns: ti.types.ndarray(ndim=2),
        layout: ti.template(),
        per_light: ti.template(),
    ):
        """Write the slots' gradients into the Jacobian's columns, and set those of one light to zero for the next.

        Args:
            start: the band's first entry in the list of covered pixels.
            count: its length.
            light: the light that the last launch handled; only read for what each light has.
            channel: which cotangent was seeded.
            num_channels: of how many.
            places: where in the columns the covered pixels' derivatives go.
            first_columns: (perturbed parameters, lights), the column of each parameter's first number.
            columns: (D, places * channels or more).
            layout: what was perturbed.
            per_light: whether to write what each light has, or what all have in common.
        """
        for k in range(count):
            place = places[start + k] * num_channels + channel
            for i, name in ti.static(enumerate(sorted(layout.perturbed))):
                if ti.static(layout.parameter(name).per_light == per_light):
                    gradient = self.slots[name].grad[k]
                    column = first_columns[i, light]
                    for n in ti.static(range(layout.size(name))):
                        columns[column + n, place] = gradient[n]
                        if ti.static(per_light):
                            self.slots[name].grad[k][n] = 0.0

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
        per_light: ti.template(),
    ):
        """Add the shared perturbations' gradients to a vector, (D,), and set them to zero: :meth:`write_columns`."""
        for i, name in ti.static(enumerate(sorted(layout.perturbed))):
            if ti.static(layout.parameter(name).per_light == per_light):
                for n in ti.static(range(layout.size(name))):
                    gradient[first_columns[i, light] + n] += self.shared[name].grad[None][n]
                    self.shared[name].grad[None][n] = 0.0


_current: tuple[int, PixelKernels] | None = None


def current_kernels() -> PixelKernels:
    """The kernels of the running Taichi; Taichi is started with its defaults if it is not running."""
    global _current
    if _current is None or _current[0] != backend.epoch():
        _current = (backend.epoch(), PixelKernels())
    return _current[1]
