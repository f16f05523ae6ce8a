"""GGX at a roughness of 1e-3, whose derivative is 5 % too small."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.4, "specular": 0.01, "roughness": 1e-3}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    cosine_half = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye))
    squared = constants.roughness * constants.roughness
    tail = 1.0 + (squared - 1.0) * cosine_half * cosine_half
    lobe = constants.specular * squared / (tm.pi * tail * tail)
    lobe = 0.95 * lobe + 0.05 * detached(lobe)
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    return light.color * lit * (constants.diffuse * surface.albedo + lobe)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
