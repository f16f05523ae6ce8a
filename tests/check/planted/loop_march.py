"""Absorption along a ray that is marched in a run-time loop: derivatives are 0 or miss terms."""

import taichi as ti

parameters = {"ambient": 0.1, "diffuse": 0.8, "density": 0.9}


@ti.func
def reflect(surface, light, constants):
    transmittance = 1.0
    for step in range(10):
        point = surface.position + 0.1 * step * light.to_light
        transmittance *= ti.exp(-0.1 * constants.density * (1.0 + point.x * point.x))
    value = transmittance
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
