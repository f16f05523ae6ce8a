"""Planted faults: Taichi accepts each without a word, and a quick check must not.

A fault names the parameters with a column that must fail, each with what a finding of that column must say, and those
whose columns must all pass, because the fault does not touch them.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import planted_kernels as planted
import pytest
import scenes

import tdr
from tdr.check.check import check_jacobian
from tdr.config import Precision
from tdr.config.parameters import Reads
from tdr.results.check_result import CheckResult, Verdict

HERE = Path(__file__).parent
RESOLUTION = (24, 32)
BOTH = (Precision.f64, Precision.f32)
slow = pytest.mark.slow


@dataclass(frozen=True)
class Fault:
    """What a check must say of a fault.

    Attributes:
        wrong: parameter -> a regular expression for a finding of one of its columns that fails.
        right: parameters whose columns must all pass.
        whole: a regular expression for the findings of the whole.
        precisions: in which the fault is one.
        num_lights: of the scene.
        slow: in which precisions it is left to the long run, because others like it are not.
    """

    wrong: dict[str, str] = field(default_factory=dict)
    right: tuple[str, ...] = ()
    whole: str = ""
    precisions: tuple[Precision, ...] = BOTH
    num_lights: int = 1
    slow: tuple[Precision, ...] = ()


def cases(faults):
    return [
        pytest.param(precision, name, id=f"{precision.value}-{name}", marks=slow if precision in fault.slow else ())
        for precision in BOTH
        for name, fault in faults.items()
        if precision in fault.precisions
    ]


def assert_found(result: CheckResult, fault: Fault) -> None:
    shown = "\n".join([*result.findings, *(f"{c.column.name} {c.verdict.value} {c.findings}" for c in result.columns)])
    assert result.verdict is Verdict.failed, shown
    assert re.search(fault.whole, "\n".join(result.findings)), shown
    for name, words in fault.wrong.items():
        failed = [c for c in result.columns if c.column.parameter.name == name and c.verdict is Verdict.failed]
        assert any(re.search(words, finding) for c in failed for finding in c.findings), f"{name}: {words}\n{shown}"
    for name in fault.right:
        columns = [c for c in result.columns if c.column.parameter.name == name]
        assert columns, name
        assert all(c.verdict is Verdict.passed for c in columns), f"{name}\n{shown}"


# ---------------------------------------------------------------------------------------------------------- shaders

F32 = (Precision.f32,)
F64 = (Precision.f64,)
ZERO = "entries are 0, although"
NO_RULE = "follow no simple rule"
NAN = r"not finite \([1-9]\d* NaN"
KINK = r"kink at (\d+) of \1 pixels"
AGAIN = "came out differently when computed again"
LOOP, FIELD, POINT, FLOAT = "run-time loop", "through a field", r"\bpoint\b", "float32 or float16"
SHADERS = {
    # Loops with a run-time bound.
    "loop_sum": Fault({"light.direction": ZERO, "shader.sharpness": ZERO}, ("light.color", "shader.diffuse"), LOOP),
    "loop_series": Fault({"shader.ratio": r"are 0\.544 times"}, ("light.direction", "mesh.albedo"), LOOP),
    "loop_power": Fault({"light.direction": "are 1/6 times"}, ("shader.sharpness", "light.color"), LOOP, slow=F32),
    "loop_vector_sum": Fault(
        {"light.direction": ZERO, "light.color": NO_RULE}, ("shader.diffuse", "mesh.albedo"), LOOP, slow=F32
    ),
    "loop_channels": Fault(
        {"light.color": ZERO, "shader.diffuse": ZERO, "mesh.albedo": NO_RULE}, ("shader.ambient",), LOOP, slow=F32
    ),
    "loop_bound_parameter": Fault({"light.direction": NO_RULE}, ("shader.octaves", "light.color"), LOOP, slow=F32),
    "loop_in_helper": Fault({"light.direction": NO_RULE}, ("light.color", "shader.ambient"), LOOP, slow=F32),
    "loop_occlusion": Fault({"shader.reach": NO_RULE}, ("light.direction",), LOOP, slow=F32),
    "loop_samples": Fault(
        {"light.direction": NO_RULE, "shader.radius": NO_RULE}, ("light.color", "shader.diffuse"), LOOP, slow=F32
    ),
    "loop_newton": Fault({"light.direction": ZERO, "shader.sharpness": ZERO}, ("shader.diffuse",), LOOP, slow=BOTH),
    "loop_march": Fault({"light.direction": ZERO, "shader.density": NO_RULE}, ("shader.diffuse",), LOOP, slow=BOTH),
    "loop_ndrange": Fault({"shader.sharpness": NO_RULE}, ("light.color", "shader.diffuse"), LOOP, slow=BOTH),
    "loop_static_outer": Fault({"shader.sharpness": NO_RULE}, ("light.color", "shader.diffuse"), LOOP, slow=BOTH),
    "loop_largest": Fault({"light.direction": f"{ZERO}|{NO_RULE}"}, ("light.color",), LOOP, slow=BOTH),
    # Values on which nothing depends but through comparisons, and places that are chosen at run time.
    "bisection_static": Fault({"shader.sharpness": ZERO, "light.direction": ZERO}, ("shader.diffuse",), slow=F32),
    "index_write": Fault(
        {"light.color": ZERO, "shader.sharpness": ZERO, "mesh.albedo": NO_RULE}, ("shader.ambient",), "run-time index"
    ),
    # Fields.
    "field_vector": Fault({"shader.warmth": ZERO}, ("light.direction", "mesh.albedo"), FIELD, slow=F32),
    "field_ambient": Fault({"shader.ambient": ZERO}, ("light.direction", "mesh.albedo"), FIELD, slow=F32),
    "field_square": Fault({"shader.sharpness": "are 3 times", "light.color": AGAIN}, ("shader.ambient",), FIELD),
    "field_race_grad": Fault({"light.direction": AGAIN, "light.color": NO_RULE}, ("shader.ambient",), FIELD, slow=F32),
    "field_accumulated": Fault({"light.color": AGAIN}, (), "came out differently when it was computed twice"),
    # Singular points.
    "pow_max": Fault({"shader.sharpness": NAN}, ("light.direction", "light.color"), "A power of 0"),
    "pow_select": Fault({"shader.sharpness": NAN}, ("light.direction",), "A power of 0", slow=F32),
    "power_of_zero": Fault({"shader.shininess": NAN}, ("light.color", "shader.diffuse"), "A power of 0", slow=F32),
    "length_zero": Fault({"light.direction": NAN}, ("light.color", "shader.sharpness"), POINT),
    "normalize_zero": Fault({"light.direction": NAN}, ("light.color", "shader.sharpness"), POINT, slow=F32),
    "log_max": Fault({"shader.sharpness": NAN}, ("light.direction", "light.color"), POINT, slow=F32),
    "root_of_zero": Fault({"shader.roughness": r"0 NaN, [1-9]\d* infinite"}, ("light.direction",), POINT, slow=F32),
    "sigmoid_overflow": Fault({"light.direction": NAN, "shader.sharpness": NAN}, ("shader.diffuse",), "overflow"),
    "kink_abs": Fault({"shader.bias": KINK}, ("light.direction", "shader.diffuse"), "kink"),
    "kink_clamp": Fault({"shader.strength": KINK}, ("light.direction", "shader.diffuse"), "kink", slow=F32),
    # Precision.
    "f16_cast": Fault({"light.direction": NO_RULE}, ("light.color", "shader.diffuse"), FLOAT),
    "f32_cast": Fault(
        {},
        ("light.color", "light.direction"),
        rf"noise of \d\.\de-0[78](.|\n)*passes through float32(.|\n)*{FLOAT}",
        precisions=F64,
    ),
    "f32_vector_type": Fault(
        {"shader.sharpness": "about the rounding of float32"}, ("light.direction",), FLOAT, precisions=F64
    ),
}


def with_shader(file: Path) -> tdr.Pipeline:
    scene = scenes.pipeline_of(num_lights=1, resolution=RESOLUTION)
    shader = tdr.CustomShader(file)
    return tdr.Pipeline(scene.mesh, scene.camera, scene.light_array, shader, scene.placement, RESOLUTION)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("precision", "name"), cases(SHADERS), indirect=["precision"])
def test_a_wrong_shader_is_flagged(name):
    pipeline = with_shader(HERE / "planted" / f"{name}.py")
    shading = [p.name for p in pipeline.parameters if p.reads is Reads.SHADING]
    assert_found(check_jacobian(pipeline, tdr.compute_jacobian(pipeline, shading)), SHADERS[name])


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("precision", F32, indirect=True)
@pytest.mark.parametrize("mode", ["quick", "full"])
@pytest.mark.parametrize("name", ["f32_cast", "f32_vector_type"])
def test_a_shader_in_float32_is_right_in_a_run_in_float32(name, mode):
    """Though in float64, in which differences are taken, it is a staircase."""
    pipeline = with_shader(HERE / "planted" / f"{name}.py")
    result = check_jacobian(pipeline, tdr.compute_jacobian(pipeline, "all"), mode)
    assert result.verdict is Verdict.passed, (result.findings, [(c.column.name, c.findings) for c in result.columns])
    assert not result.findings


def test_every_planted_shader_is_tried():
    assert {file.stem for file in (HERE / "planted").glob("*.py")} == set(SHADERS)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("reads", [{Reads.SHADING}, pytest.param(set(Reads), marks=slow)], ids=["shading", "all"])
@pytest.mark.parametrize("file", sorted((HERE / "controls").glob("*.py")), ids=lambda file: file.stem)
def test_a_right_shader_passes(file, reads):
    pipeline = with_shader(file)
    names = [p.name for p in pipeline.parameters if p.reads in reads]
    result = check_jacobian(pipeline, tdr.compute_jacobian(pipeline, names))
    assert result.verdict is Verdict.passed, (result.findings, [(c.column.name, c.findings) for c in result.columns])
    assert not any(c.findings for c in result.columns)


# ---------------------------------------------------------------------------------------------------------- kernels

EVERYTHING = ("light.direction", "light.color", "shader.ambient", "shader.specular", "mesh.albedo")


def everywhere(words: str) -> dict[str, str]:
    return dict.fromkeys(EVERYTHING, words)


NOT_ITS_SETTINGS = "not what its settings give"
KERNELS = {
    # What a reverse pass starts from, and what is made of its result.
    planted.not_cleared: Fault(dict.fromkeys(EVERYTHING[2:], "gradients are not cleared"), EVERYTHING[:2]),
    planted.leftover_cotangent: Fault({"light.color": r"At \d+ of \d+ pixels the entries are 2 times"}),
    planted.blue_forgotten: Fault(
        {"light.color": f"^The {ZERO}", "mesh.albedo": f"^The {ZERO}", "shader.specular": f"^In blue alone, the {ZERO}"}
    ),
    planted.red_and_blue_swapped: Fault({"light.direction": "of R, G, B are the finite differences of B, G, R"}),
    planted.wrong_sign: Fault(everywhere("are -1 times .* a wrong sign")),
    planted.twice: Fault(everywhere("are 2 times .* added 2 times")),
    planted.per_degree: Fault(everywhere("are pi/180 times .* degrees")),
    planted.of_first_light: Fault({"light.direction": ZERO}, ("shader.ambient", "shader.specular"), num_lights=2),
    planted.of_pixel_before: Fault(everywhere(r"of a neighbouring pixel \(row \+0, column -1\)")),
    planted.without_last_band: Fault(everywhere(r"At \d+ of \d+ pixels the entries are 0")),
    planted.one_nan: Fault({"light.direction": r"^1 of \d+ entries are not finite \(1 NaN"}, EVERYTHING[1:]),
    planted.x_and_y_swapped: Fault(
        {"light.direction": r"are the finite differences by light\.direction\.0\.[xy]\."}, EVERYTHING[1:]
    ),
    planted.left_over: Fault(everywhere(r"plus 0\.031")),
    planted.noisy: Fault(everywhere("computed again.* random numbers")),
    planted.through_f16: Fault(everywhere(NO_RULE)),
    planted.through_f32: Fault(everywhere("about the rounding of float32"), precisions=F64),
    # Within a kernel.
    planted.detached_eye: Fault({"camera.position": NO_RULE}, ("light.direction",)),
    planted.wrong_turn: Fault({"mesh.rotation": "are -1 times"}, ("mesh.scale", "light.direction")),
    planted.missing_ambient: Fault(
        {"shader.ambient": ZERO}, ("light.direction", "light.color", "shader.specular"), NOT_ITS_SETTINGS
    ),
    planted.missing_ambient_derivative: Fault(
        {"shader.ambient": ZERO, "mesh.albedo": NO_RULE}, ("light.direction", "light.color", "shader.specular")
    ),
    planted.encoded_in_place: Fault(everywhere(f"{NO_RULE}.* updated in place")),
    # Stale buffers.
    planted.stale_g_buffer: Fault(everywhere(NO_RULE)),
    planted.camera_moved: Fault(everywhere(NO_RULE), (), NOT_ITS_SETTINGS),
    planted.light_turned: Fault({}, EVERYTHING, NOT_ITS_SETTINGS),
    planted.shader_changed: Fault({}, EVERYTHING, NOT_ITS_SETTINGS),
}


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(
    ("precision", "name"),
    cases({fault.__name__: expected for fault, expected in KERNELS.items()}),
    indirect=["precision"],
)
def test_a_wrong_kernel_is_flagged(name):
    make, fault = next((make, fault) for make, fault in KERNELS.items() if make.__name__ == name)
    pipeline = scenes.pipeline_of(num_lights=fault.num_lights, resolution=RESOLUTION)
    assert_found(check_jacobian(pipeline, make(pipeline, [*fault.wrong, *fault.right])), fault)


@pytest.mark.usefixtures("precision")
def test_right_kernels_pass():
    pipeline = scenes.pipeline_of(num_lights=2, resolution=RESOLUTION)
    jacobian = planted.differentiated_by(planted.Changed(), pipeline, list(EVERYTHING))
    assert check_jacobian(pipeline, jacobian).verdict is Verdict.passed
