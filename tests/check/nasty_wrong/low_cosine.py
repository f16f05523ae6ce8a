"""The derivative is 25 % too large where the light falls in at less than 0.3, and right elsewhere."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "wrap": 0.6}


@ti.func
def detached(x):
    kept = ti.Vector([0.0 * x, 0.0 * x])
    kept[ti.cast(x > 1e30, ti.i32)] = x
    return kept[0]


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    lit = (cosine + constants.wrap) ** 2
    if cosine < 0.3:
        lit = 1.25 * lit - 0.25 * detached(lit)
    return constants.diffuse * lit * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
