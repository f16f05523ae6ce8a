"""Kernels that differentiate wrongly, each with one fault that raises no error."""

import numpy as np

from tdr.backend import ti, tm
from tdr.kernels import PixelKernels
from tdr.stages.interpolator import barycentrics_at, interpolate
from tdr.stages.transforms import model_to_world, world_to_view


def not_cleared():
    """Each reverse pass adds to what the one before left."""
    kernels = PixelKernels()
    kernels.clear_slots = lambda count, layout: None
    return kernels


def seeded_once():
    """The cotangent is put on the pixels for the first pass only."""
    kernels = PixelKernels()
    seed, seeded = kernels.seed, []

    def seed_first(count, cotangent):
        if not seeded:
            seed(count, cotangent)
            seeded.append(True)

    kernels.seed = seed_first
    return kernels


def leftover_cotangent():
    """An earlier caller's cotangent stays on some pixels."""
    kernels = PixelKernels()
    seed = kernels.seed

    def add_seed(count, cotangent):
        seed(count, cotangent)
        for k in range(0, count, 7):
            kernels.radiance.grad[k][0] += 0.01

    kernels.seed = add_seed
    return kernels


def after_adding(change):
    """Kernels whose derivatives of each reverse pass are changed by ``change(columns, light, pixels)``."""
    kernels = PixelKernels()
    add_slots = kernels.add_slots

    def add_changed(start, count, light, channel, pixels, first_columns, columns, layout):
        added = np.zeros_like(columns)
        add_slots(start, count, light, channel, pixels, first_columns, added, layout)
        columns += change(added, light, pixels)

    kernels.add_slots = add_changed
    return kernels


def shifted(added, light, pixels):
    """Every pixel gets the derivatives of the covered pixel before it."""
    moved = added.copy()
    moved[:, pixels[1:]] = added[:, pixels[:-1]]
    return moved


def only_one_band(added, light, pixels):
    """The last pixels are left out, as by a loop that ends too early."""
    kept = added.copy()
    kept[:, pixels[-len(pixels) // 20 :]] = 0.0
    return kept


def one_pixel(added, light, pixels):
    """A single number that is not finite."""
    spoiled = added.copy()
    spoiled[0, pixels[len(pixels) // 2]] = np.nan
    return spoiled


def half_precision(added, light, pixels):
    """Derivatives that pass through a buffer of 16-bit numbers."""
    return added.astype(np.float16).astype(added.dtype)


def single_precision(added, light, pixels):
    """Derivatives of a float64 run that pass through a float32 buffer."""
    return added.astype(np.float32).astype(added.dtype)


def swapped(added, light, pixels):
    """x and y of the first parameter change places."""
    return added[[1, 0, *range(2, len(added))]]


@ti.data_oriented
class StoredOver(PixelKernels):
    """The radiance is squared in place by a second kernel between shading and the reverse pass."""

    @ti.kernel
    def shade(
        self,
        start: ti.i32,
        count: ti.i32,
        light: ti.i32,
        positions: ti.types.ndarray(ndim=2),
        unit_normals: ti.types.ndarray(ndim=2),
        albedos: ti.types.ndarray(ndim=2),
        rotations: ti.types.ndarray(ndim=3),
        values: ti.types.ndarray(ndim=2),
        layout: ti.template(),
    ):
        for k in range(count):
            color = self.radiance_of(
                light,
                k,
                light,
                0,
                ti.Vector([positions[start + k, i] for i in ti.static(range(3))]),
                ti.Vector([unit_normals[start + k, i] for i in ti.static(range(3))]),
                ti.Vector([albedos[start + k, i] for i in ti.static(range(3))]),
                rotations,
                values,
                layout,
            )
            self.radiance[k] += color
            self.radiance[k] *= self.radiance[k]


@ti.data_oriented
class WithoutAmbient(PixelKernels):
    """The ambient term is missing in what is rendered and differentiated."""

    @ti.func
    def radiance_of(self, light, k, row, pose, position, normal, albedo, rotations: ti.template(), values: ti.template(), layout: ti.template()):
        factor = self.read(values, row, k, layout, "mesh.albedo")
        to_eye = tm.normalize(self.read(values, row, k, layout, "camera.position") - position)
        surface = layout.structs.Surface(position, normal, factor * albedo, to_eye)
        lamp = layout.structs.Light(
            -tm.normalize(self.read(values, row, k, layout, "light.direction")),
            self.read(values, row, k, layout, "light.color"),
        )
        constants = layout.structs.Constants(
            *[self.read(values, row, k, layout, name)[0] for name in ti.static(layout.constants)]
        )
        return layout.shader.reflect(surface, lamp, constants)


@ti.data_oriented
class DetachedEye(PixelKernels):
    """The direction to the eye is taken from the unperturbed camera: the derivative misses a term."""

    @ti.func
    def radiance_of(self, light, k, row, pose, position, normal, albedo, rotations: ti.template(), values: ti.template(), layout: ti.template()):
        offset = ti.static(layout.offset("camera.position"))
        camera = ti.Vector([values[row, offset + i] for i in ti.static(range(3))])
        factor = self.read(values, row, k, layout, "mesh.albedo")
        surface = layout.structs.Surface(position, normal, factor * albedo, tm.normalize(camera - position))
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


@ti.data_oriented
class WrongPose(PixelKernels):
    """The mesh turns about its axes the other way, and the normal does not turn at all."""

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
        ndc_x = (2.0 * (pixel % ti.cast(view[1], ti.i32)) + 1.0) / view[1] - 1.0
        ndc_y = 1.0 - (2.0 * (pixel // ti.cast(view[1], ti.i32)) + 1.0) / view[0]
        model = ti.Matrix([[rotations[0, i, j] for j in range(3)] for i in range(3)])
        camera = ti.Matrix([[rotations[1, i, j] for j in range(3)] for i in range(3)])
        turn = -self.read(values, row, k, layout, "mesh.rotation")
        scale = self.read(values, row, k, layout, "mesh.scale")[0]
        translation = self.read(values, row, k, layout, "mesh.translation")
        focal = layout.camera.focal(self.read(values, row, k, layout, layout.camera.lens)[0])
        corners = ti.Matrix([[vertices[triangles[triangle, c], i] for i in range(3)] for c in range(3)])
        world_0 = model_to_world(corners[0, :], model, turn, scale, translation)
        world_1 = model_to_world(corners[1, :], model, turn, scale, translation)
        world_2 = model_to_world(corners[2, :], model, turn, scale, translation)
        eye = self.read(values, row, k, layout, "camera.position")
        camera_turn = self.read(values, row, k, layout, "camera.rotation")
        aspect = view[1] / view[0]
        clip_0 = layout.camera.view_to_clip(
            world_to_view(world_0, camera, camera_turn, eye), focal, aspect, view[2], view[3]
        )
        clip_1 = layout.camera.view_to_clip(
            world_to_view(world_1, camera, camera_turn, eye), focal, aspect, view[2], view[3]
        )
        clip_2 = layout.camera.view_to_clip(
            world_to_view(world_2, camera, camera_turn, eye), focal, aspect, view[2], view[3]
        )
        weights = barycentrics_at(clip_0, clip_1, clip_2, ndc_x, ndc_y)
        clip = interpolate(weights, clip_0, clip_1, clip_2)
        normal_0 = ti.Vector([normals[normal_ids[triangle, 0], i] for i in range(3)])
        normal_1 = ti.Vector([normals[normal_ids[triangle, 1], i] for i in range(3)])
        normal_2 = ti.Vector([normals[normal_ids[triangle, 2], i] for i in range(3)])
        normal = weights[3] * tm.normalize(model @ interpolate(weights, normal_0, normal_1, normal_2))
        albedo = interpolate(
            weights,
            ti.Vector([vertex_albedo[triangles[triangle, 0], i] for i in range(3)]),
            ti.Vector([vertex_albedo[triangles[triangle, 1], i] for i in range(3)]),
            ti.Vector([vertex_albedo[triangles[triangle, 2], i] for i in range(3)]),
        )
        return weights, clip[2] / clip[3], interpolate(weights, world_0, world_1, world_2), normal, albedo
