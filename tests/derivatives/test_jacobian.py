"""Jacobian images as users ask for them: both methods, cotangents, state, singular points."""

import io

import numpy as np
import pytest
from scenes import pipeline_of
from taichi.lang import impl

import tdr
from tdr import backend
from tdr.config import JacobianConfig
from tdr.config.parameters import Reads, columns_of
from tdr.derivatives.jacobian import differentiate
from tdr.errors import InputError

BOTH = [("perspective", "blinn_phong"), ("orthographic", "lambertian")]


def assert_equal(actual: tdr.JacobianImages, expected: tdr.JacobianImages) -> None:
    """Equal to the bit."""
    np.testing.assert_array_equal(actual.image, expected.image)
    np.testing.assert_array_equal(actual.triangle_id, expected.triangle_id)
    assert actual.values.keys() == expected.values.keys()
    for name, values in expected.values.items():
        np.testing.assert_array_equal(actual[name], values, err_msg=name)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
@pytest.mark.parametrize("num_lights", [1, 3])
def test_batched_is_the_loop_to_the_bit(camera, shader, num_lights):
    pipeline = pipeline_of(camera, shader, num_lights=num_lights)
    batched = tdr.compute_jacobian(pipeline, "all", method="batched")
    assert all(values.any() for values in batched.values.values())
    assert_equal(tdr.compute_jacobian(pipeline, "all", method="loop"), batched)
    assert_equal(tdr.compute_jacobian(pipeline, "all", method="batched"), batched)


@pytest.mark.usefixtures("f64")
def test_many_lights_are_as_many_scenes_of_one(rng):
    """Light adds up: so do images and derivatives, apart from the ambient term, which is there once."""
    scene = pipeline_of(num_lights=1, resolution=(9, 12))
    directions, colors = rng.normal(size=(64, 3)), rng.uniform(0.1, 1.0, (64, 3))

    def differentiated(directions, colors, ambient):
        lights = tdr.DirectionalLightArray(direction=directions.tolist(), color=colors.tolist())
        shader = tdr.BlinnPhongShader(ambient=ambient)
        pipeline = tdr.Pipeline(scene.mesh, scene.camera, lights, shader, scene.placement, scene.resolution)
        return tdr.compute_jacobian(pipeline, "all")

    alone = [differentiated(directions[i : i + 1], colors[i : i + 1], 0.1 * (i == 0)) for i in range(64)]
    together = differentiated(directions, colors, 0.1)
    tolerance = {"rtol": 0, "atol": 64 * 1e-13}  # 64 terms, entries below 100
    np.testing.assert_allclose(together.image, sum(images.image for images in alone), **tolerance)
    for name, values in together.values.items():
        if name.startswith("light."):
            expected = np.concatenate([images[name] for images in alone], axis=3)
        elif name == "shader.ambient":
            expected = alone[0][name]
        else:
            expected = sum(images[name] for images in alone)
        np.testing.assert_allclose(values, expected, err_msg=name, **tolerance)


@pytest.mark.usefixtures("precision")
def test_the_lessons_own_loop():
    """Seed one pixel with 1, pull back, read the light's gradient, clear, go on: R + G + B by the direction."""
    pipeline = pipeline_of(num_lights=1, resolution=(7, 9))
    expected = tdr.compute_jacobian(pipeline, ["light.direction"])["light.direction"]
    pipeline.forward()
    image = np.zeros((7, 9, 3), dtype=backend.dtype())
    for row in range(7):
        for column in range(9):
            pipeline.output_buffer.grad[row, column] = 1.0
            pipeline.backward(["light.direction"])
            gradient = pipeline.light_array.light_directions.grad[0]
            image[row, column] = gradient.x, gradient.y, gradient.z
            pipeline.clear_gradients()
    assert image.any()
    np.testing.assert_array_equal(image, expected[:, :, 0, 0])


def test_shapes_and_types(precision):
    pipeline = pipeline_of(num_lights=2, resolution=(5, 8))
    jacobian = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    assert jacobian.triangle_id.dtype == np.int32
    assert {a.dtype for name, a in jacobian.arrays().items() if name != "triangle_id"} == {np.dtype(backend.dtype())}
    for parameter in pipeline.parameters:
        assert jacobian[parameter.name].shape == (5, 8, 3, *parameter.shape(2))
    for column in jacobian.columns:
        assert jacobian.column(column).shape == (5, 8, 3)
    assert (jacobian.method, jacobian.precision, jacobian.num_lights) == ("batched", precision.value, 2)
    one = tdr.compute_jacobian(pipeline, ["light.direction"])
    assert one["light.direction"].shape == (5, 8, 1, 2, 3)
    assert list(one.values) == ["light.direction"]


@pytest.mark.usefixtures("f64")
def test_parameters_come_in_the_order_of_the_scene():
    pipeline = pipeline_of(num_lights=2)
    shading = [p.name for p in pipeline.parameters if p.reads is Reads.SHADING]
    jacobian = tdr.compute_jacobian(pipeline, shading[::-1])
    assert [p.name for p in jacobian.parameters] == list(jacobian.values) == shading
    assert jacobian.columns == columns_of(jacobian.parameters, 2)
    assert [c.name for c in jacobian.columns[:4]] == [
        "light.direction.0.x",
        "light.direction.0.y",
        "light.direction.0.z",
        "light.direction.1.x",
    ]
    column = next(c for c in jacobian.columns if c.name == "light.color.1.g")
    np.testing.assert_array_equal(jacobian.column(column), jacobian["light.color"][..., 1, 1])


@pytest.mark.usefixtures("f64")
def test_the_result_stays_when_the_pipeline_goes_on():
    pipeline = pipeline_of(num_lights=1)
    jacobian = tdr.compute_jacobian(pipeline)
    image, ids = jacobian.image.copy(), jacobian.triangle_id.copy()
    pipeline.placement.translation = [50.0, 0.0, 0.0]
    pipeline.forward()
    np.testing.assert_array_equal(jacobian.image, image)
    np.testing.assert_array_equal(jacobian.triangle_id, ids)


@pytest.mark.usefixtures("precision")
def test_memory_is_used_again_when_nobody_looks_at_it():
    def differentiated(pipeline):
        pipeline.forward()
        return differentiate(pipeline, JacobianConfig(parameters="all"))

    def moved():
        pipeline = pipeline_of()
        pipeline.placement.translation = [0.3, 0.1, 0.2]
        return pipeline

    def address(images):
        return images["light.direction"].__array_interface__["data"][0]

    pipeline, expected = pipeline_of(), differentiated(moved())
    images = differentiated(pipeline)
    before = address(images)
    view, kept = images["mesh.scale"][2:5], images["mesh.scale"][2:5].copy()
    del images
    images = differentiated(pipeline)
    assert address(images) != before, "a view of the first images is still there"
    np.testing.assert_array_equal(view, kept)
    before = address(images)
    del images
    pipeline.placement.translation = [0.3, 0.1, 0.2]
    images = differentiated(pipeline)
    assert address(images) == before
    assert_equal(images, expected)


@pytest.mark.usefixtures("f64")
def test_arrays_can_be_kept_without_pickle():
    jacobian = tdr.compute_jacobian(pipeline_of(num_lights=1))
    file = io.BytesIO()
    np.savez(file, **jacobian.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        assert set(arrays) == {"image", "triangle_id", "light.direction"}
        np.testing.assert_array_equal(arrays["light.direction"], jacobian["light.direction"])


# What is asked for


@pytest.mark.usefixtures("f64")
def test_the_channels_add_up_with_the_weights_of_the_cotangent():
    pipeline = pipeline_of()
    channels = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    for weights in ([1.0, 1.0, 1.0], [0.25, -2.0, 0.0]):
        weighted = tdr.compute_jacobian(pipeline, "all", cotangent=weights)
        np.testing.assert_array_equal(weighted.cotangents, [weights])
        for name, values in weighted.values.items():
            expected = np.tensordot(channels[name], weights, axes=(2, 0))
            # Tens of roundings of terms as large as the largest channel.
            atol = 100 * np.finfo(np.float64).eps * np.abs(channels[name]).max()
            np.testing.assert_allclose(values[:, :, 0], expected, rtol=0, atol=atol, err_msg=name)


@pytest.mark.usefixtures("f64")
def test_the_default_is_the_sum_of_the_channels_by_light_direction():
    pipeline = pipeline_of(num_lights=1)
    explicit = tdr.compute_jacobian(pipeline, ["light.direction"], method="batched", cotangent=[1.0, 1.0, 1.0])
    assert_equal(tdr.compute_jacobian(pipeline), explicit)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_a_column_does_not_depend_on_the_others_that_are_asked_for(camera, shader):
    """To the bit: a parameter's cotangents come from the same slots, whatever else is asked for."""
    pipeline = pipeline_of(camera, shader)
    everything = tdr.compute_jacobian(pipeline, "all")
    shading = [p.name for p in pipeline.parameters if p.reads is Reads.SHADING]
    for names in (shading, ["light.direction"], ["mesh.albedo", "mesh.rotation"], ["camera.position"]):
        for name, values in tdr.compute_jacobian(pipeline, names).values.items():
            np.testing.assert_array_equal(values, everything[name], err_msg=name)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": ["light.directoin"]}, r"jacobian\.parameters must .*; got 'light\.directoin'\. Known: light\."),
        ({"parameters": ["camera.height"]}, r"jacobian\.parameters must .* camera\.position, .*camera\.fov"),
        ({"parameters": ["mesh.scale", "mesh.scale"]}, r"jacobian\.parameters must .* once; got 'mesh\.scale' twice"),
        ({"parameters": []}, r"jacobian\.parameters must be a list of parameter names, one or 'all'; got \[\]"),
        ({"parameters": "mesh.size"}, r"jacobian\.parameters must name parameters of this scene; got 'mesh\.size'"),
        ({"cotangent": "red"}, r"jacobian\.cotangent must be 'rgb' or a list of 3 numbers; got 'red'"),
        ({"cotangent": [0.0, 0.0, 0.0]}, r"jacobian\.cotangent must not be the zero vector"),
        ({"method": "looped"}, r"jacobian\.method must .*'looped'"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        tdr.compute_jacobian(pipeline_of(), **arguments)


@pytest.mark.usefixtures("f64")
def test_backward_refuses_unknown_parameters():
    pipeline = pipeline_of()
    pipeline.forward()
    with pytest.raises(InputError, match=r"got 'light\.colour'\. Known: light\.direction, light\.color, shader\."):
        pipeline.backward(["light.colour"])


# State


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("method", ["batched", "loop"])
def test_what_was_left_behind_changes_nothing(method, rng):
    pipeline = pipeline_of(resolution=(6, 8))
    expected = tdr.compute_jacobian(pipeline, "all", method=method)
    pipeline.output_buffer.grad[:] = rng.normal(size=(6, 8, 3))
    pipeline.backward(["light.direction"])
    pipeline.output_buffer.values.fill(7.0)
    assert_equal(tdr.compute_jacobian(pipeline, "all", method=method), expected)
    tdr.compute_jacobian(pipeline_of(num_lights=2), "all", cotangent=[3.0, 0.0, -1.0])
    assert_equal(tdr.compute_jacobian(pipeline, "all", method=method), expected)
    assert not any(gradient.any() for gradient in pipeline.gradients.values())
    assert not pipeline.output_buffer.grad.any()


@pytest.mark.usefixtures("f64")
def test_a_pass_that_was_broken_off_changes_nothing(monkeypatch):
    """Also one whose derivatives were not finite."""
    pipeline = pipeline_of(resolution=(6, 8))
    expected = tdr.compute_jacobian(pipeline, "all")

    def broken_off(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline.passes.kernels, "write_common", broken_off)
        with pytest.raises(KeyboardInterrupt):
            tdr.compute_jacobian(pipeline, "all")
    assert_equal(tdr.compute_jacobian(pipeline, "all"), expected)
    pipeline.output_buffer.grad.fill(np.nan)
    pipeline.backward([parameter.name for parameter in pipeline.parameters])
    assert all(np.isnan(gradient).any() for gradient in pipeline.gradients.values())
    assert_equal(tdr.compute_jacobian(pipeline, "all"), expected)


@pytest.mark.usefixtures("f64")
def test_the_background_has_no_derivative():
    jacobian = tdr.compute_jacobian(pipeline_of(), "all")
    background = jacobian.triangle_id < 0
    assert background.any()
    for values in jacobian.values.values():
        assert not values[background].any()
        assert values[~background].any()


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("method", ["batched", "loop"])
def test_an_image_without_anything_in_sight(method):
    pipeline = pipeline_of(resolution=(2, 3))
    pipeline.placement.translation = [50.0, 0.0, 0.0]
    jacobian = tdr.compute_jacobian(pipeline, "all", method=method)
    assert (jacobian.triangle_id == -1).all()
    assert not any(array.any() for name, array in jacobian.arrays().items() if name != "triangle_id")


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("names", ["all", ["light.direction"]])
def test_bands_do_not_show(monkeypatch, names):
    """Bands of 7 pixels, the last one shorter, in place of one for all."""
    pipeline = pipeline_of()
    expected = tdr.compute_jacobian(pipeline, names, cotangent="rgb")
    pipeline.output_buffer.grad.fill(1.0)
    pipeline.backward(["light.direction"])
    gradient = pipeline.gradients["light.direction"].copy()
    assert len(pipeline.passes.rasterizer.pixels) % 7 != 0
    monkeypatch.setattr("tdr.render.passes.BAND", 7)
    assert_equal(tdr.compute_jacobian(pipeline, names, cotangent="rgb"), expected)
    pipeline.output_buffer.grad.fill(1.0)
    pipeline.backward(["light.direction"])
    np.testing.assert_allclose(pipeline.gradients["light.direction"], gradient, rtol=1e-12)


@pytest.mark.usefixtures("f64")
def test_more_entries_than_kernels_can_number(monkeypatch):
    monkeypatch.setattr("tdr.derivatives.entries._MOST_ENTRIES", 11 * 27 * 14)
    with pytest.raises(InputError, match=r"at most 4,158 at a time; got 7,128\. Ask for fewer pixels"):
        tdr.compute_jacobian(pipeline_of(num_lights=1), "all")


@pytest.mark.usefixtures("precision")
def test_more_pixels_than_a_band():
    """A wall that fills the image, in parallel projection: all pixels are alike."""
    wall = tdr.TriangleMesh([[-9, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]], [[0, 1, 2], [0, 2, 3]])
    lights = tdr.DirectionalLightArray(direction=[[1.0, -1.0, -1.0]])
    shader = tdr.LambertianShader(diffuse=0.5)
    pipeline = tdr.Pipeline(wall, tdr.OrthographicCamera(), lights, shader, resolution=(513, 512))
    values = tdr.compute_jacobian(pipeline)["light.direction"].reshape(-1, 3)
    assert len(pipeline.passes.bands()) == 2
    # -3 * 0.5 * (n - (n.d) d), n = (0, 0, 1) and d = (1, -1, -1) / sqrt 3
    expected = np.broadcast_to([-0.5, 0.5, -1.0], values.shape)
    np.testing.assert_allclose(values, expected, rtol=0, atol=16 * np.finfo(backend.dtype()).eps)


@pytest.mark.usefixtures("f64")
def test_more_scenes_need_no_more_memory_and_no_compilation():
    def compiled() -> tuple[int, int]:
        runtime = impl.get_runtime()
        return sum(len(kernel.compiled_kernels) for kernel in runtime.kernels), runtime.prog.get_snode_tree_size()

    def run(pipeline: tdr.Pipeline) -> None:
        tdr.compute_jacobian(pipeline, "all")
        pipeline.backward(["light.direction"])
        pipeline.passes.compute_g_buffer()

    run(pipeline_of())
    before = compiled()
    assert before[0] > 10
    for mesh, num_lights, resolution in (
        (tdr.TriangleMesh.sphere(1), 1, (9, 9)),
        (tdr.TriangleMesh.cube(), 2, (1, 70)),
        (tdr.TriangleMesh.torus_knot(0), 3, (70, 65)),
    ):
        run(pipeline_of(mesh=mesh, num_lights=num_lights, resolution=resolution))
    assert compiled() == before
