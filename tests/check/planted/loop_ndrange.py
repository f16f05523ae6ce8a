"""A grid of samples in a run-time ti.ndrange: derivatives are wrong, some of them in sign."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = 0.0
    for i, j in ti.ndrange(2, 3):
        value += 0.1 * ti.sin(constants.sharpness * cosine + i + 2.0 * j)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
