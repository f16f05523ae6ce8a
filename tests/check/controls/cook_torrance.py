"""Cook-Torrance with GGX's distribution, Smith's shadowing and Schlick's reflectance; singular points are guarded.

Source: Walter et al. 2007, "Microfacet models for refraction through rough surfaces"; Schlick 1994, "An inexpensive
BRDF model for physically-based rendering".
"""

import taichi as ti
import taichi.math as tm

parameters = {"ambient": 0.1, "metallic": 0.3, "roughness": 0.45, "reflectance": 0.04}


@ti.func
def shadowing(cosine, squared):
    return 2.0 * cosine / (cosine + ti.sqrt(squared + (1.0 - squared) * cosine * cosine))


@ti.func
def reflect(surface, light, constants):
    cosine_light = tm.dot(surface.normal, light.to_light)
    cosine_eye = tm.dot(surface.normal, surface.to_eye)
    color = tm.vec3(0.0)
    if cosine_light > 0.0 and cosine_eye > 1e-3:
        half = tm.normalize(light.to_light + surface.to_eye)
        cosine_half = tm.dot(surface.normal, half)
        squared = constants.roughness**4
        tail = cosine_half * cosine_half * (squared - 1.0) + 1.0
        distribution = squared / (tm.pi * tail * tail)
        visible = shadowing(cosine_light, squared) * shadowing(cosine_eye, squared)
        grazing = (1.0 - tm.dot(half, surface.to_eye)) ** 5
        for channel in ti.static(range(3)):
            base = constants.reflectance + constants.metallic * (surface.albedo[channel] - constants.reflectance)
            fresnel = base + (1.0 - base) * grazing
            specular = fresnel * distribution * visible / (4.0 * cosine_light * cosine_eye)
            diffuse = (1.0 - fresnel) * (1.0 - constants.metallic) * surface.albedo[channel] / tm.pi
            color[channel] = (diffuse + specular) * cosine_light * light.color[channel]
    return color


@ti.func
def ambient(surface, constants):
    return constants.ambient * surface.albedo
