"""A wave of two thousand radians a unit, at a phase of 1e4."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "frequency": 2e3, "phase": 1e4}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    wave = ti.sin(constants.frequency * surface.position.x + constants.phase)
    return constants.diffuse * (1.0 + 0.7 * cosine) * (1.0 + 0.5 * wave) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
