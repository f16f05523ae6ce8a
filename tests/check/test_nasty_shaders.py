"""Nasty shaders: a quick check must fail the wrong ones, which look right, and pass the right ones, which look wrong.

A wrong one renders as it should, and Taichi differentiates it without a word. Most are detached in part: that part goes
through whole numbers of 2**-50, so that its value stays and its derivative is 0. How far each derivative is off, and
that those of the right ones are right, was measured with central differences of the image in float64, at twenty steps
and every pixel. Scenes, precisions and lights differ from test to test; all of them take the long run.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import reference
import scenes

import tdr
from tdr.check.check import check_jacobian
from tdr.config import Precision
from tdr.config.parameters import Reads
from tdr.results.check_result import CheckResult, Verdict

HERE = Path(__file__).parent
# The last of three shines from the side, so that all of them light some of what the camera sees.
DIRECTIONS = [*scenes.DIRECTIONS[:2], [0.9, 0.4, -0.5]]
DIM, BRIGHT, MEDIUM = [1e-3, 9e-4, 8e-4], [1e3, 9e2, 8e2], [0.5, 0.4, 0.3]
# Highlights that are narrower than what one pixel of a ball sees, and ramps that are as steep.
NEEDLES = {"beckmann", "ggx_needle", "ggx_needle_five_percent", "phong_needle", "steep_ramp"} | {
    *("stiff_one_percent_needle", "stiff_one_permille_needle"),
}


@dataclass(frozen=True)
class Wrong:
    """What a check must say of a wrong shader; that it fails is always meant.

    Attributes:
        failed: parameters of which a column must fail.
        passed: parameters whose columns must all pass.
        light: the light of three that is alone wrong, so that the others' directions must pass; None if all are.
        colors: of the lights, if they matter; one light has the color of the wrong one.
    """

    failed: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    light: int | None = None
    colors: tuple[list[float], ...] = tuple(scenes.COLORS)


AMBIENT = ("shader.ambient",)
LINEAR = ("light.color", "mesh.albedo", "shader.ambient", "shader.diffuse")
WRONG = {
    # Small factors, everywhere or in a narrow place.
    "smooth_one_permille": Wrong(("light.direction",), LINEAR),
    "smooth_20_ppm": Wrong(("light.direction",), LINEAR),
    "stiff_one_percent_needle": Wrong(("light.direction", "shader.shininess"), (*LINEAR, "shader.specular")),
    "stiff_one_permille_needle": Wrong(("light.direction", "shader.shininess"), (*LINEAR, "shader.specular")),
    "ggx_needle_five_percent": Wrong(("light.direction", "shader.roughness", "shader.specular"), LINEAR),
    # At some pixels.
    "fresnel_grazing": Wrong(("shader.index",), (*LINEAR, "light.direction", "shader.specular")),
    "low_cosine": Wrong(("light.direction", "shader.wrap"), LINEAR),
    "half_band": Wrong(("light.direction", "shader.shininess"), (*LINEAR, "shader.specular")),
    "refraction_detached": Wrong(("light.direction", "light.color", "shader.index"), AMBIENT),
    # Of one light.
    "dim_light_band": Wrong(("light.direction",), LINEAR, 1, (BRIGHT, DIM, MEDIUM)),
    "dim_light_highlight": Wrong(
        ("light.direction", "shader.shininess"), (*LINEAR, "shader.specular"), 0, (DIM, BRIGHT, MEDIUM)
    ),
    "third_light": Wrong(("light.direction",), (*LINEAR, "shader.sheen"), 2),
    # Of one channel.
    "blue_detached": Wrong(("light.direction", "light.color", "mesh.albedo", "shader.diffuse"), AMBIENT),
    "green_highlight": Wrong(("light.direction", "shader.shininess", "shader.specular"), LINEAR),
    "film_red": Wrong(("light.direction", "shader.thickness"), LINEAR),
    # Of one term, or of one constant.
    "slots_added": Wrong(
        ("shader.diffuse", "shader.sheen"), ("light.direction", "light.color", "mesh.albedo", *AMBIENT)
    ),
    "film_half_detached": Wrong(("shader.thickness",), (*LINEAR, "light.direction")),
    "log_floor_detached": Wrong(("shader.floor",), ("shader.ambient", "shader.diffuse")),
    "gamma_forgotten": Wrong(("light.direction", "light.color", "mesh.albedo", "shader.diffuse"), AMBIENT),
    "dim_beside_bright": Wrong(("light.direction",), ("light.color", "shader.diffuse", "shader.emission")),
    "noise_fade": Wrong(("shader.frequency",), (*LINEAR, "light.direction")),
    "texture_weights": Wrong(("light.color", "shader.diffuse", "shader.tiling"), AMBIENT),
    "loop_in_a_small_term": Wrong(("shader.frequency",), (*LINEAR, "light.direction")),
    "small_term_in_f16": Wrong(("light.direction",), ("light.color", "shader.diffuse")),
    "small_term_in_integers": Wrong(("light.direction", "shader.sharpness"), ("light.color", "shader.diffuse")),
    # Fields that pixels share.
    "field_of_the_pixel_before": Wrong(("light.direction",)),
    "field_of_the_point": Wrong(("light.direction", "shader.gain")),
    # What is not finite.
    "nan_by_mask": Wrong(),
    "nan_at_the_rim": Wrong(),
    "infinite_slope": Wrong(("shader.offset",), (*LINEAR, "light.direction")),
}
# Where a judge is tempted most: by a literal that float32 rounds, by how bright another light is, by coarse tolerances.
TEMPTING = {
    "dim_light_band": (Precision.f32, 3),
    "dim_light_highlight": (Precision.f32, 3),
    "gradient_noise": (Precision.f32, 3),
    "smooth_20_ppm": (Precision.f32, 1),
    "stiff_one_permille_needle": (Precision.f32, 1),
    "value_noise": (Precision.f32, 1),
}
RIGHT = sorted(file.stem for file in (HERE / "nasty_right").glob("*.py"))


def pebble() -> tdr.TriangleMesh:
    """A ball that is flattened to a tenth, with its flat side where the camera sees the first light mirrored."""
    ball, scene = tdr.TriangleMesh.sphere(2), scenes.pipeline_of(num_lights=1)
    to_eye = reference.normalized(np.subtract(scene.camera.settings.position, scene.placement.translation))
    half = reference.normalized(to_eye - reference.normalized(np.array(DIRECTIONS[0])))
    axis = half @ reference.rotation(np.array(scene.placement.rotation))
    return tdr.TriangleMesh(ball.vertices - 0.9 * np.outer(ball.vertices @ axis, axis), ball.triangles)


def pipeline_of(folder: str, name: str, num_lights: int) -> tdr.Pipeline:
    """A ball, or a pebble for a needle, under one light or three."""
    fault = WRONG.get(name, Wrong())
    chosen = range(3) if num_lights == 3 else [fault.light or 0]
    resolution, mesh = ((32, 32), pebble()) if name in NEEDLES else ((24, 32), tdr.TriangleMesh.sphere(2))
    scene = scenes.pipeline_of(mesh=mesh)
    return tdr.Pipeline(
        mesh,
        scene.camera,
        tdr.DirectionalLightArray(
            direction=[list(DIRECTIONS[i]) for i in chosen], color=[list(fault.colors[i]) for i in chosen]
        ),
        tdr.CustomShader(HERE / folder / f"{name}.py"),
        scene.placement,
        resolution,
    )


def cases(names):
    """Every name in both precisions, with one light and with three; one case of each name is left to any run."""
    combinations = [(precision, lights) for precision in (Precision.f64, Precision.f32) for lights in (1, 3)]
    usual = {name: TEMPTING.get(name, combinations[i % len(combinations)]) for i, name in enumerate(names)}
    return [
        pytest.param(
            precision,
            name,
            lights,
            id=f"{precision.value}-{name}-{lights}",
            marks=() if usual[name] == (precision, lights) else pytest.mark.slow,
        )
        for precision, lights in combinations
        for name in names
    ]


def said(result: CheckResult) -> str:
    columns = (f"{c.column.name} {c.verdict.value} {c.findings}" for c in result.columns)
    return "\n".join([result.verdict.value, *result.findings, *columns])


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("precision", "name", "num_lights"), cases(WRONG), indirect=["precision"])
def test_a_wrong_one_fails(name, num_lights):
    pipeline, fault = pipeline_of("nasty_wrong", name, num_lights), WRONG[name]
    shading = [p.name for p in pipeline.parameters if p.reads is Reads.SHADING]
    result = check_jacobian(pipeline, tdr.compute_jacobian(pipeline, shading))
    assert result.verdict is Verdict.failed, said(result)
    verdicts = {
        parameter: {c.column.index: c.verdict for c in result.columns if c.column.parameter.name == parameter}
        for parameter in shading
    }
    for parameter in fault.failed:
        assert Verdict.failed in verdicts[parameter].values(), f"{parameter}\n{said(result)}"
    for parameter in fault.passed:
        assert set(verdicts[parameter].values()) == {Verdict.passed}, f"{parameter}\n{said(result)}"
    if num_lights == 3 and fault.light is not None:
        directions = verdicts["light.direction"]
        assert Verdict.failed in {verdict for (light, _), verdict in directions.items() if light == fault.light}
        others = {verdict for (light, _), verdict in directions.items() if light != fault.light}
        assert others == {Verdict.passed}, said(result)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("precision", "name", "num_lights"), cases(RIGHT), indirect=["precision"])
def test_a_right_one_passes(name, num_lights):
    pipeline = pipeline_of("nasty_right", name, num_lights)
    result = check_jacobian(pipeline, tdr.compute_jacobian(pipeline, "all"))
    assert result.verdict is Verdict.passed, said(result)
    assert not any(c.findings for c in result.columns), said(result)


def test_every_wrong_one_is_tried():
    assert {file.stem for file in (HERE / "nasty_wrong").glob("*.py")} == set(WRONG)
