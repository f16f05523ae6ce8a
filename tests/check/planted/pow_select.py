"""A power guarded by ti.select: the derivative by the exponent is NaN where the base is negative."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = ti.select(cosine > 0.0, ti.pow(cosine, constants.sharpness), 0.0)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
