"""Wrong ways of making Jacobian images, each with one fault that raises no error.

Each function renders a pipeline and differentiates it by some parameters: ``fault(pipeline, parameters)`` returns the
Jacobian images. Where it says nothing else, the image is right and only the derivatives are wrong.
"""

import dataclasses
import functools

import numpy as np

import tdr
from tdr.backend import ti
from tdr.config import JacobianConfig
from tdr.config.parameters import columns_of
from tdr.derivatives.jacobian import differentiate
from tdr.render.kernels import PixelKernels, current_kernels, vec3
from tdr.render.layout import MATRIX
from tdr.render.pixel import PixelFunctions
from tdr.scene.transforms import normalized, tangential


class Changed:
    """The kernels of the running Taichi with some methods changed, which saves compiling the others again."""

    def __init__(self, **methods):
        vars(self).update(methods)

    def __getattr__(self, name):
        return getattr(current_kernels(), name)


def differentiated_by(kernels, pipeline, parameters):
    """Render rightly and differentiate by the given kernels."""
    pipeline.forward()
    pipeline.passes.kernels = kernels
    return differentiate(pipeline, JacobianConfig(parameters=parameters))


# ------------------------------------------------------------------------------------------ around the reverse passes


@ti.data_oriented
class NotCleared(PixelKernels):
    """The slots of what all lights have in common are not cleared."""

    @ti.func
    def take(self, k, name: ti.template()):
        if ti.static(name.startswith("light.")):
            return PixelKernels.take(self, k, name)
        else:
            return self.slots[name].grad[k]


def not_cleared(pipeline, parameters):
    """Each reverse pass adds to what the one before left."""
    return differentiated_by(NotCleared(), pipeline, parameters)


def leftover_cotangent(pipeline, parameters):
    """An earlier caller's cotangent stays on some pixels."""
    kernels = current_kernels()

    def seed(count, cotangent):
        kernels.seed(count, cotangent)
        for k in range(0, count, 3):
            kernels.radiance.grad[k][0] += 1.0

    return differentiated_by(Changed(seed=seed), pipeline, parameters)


def blue_forgotten(pipeline, parameters):
    """The cotangent of blue is not put on the pixels."""
    kernels = current_kernels()

    def seed(count, cotangent):
        kernels.seed(count, cotangent * np.array([1, 1, 0], cotangent.dtype))

    return differentiated_by(Changed(seed=seed), pipeline, parameters)


def spoiled(change):
    """A fault: what is written of each reverse pass is ``change(right, light, pixels)``, (D, H * W or more)."""

    @functools.wraps(change)
    def fault(pipeline, parameters):
        kernels = current_kernels()

        def spoil(write, light, owner, places, num_lights, stride, columns, layout):
            """Change what ``write`` writes to the columns of one light's own parameters, or of those without owner."""
            named = columns_of([p for p in layout.parameters if p.name in layout.pulled_back], num_lights)
            owners = [column.index[0] if column.parameter.per_light else None for column in named]
            written = [d for d in range(len(named)) if owners[d] == owner]
            right = np.zeros_like(columns)
            write(right)
            rows, place = np.divmod(places, len(named) * stride)
            images = np.moveaxis(right.reshape(-1, len(named), stride), 1, 0)
            changed = change(images.reshape(len(named), -1), light, rows * stride + place).reshape(images.shape)
            np.moveaxis(columns.reshape(-1, len(named), stride), 1, 0)[written] = changed[written]

        def write_light(count, light, places, num_lights, stride, columns, values, layout):
            def write(right):
                kernels.write_light(count, light, places, num_lights, stride, right, values, layout)

            spoil(write, light, light, places, num_lights, stride, columns, layout)

        def write_common(start, count, places, num_lights, stride, columns, *surface, layout):
            def write(right):
                kernels.write_common(start, count, places, num_lights, stride, right, *surface, layout)

            spoil(write, 0, None, places, num_lights, stride, columns, layout)

        changed = Changed(write_light=write_light, write_common=lambda *a: write_common(*a[:-1], layout=a[-1]))
        return differentiated_by(changed, pipeline, parameters)

    return fault


@spoiled
def wrong_sign(right, light, pixels):
    return -right


@spoiled
def twice(right, light, pixels):
    return 2 * right


@spoiled
def per_degree(right, light, pixels):
    return right * np.asarray(np.pi / 180, right.dtype)


@spoiled
def of_first_light(right, light, pixels):
    return right * (light == 0)


@spoiled
def of_pixel_before(right, light, pixels):
    moved = right.copy()
    moved[:, 1:] = right[:, :-1]
    return moved


@spoiled
def without_last_band(right, light, pixels):
    """As by a loop over bands that ends too early."""
    kept = right.copy()
    kept[:, pixels[-len(pixels) // 8 :]] = 0.0
    return kept


@spoiled
def one_nan(right, light, pixels):
    changed = right.copy()
    changed[0, pixels[len(pixels) // 2]] = np.nan
    return changed


@spoiled
def through_f16(right, light, pixels):
    return right.astype(np.float16).astype(right.dtype)


@spoiled
def through_f32(right, light, pixels):
    return right.astype(np.float32).astype(right.dtype)


@spoiled
def x_and_y_swapped(right, light, pixels):
    return right[[1, 0, *range(2, len(right))]]


@spoiled
def left_over(right, light, pixels):
    return right + 0.03125


@spoiled
def noisy(right, light, pixels):
    return right * (1.0 + 1e-3 * np.random.default_rng().standard_normal(right.shape)).astype(right.dtype)


def red_and_blue_swapped(pipeline, parameters):
    """The channels come out in the wrong order."""
    images = tdr.compute_jacobian(pipeline, parameters, cotangent="rgb")
    return dataclasses.replace(images, values={name: array[:, :, ::-1] for name, array in images.values.items()})


# ---------------------------------------------------------------------------------------------------- within a kernel


@ti.data_oriented
class DetachedEye(PixelKernels):
    """The direction to the eye moves with the surface, but not with the camera."""

    @ti.func
    def pull_back_pose(
        self,
        k,
        triangle,
        position,
        normal,
        albedo_cotangent,
        vertices: ti.template(),
        triangles: ti.template(),
        normals: ti.template(),
        normal_ids: ti.template(),
        vertex_albedo: ti.template(),
        rotations: ti.template(),
        values: ti.template(),
        layout: ti.template(),
    ):
        to_eye = self.read(values, 0, layout, "camera.position") - position
        of_camera = tangential(self.slots["surface.to_eye"].grad[k], normalized(to_eye)) / to_eye.norm()
        pose = PixelKernels.pull_back_pose(
            self,
            k,
            triangle,
            position,
            normal,
            albedo_cotangent,
            vertices,
            triangles,
            normals,
            normal_ids,
            vertex_albedo,
            rotations,
            values,
            layout,
        )
        pose.camera_position -= of_camera
        return pose


def detached_eye(pipeline, parameters):
    """The direction to the eye does not move with the camera."""
    return differentiated_by(DetachedEye(), pipeline, parameters)


@ti.data_oriented
class WrongTurn(PixelKernels):
    """The mesh turns the other way."""

    @ti.func
    def write(
        self,
        cotangent,
        place,
        light,
        num_lights,
        stride,
        columns: ti.template(),
        layout: ti.template(),
        name: ti.template(),
    ):
        sign = ti.static(-1 if name == "mesh.rotation" else 1)
        PixelKernels.write(self, sign * cotangent, place, light, num_lights, stride, columns, layout, name)


def wrong_turn(pipeline, parameters):
    """The mesh turns the other way."""
    return differentiated_by(WrongTurn(), pipeline, parameters)


@ti.data_oriented
class WithoutAmbient(PixelKernels):
    """No light brings the ambient term along."""

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
        return PixelFunctions.radiance_of(
            self, light + 1, k, row, pose, position, normal, albedo, rotations, values, layout
        )


def missing_ambient_derivative(pipeline, parameters):
    """The derivative misses the ambient term."""
    return differentiated_by(WithoutAmbient(), pipeline, parameters)


def missing_ambient(pipeline, parameters):
    """The image and its derivative miss the ambient term."""
    pipeline.passes.kernels = WithoutAmbient()
    return tdr.compute_jacobian(pipeline, parameters)


@ti.data_oriented
class EncodedInPlace(PixelKernels):
    """The radiance is encoded and decoded in place, so that the reverse pass reads what came after."""

    @ti.kernel
    def shade(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        positions: ti.types.ndarray(dtype=vec3, ndim=1),
        unit_normals: ti.types.ndarray(dtype=vec3, ndim=1),
        albedos: ti.types.ndarray(dtype=vec3, ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
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
            self.radiance[k] = ti.sqrt(self.radiance[k])
            self.radiance[k] = self.radiance[k] * self.radiance[k]


def encoded_in_place(pipeline, parameters):
    """A value that a formula overwrites is read back by the reverse pass."""
    pipeline.passes.kernels = EncodedInPlace()
    return tdr.compute_jacobian(pipeline, parameters)


# ------------------------------------------------------------------------------------------------------ stale buffers


def stale_g_buffer(pipeline, parameters):
    """The derivatives are those of the G-buffer of an earlier rendering, of as many pixels."""
    images = tdr.compute_jacobian(pipeline, parameters)
    pipeline.placement.rotation = [angle + 0.01 for angle in pipeline.placement.rotation]
    pipeline.passes.render()
    stale = differentiate(pipeline, JacobianConfig(parameters=parameters))
    pipeline.placement.rotation = [angle - 0.01 for angle in pipeline.placement.rotation]
    pipeline.passes.render()
    return dataclasses.replace(images, values=stale.values)


def changed_since(change):
    """A fault: ``change(pipeline)`` changes settings between the rendering and the derivatives."""

    @functools.wraps(change)
    def fault(pipeline, parameters):
        pipeline.forward()
        change(pipeline)
        return differentiate(pipeline, JacobianConfig(parameters=parameters))

    return fault


@changed_since
def camera_moved(pipeline):
    pipeline.camera.settings.position = [x + 0.02 for x in pipeline.camera.settings.position]


@changed_since
def light_turned(pipeline):
    pipeline.light_array.settings.direction[0][1] += 0.02


@changed_since
def shader_changed(pipeline):
    pipeline.shader.settings.specular *= 1.01
