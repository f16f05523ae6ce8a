"""Shaders: the colour that a surface point sends to the camera.

A shader is a class with

- ``Config``: its settings, a dataclass whose differentiable fields are the shader's constants;
- ``reflect(surface, light, constants)``: what one light contributes, linear RGB;
- ``ambient(surface, constants)``: what is there without any light, linear RGB.

``surface`` has ``position``, ``normal`` (unit, on the side that the camera sees), ``albedo`` (linear RGB, the mesh's
factor included) and ``to_eye`` (unit, towards the camera), all in world space. ``light`` has ``to_light`` (unit,
against the way its light travels) and ``color`` (linear RGB). ``constants`` has the fields of ``Config`` by name.

Both functions are differentiated as they stand, with respect to all their arguments. A singular point of a formula
(a power of zero, a root of zero) is guarded by an ``if`` around it: ``max`` and ``select`` let a NaN through.

A file of the user's own holds the same two functions at its top level, and its constants as ``parameters``
(:mod:`tdr.shaders.custom`, :mod:`tdr.config.shader_file`).
"""

from typing import Any

from tdr.backend import ti, tm
from tdr.config import BlinnPhongConfig, LambertianConfig, ShaderConfig
from tdr.config.attributes import HasSettings


class BlinnPhongShader(HasSettings):
    """Blinn-Phong reflection with an ambient term.

    Colour = ambient * albedo + sum over lights of color * (diffuse * albedo * max(0, n.l) + specular * max(0, n.h)**s),
    h halfway between the directions to the light and to the camera, s the shininess.

    The highlight is not cut off where n.l < 0, which keeps the colour continuous. Derivatives are 0 on the dark side of
    each max and at its edge; a highlight at l = -v, where h does not exist, is 0.

    Args:
        **settings: see :class:`tdr.config.BlinnPhongConfig`.

    Raises:
        InputError: if a setting is out of range.

    Source: Blinn 1977, "Models of light reflection for computer synthesized pictures" (half-vector form).
    """

    Config = BlinnPhongConfig

    def __init__(self, **settings) -> None:
        self.settings = BlinnPhongConfig(**settings)

    @staticmethod
    @ti.func
    def reflect(surface, light, constants):
        """What one light contributes, linear RGB, (3,)."""
        diffuse = ti.max(tm.dot(surface.normal, light.to_light), 0.0)
        radiance = light.color * (constants.diffuse * diffuse * surface.albedo)
        between = light.to_light + surface.to_eye
        length_squared = tm.dot(between, between)
        if length_squared > 0.0:
            cosine_half = tm.dot(surface.normal, between) / ti.sqrt(length_squared)
            if cosine_half > 0.0:
                # cosine ^ shininess; in a reverse pass its derivatives need no power of their own.
                power = ti.exp(constants.shininess * ti.log(cosine_half))
                radiance += light.color * (constants.specular * power)
        return radiance

    @staticmethod
    @ti.func
    def ambient(surface, constants):
        """What is there without any light, linear RGB, (3,)."""
        return constants.ambient * surface.albedo


class LambertianShader(HasSettings):
    """Diffuse reflection with an ambient term.

    Colour = ambient * albedo + sum over lights of color * diffuse * albedo * max(0, n.l). The derivative is 0 on the
    dark side and at its edge.

    Args:
        **settings: see :class:`tdr.config.LambertianConfig`.

    Raises:
        InputError: if a setting is out of range.

    Source: Lambert 1760, "Photometria".
    """

    Config = LambertianConfig

    def __init__(self, **settings) -> None:
        self.settings = LambertianConfig(**settings)

    @staticmethod
    @ti.func
    def reflect(surface, light, constants):
        """What one light contributes, linear RGB, (3,)."""
        diffuse = ti.max(tm.dot(surface.normal, light.to_light), 0.0)
        return constants.diffuse * diffuse * light.color * surface.albedo

    @staticmethod
    @ti.func
    def ambient(surface, constants):
        """What is there without any light, linear RGB, (3,)."""
        return constants.ambient * surface.albedo


SHADERS: dict[type[ShaderConfig], Any] = {BlinnPhongConfig: BlinnPhongShader, LambertianConfig: LambertianShader}
