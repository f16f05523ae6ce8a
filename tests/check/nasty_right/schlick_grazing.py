"""Schlick's reflectance with its exponent as a parameter, which rises steeply towards grazing views."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.5, "reflectance": 0.04, "exponent": 5.0, "rim": 0.8}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    cosine_eye = tm.dot(surface.normal, surface.to_eye)
    grazing = 0.0
    if cosine_eye < 1.0:
        grazing = ti.pow(1.0 - cosine_eye, constants.exponent)
    fresnel = constants.reflectance + (1.0 - constants.reflectance) * grazing
    wrapped = 0.25 * (1.0 + cosine) * (1.0 + cosine)
    return light.color * wrapped * (constants.diffuse * (1.0 - fresnel) * surface.albedo + constants.rim * fresnel)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
