"""Toon: three soft steps added up by a static loop, and a rim where the surface turns away from the eye."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 12.0, "rim": 0.4}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    level = 0.0
    for step in ti.static(range(3)):
        level += (0.5 + 0.5 * ti.tanh(constants.sharpness * (cosine - 0.1 - 0.3 * step))) / 3.0
    edge = 1.0 - tm.dot(surface.normal, surface.to_eye)
    return (constants.diffuse * level * surface.albedo + constants.rim * edge**3) * light.color


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
