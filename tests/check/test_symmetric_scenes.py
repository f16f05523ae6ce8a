"""Scenes far away or full of ties, whose right derivatives were called wrong once.

Where a light just grazes a surface, a random change of the data may switch it off, and where colours are equal or
linear, it may do nothing by chance; then rounding, or the fitting of steps, is easily misjudged.
"""

import numpy as np
import pytest
from checked import said
from random_scenes import placed

import tdr
from tdr.check.check import check_jacobian
from tdr.config import Shading
from tdr.results.check_result import Verdict

ICOSAHEDRON, CUBE = tdr.TriangleMesh.sphere(0), tdr.TriangleMesh.cube(0)
LAMBERTIAN = tdr.LambertianShader(ambient=0.0, diffuse=1.0)
DARK = [0.0, 0.0, 0.0]
BLUE = [0.0, 0.0, 1.0]


def waves(mesh: tdr.TriangleMesh) -> tdr.TriangleMesh:
    """The mesh with an albedo that varies."""
    return tdr.TriangleMesh(mesh.vertices, mesh.triangles, 0.6 + 0.4 * np.sin(mesh.vertices + np.arange(3.0)))


def lights(*directions, color):
    """Lights, of which only the last is not black."""
    colors = [DARK] * (len(directions) - 1) + [color]
    return tdr.DirectionalLightArray(direction=[list(map(float, d)) for d in directions], color=colors)


def of_size(height):
    return lambda: tdr.OrthographicCamera(position=[0.0, 0.0, 2.0], height=height)


def beside(x, y, height):
    return lambda: tdr.OrthographicCamera(position=[x, y, 2.0], height=height)


# mesh, camera, lights, shader, mesh settings, where it is, whether its vertices go there, resolution
SCENES = {
    "coordinates that only the translation makes large": (
        waves(ICOSAHEDRON),
        lambda: tdr.PerspectiveCamera(position=[0.0, 0.0, 2.0], fov=25.0),
        lights([0, 0, 1], color=DARK),
        tdr.BlinnPhongShader(ambient=1.0, diffuse=0.0, specular=0.0, shininess=1.0),
        {"albedo": BLUE},
        [1e5, 0.0, 0.0],
        False,
        (8, 8),
    ),
    "a light's edge where the slope is 0": (
        ICOSAHEDRON,
        of_size(3.0),
        tdr.DirectionalLightArray(
            direction=[[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.0, -1.0]], color=[BLUE, DARK, DARK]
        ),
        LAMBERTIAN,
        {"albedo": BLUE},
        [0.0, 0.0, 1e4],
        False,
        (57, 8),
    ),
    "a channel that is linear beside one that is not": (
        waves(ICOSAHEDRON),
        of_size(3.0),
        lights([0, 0, -1], color=[0.0, 1.0, 0.0]),
        tdr.BlinnPhongShader(ambient=1.0, diffuse=0.0, specular=1.0, shininess=1.0),
        {"albedo": BLUE, "scale": 0.6875},
        [0.0, 0.0, 1e4],
        False,
        (8, 8),
    ),
    "all but black pixels": (
        ICOSAHEDRON,
        of_size(2.0),
        lights([0, 0, -1], color=BLUE),
        tdr.BlinnPhongShader(ambient=0.0, diffuse=0.0, specular=1.0, shininess=18.0),
        {"albedo": DARK, "rotation": [1.0, 0.0, 0.0]},
        [-7071.067811865475, 0.0, 7071.067811865475],
        True,
        (28, 8),
    ),
    "a kink that rounding hides": (
        waves(ICOSAHEDRON),
        of_size(1.0),
        tdr.DirectionalLightArray(
            direction=[[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.0, -1.0]], color=[BLUE, DARK, DARK]
        ),
        LAMBERTIAN,
        {"albedo": BLUE},
        [0.0, 0.0, 1e5],
        False,
        (55, 8),
    ),
    "a kink that bending hides": (
        waves(ICOSAHEDRON),
        of_size(1.0),
        lights([0, 1, 0], color=[1.0, 0.0, 0.0]),
        tdr.BlinnPhongShader(ambient=0.0, diffuse=0.0625, specular=1.0, shininess=1.0),
        {"albedo": [0.03125, 0.0, 0.0], "scale": 0.5},
        [1e5, 0.0, 0.0],
        False,
        (11, 9),
    ),
    "a triangle that is seen all but edge-on": (
        waves(ICOSAHEDRON),
        beside(0.25, -1.0, 1.70703125),
        lights([0, 0, -1], [0, 0, -1], [0, 1, 0], color=DARK),
        tdr.LambertianShader(ambient=1.0, diffuse=0.0),
        {"albedo": BLUE, "rotation": [0.77734375, -1.0, 1.0]},
        [0.0, 1e4, 0.0],
        True,
        (59, 22),
    ),
    "a dim channel that is linear": (
        waves(CUBE),
        beside(-0.5, 0.5, 1.0),
        lights([0, 0, -1], [-1, 0, 0], color=[0.0, 1.0, 0.0]),
        tdr.BlinnPhongShader(ambient=1.0, diffuse=0.0, specular=1.0, shininess=5.0),
        {"albedo": [0.0, 0.0, 1.192092896e-07], "rotation": [0.0, 1.5, 6.103515625e-05]},
        [0.0, 0.0, 0.0],
        False,
        (8, 10),
    ),
}


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("cotangent", [[1.0, 1.0, 1.0], "rgb"], ids=["sum", "rgb"])
@pytest.mark.parametrize("name", SCENES)
def test_right_derivatives_are_called_right(name, cotangent):
    mesh, camera, light_array, shader, settings, offset, by_vertices, resolution = SCENES[name]
    placement = tdr.MeshConfig(shading=Shading.smooth, **settings)
    pipeline = placed(
        tdr.Pipeline(mesh, camera(), light_array, shader, placement, resolution), 1.0, np.array(offset), by_vertices
    )
    result = check_jacobian(pipeline, tdr.compute_jacobian(pipeline, "all", cotangent=cotangent))
    assert result.verdict is Verdict.passed, said(result)
    assert all(check.max_error < 1e-3 for check in result.columns)
