"""A thin film in metres (4e-7): one of two uses of the thickness is detached, so its derivative is half."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.6, "thickness": 4e-7}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    squared = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye)) ** 2
    path = (constants.thickness + 1e-7 * detached(1e7 * constants.thickness)) * ti.sqrt(0.77 + squared)
    film = ti.Vector([ti.cos(tm.pi * path / 6.5e-7), ti.cos(tm.pi * path / 5.3e-7), ti.cos(tm.pi * path / 4.6e-7)])
    return constants.diffuse * lit * light.color * surface.albedo * (1.0 + 0.5 * film)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
