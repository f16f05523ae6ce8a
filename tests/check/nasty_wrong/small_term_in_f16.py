"""A tenth of the light passes through float16: the image is a staircase of some 1e-5."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    ripple = ti.cast(ti.sin(constants.sharpness * lit), ti.f16)
    return constants.diffuse * (lit + 0.1 * ripple) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
