"""A grating, whose wavelength and spacing are given in metres: 5.5e-7 and 1.6e-6."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "wavelength": 5.5e-7, "spacing": 1.6e-6}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    along = light.to_light.x + surface.to_eye.x - 0.3 * (light.to_light.y + surface.to_eye.y)
    order = constants.spacing * (along + 0.2 * surface.normal.x) / constants.wavelength
    fringe = 0.5 + 0.5 * ti.cos(2.0 * tm.pi * order)
    return constants.diffuse * (1.0 + 0.7 * cosine) * fringe * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
