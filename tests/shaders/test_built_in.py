"""Shaders: their functions against the formulas."""

import numpy as np
import pytest
import taichi as ti
from reference import Surface as ReferenceSurface
from reference import normalized, shade

import tdr
from tdr import backend
from tdr.errors import InputError

CONSTANTS = {
    tdr.BlinnPhongShader: {"ambient": 0.2, "diffuse": 0.7, "specular": 0.6, "shininess": 12.0},
    tdr.LambertianShader: {"ambient": 0.2, "diffuse": 0.7},
}
shaders = pytest.mark.parametrize("shader", CONSTANTS)


class Types:
    """What shaders get, in the precision that runs when this is made."""

    def __init__(self, constants):
        vector = ti.types.vector(3, float)
        self.Surface = ti.types.struct(position=vector, normal=vector, albedo=vector, to_eye=vector)
        self.Light = ti.types.struct(to_light=vector, color=vector)
        self.Constants = ti.types.struct(**dict.fromkeys(constants, float))
        self.num_constants = len(constants)


@ti.kernel
def shade_points(
    shader: ti.template(),
    types: ti.template(),
    points: ti.types.ndarray(ndim=3),
    values: ti.types.ndarray(ndim=1),
    radiance: ti.types.ndarray(ndim=2),
):
    """Points hold normals, albedos, directions to the eye and to the light, and the light's colours, (5, N, 3)."""
    for i in range(points.shape[1]):
        constants = types.Constants(*[values[n] for n in ti.static(range(types.num_constants))])
        normal = ti.Vector([points[0, i, n] for n in range(3)])
        albedo = ti.Vector([points[1, i, n] for n in range(3)])
        to_eye = ti.Vector([points[2, i, n] for n in range(3)])
        surface = types.Surface(ti.Vector([0.0, 0.0, 0.0]), normal, albedo, to_eye)
        color = ti.Vector([points[4, i, n] for n in range(3)])
        light = types.Light(ti.Vector([points[3, i, n] for n in range(3)]), color)
        result = shader.ambient(surface, constants) + shader.reflect(surface, light, constants)
        for n in ti.static(range(3)):
            radiance[i, n] = result[n]


def shaded(shader, normals, albedos, to_eyes, to_lights, color) -> np.ndarray:
    constants = CONSTANTS[shader]
    radiance = backend.array(np.zeros_like(normals))
    points = np.stack([normals, albedos, to_eyes, to_lights, np.broadcast_to(color, normals.shape)])
    shade_points(shader, Types(constants), backend.array(points), backend.array(list(constants.values())), radiance)
    return radiance


@pytest.mark.usefixtures("precision")
@shaders
def test_reflection_follows_the_formula(shader, rng):
    """Lights and eyes on all sides of the surface."""
    normals, to_eyes, to_lights = normalized(rng.normal(size=(3, 200, 3)))
    albedos, color = rng.uniform(size=(200, 3)), np.array([0.9, 1.5, 0.3])
    values = {f"shader.{name}": value for name, value in CONSTANTS[shader].items()} | {"mesh.albedo": 1.0}
    expected = np.concatenate(
        [
            shade(
                ReferenceSurface(*np.zeros((2, 1, 3)), normals[[i]], albedos[[i]], to_eyes[[i]], np.zeros(1)),
                values | {"light.direction": -to_lights[[i]], "light.color": color[None]},
            )
            for i in range(200)
        ]
    )
    # Twenty roundings of numbers up to 3; the shininess multiplies the relative error of the cosine, and h is
    # ill-conditioned where light and eye are opposite.
    closest = np.linalg.norm(to_lights + to_eyes, axis=1).min()
    atol = 20 * 3 * 12 / closest * np.finfo(backend.dtype()).eps
    np.testing.assert_allclose(shaded(shader, normals, albedos, to_eyes, to_lights, color), expected, rtol=0, atol=atol)


@pytest.mark.usefixtures("precision")
@shaders
def test_light_from_behind_leaves_the_ambient_term(shader):
    """Also from exactly behind, where light and eye cancel and their half-way vector does not exist."""
    normal, albedo = np.array([[0.0, 0.0, 1.0]] * 3), np.array([[0.5, 1.0, 0.25]] * 3)
    to_light = np.array([[0.0, 0.0, -1.0], [0.6, 0.0, -0.8], [0.0, 0.0, -1.0]])
    to_eye = np.array([[0.0, 0.0, 1.0], [-0.6, 0.0, 0.8], [0.6, 0.0, 0.8]])
    radiance = shaded(shader, normal, albedo, to_eye, to_light, [1.0, 1.0, 1.0])
    # cos(n, h) of the third is -0.2 / |(0.6, 0, -0.2)|, below 0 as well.
    np.testing.assert_array_equal(radiance, backend.array(0.2) * backend.array(albedo))


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"shader\.shininess must .* at least 0; got -1"):
        tdr.BlinnPhongShader(shininess=-1.0)
    with pytest.raises(InputError, match=r"shader\.diffuse must be a finite number .*; got nan"):
        tdr.LambertianShader(diffuse=float("nan"))
