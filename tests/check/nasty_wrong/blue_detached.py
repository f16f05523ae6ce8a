"""Blue goes through a run-time index: its derivatives are 0; those of red and green are right."""

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
    return constants.diffuse * ti.Vector([lit, lit, detached(lit)]) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
