"""What a check says of shaders whose faults have a place: a channel, a branch, a slot, a clamp."""

import re

import numpy as np
import pytest
from checked import TILTED, checked, said

import tdr
from tdr.check.closer_look import flat_range
from tdr.check.surroundings import Surroundings
from tdr.config.parameters import columns_of
from tdr.results.check_result import Verdict

START = """import taichi as ti
import taichi.math as tm

parameters = {"gain": 1.5, "tint": 0.5}


@ti.func
def detach(x):
    return ti.cast(ti.cast(x * 1125899906842624.0, ti.i64), ti.f64) / 1125899906842624.0


@ti.func
def reflect(surface, light, constants):
    lit = ti.max(tm.dot(surface.normal, light.to_light), 0.0)
"""


@pytest.fixture
def shaded(tmp_path):
    """A function that makes a pipeline of a sphere and a shader with some statements."""

    def make(*statements: str, lights: tdr.DirectionalLightArray = TILTED) -> tdr.Pipeline:
        file = tmp_path / "shader.py"
        file.write_text(START + "".join(f"    {statement}\n" for statement in statements))
        mesh = tdr.TriangleMesh.sphere(3)
        return tdr.Pipeline(mesh, None, lights, tdr.CustomShader(file), resolution=(24, 24))

    return make


def findings(pipeline: tdr.Pipeline, name: str, mode: str = "quick") -> tuple[Verdict, str]:
    _, result = checked(pipeline, mode, ["light.direction", "shader.gain", "shader.tint"])
    (check,) = (check for check in result.columns if check.column.name == name)
    return check.verdict, " ".join(check.findings) or said(result)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_detached_channel_is_named(mode, shaded):
    pipeline = shaded("return light.color * constants.gain * constants.tint * tm.vec3(lit, lit, detach(lit))")
    verdict, found = findings(pipeline, "light.direction.0.x", mode)
    assert verdict is Verdict.failed
    assert found.startswith("In blue alone, the entries are 0, although"), found


@pytest.mark.usefixtures("precision")
def test_the_range_of_a_branch_is_named(shaded):
    statements = [
        "value = lit",
        "if lit < 0.3:",
        "    value = 1.25 * lit - 0.25 * detach(lit)",
        "return light.color * constants.gain * constants.tint * value",
    ]
    _, found = findings(shaded(*statements), "light.direction.0.y")
    assert re.search(r"all where n\.l is below 0\.(2[89]|3[0-4]?), the entries are 1\.25 times", found), found
    two = tdr.DirectionalLightArray(direction=[[1.0, -1.0, -1.0], [-0.5, -0.3, -1.0]])
    _, found = findings(shaded(*statements, lights=two), "light.direction.1.x")
    assert re.search(r"n\.l of light 1 is below 0\.(2[89]|3[0-4]?), the entries are 1\.25 times", found), found


@pytest.mark.usefixtures("precision")
def test_added_slots_are_named(shaded):
    pipeline = shaded(
        "a = constants.gain * (1.0 + surface.normal.x)",
        "b = (detach(constants.tint) + constants.gain - detach(constants.gain)) * (1.0 + surface.normal.y)",
        "return light.color * lit * (a + b)",
    )
    _, found = findings(pipeline, "shader.gain")
    assert "are the finite differences plus those by shader.tint" in found, found


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("clamp", ["ti.min(constants.gain, 1.0)", "tm.clamp(constants.gain * lit + 1.5, 0.0, 1.0)"])
@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_number_beyond_a_clamp_is_said_to_be_so(clamp, mode, shaded):
    verdict, found = findings(shaded(f"return light.color * {clamp} * constants.tint * lit"), "shader.gain", mode)
    assert verdict is Verdict.passed
    assert "to either side without any change; beyond, the image changes. It looks clamped." in found
    assert "but for rounding" not in found


@pytest.mark.usefixtures("precision")
def test_how_far_a_number_can_move(shaded):
    pipeline = shaded("return light.color * (ti.min(constants.gain, 1.25) + 0.0 * constants.tint) * lit")
    pipeline.forward()
    around = Surroundings(pipeline.passes, np.arange(40))
    columns = {column.name: column for column in columns_of(pipeline.parameters, 1)}
    assert flat_range(pipeline.passes, columns["shader.gain"], 1.0, around) == 0.25
    assert flat_range(pipeline.passes, columns["shader.tint"], 1.0, around) == np.inf
    assert flat_range(pipeline.passes, columns["light.direction.0.x"], 1.0, around) == np.inf
