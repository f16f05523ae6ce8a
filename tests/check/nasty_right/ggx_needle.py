"""GGX at a roughness of 1e-3: a needle of 3e5, whose tails fall over ten orders of magnitude."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.4, "specular": 0.01, "roughness": 1e-3}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    radiance = 0.0 * light.color
    if cosine > 0.0:
        cosine_half = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye))
        squared = constants.roughness * constants.roughness
        tail = 1.0 + (squared - 1.0) * cosine_half * cosine_half
        lobe = squared / (tm.pi * tail * tail)
        radiance = light.color * cosine * (constants.diffuse * surface.albedo + constants.specular * lobe)
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
