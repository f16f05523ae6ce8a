"""A vector type that is float32 whatever the precision: values have too few digits in float64."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "sharpness": 3.0}


color_f32 = ti.types.vector(3, ti.f32)


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    tint = color_f32(1.0, constants.sharpness, 0.3)
    return constants.diffuse * cosine * tint * light.color


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
