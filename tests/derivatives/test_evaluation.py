"""The image of displaced scenes at a few pixels, beside the reference renderer."""

import numpy as np
import pytest
import reference
from scenes import moved, pipeline_of
from taichi.lang import impl

import tdr
from tdr.config import Precision
from tdr.config.parameters import Reads, columns_of
from tdr.derivatives.evaluation import PixelSample, compile_kernel, evaluate
from tdr.render.values import SceneValues

EPS = np.finfo(np.float64).eps
KINDS = [("perspective", "blinn_phong"), ("orthographic", "lambertian"), ("orthographic", "blinn_phong")]
SHADER = """import taichi as ti

parameters = {"gain": 0.5}


@ti.func
def reflect(surface, light, constants):
    return %s * constants.gain * light.color
"""


def rendered(*kind, **arguments) -> tuple[tdr.Pipeline, PixelSample, tuple]:
    """A rendered pipeline, its covered pixels in a random order, and all its columns."""
    pipeline = pipeline_of(*kind, **arguments)
    pipeline.forward()
    entries = np.random.default_rng(1).permutation(len(pipeline.passes.rasterizer.pixels))
    columns = columns_of(pipeline.parameters, pipeline.light_array.num_lights)
    return pipeline, PixelSample.of(pipeline.passes, entries), columns


def expected(pipeline: tdr.Pipeline, ids: np.ndarray, sample: PixelSample) -> np.ndarray:
    """The reference's colours of the sample, (N, 3), each pixel seeing the triangle of the given ids."""
    return reference.render(reference.Scene.of(pipeline), ids).reshape(-1, 3)[sample.pixels]


def assert_as_reference(actual: np.ndarray, pipeline: tdr.Pipeline, ids: np.ndarray, sample: PixelSample) -> None:
    # Some hundreds of roundings, those of geometry times its condition.
    scene = reference.Scene.of(pipeline)
    condition = reference.condition(scene, ids).max()
    colors = expected(pipeline, ids, sample)
    # A ray may meet the plane of its triangle behind the camera, whence another side is seen: there, no colour counts.
    ahead = np.zeros(ids.size, bool)
    ahead[ids.ravel() >= 0] = reference.intersect(scene, ids).depth_ndc < 1.0
    ahead = ahead[sample.pixels]
    assert ahead.mean() > 0.9
    atol = 100 * EPS * condition * np.abs(colors).max()
    np.testing.assert_allclose(actual[ahead], colors[ahead], rtol=0, atol=atol)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("kind", KINDS)
def test_colours_are_those_of_the_reference_in_either_precision(kind):
    pipeline, sample, _ = rendered(*kind)
    radiance = evaluate(sample, [SceneValues.of(pipeline.passes.scene)], pipeline.passes.layout())
    assert radiance.dtype == np.float64
    assert radiance.shape == (1, len(sample.pixels), 3)
    assert len(sample.pixels) > 20
    colors = expected(pipeline, pipeline.passes.rasterizer.triangle_id_buffer, sample)
    np.testing.assert_allclose(radiance[0], colors, rtol=0, atol=1e-12)


def test_shaders_are_compiled_in_float64_in_every_run(precision, tmp_path):
    """Literals, and locals that begin with one: a float32 run differs by the rounding of its results alone."""
    file = tmp_path / "shader.py"
    file.write_text(
        'import taichi as ti\nimport taichi.math as tm\n\nparameters = {"gain": 0.7}\n\n\n'
        "@ti.func\ndef reflect(surface, light, constants):\n    value = 0.0\n"
        "    value += tm.fract(ti.sin(surface.position.x * 12.9898) * 43758.5453)\n"
        "    return constants.gain * value * light.color\n"
    )
    scene = pipeline_of(num_lights=1)
    pipeline = tdr.Pipeline(
        scene.mesh, scene.camera, scene.light_array, tdr.CustomShader(file), scene.placement, (8, 9)
    )
    pipeline.forward()
    covered = pipeline.passes.rasterizer.triangle_id_buffer >= 0
    phase = np.sin(pipeline.passes.interpolator.g_buffer[0][:, 0] * 12.9898) * 43758.5453
    colors = 0.7 * (phase - np.floor(phase))[:, None] * scene.light_array.colors()[0]
    eps = {Precision.f64: 1e-9, Precision.f32: 1e-7}[precision]  # 43758.5453 eps, and the rounding of the result
    np.testing.assert_allclose(pipeline.output_buffer.values[covered], colors, rtol=eps, atol=eps)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("kind", KINDS)
def test_a_displaced_scene_is_one_with_other_settings(kind):
    """By so much that most pixels see another triangle; each goes on seeing its own, wherever that is."""
    pipeline, sample, columns = rendered(*kind)
    scene, ids = SceneValues.of(pipeline.passes.scene), pipeline.passes.rasterizer.triangle_id_buffer
    displacements = 0.3 * np.eye(len(columns))
    radiance = evaluate(sample, [scene.displaced(columns, d) for d in displacements], pipeline.passes.layout())
    elsewhere = 0
    for column, actual in zip(columns, radiance, strict=True):
        other = moved(pipeline, column.parameter.name, column.index, 0.3)
        other.passes.find_visible()
        elsewhere += np.mean((other.passes.rasterizer.triangle_id_buffer != ids)[ids >= 0])
        assert_as_reference(actual, other, ids, sample)
    assert elsewhere > 5


@pytest.mark.usefixtures("f64")
def test_several_numbers_are_displaced_together():
    pipeline, sample, columns = rendered()
    turn = {"mesh.rotation.x": 0.4, "mesh.rotation.y": -0.3, "mesh.rotation.z": 0.2}
    rest = {"light.color.1.g": 0.5, "shader.shininess": 3.0, "mesh.translation.z": -0.2, "camera.fov": 0.1}
    displacement = np.array([{**turn, **rest}.get(column.name, 0.0) for column in columns])
    scene = SceneValues.of(pipeline.passes.scene)
    unchanged = scene.values.copy(), scene.rotations.copy()
    (actual,) = evaluate(sample, [scene.displaced(columns, displacement)], pipeline.passes.layout())
    other = pipeline
    for column in columns:
        if column.name in rest:
            other = moved(other, column.parameter.name, column.index, rest[column.name])
    turned = reference.rotation(list(turn.values())) @ reference.rotation(pipeline.placement.rotation)
    other.placement.rotation = reference.axis_angle(turned).tolist()
    assert_as_reference(actual, other, pipeline.passes.rasterizer.triangle_id_buffer, sample)
    np.testing.assert_array_equal(scene.values, unchanged[0])
    np.testing.assert_array_equal(scene.rotations, unchanged[1])


@pytest.mark.usefixtures("f64")
def test_scenes_do_not_depend_on_those_that_are_evaluated_with_them():
    """The geometry is computed once for all scenes of the first one's pose: also if that is not the current one."""
    pipeline, sample, columns = rendered()
    scene = SceneValues.of(pipeline.passes.scene)
    scenes = [scene, *(scene.displaced(columns, d) for d in 0.1 * np.eye(len(columns)))]
    together = evaluate(sample, scenes, pipeline.passes.layout())
    assert len({colors.tobytes() for colors in together}) == len(scenes)
    np.testing.assert_array_equal(evaluate(sample, scenes[::-1], pipeline.passes.layout())[::-1], together)
    for single, colors in zip(scenes, together, strict=True):
        np.testing.assert_array_equal(evaluate(sample, [single], pipeline.passes.layout())[0], colors)


@pytest.mark.usefixtures("f64")
def test_groups_of_one_launch_do_not_depend_on_each_other():
    pipeline, sample, columns = rendered()
    rng, displacements = np.random.default_rng(2), 0.1 * np.eye(len(columns))
    samples = [sample, sample.nudged(Reads.POSE, 2.0**-5, rng), sample.nudged(Reads.SHADING, 2.0**-5, rng)]
    scenes = [SceneValues.of(pipeline.passes.scene)] + [
        SceneValues.of(pipeline.passes.scene).nudged(what, 2.0**-5, rng, 4.0) for what in Reads
    ]
    displaced = [scene.all_displaced(columns, displacements) for scene in scenes]
    stretches = [0.0, 0.25, -0.5]
    all_displaced = [scene for group in displaced for scene in group]
    together = evaluate(PixelSample.joined(samples), all_displaced, pipeline.passes.layout(), stretches)
    groups = np.split(together, 3, axis=1)
    assert len({group.tobytes() for group in groups}) == 3
    for group, *alone, stretch in zip(groups, samples, displaced, stretches, strict=True):
        np.testing.assert_array_equal(group, evaluate(*alone, pipeline.passes.layout(), [stretch]))


# Nudges


def assert_within(nudged: np.ndarray, array: np.ndarray, size: float) -> None:
    """Every number that is not zero is another one, off by at most ``size`` of itself."""
    ratio = nudged[array != 0] / array[array != 0] - 1.0
    assert (np.abs(ratio) <= size * (1 + 1e-9)).all()
    assert (ratio != 0).all()
    assert not nudged[array == 0].any()


@pytest.mark.usefixtures("f64")
def test_nudged_samples(rng):
    _, sample, _ = rendered(mesh=tdr.TriangleMesh.cube())
    sample.normals[0, 0, 1] = 0.0
    shading = sample.nudged(Reads.SHADING, 2.0**-10, rng)
    assert_within(shading.normals, sample.normals, 2.0**-10)
    assert_within(shading.vertex_albedo, sample.vertex_albedo, 2.0**-10)
    assert shading.vertices is sample.vertices
    pose = sample.nudged(Reads.POSE, 2.0**-10, rng)
    assert_within(pose.vertices, sample.vertices, 2.0**-10)
    assert pose.normals is sample.normals
    assert pose.vertex_albedo is sample.vertex_albedo
    assert pose.view is sample.view
    assert pose.pixels is sample.pixels


@pytest.mark.usefixtures("f64")
def test_nudged_scenes(rng):
    pipeline, _, _ = rendered(num_lights=2)
    pipeline.shader.settings.ambient = 0.0
    scene, size = SceneValues.of(pipeline.passes.scene), 2.0**-10
    extent = 3.9
    shading, pose = (scene.nudged(what, size, rng, extent) for what in (Reads.SHADING, Reads.POSE))
    placed = "camera.position", "mesh.translation"
    for parameter in scene.parameters:
        name, number = parameter.name, scene[parameter.name]
        if not parameter.per_light:  # the same number for every light
            for nudged in (shading, pose):
                np.testing.assert_array_equal(nudged[name][0], nudged[name][1])
        changed, other = (pose, shading) if parameter.reads is Reads.POSE else (shading, pose)
        if number.any():
            assert_within(changed[name], number, size)
        else:
            assert not changed[name].any(), name
        if name not in placed:
            np.testing.assert_array_equal(other[name], number)
    # What the shading reads includes positions: camera and mesh are moved, together.
    np.testing.assert_array_equal(shading.rotations, scene.rotations)
    shifts = [shading[name] - scene[name] for name in placed]
    assert 0.0 < np.abs(shifts[0]).max() <= size * extent
    np.testing.assert_allclose(*shifts, rtol=0, atol=4 * EPS)
    # A rotation by at most size about each axis: orthogonal still.
    turns = pose.rotations @ scene.rotations.transpose(0, 2, 1)
    angles = [np.abs(reference.axis_angle(turn)).max() for turn in turns]
    assert 0.0 < min(angles) <= max(angles) <= size
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), [np.eye(3)] * 2, rtol=0, atol=8 * EPS)


# Compilation


@pytest.mark.usefixtures("precision")
def test_a_kernel_that_was_compiled_is_not_compiled_again(tmp_path):
    def compiled() -> int:
        return sum(len(kernel.compiled_kernels) for kernel in impl.get_runtime().kernels)

    # A formula of its own, which no test before can have compiled.
    (tmp_path / "shader.py").write_text(SHADER % 0.123)
    pipeline = pipeline_of()
    mesh, camera, lights = pipeline.mesh, pipeline.camera, pipeline.light_array
    pipeline = tdr.Pipeline(mesh, camera, lights, tdr.CustomShader(str(tmp_path / "shader.py")), resolution=(9, 7))
    pipeline.forward()
    before = compiled()
    compile_kernel(pipeline)
    after = compiled()
    assert after == before + 1
    columns = columns_of(pipeline.parameters, 3)
    sample = PixelSample.of(pipeline.passes, np.arange(len(pipeline.passes.rasterizer.pixels)))
    scene = SceneValues.of(pipeline.passes.scene)
    evaluate(sample, [scene, *(scene.displaced(columns, d) for d in np.eye(len(columns)))], pipeline.passes.layout())
    assert compiled() == after
