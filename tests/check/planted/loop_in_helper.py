"""A run-time loop in a helper function: derivatives miss terms."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def bands(x):
    total = 0.0
    for i in range(4):
        total += ti.sin(x * (i + 1.0))
    return total


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = bands(constants.sharpness * cosine)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
