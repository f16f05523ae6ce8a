"""The exact reflectance, whose derivative is 3 % too large at grazing views and right elsewhere."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.5, "specular": 0.8, "index": 1.5}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, surface.to_eye)
    inside = ti.sqrt(constants.index * constants.index - 1.0 + cosine * cosine)
    across = (inside - cosine) / (inside + cosine)
    along = (cosine * (inside + cosine) - 1.0) / (cosine * (inside - cosine) + 1.0)
    fresnel = 0.5 * across * across * (1.0 + along * along)
    if cosine < 0.35:
        fresnel = 1.03 * fresnel - 0.03 * detached(fresnel)
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    return light.color * (constants.diffuse * lit * surface.albedo + constants.specular * lit * fresnel)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
