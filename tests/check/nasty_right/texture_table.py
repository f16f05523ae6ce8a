"""A ramp of colours looked up in a table of the file, between them cubic splines."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "stretch": 5.0, "shift": 0.2}

COLORS = ((0.1, 0.2, 0.7), (0.2, 0.6, 0.9), (0.8, 0.8, 0.3), (0.9, 0.4, 0.1), (0.5, 0.1, 0.1), (0.2, 0.1, 0.3))


@ti.func
def spline(t):
    apart = ti.abs(t)
    weight = 0.0 * t
    if apart < 1.0:
        weight = 2.0 / 3.0 - apart * apart * (1.0 - 0.5 * apart)
    elif apart < 2.0:
        weight = (2.0 - apart) ** 3 / 6.0
    return weight


@ti.func
def reflect(surface, light, constants):
    level = constants.stretch * (0.5 + 0.5 * tm.dot(surface.normal, light.to_light) + constants.shift)
    color = 0.0 * surface.albedo
    for k in ti.static(range(len(COLORS))):
        color += spline(level - k) * ti.Vector(COLORS[k])
    return constants.diffuse * color * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
