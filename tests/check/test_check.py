"""Checks of Jacobian images: right ones pass, wrong ones fail, and what is said of them is true."""

import dataclasses

import numpy as np
import pytest
import reference
from checked import MODES, TILTED, WALL, checked, said
from scenes import pipeline_of

import tdr
from tdr.check.check import check_jacobian
from tdr.errors import InputError
from tdr.render.values import SceneValues
from tdr.results.check_result import COMPARED, EXCLUDED, Place, Verdict

# Right images pass


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["batched", "loop", "forward", "finite_difference"])
@pytest.mark.parametrize(("num_lights", "cotangent"), [(1, "rgb"), (3, [1.0, 1.0, 1.0])])
def test_right_images_of_every_method_pass(mode, method, num_lights, cotangent):
    pipeline = pipeline_of(num_lights=num_lights)
    jacobian, result = checked(pipeline, mode, method=method, cotangent=cotangent)
    assert result.verdict is Verdict.passed, said(result)
    assert (result.mode, result.method, result.precision) == (mode, method, jacobian.precision)
    assert [check.column for check in result.columns] == list(jacobian.columns)
    assert not result.findings
    assert (result.direction is None) == (mode == "full")


SMALL = {
    "one pixel in all": lambda: tdr.Pipeline(WALL, light_array=TILTED, resolution=(1, 1)),
    "one covered pixel": lambda: tdr.Pipeline(
        tdr.TriangleMesh.sphere(1), None, TILTED, None, tdr.MeshConfig(rotation=[0.3, 0.2, 0.1], scale=0.06),
        resolution=(9, 9),
    ),
    "a black image": lambda: tdr.Pipeline(
        tdr.TriangleMesh.sphere(1), None, tdr.DirectionalLightArray(direction=[[1, -1, -1]], color=[[0, 0, 0]]),
        tdr.BlinnPhongShader(ambient=0.0), tdr.MeshConfig(rotation=[0.3, 0.2, 0.1]), resolution=(9, 9),
    ),
    # The mesh is mirror symmetric, and some of its edges run exactly through the centres of pixels.
    "edges through pixels": lambda: tdr.Pipeline(tdr.TriangleMesh.sphere(2), light_array=TILTED, resolution=(17, 17)),
    # What does not depend on a parameter has derivatives that are rounding alone.
    "a flat surface": lambda: tdr.Pipeline(
        WALL, None, tdr.DirectionalLightArray(direction=[[1.0, 0.2, -1.0]]), resolution=(9, 9)
    ),
    # In the middle row n.l is 0 but for rounding, and so is the image.
    "a dark row": lambda: tdr.Pipeline(
        tdr.TriangleMesh.cube(),
        tdr.PerspectiveCamera(position=[0.5, 0.0, 3.64], fov=32.0),
        tdr.DirectionalLightArray(direction=[[0.0, -1.0, 0.0]]),
        tdr.LambertianShader(ambient=0.0),
        tdr.MeshConfig(translation=[0.476, 0.0, 0.1], rotation=[0.05, 1.3, 0.0], scale=0.5),
        resolution=(39, 27),
    ),
    # At steps that are longer than l + v a highlight is gone to both sides; where it is below the rounding of the
    # image, nothing else shows that.
    "a light from nearly straight behind": lambda: tdr.Pipeline(
        tdr.TriangleMesh.sphere(3),
        tdr.OrthographicCamera(height=2.2),
        tdr.DirectionalLightArray(direction=[[3e-4, 1.2e-4, 1.0]]),
        tdr.BlinnPhongShader(shininess=24.0),
        resolution=(24, 24),
    ),
    "flat faces": lambda: tdr.Pipeline(tdr.TriangleMesh.sphere(0), light_array=TILTED, resolution=(11, 11)),
}  # fmt: skip


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scene", SMALL)
def test_small_and_symmetric_scenes_raise_no_alarm(mode, scene):
    _, result = checked(SMALL[scene](), mode)
    assert result.verdict is Verdict.passed, said(result)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_where_nothing_is_visible_nothing_is_compared(mode):
    pipeline = pipeline_of(resolution=(3, 4))
    pipeline.placement.translation = [50.0, 0.0, 0.0]
    _, result = checked(pipeline, mode)
    assert result.verdict is Verdict.not_comparable
    assert "Nothing is visible" in result.findings[0]
    assert (result.sampled, result.columns, result.worst, result.curve) == (0, (), None, None)
    assert result.place.shape == result.error.shape == result.excess.shape == (3, 4)
    assert not result.place.any()


# What is said is true


@pytest.mark.parametrize("cotangent", ["rgb", [0.5, -2.0, 1.0]])
def test_the_numbers_of_a_full_check(precision, cotangent):
    pipeline = pipeline_of(num_lights=2, resolution=(19, 22))
    jacobian, result = checked(pipeline, cotangent=cotangent)
    covered = jacobian.triangle_id >= 0
    images = reference.jacobian(reference.Scene.of(pipeline), jacobian.triangle_id)
    slack = 1e-8  # by how much the finite differences themselves err
    assert result.sampled == covered.sum()
    np.testing.assert_array_equal(result.place == Place.background, ~covered)
    for check in result.columns:
        column = check.column
        image, exact = jacobian.column(column), images[column.parameter.name][(..., *column.index)]
        exact = exact @ jacobian.cotangents.T
        assert check.scale == np.abs(image).max()
        assert sum(check.places.values()) == covered.sum()
        assert set(check.places) <= {*COMPARED, *EXCLUDED}
        error = np.abs(image - exact)[covered] / check.scale
        assert check.max_error == pytest.approx(error.max(), rel=0.1, abs=slack)
        assert check.median_error == pytest.approx(np.median(error), rel=0.1, abs=slack)
        expected = np.linalg.norm(error) / np.linalg.norm(exact / check.scale)
        assert check.l2_error == pytest.approx(expected, rel=0.1, abs=slack)
        assert check.cosine == pytest.approx(1.0, abs=1e-9)
        assert check.max_error == max(check.max_errors.values())
        assert check.tolerance == max(check.tolerances.values())
        worst = check.worst
        channel = worst.channel or 0
        assert (worst.channel is None) == (cotangent != "rgb")
        assert worst.value == image[worst.row, worst.column, channel]
        assert abs(worst.reference - exact[worst.row, worst.column, channel]) <= worst.tolerance
        assert worst.tolerance <= check.tolerance * check.scale * (1 + 1e-12)
        assert check.out_of_tolerance == 0
        assert check.forward_error < {"f64": 1e-11, "f32": 1e-5}[precision.value]


@pytest.mark.usefixtures("precision")
def test_the_maps_of_a_full_check():
    pipeline = pipeline_of(num_lights=1, resolution=(19, 22))
    _, result = checked(pipeline)
    compared = np.isin(result.place, COMPARED)
    assert np.isfinite(result.error[compared]).all()
    assert np.isnan(result.error[result.place == Place.background]).all()
    assert np.isnan(result.excess[result.place == Place.background]).all()
    assert np.nanmax(result.error) == pytest.approx(max(check.max_error for check in result.columns))
    worst = result.worst
    multiple = abs(worst.worst.value - worst.worst.reference) / worst.worst.tolerance
    assert np.nanmax(result.excess) == pytest.approx(multiple) == result.excess[worst.worst.row, worst.worst.column]
    curve = result.curve
    assert (curve.name, curve.entry) == (worst.column.name, worst.worst)
    assert (np.diff(curve.steps) < 0).all()
    off = np.abs(curve.differences - curve.entry.reference)
    # A V: large steps err, the best are good, the smallest are noise.
    assert off.min() < 1e-6 * max(1.0, worst.scale)


@pytest.mark.usefixtures("precision")
def test_the_boundary_is_the_silhouette():
    """Brute force: a neighbour that is background, or a triangle without a common vertex."""
    pipeline = pipeline_of(mesh=tdr.TriangleMesh.torus_knot(0), resolution=(30, 33))
    _, result = checked(pipeline, parameters=["shader.ambient"])
    ids, triangles = pipeline.passes.rasterizer.triangle_id_buffer, pipeline.mesh.triangles.tolist()
    padded = np.pad(ids, 1, constant_values=-2)
    for row, column in np.argwhere(ids >= 0):
        around = {int(i) for i in padded[row : row + 3, column : column + 3].flat} - {-2}
        silhouette = any(i < 0 or not {*triangles[i]} & {*triangles[ids[row, column]]} for i in around)
        assert result.place[row, column] == (Place.boundary if silhouette else Place.interior)


@pytest.mark.usefixtures("precision")
def test_a_quick_check_looks_at_a_sample():
    pipeline = pipeline_of(resolution=(60, 70))
    jacobian, result = checked(pipeline, "quick")
    covered = int((jacobian.triangle_id >= 0).sum())
    assert result.sampled == 512 < covered
    for check in result.columns:
        assert sum(check.places.values()) == 512
    assert set(np.unique(result.place)) <= {Place.background, *COMPARED, *EXCLUDED}  # 4096 along the direction: all
    assert result.direction.pixels > 0.9 * covered
    assert abs(result.direction.tangent - result.direction.cotangent) <= result.direction.tolerance
    assert result.direction.tolerance < 1e-2 * abs(result.direction.tangent)
    assert result.direction.out_of_tolerance == 0


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_two_checks_say_the_same(mode):
    pipeline = pipeline_of(resolution=(40, 40))
    jacobian, first = checked(pipeline, mode)
    second = check_jacobian(pipeline, jacobian, mode)
    for name in ("place", "error", "excess"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    nothing = {"place": 0, "pixels": 0, "errors": 0, "excesses": 0, "curve": None}
    assert dataclasses.replace(first, **nothing) == dataclasses.replace(second, **nothing)
    np.testing.assert_array_equal(first.curve.differences, second.curve.differences)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("mode", MODES)
def test_what_forward_mode_cannot_differentiate_is_checked_without_it(mode, tmp_path):
    """Taichi has no forward mode of floor."""
    file = tmp_path / "shader.py"
    file.write_text(
        'import taichi as ti\n\nparameters = {"gain": 0.7}\n\n\n@ti.func\ndef reflect(surface, light, constants):\n'
        "    return (constants.gain + ti.floor(4.0 * surface.position.x)) * light.color\n"
    )
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=tdr.CustomShader(str(file)), resolution=(14, 14))
    _, result = checked(pipeline, mode, parameters=["shader.gain", "light.color"])
    assert result.verdict is Verdict.passed, said(result)
    assert all(check.forward_error is None for check in result.columns)


@pytest.mark.usefixtures("precision")
def test_where_forward_mode_alone_is_wrong_the_derivatives_pass(tmp_path):
    """Forward mode of Taichi 1.7.4 gives 0 for what is read from a local vector at a run-time index."""
    file = tmp_path / "shader.py"
    file.write_text(
        "import taichi as ti\nimport taichi.math as tm\n\nparameters = {'gain': 0.7}\n\n\n"
        "@ti.func\ndef reflect(surface, light, constants):\n"
        "    lit = ti.max(tm.dot(surface.normal, light.to_light), 0.0)\n"
        "    value = tm.vec3(constants.gain * lit, lit * lit, 1.0)\n"
        "    which = ti.cast(ti.select(surface.normal.x > 0.0, 0, 1), ti.i32)\n"
        "    return value[which] * light.color\n"
    )
    lights = tdr.DirectionalLightArray(direction=[[1.0, -1.0, -1.0]])
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), None, lights, tdr.CustomShader(file), resolution=(14, 14))
    for method, verdict in (("batched", Verdict.passed), ("forward", Verdict.failed)):
        _, result = checked(pipeline, "full", ["shader.gain", "light.direction"], method=method)
        assert result.verdict is verdict, said(result)
        assert any(
            "Reverse and forward mode differ" in finding for check in result.columns for finding in check.findings
        )


# Arguments


@pytest.mark.usefixtures("f64")
def test_what_cannot_be_checked_is_refused():
    pipeline = pipeline_of(num_lights=1)
    jacobian = tdr.compute_jacobian(pipeline)
    for mode in ("off", "deep", None):
        with pytest.raises(InputError, match=r"mode must be 'quick' or 'full'; got"):
            check_jacobian(pipeline, jacobian, mode)
    other = tdr.compute_jacobian(pipeline_of(resolution=(5, 6)))
    with pytest.raises(InputError, match=r"size of the pipeline's image, \(11, 14\); got \(5, 6\)"):
        check_jacobian(pipeline, other)
    before = SceneValues.of(pipeline.passes.scene).values.copy()
    pipeline.forward()
    check_jacobian(pipeline, jacobian)
    np.testing.assert_array_equal(SceneValues.of(pipeline.passes.scene).values, before)
