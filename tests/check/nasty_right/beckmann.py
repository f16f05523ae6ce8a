"""Beckmann's distribution at a roughness of 0.01: its tails fall below the least number."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.4, "specular": 1e-3, "roughness": 0.01}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    cosine_half = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye))
    radiance = 0.0 * light.color
    if cosine > 0.0 and cosine_half > 0.0:
        squared = cosine_half * cosine_half
        slope = (1.0 - squared) / (squared * constants.roughness * constants.roughness)
        lobe = ti.exp(-slope) / (tm.pi * constants.roughness * constants.roughness * squared * squared)
        radiance = light.color * cosine * (constants.diffuse * surface.albedo + constants.specular * lobe)
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
