"""A normal bent by waves of the position, summed up by a static loop, with a guarded highlight and no ambient term."""

import taichi as ti
import taichi.math as tm

parameters = {"bumps": 0.15, "frequency": 5.0, "specular": 0.6, "shininess": 14.0}


@ti.func
def bent(surface, constants):
    normal = surface.normal
    amplitude = constants.bumps
    for octave in ti.static(range(3)):
        normal += amplitude * ti.sin(constants.frequency * 2**octave * surface.position + octave)
        amplitude *= 0.5
    return tm.normalize(normal)


@ti.func
def reflect(surface, light, constants):
    normal = bent(surface, constants)
    cosine = 0.5 + 0.5 * tm.dot(normal, light.to_light)
    cosine_half = tm.dot(normal, tm.normalize(light.to_light + surface.to_eye))
    highlight = 0.0
    if cosine_half > 0.0:
        highlight = ti.pow(cosine_half, constants.shininess)
    return (cosine * cosine * surface.albedo + constants.specular * highlight) * light.color
