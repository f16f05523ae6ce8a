"""A scene may have any size and lie anywhere, and a shader's constants any unit: neither changes what a check says."""

import numpy as np
import pytest
import random_scenes
import scenes
from checked import MODES, TILTED, checked, said
from hypothesis import given, settings

import tdr
from tdr.config import Precision
from tdr.results.check_result import CheckResult, Verdict

FROM_FAR = "Coordinates are"
slow = pytest.mark.slow


def worst(result: CheckResult) -> float:
    return max(check.max_error for check in result.columns)


def rounding(precision: Precision) -> float:
    """By how much two right entries may differ, relative to the largest of their column."""
    return 2.0 * float(np.finfo(precision.value.replace("f", "float")).eps)


def in_units(jacobian: tdr.JacobianImages, scale: float) -> dict[str, np.ndarray]:
    """Columns as they would be if all lengths were ``scale`` times shorter."""
    lengths = ("mesh.translation", "mesh.scale", "camera.position", "camera.height")
    return {
        column.name: jacobian.column(column).astype(np.float64) * (scale if column.parameter.name in lengths else 1.0)
        for column in jacobian.columns
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("camera", scenes.CAMERAS)
@pytest.mark.parametrize("scale", [1e-9, pytest.param(1e-5, marks=slow), 1e9])
def test_the_size_of_a_scene_changes_nothing(precision, mode, camera, scale):
    """Sizes that are no powers of 2 round differently: that is all."""
    pipeline = scenes.pipeline_of(camera)
    expected, before = checked(pipeline, mode)
    jacobian, result = checked(random_scenes.placed(pipeline, scale, np.zeros(3)), mode)
    assert before.verdict is result.verdict is Verdict.passed, said(result)
    assert not result.findings
    unit, here = in_units(expected, 1.0), in_units(jacobian, scale)
    for check_before, check in zip(before.columns, result.columns, strict=True):
        name, largest = check.column.name, np.abs(unit[check.column.name]).max()
        np.testing.assert_allclose(here[name], unit[name], rtol=0, atol=max(1e-10, rounding(precision)) * largest)
        assert check.tolerance <= 4.0 * check_before.tolerance, name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by_vertices", [False, True])
@pytest.mark.parametrize("way", [1e3, pytest.param(1e5, marks=slow), 1e7])
def test_the_place_of_a_scene_costs_what_its_coordinates_are_rounded_to(precision, mode, by_vertices, way):
    pipeline = scenes.pipeline_of()
    expected, before = checked(pipeline, mode)
    away = random_scenes.placed(pipeline, 1.0, way * np.array([0.6, -0.8, 0.1]), by_vertices)
    jacobian, result = checked(away, mode)
    assert before.verdict is result.verdict is Verdict.passed, said(result)
    assert any(FROM_FAR in finding for finding in result.findings) == (way > 1e4)
    # Differences divide what coordinates are rounded to by steps of some thousandths.
    assert worst(result) <= worst(before) + 1e5 * way * np.finfo(np.float64).eps
    # Turning and scaling about the world's origin is another derivative.
    same = [c for c in jacobian.columns if not by_vertices or c.parameter.name not in ("mesh.rotation", "mesh.scale")]
    for column in same:
        unit, here = (j.column(column).astype(np.float64) for j in (expected, jacobian))
        allowed = rounding(precision) + 1e3 * way * np.finfo(np.float64).eps
        np.testing.assert_allclose(here, unit, rtol=0, atol=allowed * np.abs(unit).max(), err_msg=column.name)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_a_sphere_in_map_coordinates_and_a_bead(mode):
    sphere = tdr.TriangleMesh.sphere(3)
    place = np.array([500000.0, 4000000.0, 100.0])
    for mesh, camera in (
        (sphere.vertices + place, tdr.PerspectiveCamera(position=(place + np.array([0.0, 0.0, 3.5])).tolist())),
        (sphere.vertices * 1e-5, tdr.PerspectiveCamera(position=[0.0, 0.0, 3.5e-5], near=1e-6, far=1e-3)),
    ):
        pipeline = tdr.Pipeline(tdr.TriangleMesh(mesh, sphere.triangles), camera, TILTED, resolution=(24, 24))
        _, result = checked(pipeline, mode)
        assert result.verdict is Verdict.passed, said(result)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("camera", "placement"),
    [
        (tdr.OrthographicCamera(height=2e-3), tdr.MeshConfig(rotation=[0.1, 0.2, 0.0])),
        (tdr.PerspectiveCamera(position=[0.0, 0.0, 3.5e-5], near=1e-6, far=1e-3), tdr.MeshConfig(scale=1e-5)),
        (tdr.PerspectiveCamera(position=[0.0, 0.0, 1e3], far=1e4, fov=0.05), tdr.MeshConfig(rotation=[0.1, 0.2, 0.0])),
        (tdr.PerspectiveCamera(position=[0.0, 0.0, 1.2], fov=170.0), tdr.MeshConfig(rotation=[0.1, 0.2, 0.0])),
    ],
    ids=["microscope", "small", "telescope", "fisheye"],
)
def test_small_and_wide_views(mode, camera, placement):
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(4), camera, TILTED, placement=placement, resolution=(16, 16))
    _, result = checked(pipeline, mode)
    assert result.verdict is Verdict.passed, said(result)
    assert not result.findings


CONSTANTS = {
    "factor": ("constants.c * {per}", 0.7),
    "wave": ("1.0 + ti.sin(5.0 * constants.c * {per} + 3.0 * surface.position.x)", 0.7),
    "many_waves": ("1.0 + ti.sin(surface.position.x + constants.c * {per})", 2e4),
    "offset": ("1.0 + ti.sin(3.0 * surface.position.x + constants.c * {per})", 0.0),
    "ratio": ("1.0 / (0.5 + constants.c * {per})", 0.7),
}


@pytest.fixture
def with_constant(tmp_path):
    """A function that makes a pipeline whose shader has a constant in some unit, and the unit's inverse beside it."""

    def make(formula: str, value: float, power: int) -> tdr.Pipeline:
        file = tmp_path / "shader.py"
        file.write_text(
            "import taichi as ti\nimport taichi.math as tm\n\n"
            f"parameters = {{'c': {value * 10.0**power!r}}}\n\n\n"
            "@ti.func\ndef reflect(surface, light, constants):\n"
            f"    value = {formula.format(per=f'1e{-power}')}\n"
            "    return light.color * value * ti.max(tm.dot(surface.normal, light.to_light), 0.0)\n"
        )
        mesh = tdr.TriangleMesh.sphere(2)
        return tdr.Pipeline(mesh, None, TILTED, tdr.CustomShader(file), resolution=(14, 14))

    return make


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("formula", CONSTANTS)
@pytest.mark.parametrize("power", [-12, pytest.param(-7, marks=slow), pytest.param(7, marks=slow), 12])
def test_the_unit_of_a_constant_changes_nothing(precision, mode, formula, power, with_constant):
    text, value = CONSTANTS[formula]
    for image_unit in (1.0, 10.0**power):
        _, result = checked(with_constant(f"({text}) * {image_unit}", value, power), mode)
        (check,) = (check for check in result.columns if check.column.name == "shader.c")
        assert result.verdict is Verdict.passed, said(result)
        assert check.tolerance < 1e-5, said(result)
        assert check.max_error < max(1e-7, rounding(precision))
        assert check.scale > 0.0


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("factor", [1.001, 0.0])
def test_a_wrong_derivative_in_small_units_is_found(factor, with_constant):
    """No tolerance is wide because the number is small."""
    text, value = CONSTANTS["wave"]
    jacobian, result = checked(with_constant(text, value, -9), "quick")
    assert result.verdict is Verdict.passed, said(result)
    jacobian.values["shader.c"] *= factor
    pipeline = with_constant(text, value, -9)
    pipeline.forward()
    assert tdr.check.check.check_jacobian(pipeline, jacobian).verdict is Verdict.failed


@slow
@pytest.mark.parametrize("mode", MODES)
def test_random_scenes_of_any_size_anywhere(precision, mode):
    """The verdict is that of the scene at the origin, or says that its coordinates are too large."""

    @settings(max_examples=300 if mode == "quick" else 40)
    @given(random_scenes.pipelines(), random_scenes.places())
    def check(pipeline, place):
        _, before = checked(pipeline, mode)
        _, after = checked(random_scenes.placed(pipeline, *place), mode)
        if after.verdict is not before.verdict:
            assert after.verdict is not Verdict.failed, (place, said(after))
            assert any(FROM_FAR in finding for finding in after.findings), (precision, place, said(before), said(after))

    check()
