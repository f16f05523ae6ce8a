"""Radiance encoded with 1 / 2.2, whose derivative is that of the radiance before: off by 20 to 130 %."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def encoded(linear):
    return linear + detached(ti.pow(linear, 1.0 / 2.2) - linear)


@ti.func
def reflect(surface, light, constants):
    lit = 1.05 + tm.dot(surface.normal, light.to_light)
    linear = constants.diffuse * lit * light.color * surface.albedo
    return ti.Vector([encoded(linear.x), encoded(linear.y), encoded(linear.z)])


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
