"""A power by repeated multiplication in a run-time loop: the derivative is that of the last factor alone."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    half = tm.normalize(light.to_light + surface.to_eye)
    cosine = tm.dot(surface.normal, half)
    value = 1.0
    for _ in range(6):
        value *= cosine
    value = value * constants.sharpness
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
