"""Light that wraps around and fades with the way under the skin, in metres: exp(-distance / 1e-3)."""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "diffuse": 0.7, "mean_path": 1e-3, "depth": 2e-3, "wrap": 0.4}


@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light)
    wrapped = (cosine + constants.wrap) / (1.0 + constants.wrap)
    radiance = 0.0 * light.color
    if wrapped > 0.0:
        distance = constants.depth * (1.0 + 0.5 * surface.normal.y) * (1.2 - cosine)
        red = ti.exp(-distance / constants.mean_path)
        green = ti.exp(-distance / (0.4 * constants.mean_path))
        blue = ti.exp(-distance / (0.15 * constants.mean_path))
        under = ti.Vector([red, green, blue])
        radiance = light.color * wrapped * (constants.diffuse * wrapped * surface.albedo + under)
    return radiance


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
