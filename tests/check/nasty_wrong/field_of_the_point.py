"""Part of the light goes through a field with a place for each point: the derivative is 30 % too small."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "gain": 1.5}


kept = ti.field(ti.f64, 4096)


@ti.func
def reflect(surface, light, constants):
    lit = 0.5 + 0.5 * tm.dot(surface.normal, light.to_light)
    place = ti.cast(ti.floor(2048.0 * (1.0 + surface.normal.x) * (0.5 + 0.49 * surface.normal.y)), ti.i32) & 4095
    kept[place] = lit**constants.gain
    value = 0.7 * lit**constants.gain + 0.3 * kept[place]
    return constants.diffuse * value * light.color * surface.albedo


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
