"""A run-time loop whose number of trips is a parameter: derivatives miss terms, and the parameter is rounded."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "octaves": 4.5}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    value = 0.0
    scale = 1.0
    for i in range(ti.cast(constants.octaves, ti.i32)):
        scale *= 0.5
        value += scale * ti.sin(cosine * (i + 1.0))
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
