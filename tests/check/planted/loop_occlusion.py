"""Ambient occlusion by a run-time loop of the ambient term: derivatives miss terms."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.4, "diffuse": 0.8, "reach": 0.5}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    return constants.diffuse * (1.0 + cosine) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    open_sky = 1.0
    for step in range(5):
        point = surface.position + constants.reach * (step + 1) * surface.normal
        open_sky -= 0.1 * ti.exp(-tm.dot(point, point))
    return constants.ambient * open_sky * surface.albedo
