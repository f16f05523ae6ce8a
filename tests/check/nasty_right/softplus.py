"""The soft maximum of three levels, by exponents that are shifted so that none overflows."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "hardness": 300.0}


@ti.func
def softplus(x):
    value = ti.log(1.0 + ti.exp(-ti.abs(x)))
    if x > 0.0:
        value += x
    return value


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    levels = ti.Vector([cosine, surface.normal.y, surface.normal.x]) * constants.hardness
    largest = levels.max()
    total = 0.0 * largest
    for i in ti.static(range(3)):
        total += ti.exp(levels[i] - largest)
    level = (largest + ti.log(total)) / constants.hardness
    lit = softplus(constants.hardness * (cosine - 0.1)) / constants.hardness
    return constants.diffuse * (1.2 + level + lit) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
