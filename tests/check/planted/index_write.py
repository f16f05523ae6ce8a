"""A local vector written at a run-time index: all derivatives through it are 0."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    tint = tm.vec3(0.3, 0.3, 0.3)
    band = ti.cast(ti.floor(ti.abs(surface.position.x) * 2.9), ti.i32) % 3
    tint[band] = constants.sharpness * (1.0 + cosine)
    return constants.diffuse * tint * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
