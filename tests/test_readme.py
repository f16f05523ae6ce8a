"""What the README says to type works."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from composed import settings
from hydra.core.override_parser.overrides_parser import OverridesParser

import tdr
from tdr.command.settings import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python experiments/jacobian\.py (.*)$", README, re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def my_shader(tmp_path, monkeypatch):
    """The shader of the README, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("my_shader.py").write_text(blocks("python")[2], encoding="utf-8")


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.usefixtures("my_shader")
def test_commands_compose(arguments):
    words = shlex.split(arguments, comments=True)
    overrides = OverridesParser.create().parse_overrides([word for word in words if word != "-m"])
    assert ("-m" in words) == any(override.is_sweep_override() for override in overrides)
    for override in overrides:
        values = override.sweep_string_iterator() if override.is_sweep_override() else [override.get_value_string()]
        others = [f"{o.key_or_group}={o.get_value_string()}" for o in overrides if not o.is_sweep_override()]
        for value in values:
            settings(*others, f"{override.key_or_group}={value}")


def test_python_blocks_run_and_agree():
    namespace: dict = {}
    tdr.start("f32")
    first, second, *_ = blocks("python")
    exec(first, namespace)
    assert namespace["jacobian"]["light.direction"].shape == (48, 64, 1, 1, 3)
    exec(second.replace("64", "8").replace("48", "8"), {**namespace, "pipeline": (small := tiny())}, result := {})
    expected = tdr.compute_jacobian(small, ["light.direction"])["light.direction"]
    np.testing.assert_array_equal(result["x_image"].astype(np.float32), expected[..., 0, 0, 0])


def tiny() -> tdr.Pipeline:
    lights = tdr.DirectionalLightArray(direction=[[1, -1, -1]])
    return tdr.Pipeline(tdr.TriangleMesh.sphere(1), light_array=lights, resolution=(8, 8))


@pytest.mark.usefixtures("my_shader", "f64")
def test_the_shader_of_the_readme_renders_and_differentiates():
    shader = tdr.CustomShader("my_shader.py")
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=shader, resolution=(16, 16))
    jacobian = tdr.compute_jacobian(pipeline, "all")
    values = {}
    for step in (1e-6, -1e-6):
        shader.settings.sharpness = 20.0 + step
        pipeline.forward()
        values[step] = pipeline.output_buffer.to_numpy().sum(-1)
    difference = (values[1e-6] - values[-1e-6]) / 2e-6
    assert np.abs(difference).max() > 1e-3
    np.testing.assert_allclose(jacobian["shader.sharpness"][..., 0], difference, atol=1e-8)


@pytest.mark.usefixtures("my_shader", "f64")
def test_the_mistake_of_the_readme_is_caught_and_its_remedy_works():
    right = Path("my_shader.py").read_text(encoding="utf-8")
    body = right[right.index("    step = ") : right.index("\n\n\n@ti.func\ndef ambient")]
    mistaken = right.replace(body, blocks("python")[3].rstrip())
    mended = mistaken.replace("range(1, 4)", "ti.static(range(1, 4))")
    for source, verdict in ((mistaken, "failed"), (mended, "passed")):
        Path("my_shader.py").write_text(source, encoding="utf-8")
        shader = tdr.CustomShader("my_shader.py")
        pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=shader, resolution=(24, 24))
        result = tdr.check_jacobian(pipeline, tdr.compute_jacobian(pipeline, ["light.direction", "shader.sharpness"]))
        assert result.verdict.value == verdict, source
        line = source.splitlines().index(next(text for text in source.splitlines() if "    for " in text)) + 1
        named = any(f"my_shader.py line {line}: A run-time loop" in finding for finding in result.findings)
        assert named == (verdict == "failed")
