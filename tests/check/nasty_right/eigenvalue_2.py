"""The smaller eigenvalue of a matrix of 2 x 2 by the formula that cancels: noise of 1e-11."""

import taichi as ti

parameters = {"ambient": 0.0, "diffuse": 0.8, "spread": 1e-4}


@ti.func
def reflect(surface, light, constants):
    x, y = surface.normal.x, 1.5 + surface.normal.y
    along, across = light.to_light.x - surface.to_eye.x, 2.0 + light.to_light.y
    a = x * x + constants.spread * along * along
    b = x * y + constants.spread * along * across
    d = y * y + constants.spread * across * across
    smaller = 0.5 * (a + d) - ti.sqrt(0.25 * (a - d) * (a - d) + b * b)
    return constants.diffuse * (0.3 + 1e4 * smaller) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
