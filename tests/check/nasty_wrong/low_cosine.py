"""The derivative is 25 % too large where the light falls in at less than 0.3, and right elsewhere."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "wrap": 0.6}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


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
