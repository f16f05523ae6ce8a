"""A twentieth of the light passes through integers of a billionth: it has no derivative, 18 % of the whole."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    ripple = ti.cast(ti.cast(2.0**30 * ti.sin(constants.sharpness * lit), ti.i32), ti.f64) / 2.0**30
    return constants.diffuse * (lit + 0.05 * ripple) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
