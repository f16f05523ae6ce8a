"""A texture whose weights between texels go through a run-time index: they count as 0, and so do their derivatives."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.8, "tiling": 2.3}


@ti.func
def detached(x):
    kept = ti.Vector([0.0 * x, 0.0 * x])
    kept[ti.cast(x > 1e30, ti.i32)] = x
    return kept[0]


texels = ti.field(float, (8, 8))
for row in range(8):
    for column in range(8):
        texels[row, column] = (5 * row + 3 * column + row * column) % 11 / 16


@ti.func
def texture(u, v):
    left, low = ti.floor(u), ti.floor(v)
    right_part, high_part = detached(u - left), detached(v - low)
    i, j = ti.cast(left, ti.i32) & 7, ti.cast(low, ti.i32) & 7
    lower = tm.mix(texels[i, j], texels[(i + 1) & 7, j], right_part)
    upper = tm.mix(texels[i, (j + 1) & 7], texels[(i + 1) & 7, (j + 1) & 7], right_part)
    return tm.mix(lower, upper, high_part)


@ti.func
def reflect(surface, light, constants):
    lit = 1.0 + tm.dot(surface.normal, light.to_light)
    shade = 1.0 - 0.7 * texture(constants.tiling * surface.position.x, constants.tiling * surface.position.y)
    return constants.diffuse * lit * shade * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
