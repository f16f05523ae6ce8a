"""Phong's lobe with a shininess of 4000, whose derivative is 0.1 % too small everywhere."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.5, "specular": 0.9, "shininess": 4000.0}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    along = tm.dot(2.0 * cosine * surface.normal - light.to_light, surface.to_eye)
    lobe = 0.0 * cosine
    if along > 0.0:
        lobe = ti.exp(constants.shininess * ti.log(along))
        lobe = 0.999 * lobe + 0.001 * detached(lobe)
    return light.color * (constants.diffuse * ti.max(cosine, 0.0) * surface.albedo + constants.specular * lobe)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
