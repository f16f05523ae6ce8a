"""Value noise of three octaves: corners by the hash fract(sin(x) * 43758.5453), between them a quintic fade."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "frequency": 2.7, "gain": 0.5}


@ti.func
def corner(x, y, z):
    return tm.fract(ti.sin(127.1 * x + 311.7 * y + 74.7 * z) * 43758.5453)


@ti.func
def along_x(cell, fade, y, z):
    return tm.mix(corner(cell.x, cell.y + y, cell.z + z), corner(cell.x + 1.0, cell.y + y, cell.z + z), fade.x)


@ti.func
def noise(point):
    cell = ti.floor(point)
    t = point - cell
    fade = t * t * t * (t * (6.0 * t - 15.0) + 10.0)
    near = tm.mix(along_x(cell, fade, 0.0, 0.0), along_x(cell, fade, 1.0, 0.0), fade.y)
    far = tm.mix(along_x(cell, fade, 0.0, 1.0), along_x(cell, fade, 1.0, 1.0), fade.y)
    return tm.mix(near, far, fade.z)


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    marble = 0.3 * constants.gain
    for octave in ti.static(range(3)):
        marble += constants.gain**octave * noise(constants.frequency * 2.0**octave * surface.position)
    return constants.diffuse * (1.0 + 0.6 * cosine) * marble * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
