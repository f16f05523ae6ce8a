"""The derivative of a dim light (red below 0.01) is 40 % too large where the normal's y is from 0.3 to 0.5."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    lit = 0.5 + 0.5 * tm.dot(surface.normal, light.to_light)
    if light.color.x < 0.01 and surface.normal.y > 0.3 and surface.normal.y < 0.5:
        lit = 1.4 * lit - 0.4 * detached(lit)
    return constants.diffuse * lit * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
