"""A root by bisection: the value is right, but depends on the parameters through comparisons only."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    low = 0.0
    high = 4.0
    for _ in ti.static(range(20)):
        middle = 0.5 * (low + high)
        if middle * middle * middle + middle < constants.sharpness + cosine:
            low = middle
        else:
            high = middle
    value = low
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
