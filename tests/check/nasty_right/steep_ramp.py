"""A ramp by tanh of a steepness of 1e4: flat but for a line of some pixels."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "steepness": 1e4, "edge": 0.8771}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    ramp = 0.5 + 0.5 * ti.tanh(constants.steepness * (cosine - constants.edge))
    return constants.diffuse * (0.3 * (1.0 + cosine) + ramp) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
