"""The root of a negative number, taken away by a factor of 0, at the rim: some 3 % of the pixels are NaN."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "rim": 0.17}


@ti.func
def reflect(surface, light, constants):
    level = tm.dot(surface.normal, surface.to_eye) - constants.rim
    mask = ti.cast(level > 0.0, ti.i32)
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    return constants.diffuse * (lit + 0.3 * mask * ti.sqrt(level)) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
