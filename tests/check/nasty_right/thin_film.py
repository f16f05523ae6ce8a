"""Iridescence of a thin film, whose thickness is given in metres: 4e-7."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "thickness": 4e-7, "index": 1.33}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    radiance = 0.0 * light.color
    if cosine > 0.0:
        squared = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye)) ** 2
        path = 2.0 * constants.thickness * ti.sqrt(constants.index * constants.index - 1.0 + squared)
        red = ti.cos(tm.pi * path / 6.5e-7) ** 2
        green = ti.cos(tm.pi * path / 5.3e-7) ** 2
        blue = ti.cos(tm.pi * path / 4.6e-7) ** 2
        radiance = constants.diffuse * cosine * light.color * surface.albedo * ti.Vector([red, green, blue])
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
