"""Gradient noise on a lattice whose gradients are turned by large angles."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "frequency": 3.1, "relief": 0.9}


@ti.func
def corner(cell, offset, x, y, z):
    step = tm.vec3(x, y, z)
    at = cell + step
    turn = 127.1 * at.x + 269.5 * at.y + 419.2 * at.z
    gradient = ti.Vector([ti.cos(turn), ti.sin(turn), ti.cos(1.7 * turn)])
    return tm.dot(gradient, offset - step)


@ti.func
def noise(point):
    cell = ti.floor(point)
    t = point - cell
    fade = t * t * t * (t * (6.0 * t - 15.0) + 10.0)
    value = 0.0 * point.x
    for x, y, z in ti.static(ti.ndrange(2, 2, 2)):
        weight_x = fade.x if ti.static(x == 1) else 1.0 - fade.x
        weight_y = fade.y if ti.static(y == 1) else 1.0 - fade.y
        weight_z = fade.z if ti.static(z == 1) else 1.0 - fade.z
        value += weight_x * weight_y * weight_z * corner(cell, t, x, y, z)
    return value


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    relief = 1.0 + constants.relief * noise(constants.frequency * surface.position)
    return constants.diffuse * (1.0 + 0.6 * cosine) * relief * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
