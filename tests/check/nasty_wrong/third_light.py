"""A sheen that only reddish dark light has (green below 0.25) is detached from what it depends on."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "sheen": 0.5}


@ti.func
def detached(x):
    total = 0.0 * x
    for _ in range(4):
        total += 0.25 * x
    return total


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
