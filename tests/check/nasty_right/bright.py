"""A glow of 1e6 beside reflected light of order 1."""

import taichi as ti
import taichi.math as tm

parameters = {"emission": 1e6, "diffuse": 0.8, "shininess": 12.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    sheen = ti.exp(constants.shininess * (tm.dot(surface.normal, surface.to_eye) - 1.0))
    return constants.diffuse * (1.0 + cosine + sheen) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.emission * (1.0 + 0.5 * surface.normal.y) * surface.albedo
