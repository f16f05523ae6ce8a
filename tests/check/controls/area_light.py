"""An area light: samples around the light's direction, averaged by a static loop."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "radius": 0.3}


@ti.func
def reflect(surface, light, constants):
    tangent = tm.normalize(tm.cross(light.to_light, tm.vec3(0.3, 1.0, 0.2)))
    bitangent = tm.cross(light.to_light, tangent)
    value = 0.0
    for i in ti.static(range(6)):
        around = ti.cos(tm.pi * i / 3.0) * tangent + ti.sin(tm.pi * i / 3.0) * bitangent
        cosine = tm.dot(surface.normal, tm.normalize(light.to_light + constants.radius * around))
        if cosine > 0.0:
            value += cosine / 6.0
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
