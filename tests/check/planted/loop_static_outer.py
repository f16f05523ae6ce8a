"""A run-time loop within a static one: derivatives miss terms."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = 0.0
    for i in ti.static(range(2)):
        for j in range(3):
            value += ti.sin(constants.sharpness * cosine + i + j)
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
