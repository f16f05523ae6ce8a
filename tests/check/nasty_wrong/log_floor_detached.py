"""Radiance as its logarithm above a floor of 1e-6, which is detached."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.3, "diffuse": 0.6, "floor": 1e-6}


@ti.func
def detached(x):
    kept = ti.Vector([0.0 * x, 0.0 * x])
    kept[ti.cast(x > 1e30, ti.i32)] = x
    return kept[0]


@ti.func
def reflect(surface, light, constants):
    linear = constants.diffuse * ti.max(tm.dot(surface.normal, light.to_light), 0.0) * light.color * surface.albedo
    return 1.0 + 0.05 * ti.log(linear + detached(constants.floor))


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
