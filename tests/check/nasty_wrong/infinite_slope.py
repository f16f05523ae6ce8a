"""A root that is 0 at some 3 % of the pixels: the image is finite, the derivative by the offset infinite."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "offset": 0.0}


@ti.func
def reflect(surface, light, constants):
    level = 0.0 * surface.normal.x
    if surface.normal.x < 0.79:
        level = 0.79 - surface.normal.x
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    return constants.diffuse * (lit + 0.2 * ti.sqrt(level + constants.offset)) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
