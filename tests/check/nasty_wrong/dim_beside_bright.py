"""A glow of 1e6 that is right, and light of order 1 beside it, whose derivative is twice too large."""

import taichi as ti
import taichi.math as tm

parameters = {"emission": 1e6, "diffuse": 0.8}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    lit = 2.0 * lit - detached(lit)
    return constants.diffuse * lit * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.emission * surface.albedo
