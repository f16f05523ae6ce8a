"""Forward mode and finite differences as methods of their own, and derivatives at a few pixels."""

import numpy as np
import pytest
import reference
from command_line import SMALL, Command
from scenes import pipeline_of

import tdr
from tdr import backend
from tdr.config import Method, Precision
from tdr.config.parameters import Reads
from tdr.derivatives import forward
from tdr.derivatives.jacobian import compute_at

EPS = np.finfo(np.float64).eps
METHODS = ["batched", "forward", "finite_difference"]
KINDS = [("perspective", "blinn_phong"), ("orthographic", "lambertian")]


def assert_close(actual: tdr.JacobianImages, expected: tdr.JacobianImages, part: float) -> None:
    """The same entries, up to a part of each parameter's largest; the same image to the bit."""
    np.testing.assert_array_equal(actual.image, expected.image)
    np.testing.assert_array_equal(actual.triangle_id, expected.triangle_id)
    assert list(actual.values) == list(expected.values)
    for name, values in expected.values.items():
        assert actual[name].dtype == values.dtype == backend.dtype(), name
        assert values.any(), name
        atol = part * np.abs(values).max()
        np.testing.assert_allclose(actual[name], values, rtol=0, atol=atol, err_msg=name)


def rounding(pipeline: tdr.Pipeline) -> float:
    """What rounding may do to a derivative as a part of the largest; geometry is computed in float64 in every run."""
    condition = reference.condition(reference.Scene.of(pipeline), pipeline.passes.rasterizer.triangle_id_buffer).max()
    return max(1e-12, 30.0 * EPS * condition) if backend.precision() is Precision.f64 else 3e-6


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("cotangent", ["rgb", [0.5, -2.0, 1.0]])
@pytest.mark.parametrize("kind", KINDS)
def test_forward_mode_agrees_with_reverse_mode(kind, cotangent):
    pipeline = pipeline_of(*kind)
    batched = tdr.compute_jacobian(pipeline, "all", cotangent=cotangent)
    jacobian = tdr.compute_jacobian(pipeline, "all", method="forward", cotangent=cotangent)
    assert jacobian.method == "forward"
    assert_close(jacobian, batched, rounding(pipeline))


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences_agree_with_reverse_mode(kind):
    pipeline = pipeline_of(*kind)
    names = [p.name for p in pipeline.parameters if p.reads is Reads.SHADING]
    batched = tdr.compute_jacobian(pipeline, names, cotangent="rgb")
    jacobian = tdr.compute_jacobian(pipeline, names, method="finite_difference", cotangent="rgb")
    assert jacobian.method == "finite_difference"
    assert_close(jacobian, batched, 1e-7 if backend.precision() is Precision.f64 else 3e-6)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences_of_poses_agree_with_reverse_mode(kind):
    """Every pixel goes on seeing its own triangle, so that silhouettes leave no trace."""
    pipeline = pipeline_of(*kind)
    names = [p.name for p in pipeline.parameters if p.reads is Reads.POSE]
    batched = tdr.compute_jacobian(pipeline, names)
    assert_close(tdr.compute_jacobian(pipeline, names, method="finite_difference"), batched, 1e-7)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("method", ["forward", "finite_difference"])
def test_a_column_does_not_depend_on_the_others_that_are_asked_for(method):
    pipeline = pipeline_of(num_lights=2, resolution=(6, 8))
    everything = tdr.compute_jacobian(pipeline, "all", method=method)
    for parameter in pipeline.parameters:
        (values,) = tdr.compute_jacobian(pipeline, [parameter.name], method=method).values.values()
        atol = 1e-9 * np.abs(values).max()
        np.testing.assert_allclose(values, everything[parameter.name], rtol=0, atol=atol, err_msg=parameter.name)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("method", ["forward", "finite_difference"])
def test_what_was_left_behind_changes_nothing(method):
    pipeline = pipeline_of(resolution=(6, 8))
    expected = tdr.compute_jacobian(pipeline, "all", method=method)
    tdr.compute_jacobian(pipeline_of(num_lights=1), "all", method=method, cotangent=[3.0, 0.0, -1.0])
    tdr.compute_jacobian(pipeline_of("orthographic", num_lights=2), "all", method="forward")
    tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    again = tdr.compute_jacobian(pipeline, "all", method=method)
    for name, values in expected.values.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
    background = expected.triangle_id < 0
    assert background.any()
    assert not any(values[background].any() for values in expected.values.values())


@pytest.mark.usefixtures("f64")
def test_a_pass_that_was_broken_off_leaves_nothing_behind(monkeypatch):
    """As when a shader does not compile, in one job of a sweep."""
    pipeline = pipeline_of()
    expected = tdr.compute_jacobian(pipeline, "all", method="forward")

    def fail(*_):
        raise RuntimeError("Not supported")

    monkeypatch.setattr(forward.current_kernels(), "_locate_and_shade", fail)
    with pytest.raises(RuntimeError, match="Not supported"):
        tdr.compute_jacobian(pipeline, ["light.color"], method="forward")
    monkeypatch.undo()
    again = tdr.compute_jacobian(pipeline, "all", method="forward")
    for name, values in expected.values.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)


@pytest.mark.usefixtures("f64")
def test_more_pixels_than_a_forward_band():
    pipeline = pipeline_of(mesh=tdr.TriangleMesh.sphere(1), num_lights=2, resolution=(181, 200))
    names = ["light.direction", "shader.shininess", "mesh.rotation", "camera.fov"]
    batched = tdr.compute_jacobian(pipeline, names)
    covered = len(pipeline.passes.rasterizer.pixels)
    assert covered > forward.BAND
    assert covered % forward.BAND != 0
    jacobian = tdr.compute_jacobian(pipeline, names, method="forward")
    assert_close(jacobian, batched, rounding(pipeline))


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("method", ["forward", "finite_difference"])
def test_an_image_without_anything_in_sight(method):
    pipeline = pipeline_of(resolution=(2, 3))
    pipeline.placement.translation = [50.0, 0.0, 0.0]
    jacobian = tdr.compute_jacobian(pipeline, "all", method=method)
    assert (jacobian.triangle_id == -1).all()
    for parameter in pipeline.parameters:
        assert jacobian[parameter.name].shape == (2, 3, 1, *parameter.shape(3))
    assert not any(array.any() for name, array in jacobian.arrays().items() if name != "triangle_id")


def test_the_precision_may_change_between_two_images(restart):
    """The fields of forward mode belong to a start of Taichi."""
    expected = tdr.compute_jacobian(pipeline_of(), "all", method="forward")
    restart()
    jacobian = tdr.compute_jacobian(pipeline_of(), "all", method="forward")
    assert jacobian.precision == "f32"
    for name, values in expected.values.items():
        np.testing.assert_allclose(jacobian[name], values, rtol=0, atol=3e-6 * np.abs(values).max(), err_msg=name)


def test_both_are_reached_from_the_command_line(tmp_path):
    Command(tmp_path)("-m", f"jacobian.method={','.join(METHODS)}", *SMALL, "tracking.enabled=false",
                      "runtime.precision=f64", "check=off")  # fmt: skip
    images = {}
    for method, folder in zip(METHODS, sorted(p.parent for p in tmp_path.glob("sweep/*/record.json")), strict=True):
        with np.load(folder / "jacobian.npz") as arrays:
            images[method] = arrays["light.direction"]
    largest = np.abs(images["batched"]).max()
    for method, part in (("forward", 1e-12), ("finite_difference", 1e-7)):
        np.testing.assert_allclose(images[method], images["batched"], rtol=0, atol=part * largest, err_msg=method)
    assert (images["finite_difference"] != images["batched"]).any()  # not the same computation


# A few pixels


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("method", Method)
def test_some_pixels_alone_are_those_of_the_images(method, rng):
    """To the bit, but for finite differences: which step is best is decided by noise that is found at random."""
    pipeline = pipeline_of(num_lights=2)
    jacobian = tdr.compute_jacobian(pipeline, "all", method=method.value, cotangent="rgb")
    covered = len(pipeline.passes.rasterizer.pixels)
    for entries in (np.sort(rng.choice(covered, 9, replace=False)), rng.permutation(covered), np.array([], int)):
        columns = compute_at(pipeline.passes, pipeline.parameters, jacobian.cotangents, entries, method)
        assert columns.shape == (len(jacobian.columns), len(entries), 3)
        pixels = pipeline.passes.rasterizer.pixels[entries]
        for column, values in zip(jacobian.columns, columns, strict=True):
            expected = jacobian.column(column).reshape(-1, 3)[pixels]
            if method is Method.finite_difference:
                atol = max(1e-9, np.finfo(backend.dtype()).eps) * np.abs(jacobian.column(column)).max()
                np.testing.assert_allclose(values, expected, rtol=0, atol=atol, err_msg=column.name)
            else:
                np.testing.assert_array_equal(values, expected, err_msg=column.name)


@pytest.mark.usefixtures("f64")
def test_a_restricted_pipeline_leaves_the_original_as_it_is():
    pipeline = pipeline_of(num_lights=2)
    before = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    passes = pipeline.passes
    pixels, g_buffer = passes.rasterizer.pixels.copy(), [a.copy() for a in passes.interpolator.g_buffer]
    compute_at(pipeline.passes, pipeline.parameters, before.cotangents, np.array([7, 3]))
    part = pipeline.passes.restricted(np.array([7, 3]))
    np.testing.assert_array_equal(part.rasterizer.pixels, pixels[[7, 3]])
    for mine, whole in zip(part.interpolator.g_buffer, g_buffer, strict=True):
        np.testing.assert_array_equal(mine, whole[[7, 3]])
    np.testing.assert_array_equal(pipeline.passes.rasterizer.pixels, pixels)
    for now, earlier in zip(pipeline.passes.interpolator.g_buffer, g_buffer, strict=True):
        np.testing.assert_array_equal(now, earlier)
    np.testing.assert_array_equal(pipeline.output_buffer.values, before.image)
    part.render()
    assert (part.output_buffer.values != 0.0).any(axis=-1).sum() == 2
