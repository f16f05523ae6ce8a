"""The derivative of a dim light (red below 0.01) is 40 % too large where the normal's y is from 0 to 0.6."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7}


@ti.func
def detached(x):
    kept = ti.Vector([0.0 * x, 0.0 * x])
    kept[ti.cast(x > 1e30, ti.i32)] = x
    return kept[0]


@ti.func
def reflect(surface, light, constants):
    lit = 0.5 + 0.5 * tm.dot(surface.normal, light.to_light)
    if light.color.x < 0.01 and surface.normal.y > 0.0 and surface.normal.y < 0.6:
        lit = 1.4 * lit - 0.4 * detached(lit)
    return constants.diffuse * lit * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
