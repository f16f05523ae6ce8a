"""The smallest eigenvalue of a matrix of 3 x 3 by the trigonometric formula, whose terms cancel."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "small": 1e-3, "medium": 0.3}


@ti.func
def reflect(surface, light, constants):
    n, v = surface.normal, light.to_light + surface.to_eye
    matrix = n.outer_product(n) + constants.medium * v.outer_product(v)
    for i in ti.static(range(3)):
        matrix[i, i] += constants.small * (2.0 + surface.normal[i])
    mean = (matrix[0, 0] + matrix[1, 1] + matrix[2, 2]) / 3.0
    for i in ti.static(range(3)):
        matrix[i, i] -= mean
    deviation = ti.sqrt((matrix * matrix).sum() / 6.0)
    cosine = 0.5 * matrix.determinant() / deviation**3
    smallest = mean - deviation
    if ti.abs(cosine) < 1.0:
        smallest = mean + 2.0 * deviation * ti.cos(ti.acos(cosine) / 3.0 + 2.0 * tm.pi / 3.0)
    return constants.diffuse * (0.3 + 200.0 * smallest) * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
