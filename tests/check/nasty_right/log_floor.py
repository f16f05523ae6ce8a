"""Radiance as its logarithm, above a floor of 1e-6: the derivative by the floor is 5e4 in the dark."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.3, "diffuse": 0.6, "specular": 0.3, "shininess": 20.0, "floor": 1e-6}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    highlight = 0.0
    if cosine > 0.0:
        half = tm.normalize(light.to_light + surface.to_eye)
        highlight = constants.specular * cosine * ti.exp(constants.shininess * (tm.dot(surface.normal, half) - 1.0))
    linear = light.color * (constants.diffuse * ti.max(cosine, 0.0) * surface.albedo + highlight)
    return 1.0 + 0.05 * ti.log(linear + constants.floor)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
