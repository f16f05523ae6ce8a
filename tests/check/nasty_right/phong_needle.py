"""Phong's lobe around the mirrored light, with a shininess of 4000."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.4, "specular": 0.9, "shininess": 4000.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    mirrored = 2.0 * cosine * surface.normal - light.to_light
    along = tm.dot(mirrored, surface.to_eye)
    highlight = 0.0
    if along > 0.0:
        highlight = ti.pow(along, constants.shininess)
    return light.color * (constants.diffuse * ti.max(cosine, 0.0) * surface.albedo + constants.specular * highlight)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
