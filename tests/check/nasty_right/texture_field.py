"""A texture of 8 x 8 texels in a field that is only read, between them bilinear."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "tiling": 2.3, "contrast": 0.7}


texels = ti.field(float, (8, 8))
for row in range(8):
    for column in range(8):
        texels[row, column] = (5 * row + 3 * column + row * column) % 11 / 16


@ti.func
def texture(u, v):
    left, low = ti.floor(u), ti.floor(v)
    right_part, high_part = u - left, v - low
    i, j = ti.cast(left, ti.i32) & 7, ti.cast(low, ti.i32) & 7
    i_next, j_next = (i + 1) & 7, (j + 1) & 7
    lower = (1.0 - right_part) * texels[i, j] + right_part * texels[i_next, j]
    upper = (1.0 - right_part) * texels[i, j_next] + right_part * texels[i_next, j_next]
    return (1.0 - high_part) * lower + high_part * upper


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    u = constants.tiling * (surface.position.x + 0.3 * surface.position.z)
    v = constants.tiling * (surface.position.y - 0.2 * surface.position.z)
    shade = 1.0 - constants.contrast * texture(u, v)
    return constants.diffuse * (1.0 + 0.7 * cosine) * shade * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
