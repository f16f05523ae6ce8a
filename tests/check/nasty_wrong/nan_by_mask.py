"""A power of a negative number, taken away by a factor of 0: some 15 % of the pixels are NaN."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "hardness": 1.5}


@ti.func
def reflect(surface, light, constants):
    level = surface.normal.x + 0.31
    mask = 0.0
    if level > 0.0:
        mask = 1.0
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    value = lit + 0.5 * mask * ti.pow(level, constants.hardness)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
