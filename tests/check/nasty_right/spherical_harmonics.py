"""Irradiance by nine spherical harmonics as the ambient term; the lights add a little."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.6, "diffuse": 0.3, "tilt": 0.4}


@ti.func
def reflect(surface, light, constants):
    cosine = ti.max(tm.dot(surface.normal, light.to_light), 0.0)
    return constants.diffuse * cosine * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    x, y, z = surface.normal.x, surface.normal.y, surface.normal.z
    band_0 = 0.886 * tm.vec3(0.8, 0.75, 0.7)
    band_1 = 1.023 * (y * tm.vec3(0.4, 0.35, 0.5) + constants.tilt * z * tm.vec3(0.3, 0.2, 0.1) - x * 0.15)
    band_2 = 0.858 * (x * y * tm.vec3(0.1, 0.12, 0.05) - y * z * tm.vec3(0.2, 0.1, 0.3) + constants.tilt * x * z * 0.3)
    band_2 += 0.248 * (3.0 * z * z - 1.0) * tm.vec3(0.1, 0.2, 0.3) + 0.429 * (x * x - y * y) * tm.vec3(0.2, 0.1, 0.1)
    return constants.ambient * (band_0 + band_1 + band_2) * surface.albedo
