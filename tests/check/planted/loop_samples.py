"""An area light whose samples are averaged in a run-time loop: derivatives miss terms."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "radius": 0.3}


@ti.func
def reflect(surface, light, constants):
    tangent = tm.normalize(tm.cross(light.to_light, tm.vec3(0.3, 1.0, 0.2)))
    value = 0.0
    for i in range(8):
        angle = 0.785398 * i
        to_sample = tm.normalize(light.to_light + constants.radius * ti.cos(angle) * tangent)
        cosine = tm.dot(surface.normal, to_sample)
        value += (1.0 + cosine) / 16.0
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
