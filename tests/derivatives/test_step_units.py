"""The units of steps follow a scene's size, its place and its numbers."""

import numpy as np
import pytest
import random_scenes
from scenes import pipeline_of

import tdr
from tdr.config.parameters import columns_of
from tdr.derivatives.step_units import Extents

WALL = tdr.TriangleMesh([[-9, -9, 0], [9, -9, 0], [0, 9, 0]], [[0, 1, 2]])


def units_of(pipeline) -> dict[str, float]:
    pipeline.forward()
    columns = columns_of(pipeline.parameters, pipeline.light_array.num_lights)
    units = Extents.of(pipeline.passes).units(pipeline.passes, columns)
    return dict(zip([column.name for column in columns], units, strict=True))


@pytest.mark.usefixtures("f64")
def test_what_is_seen_is_measured():
    """A wall from 2 away, 60 degrees high, is seen 4 tan(30 degrees) high."""
    pipeline = tdr.Pipeline(WALL, tdr.PerspectiveCamera(position=[0.0, -3.0, 2.0], fov=60.0), resolution=(64, 64))
    pipeline.forward()
    extents = Extents.of(pipeline.passes)
    points = pipeline.passes.interpolator.g_buffer[0]
    height = 4.0 * np.tan(np.pi / 6)
    assert 0.7 * height < extents.size < 1.3 * height
    assert extents.from_camera == pytest.approx(np.median(np.linalg.norm(points - [0.0, -3.0, 2.0], axis=1)), rel=0.05)
    assert extents.from_mesh == pytest.approx(np.median(np.linalg.norm(points, axis=1)), rel=0.1)
    assert extents.coordinates == 9.0
    assert extents.lens == pytest.approx(np.sin(np.pi / 3))
    assert extents.remoteness == 9.0 / extents.size


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("camera", ["perspective", "orthographic"])
@pytest.mark.parametrize("power", [-20, 20])
def test_units_grow_with_the_scene(camera, power):
    pipeline = pipeline_of(camera)
    before, scale = units_of(pipeline), 2.0**power
    after = units_of(random_scenes.placed(pipeline, scale, np.zeros(3)))
    lengths = ("mesh.translation", "camera.position", "mesh.scale", "camera.height")
    expected = {name: unit * (scale if name.startswith(lengths) else 1.0) for name, unit in before.items()}
    assert after == expected
    assert all(np.log2(unit) % 1.0 == 0.0 for unit in before.values())


@pytest.mark.usefixtures("f64")
def test_far_pivots_make_turns_small():
    far = random_scenes.placed(pipeline_of(), 1.0, np.array([0.0, 1e6, 0.0]), by_vertices=True)
    units, near = units_of(far), units_of(pipeline_of())
    for name in ("mesh.rotation.x", "mesh.scale"):
        assert 1e-7 < units[name] < 1e-5
    for name in ("camera.rotation.x", "camera.position.x", "light.direction.0.x", "shader.shininess"):
        assert units[name] == near[name]


@pytest.mark.usefixtures("f64")
def test_numbers_without_a_magnitude():
    lights = tdr.DirectionalLightArray(direction=[[0.0, 0.0, -1.0]] * 3, color=[[0.0] * 3, [4.0, 0.0, 0.0], [1e-3] * 3])
    shader = tdr.BlinnPhongShader(ambient=0.0, diffuse=5e-324, specular=0.25)
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(1), None, lights, shader, resolution=(8, 8))
    units = units_of(pipeline)
    assert units["light.color.0.r"] == units["light.color.1.r"] == units["light.color.1.g"] == 4.0
    assert units["light.color.2.r"] == 2.0**-10
    assert units["shader.ambient"] == units["shader.diffuse"] == 1.0
    assert units["shader.specular"] == 0.25
