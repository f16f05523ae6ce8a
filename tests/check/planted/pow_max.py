"""The textbook highlight, max(0, n.h) to a power: the derivative by the exponent is NaN where n.h < 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    half = tm.normalize(light.to_light + surface.to_eye)
    value = ti.pow(ti.max(0.0, tm.dot(surface.normal, half)), constants.sharpness)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
