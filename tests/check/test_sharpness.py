"""Tolerances are as narrow as what is computed is exact, for every light, in both precisions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from checked import MODES, TILTED, checked, said

import check_resolution
import tdr
from tdr.check.check import check_jacobian
from tdr.config import Precision
from tdr.results.check_result import Verdict

SPHERE = tdr.TriangleMesh.sphere(3)
ROOT = Path(__file__).resolve().parents[2]

THREE = tdr.DirectionalLightArray(
    direction=[[-0.4, -0.6, -1.0], [1.0, 0.3, -0.5], [0.0, 1.0, -1.0]],
    color=[[1.0, 1.0, 1.0], [0.5, 0.2, 0.1], [0.1, 0.3, 0.9]],
)


def with_factor(jacobian: tdr.JacobianImages, name: str, index: tuple[int, ...], factor: float) -> tdr.JacobianImages:
    """Jacobian images in which one column is wrong by a factor."""
    values = {parameter.name: np.array(jacobian[parameter.name]) for parameter in jacobian.parameters}
    values[name][(..., *index)] *= factor
    return dataclasses.replace(jacobian, values=values)


def verdict_of(result, name: str) -> Verdict:
    return next(check.verdict for check in result.columns if check.column.name == name)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("parameters", [["light.direction", "light.color"], "all"], ids=["lights", "all"])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("brightness", [1e3, 1e9])
def test_a_dim_light_is_judged_by_itself(mode, parameters, dim, brightness):
    directions, colors = [[0.3, -0.2, -1.0], [0.0, 0.1, -1.0]], [[1.0 / brightness] * 3, [brightness] * 3]
    order = [dim, 1 - dim]
    lights = tdr.DirectionalLightArray(direction=[directions[i] for i in order], color=[list(colors[i]) for i in order])
    pipeline = tdr.Pipeline(SPHERE, None, lights, resolution=(20, 20))
    jacobian, before = checked(pipeline, mode, parameters)
    assert before.verdict is Verdict.passed, said(before)
    number = order.index(0)
    after = check_jacobian(pipeline, with_factor(jacobian, "light.direction", (number, 0), 1.0001), mode)
    assert verdict_of(after, f"light.direction.{number}.x") is Verdict.failed, said(after)
    assert verdict_of(after, f"light.direction.{1 - number}.x") is Verdict.passed, said(after)


# What check_resolution.py measured, doubled.
SEEN = {
    "smooth: a light's direction": {Precision.f64: 2e-9, Precision.f32: 2e-7},
    "smooth: the mesh's rotation": {Precision.f64: 2e-8, Precision.f32: 2e-7},
    "stiff: the same light, shininess 4000": {Precision.f64: 6e-7, Precision.f32: 6e-7},
    "stiff: its shininess": {Precision.f64: 6e-7, Precision.f32: 6e-7},
    "dim: a light of 0.001 beside one of 1000": {Precision.f64: 2e-7, Precision.f32: 4e-7},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", check_resolution.CASES)
def test_small_factors_are_found(precision, mode, name):
    case = check_resolution.CASES[name]
    pipeline = case.pipeline()
    jacobian, right = checked(pipeline, mode, [case.parameter])
    assert right.verdict is Verdict.passed, said(right)
    wrong = with_factor(jacobian, case.parameter, case.index, 1.0 + SEEN[name][precision])
    result = check_jacobian(pipeline, wrong, mode)
    assert any(check.out_of_tolerance for check in result.columns)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_table_of_what_is_found(precision, mode):
    """The README's figures are those that the script prints, within one of its steps."""
    rows = [line.split("|")[1:-1] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| ")]
    table = {row[0].strip(): row[1:] for row in rows}
    column = [(p, m) for p in (Precision.f64, Precision.f32) for m in MODES].index((precision, mode))
    for name, case in check_resolution.CASES.items():
        printed = float(table[name][column])
        assert 0.4 * printed <= check_resolution.least_error(case, mode) <= 2.5 * printed, name


def test_a_stiff_highlight_is_comparable(precision):
    """Nothing is rounded to float32 but the results."""
    lights = tdr.DirectionalLightArray(direction=[[0.1, -0.2, -1.0]])
    pipeline = tdr.Pipeline(SPHERE, None, lights, tdr.BlinnPhongShader(shininess=4e3), resolution=(40, 40))
    for mode in MODES:
        _, result = checked(pipeline, mode)
        assert result.verdict is Verdict.passed, said(result)
        (check,) = (check for check in result.columns if check.column.name == "shader.specular")
        assert check.tolerance < {Precision.f64: 1e-8, Precision.f32: 1e-6}[precision]


# Right ones that are hard to believe


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shader", [tdr.BlinnPhongShader(), tdr.LambertianShader()], ids=["blinn_phong", "lambertian"])
def test_a_light_that_is_nearly_black(mode, shader):
    """Beside the ambient light all that it does is at the level of rounding."""
    lights = tdr.DirectionalLightArray(direction=[[1.0, -1.0, -1.0]], color=[[1e-12] * 3])
    _, result = checked(tdr.Pipeline(SPHERE, None, lights, shader, resolution=(20, 20)), mode)
    assert result.verdict is Verdict.passed, said(result)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_one_pixel(mode):
    """Its centre sees a vertex, so that every step shows another triangle."""
    _, result = checked(tdr.Pipeline(SPHERE, None, TILTED, resolution=(1, 1)), mode)
    assert result.verdict is Verdict.passed, said(result)


@pytest.fixture
def shaded(tmp_path):
    """A function that makes a pipeline of a sphere and a shader with some statements and a constant ``gain``."""

    def make(statements: str, resolution=(20, 20), lights=TILTED) -> tdr.Pipeline:
        file = tmp_path / "shader.py"
        body = "".join(f"    {line}\n" for line in statements.splitlines())
        file.write_text(
            "import taichi as ti\nimport taichi.math as tm\n\n"
            "parameters = {'gain': 0.7}\n\n\n"
            f"@ti.func\ndef reflect(surface, light, constants):\n{body}"
        )
        return tdr.Pipeline(SPHERE, None, lights, tdr.CustomShader(file), resolution=resolution)

    return make


# The larger eigenvalue of a symmetric matrix: what is under the root is a difference of numbers that are nearly equal.
EIGENVALUE = """a = 1.0 + {small} * surface.normal.x * constants.gain
b = 1.0 + {small} * surface.normal.y
c = {small} * (surface.normal.z + 2.0)
mean = 0.5 * (a + b)
root = ti.sqrt(ti.max(mean * mean - (a * b - c * c), 1e-30))
return light.color * root / {small}"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("small", [1e-2, 1e-3])
def test_large_numbers_may_nearly_cancel(precision, mode, small, shaded):
    """A noise of 1e-12 to 1e-9 is no float32; it is said."""
    _, result = checked(shaded(EIGENVALUE.format(small=small)), mode)
    assert result.verdict is Verdict.passed, said(result)
    if precision is Precision.f64:
        assert all("nearly cancel" in finding for finding in result.findings if "noise" in finding), said(result)


# What is not finite


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("limit", "verdict"), [(0.998, Verdict.passed), (0.9, Verdict.failed), (-1.0, Verdict.failed)])
@pytest.mark.parametrize(
    "undefined",
    [
        "ti.sqrt(-surface.normal.z)",
        "constants.gain / (surface.normal.z - surface.normal.z)",
        # a pixel outside, but so near that a small change of the data makes it undefined
        "ti.log(edge - surface.normal.z)",
    ],
)
@pytest.mark.parametrize("lights", [TILTED, THREE], ids=["one", "three"])
def test_pixels_without_a_number_are_counted_and_few(mode, limit, verdict, undefined, lights, shaded):
    pipeline = shaded(
        f"value = constants.gain\nedge = {limit}\nif surface.normal.z > edge - 1e-3:\n    value = {undefined}\n"
        "return light.color * value",
        resolution=(48, 48),
        lights=lights,
    )
    jacobian, result = checked(pipeline, mode)
    count = int(np.count_nonzero(~np.isfinite(jacobian.image).all(axis=2)))
    assert count > 0
    covered = int(np.count_nonzero(jacobian.triangle_id >= 0))
    assert (count <= 0.01 * covered) == (verdict is Verdict.passed)
    assert result.verdict is verdict, said(result)
    assert any(f"not finite at {count} of {covered} covered pixels" in finding for finding in result.findings)
