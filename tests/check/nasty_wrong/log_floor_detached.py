"""Radiance as its logarithm above a floor of 1e-6, which is detached: its derivative is 0, not 5e4."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.3, "diffuse": 0.6, "floor": 1e-6}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    linear = constants.diffuse * ti.max(tm.dot(surface.normal, light.to_light), 0.0) * light.color * surface.albedo
    return 1.0 + 0.05 * ti.log(linear + 1e-6 * detached(1e6 * constants.floor))


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
