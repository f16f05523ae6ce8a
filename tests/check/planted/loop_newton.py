"""A square root by Newton's iteration in a run-time loop: derivatives are nearly 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    square = 1.1 + constants.sharpness * cosine * cosine
    value = 1.0
    for _ in range(8):
        value = 0.5 * (value + square / value)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
