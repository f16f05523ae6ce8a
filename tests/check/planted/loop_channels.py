"""A run-time loop that writes a local vector at its index: all derivatives through it are 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    step = 0.5 + 0.5 * ti.tanh(constants.sharpness * cosine)
    color = tm.vec3(0.0)
    for channel in range(3):
        color[channel] = constants.diffuse * step * light.color[channel] * surface.albedo[channel]
    return color


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
