"""Stripes of two materials, chosen by where a point lies: right everywhere but on the lines between them."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "specular": 0.5, "shininess": 40.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    stripe = ti.cast(ti.floor(2.7 * surface.position.x), ti.i32) & 1
    radiance = constants.diffuse * (1.0 + cosine) * surface.albedo
    if stripe == 1:
        half = tm.normalize(light.to_light + surface.to_eye)
        radiance *= 0.3 + 0.2 * cosine
        radiance += constants.specular * ti.exp(constants.shininess * (tm.dot(surface.normal, half) - 1.0))
    return radiance * light.color


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
