"""A ripple of 2 % is summed up by a run-time loop that reads an argument: its derivative is off by some 100 %."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "frequency": 2.0}


@ti.func
def ripple(phase):
    total = 0.0 * phase
    for i in range(3):
        total += ti.sin(phase * (i + 1))
    return total


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    bumps = 0.02 * ripple(constants.frequency * surface.position.x)
    return constants.diffuse * (lit + bumps) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
