"""Layers added to a local vector in a run-time loop: derivatives are 0 or miss terms."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "falloff": 0.6}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    color = tm.vec3(0.0)
    weight = 1.0
    for layer in range(3):
        color += weight * ti.exp(-cosine * layer) * light.color
        weight *= constants.falloff
    return constants.diffuse * color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
