"""The verdict of a check: one wrong number fails, and what cannot be compared is counted by its cause."""

import dataclasses

import numpy as np
import pytest
from checked import MODES, TILTED, WALL, checked, said
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import pipeline_of

import tdr
from tdr.check.check import check_jacobian
from tdr.config import Shading
from tdr.results.check_result import COMPARED, Place, Verdict

# Wrong images fail


@pytest.fixture(scope="module")
def full(f64):  # noqa: ARG001 (f64 starts Taichi)
    pipeline = pipeline_of(num_lights=1, resolution=(9, 10))
    names = ["light.direction", "shader.shininess", "mesh.rotation"]
    return pipeline, *checked(pipeline, parameters=names, cotangent="rgb")


@settings(max_examples=20)
@given(st.data())
def test_one_wrong_entry_is_found(full, data):
    """Whichever it is, if it is off by more than its tolerance."""
    pipeline, jacobian, before = full
    assert before.verdict is Verdict.passed
    check = data.draw(st.sampled_from([c for c in before.columns if c.worst is not None]))
    row, column = data.draw(st.sampled_from(np.argwhere(np.isin(before.place, COMPARED)).tolist()))
    channel, sign = data.draw(st.integers(0, 2)), data.draw(st.sampled_from([-1.0, 1.0]))
    name, index = check.column.parameter.name, check.column.index
    values = jacobian[name].copy()
    # Tolerances differ from entry to entry; none exceeds the column's largest.
    values[(row, column, channel, *index)] += sign * 2.0 * check.tolerance * check.scale
    result = check_jacobian(pipeline, dataclasses.replace(jacobian, values={**jacobian.values, name: values}), "full")
    assert result.verdict is Verdict.failed
    assert [c.column for c in result.columns if c.out_of_tolerance] == [check.column]
    assert result.worst.column == check.column
    assert (result.worst.worst.row, result.worst.worst.column, result.worst.worst.channel) == (row, column, channel)
    np.testing.assert_array_equal(np.argwhere(result.excess > 1.0), [[row, column]])


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", [0.3, 2.0])
def test_the_tolerance_of_an_entry_decides(mode, part):
    """The worst entry of a column, whose tolerance is known, is put at a part of it from its reference."""
    pipeline = pipeline_of(num_lights=1, resolution=(9, 10))
    jacobian, before = checked(pipeline, mode, parameters=["light.color"], method="finite_difference")
    check = before.columns[1]
    worst = check.worst
    values = jacobian["light.color"].astype(np.float64)
    values[worst.row, worst.column, 0, 0, 1] = worst.reference + part * worst.tolerance
    changed = dataclasses.replace(jacobian, values={"light.color": values}, method="finite_difference")
    after = check_jacobian(pipeline, changed, mode)
    assert (after.columns[1].verdict is Verdict.failed) == (part > 1.0), said(after)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_settings_that_were_changed_after_rendering_are_noticed(mode):
    pipeline = pipeline_of()
    jacobian = tdr.compute_jacobian(pipeline, ["light.color"])
    pipeline.shader.settings.diffuse = 0.52
    result = check_jacobian(pipeline, jacobian, mode)
    assert result.verdict is Verdict.failed
    assert any("rendering is not what its settings give" in finding for finding in result.findings)


# What cannot be compared


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_a_face_parallel_to_the_light_is_left_out(mode):
    """Of two walls at a right angle one is parallel to the light: fewer pixels than the other."""
    corners = [[-9, -9, 0], [0.3, -9, 0], [0.3, 9, 0], [-9, 9, 0], [0.3, -9, 9], [0.3, 9, 9]]
    mesh = tdr.TriangleMesh(np.array(corners, float), [[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    pipeline = tdr.Pipeline(
        mesh,
        tdr.PerspectiveCamera(position=[-1.0, 0.1, 3.0]),
        tdr.DirectionalLightArray(direction=[[0.0, -0.5, -1.0]]),
        tdr.LambertianShader(),
        tdr.MeshConfig(shading=Shading.flat),
        resolution=(24, 25),
    )
    jacobian, result = checked(pipeline, mode, parameters=["light.direction", "shader.diffuse"])
    assert result.verdict is Verdict.passed, said(result)
    parallel = jacobian.triangle_id >= 2
    assert 20 < parallel.sum() < 0.5 * parallel.size
    by_name = {check.column.name: check for check in result.columns}
    places = by_name["light.direction.0.x"].places
    assert places[Place.light_edge] > 0
    if mode == "full":
        assert places[Place.light_edge] == parallel.sum()
        np.testing.assert_array_equal(result.place == Place.light_edge, parallel)
    assert Place.light_edge not in by_name["shader.diffuse"].places


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_a_column_of_which_little_can_be_compared(mode):
    lights = tdr.DirectionalLightArray(direction=[[1.0, 0.0, 0.0]])
    pipeline = tdr.Pipeline(WALL, None, lights, tdr.LambertianShader(), resolution=(9, 9))
    _, result = checked(pipeline, mode, parameters=["light.direction", "shader.ambient"])
    verdicts = {check.column.name: check.verdict for check in result.columns}
    assert verdicts["light.direction.0.z"] is Verdict.not_comparable
    assert verdicts["light.direction.0.y"] is verdicts["shader.ambient"] is Verdict.passed
    assert result.verdict is Verdict.not_comparable


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_an_image_that_underflows_cannot_be_compared(mode):
    """Below the normal numbers an image changes in steps, which are no kinks of a shader."""
    shader = tdr.LambertianShader(ambient=2.3e-308, diffuse=5e-324)
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), light_array=TILTED, shader=shader, resolution=(19, 22))
    _, result = checked(pipeline, mode, parameters=["mesh.rotation", "shader.ambient"])
    verdicts = {check.column.name: check.verdict for check in result.columns}
    assert verdicts.pop("shader.ambient") is Verdict.passed
    assert set(verdicts.values()) == {Verdict.not_comparable}, said(result)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("beside", [0.0, 1e-30, 1e-18, 1e-9, 1e-5])
def test_a_light_straight_towards_the_camera_is_said_and_no_failure(mode, beside):
    """There is no half vector; rounding alone decides about the highlight, and its derivative may overflow."""
    lights = tdr.DirectionalLightArray(direction=[[beside, 0.0, 1.0], [1.0, -1.0, -1.0]])
    shader = tdr.BlinnPhongShader(shininess=2.0)
    pipeline = tdr.Pipeline(
        tdr.TriangleMesh.sphere(2),
        tdr.OrthographicCamera(position=[0.0, 0.0, 3.5]),
        lights,
        shader,
        resolution=(14, 15),
    )
    _, result = checked(pipeline, mode, parameters=["light.direction", "mesh.albedo"])
    by_name = {check.column.name: check for check in result.columns}
    # Beside the pole by 1e-5, the smaller steps that fit still tell how the light turns.
    check = by_name["light.direction.0.z" if beside == 1e-5 else "light.direction.0.x"]
    assert check.verdict is Verdict.not_comparable, said(result)
    (finding,) = check.findings
    left_out = check.places[Place.highlight_edge]
    assert f"At {left_out} of {result.sampled} pixels a light shines straight towards the camera" in finding
    assert result.verdict is Verdict.not_comparable, said(result)
    if beside in (0.0, 1e-5):  # elsewhere rounding decides about this light's share of what the others are added to
        for name in ("light.direction.1.x", "mesh.albedo.r"):
            assert by_name[name].verdict is Verdict.passed, said(result)
            assert not by_name[name].findings


@pytest.mark.usefixtures("f64")
def test_what_is_not_finite_elsewhere_is_no_singular_point():
    """One light shines straight towards the camera at the pixels in the middle; a NaN is put beside them."""
    lights = tdr.DirectionalLightArray(direction=[[0.0, 0.0, 1.0]])
    pipeline = tdr.Pipeline(WALL, tdr.PerspectiveCamera(position=[0.0, 0.0, 2.0]), lights, resolution=(15, 15))
    jacobian, before = checked(pipeline, parameters=["light.color"])
    assert before.verdict is Verdict.passed, said(before)
    for pixel, verdict in (((7, 7), Verdict.passed), ((7, 3), Verdict.failed)):
        values = jacobian["light.color"].copy()
        values[(*pixel, 0, 0, 0)] = np.nan
        changed = dataclasses.replace(jacobian, values={"light.color": values})
        after = check_jacobian(pipeline, changed, "full")
        assert after.columns[0].out_of_tolerance == (verdict is Verdict.failed)
        assert any("not finite" in finding for finding in after.columns[0].findings)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_kinks_that_no_light_explains_are_no_excuse(mode, tmp_path):
    """The current value of a parameter is where the shader's formula bends."""
    file = tmp_path / "shader.py"
    file.write_text(
        'import taichi as ti\n\nparameters = {"gain": 0.5}\n\n\n@ti.func\ndef reflect(surface, light, constants):\n'
        "    return (1.0 + abs(constants.gain - 0.5)) * light.color\n"
    )
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=tdr.CustomShader(str(file)), resolution=(14, 14))
    _, result = checked(pipeline, mode, parameters=["shader.gain"])
    assert result.verdict is Verdict.failed
    (check,) = result.columns
    assert check.places == {Place.kink: result.sampled}
    assert any("kink" in finding for finding in check.findings), said(result)


@pytest.mark.usefixtures("precision")
def test_pixels_that_change_their_triangle_at_every_step_are_compared_with_it_held_fixed():
    """An edge runs 1e-8 beside the centres of the pixels of the sixth column."""
    edge = 0.1 + 1e-8
    corners = [[-9, -9, 0], [edge, -9, 0], [edge, 9, 0], [-9, 9, 0], [9, -9, -1], [9, 9, -1]]
    mesh = tdr.TriangleMesh(corners, [[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    pipeline = tdr.Pipeline(mesh, tdr.OrthographicCamera(height=0.4), TILTED, resolution=(2, 10))
    _, result = checked(pipeline, parameters=["mesh.translation"])
    assert result.verdict is Verdict.passed, said(result)
    assert not (result.place == Place.visibility).any()
    assert all(check.places.keys() <= {Place.interior, Place.boundary} for check in result.columns)
