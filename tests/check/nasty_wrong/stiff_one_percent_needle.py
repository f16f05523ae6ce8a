"""A highlight with a shininess of 4000, whose derivative is 1 % too large everywhere."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.5, "specular": 0.7, "shininess": 4000.0}


@ti.func
def detached(x):
    return ti.cast(ti.cast(x * 2.0**50, ti.i64), ti.f64) / 2.0**50


@ti.func
def reflect(surface, light, constants):
    cosine_half = tm.dot(surface.normal, tm.normalize(light.to_light + surface.to_eye))
    lobe = 0.0 * cosine_half
    if cosine_half > 0.0:
        lobe = ti.pow(cosine_half, constants.shininess)
        lobe = 1.01 * lobe - 0.01 * detached(lobe)
    diffuse = ti.max(tm.dot(surface.normal, light.to_light), 0.0)
    return light.color * (constants.diffuse * diffuse * surface.albedo + constants.specular * lobe)


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
