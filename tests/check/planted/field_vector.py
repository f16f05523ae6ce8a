"""A tint that goes through a field without a gradient: its derivative is 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "warmth": 0.6}


tint = ti.Vector.field(3, float, ())


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    tint[None] = tm.vec3(1.0, 0.5 + 0.5 * constants.warmth, constants.warmth)
    return constants.diffuse * (1.0 + cosine) * tint[None] * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
