"""A constant of 1e-12 and one of 1e12, which the formula brings to order 1."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "tiny": 1e-12, "huge": 1e12}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    wave = ti.sin(2.0 * constants.tiny * 1e12 * (1.0 + cosine)) + ti.exp(-constants.huge * 1e-12 * (1.0 + cosine))
    return constants.diffuse * (1.0 + 0.5 * wave) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
