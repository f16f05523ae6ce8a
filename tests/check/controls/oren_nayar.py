"""Oren-Nayar with angles by acos, whose poles are clamped away.

Source: Oren & Nayar 1994, "Generalization of Lambert's reflectance model".
"""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "roughness": 0.4}


@ti.func
def tangent(angle):
    return ti.sin(angle) / ti.cos(angle)


@ti.func
def reflect(surface, light, constants):
    cosine_light = tm.dot(surface.normal, light.to_light)
    cosine_eye = tm.dot(surface.normal, surface.to_eye)
    value = 0.0
    if cosine_light > 0.0 and cosine_eye > 0.0:
        angle_light = ti.acos(tm.clamp(cosine_light, 0.0, 0.9999))
        angle_eye = ti.acos(tm.clamp(cosine_eye, 0.0, 0.9999))
        along_light = light.to_light - cosine_light * surface.normal
        along_eye = surface.to_eye - cosine_eye * surface.normal
        squared = constants.roughness * constants.roughness
        a = 1.0 - 0.5 * squared / (squared + 0.33)
        b = 0.45 * squared / (squared + 0.09)
        turned = tm.dot(along_light, along_eye) / ti.sqrt(
            tm.dot(along_light, along_light) * tm.dot(along_eye, along_eye) + 1e-9
        )
        value = a
        if turned > 0.0:
            value += b * turned * ti.sin(ti.max(angle_light, angle_eye)) * tangent(ti.min(angle_light, angle_eye))
        value *= cosine_light
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
