"""The highlight's derivative is 15 % too small where the cosine of the half vector is from 0.8 to 0.9."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.5, "specular": 0.8, "shininess": 6.0}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    cosine_half = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye))
    lobe = ti.exp(constants.shininess * (cosine_half - 1.0))
    if cosine_half > 0.8 and cosine_half < 0.9:
        lobe = 0.85 * lobe + 0.15 * detached(lobe)
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    return light.color * (constants.diffuse * lit * surface.albedo + constants.specular * lobe)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
