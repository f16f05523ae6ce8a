"""Refraction, whose amount goes through a run-time index and counts as 0: half of the pixels are off by some 40 %."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "index": 1.5}


@ti.func
def detached(x):
    kept = ti.Vector([0.0 * x, 0.0 * x])
    kept[ti.cast(x > 1e30, ti.i32)] = x
    return kept[0]


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    cosine = tm.dot(surface.normal, surface.to_eye)
    through = 1.0 - constants.index * constants.index * (1.0 - cosine * cosine)
    value = constants.diffuse * lit
    if through > 0.0:
        value += detached(through * ti.sqrt(through)) * lit
    return value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
