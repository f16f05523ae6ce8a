"""The derivative by one constant arrives at another: its own is 0, the other's is the sum of both."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "sheen": 0.4}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    edge = 1.2 - tm.dot(surface.normal, surface.to_eye)
    sheen = detached(constants.sheen) + constants.diffuse - detached(constants.diffuse)
    return light.color * surface.albedo * (constants.diffuse * lit + sheen * edge * edge)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
