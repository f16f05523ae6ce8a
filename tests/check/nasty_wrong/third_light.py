"""A sheen under dark light only (green below 0.25) is detached: two thirds of that light's derivative are missing."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "sheen": 0.5}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    value = constants.diffuse * lit
    if light.color.y < 0.25:
        value += constants.sheen * detached(lit * lit)
    return value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
