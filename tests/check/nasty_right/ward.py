"""Ward's anisotropic highlight, eight times as long as wide, on tangents that a fixed axis gives."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.5, "specular": 0.05, "along": 0.4, "across": 0.05}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    cosine_eye = tm.dot(surface.normal, surface.to_eye)
    tangent = tm.cross(tm.vec3(0.25, 1.0, 0.5), surface.normal)
    radiance = 0.0 * light.color
    if cosine > 0.0 and cosine_eye > 0.0 and tm.dot(tangent, tangent) > 1e-6:
        tangent = tm.normalize(tangent)
        half = light.to_light + surface.to_eye
        x = tm.dot(half, tangent) / constants.along
        y = tm.dot(half, tm.cross(surface.normal, tangent)) / constants.across
        z = tm.dot(half, surface.normal)
        lobe = ti.exp(-(x * x + y * y) / (z * z)) / (4.0 * tm.pi * constants.along * constants.across)
        highlight = constants.specular * lobe * ti.sqrt(cosine / cosine_eye)
        radiance = light.color * (constants.diffuse * cosine * surface.albedo + highlight)
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
