"""The exact reflectance of a dielectric, from normal to grazing views."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "specular": 0.9, "index": 1.5}


@ti.func
def reflectance(cosine, index):
    inside = ti.sqrt(index * index - 1.0 + cosine * cosine)
    across = (inside - cosine) / (inside + cosine)
    along = (cosine * (inside + cosine) - 1.0) / (cosine * (inside - cosine) + 1.0)
    return 0.5 * across * across * (1.0 + along * along)


@ti.func
def reflect(surface, light, constants):
    cosine_light = tm.dot(surface.normal, light.to_light)
    cosine_eye = tm.dot(surface.normal, surface.to_eye)
    radiance = 0.0 * light.color
    if cosine_light > 0.0 and cosine_eye > 0.0:
        into = 1.0 - reflectance(cosine_light, constants.index)
        out = 1.0 - reflectance(cosine_eye, constants.index)
        gloss = constants.specular * reflectance(cosine_eye, constants.index) * cosine_light
        radiance = light.color * (constants.diffuse * into * out * cosine_light * surface.albedo + gloss)
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
