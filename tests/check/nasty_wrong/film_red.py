"""A thin film in metres (4e-7), whose red goes through a run-time loop: its derivatives are 0, not up to 5e6."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "thickness": 4e-7}


@ti.func
def detached(x):
    total = 0.0 * x
    for _ in range(4):
        total += 0.25 * x
    return total


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    squared = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye)) ** 2
    path = 2.0 * constants.thickness * ti.sqrt(0.77 + squared)
    red = ti.cos(detached(tm.pi * path / 6.5e-7))
    film = ti.Vector([red, ti.cos(tm.pi * path / 5.3e-7), ti.cos(tm.pi * path / 4.6e-7)])
    return constants.diffuse * lit * light.color * surface.albedo * (1.0 + 0.5 * film)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
