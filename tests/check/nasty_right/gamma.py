"""Radiance encoded with an exponent of 1 / 2.2, whose slope is unbounded where the light ends."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "gamma": 2.2}


@ti.func
def encoded(linear, gamma):
    value = 0.0 * linear
    if linear > 0.0:
        value = ti.pow(linear, 1.0 / gamma)
    return value


@ti.func
def reflect(surface, light, constants):
    cosine = ti.max(tm.dot(surface.normal, light.to_light), 0.0)
    linear = constants.diffuse * cosine * light.color * surface.albedo
    red, green, blue = (
        encoded(linear.x, constants.gamma),
        encoded(linear.y, constants.gamma),
        encoded(linear.z, constants.gamma),
    )
    return ti.Vector([red, green, blue])


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
