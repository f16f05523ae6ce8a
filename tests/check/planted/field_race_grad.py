"""A value of each pixel goes through one field with a gradient that all pixels share."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


scratch = ti.field(float, (), needs_grad=True)


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    scratch[None] = cosine
    value = 0.5 + 0.5 * ti.tanh(constants.sharpness * scratch[None])
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
