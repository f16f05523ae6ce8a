"""Refraction out of glass: nothing comes through beyond the critical angle, and the slope is unbounded at it."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "index": 1.5, "absorption": 0.7}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, surface.to_eye)
    through = 1.0 - constants.index * constants.index * (1.0 - cosine * cosine)
    radiance = 0.2 * constants.diffuse * light.color * surface.albedo
    if through > 0.0:
        outside = ti.sqrt(through)
        bent = (outside - constants.index * cosine) * surface.normal + constants.index * surface.to_eye
        facing = 1.0 + tm.dot(bent, light.to_light)
        amount = 4.0 * constants.index * cosine * outside / (constants.index * cosine + outside) ** 2
        radiance += ti.exp(-constants.absorption / outside) * amount * facing * light.color * surface.albedo
        radiance += 0.2 * outside * light.color
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
