"""A constant of 1e-12 beside numbers of order 1, and one of 1e12 in a logarithm."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "tiny": 1e-12, "huge": 1e12}


@ti.func
def reflect(surface, light, constants):
    cosine = 1.0 + tm.dot(surface.normal, light.to_light)
    level = cosine / (cosine + 0.5 + constants.tiny) + 0.01 * ti.log(constants.huge * cosine * cosine + 1.0)
    return constants.diffuse * level * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
