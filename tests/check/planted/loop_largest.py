"""The largest of some lobes in a run-time loop: derivatives miss terms."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = 0.0
    for i in range(4):
        value = ti.max(value, constants.sharpness * (cosine - 0.2 * i) * (0.3 + 0.2 * i))
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
