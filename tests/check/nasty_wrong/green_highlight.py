"""A highlight whose green goes through a run-time loop: its derivatives are 0; those of red and blue are right."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "specular": 0.4, "shininess": 8.0}


@ti.func
def detached(x):
    total = 0.0 * x
    for _ in range(4):
        total += 0.25 * x
    return total


@ti.func
def reflect(surface, light, constants):
    half = tm.normalize(light.to_light + surface.to_eye)
    lobe = constants.specular * ti.exp(constants.shininess * (tm.dot(surface.normal, half) - 1.0))
    lit = constants.diffuse * (1.0 + tm.dot(surface.normal, light.to_light))
    return light.color * (lit * surface.albedo + ti.Vector([lobe, detached(lobe), lobe]))


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
