"""Value noise whose fade is detached: what moves a point, the frequency say, has the derivative 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "frequency": 2.7}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def corner(x, y):
    return tm.fract(ti.sin(12.7 * x + 31.1 * y) * 437.58)


@ti.func
def faded(t):
    return detached(t * t * t * (t * (6.0 * t - 15.0) + 10.0))


@ti.func
def noise(x, y):
    left, low = ti.floor(x), ti.floor(y)
    fade = faded(x - left)
    lower = tm.mix(corner(left, low), corner(left + 1.0, low), fade)
    upper = tm.mix(corner(left, low + 1.0), corner(left + 1.0, low + 1.0), fade)
    return tm.mix(lower, upper, faded(y - low))


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    marble = 0.5 + noise(constants.frequency * surface.position.x, constants.frequency * surface.position.y)
    return constants.diffuse * lit * marble * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
