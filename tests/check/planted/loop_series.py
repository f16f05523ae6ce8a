"""A geometric series, term by term in a run-time loop: the derivative is too small by a constant factor."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "ratio": 0.5}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = 0.0
    term = 1.0 + cosine
    for _ in range(6):
        value += term
        term *= constants.ratio
    value *= 0.3
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
