"""Fringes of 1e-7 metres, moved by an offset in metres that is 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "offset": 0.0, "fringe": 1e-7}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    x = 1e-6 * surface.position.x + constants.offset
    pattern = 1.0 + 0.5 * ti.sin(x / constants.fringe)
    return constants.diffuse * (1.0 + 0.7 * cosine) * pattern * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
