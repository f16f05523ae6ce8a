"""Shaders from users' own files: the same numbers as the built-in ones, from Python and from the command line."""

import copy
import inspect
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scenes
from command_line import SMALL, Command

import tdr
from tdr.config import Config, CustomShaderConfig
from tdr.derivatives.jacobian import compile_kernels
from tdr.errors import InputError
from tdr.patches import taichi as taichi_patch
from tdr.render.pipeline import Pipeline
from tdr.render.values import SceneValues
from tdr.shaders.built_in import BlinnPhongShader
from tdr.shaders.custom import _epitaph, explained

HEADER = "import taichi as ti\nimport taichi.math as tm\n\n"


def file_of(shader: type, defaults: dict[str, float]) -> str:
    """A shader file with the formula of a built-in shader."""
    functions = [textwrap.dedent(inspect.getsource(inspect.unwrap(f))) for f in (shader.reflect, shader.ambient)]
    assert all("@staticmethod" in function for function in functions)
    text = "\n\n".join(functions).replace("@staticmethod\n", "")
    return f"{HEADER}parameters = {defaults!r}\n\n\n{text}"


def shader_file(*statements: str, parameters: str = '{"gain": 0.5}', before: str = "") -> str:
    """A shader file whose function ``reflect`` consists of the given statements; they begin in line 8."""
    body = "\n    ".join(statements)
    return (
        f"{HEADER}parameters = {parameters}\n{before}\n@ti.func\ndef reflect(surface, light, constants):\n    {body}\n"
    )


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes my_shader.py into the working directory."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "my_shader.py").write_text


def pipeline_with(shader) -> tdr.Pipeline:
    pipeline = scenes.pipeline_of(num_lights=2)
    return tdr.Pipeline(
        pipeline.mesh, pipeline.camera, pipeline.light_array, shader, pipeline.placement, pipeline.resolution
    )


@pytest.mark.usefixtures("precision")
def test_the_same_formula_gives_the_same_image_and_jacobian(write):
    constants = {"ambient": 0.15, "diffuse": 0.5, "specular": 0.7, "shininess": 8.0}
    write(file_of(BlinnPhongShader, constants))
    expected = tdr.compute_jacobian(pipeline_with(tdr.BlinnPhongShader(**constants)), "all", cotangent="rgb")
    got = tdr.compute_jacobian(pipeline_with(tdr.CustomShader("my_shader.py")), "all", cotangent="rgb")
    assert [p.name for p in got.parameters] == [p.name for p in expected.parameters]
    assert expected["shader.shininess"].any()
    np.testing.assert_array_equal(got.image, expected.image)
    for name in expected.values:
        np.testing.assert_array_equal(got[name], expected[name])


@pytest.mark.usefixtures("f64")
def test_constants_are_given_changed_and_checked_like_those_of_a_built_in_shader(write):
    write(shader_file("return constants.gain * light.color", parameters='{"gain": 0.5, "unused": 1}'))
    shader = tdr.CustomShader("my_shader.py", gain=2)
    pipeline = pipeline_with(shader)
    assert (SceneValues.of(pipeline.passes.scene)["shader.unused"] == 1.0).all()
    pipeline.forward()
    first = pipeline.output_buffer.to_numpy()
    shader.settings.gain = 1.0
    pipeline.forward()
    np.testing.assert_allclose(2.0 * pipeline.output_buffer.values, first, rtol=1e-15)
    shader.settings.gain = float("nan")
    with pytest.raises(InputError, match=r"shader\.gain must be a finite number; got nan"):
        pipeline.forward()
    with pytest.raises(InputError, match=r"shader\.gian must be a parameter that my_shader\.py declares"):
        tdr.CustomShader("my_shader.py", gian=2)
    with pytest.raises(InputError, match=r"shader\.gain must be a finite number; got 'x'"):
        tdr.CustomShader("my_shader.py", gain="x")


@pytest.mark.usefixtures("f64")
def test_without_ambient_there_is_no_ambient_term(write):
    write(shader_file("return constants.gain * tm.max(0.0, -light.to_light.z) * surface.albedo"))
    pipeline = pipeline_with(tdr.CustomShader("my_shader.py"))
    pipeline.light_array.set_light_direction(0, [0, 0, -1])
    pipeline.light_array.set_light_direction(1, [0, 0, -1])
    pipeline.forward()
    assert not pipeline.output_buffer.values.any()


@pytest.mark.usefixtures("f64")
def test_a_static_loop_of_many_trips_is_no_reason_to_warn(write, recwarn):
    write(shader_file("x = 0.0", "for i in ti.static(range(40)):", "    x += constants.gain", "return x * light.color"))
    pipeline = pipeline_with(tdr.CustomShader("my_shader.py"))
    pipeline.forward()
    assert not recwarn.list
    covered = pipeline.passes.rasterizer.triangle_id_buffer >= 0
    np.testing.assert_allclose(
        pipeline.output_buffer.values[covered], [20 * np.sum(scenes.COLORS[:2], 0)] * covered.sum()
    )


@pytest.mark.usefixtures("f64")
def test_one_class_for_each_content_of_a_file(write):
    write(shader_file("return constants.gain * light.color"))
    shader = tdr.CustomShader("my_shader.py")
    assert type(tdr.CustomShader("my_shader.py", gain=3.0)) is type(shader)
    assert type(copy.deepcopy(shader)) is type(shader)
    pipeline = pipeline_with(shader)
    # The new content is as long as the old and written in the same second.
    write(shader_file("return constants.gain + light.color"))
    changed = pipeline_with(tdr.CustomShader("my_shader.py"))
    changed.forward()
    pipeline.forward()
    covered = pipeline.passes.rasterizer.triangle_id_buffer >= 0
    color = np.array(scenes.COLORS[:2])
    # What was made before keeps its formula, though it is compiled only now.
    np.testing.assert_allclose(pipeline.output_buffer.values[covered], [0.5 * color.sum(0)] * covered.sum())
    np.testing.assert_allclose(changed.output_buffer.values[covered], [1.0 + color.sum(0)] * covered.sum())


@pytest.mark.usefixtures("f64")
def test_a_config_makes_the_pipeline(write):
    write(shader_file("return constants.gain * light.color"))
    settings = CustomShaderConfig("my_shader.py")
    settings.gain = 0.25
    pipeline = Pipeline.from_config(Config(shader=settings), tdr.TriangleMesh.cube())
    assert isinstance(pipeline.shader, tdr.CustomShader)
    assert vars(pipeline.shader.settings) == {"gain": 0.25}


FIVE = "ti.Vector([1.0, 2.0, 3.0, 4.0, constants.gain])"
FAILS = {
    "typo": (
        ["return constants.gian * light.color"],
        ["line 8: constants.gian must be a declared parameter; declared: gain."],
    ),
    "typo in surface": (
        ["return constants.gain * light.color * tm.dot(surface.color, light.color)"],
        ["line 8: surface.color must be one of position, normal, albedo, to_eye."],
    ),
    "index": ([f"return {FIVE}[4] * light.color"], ["line 8: an index must be 0, 1, 2 or 3; got 4."]),
    "index of a loop": (
        ["x = 0.0", "for i in ti.static(range(5)):", f"    x += {FIVE}[i]", "return x * light.color"],
        ["line 10: an index must be 0, 1, 2 or 3; got 4."],
    ),
    "index that is written": (
        [f"v = {FIVE}", "v[4] = 0.0", "return v[0] * light.color"],
        ["line 9: an index must be 0, 1, 2 or 3"],
    ),
    "index of a matrix": (
        ["return ti.Matrix([[1.0, 2.0, 3.0, 4.0, 5.0]])[0, 4] * light.color"],
        ["line 8: an index must be 0, 1, 2 or 3; got 4"],
    ),
    "components": (["return tm.vec3(1.0, 2.0) * light.color"], ["line 8", "gets another number of components"]),
    "slice": ([f"return {FIVE}[2:5]"], ["line 8: an index must be 0, 1, 2 or 3; got 4."]),
    "index of a number": (["return constants.gain[0] * light.color"], ["line 8: what has an index must be a vector"]),
    "another type": (
        ["x = constants.gain", "x = light.color", "return x * light.color"],
        ["must be able to compile it", "a local that changes its type"],
    ),
    "name": (["x = foo(1.0)", "return x * light.color"], ["line 8", 'Name "foo" is not defined']),
    "shapes": (["x = constants.gain", "return light.color * tm.vec2(x, x)"], ["line 9", "unsupported operand"]),
    "return in if": (
        ["if constants.gain > 0.0:", "    return light.color", "return light.color"],
        ["line 9", "Return"],
    ),
    "number": (["return constants.gain"], ["line 6", "reflect must return linear RGB, a vector of 3", "one number"]),
    "nothing": (["x = constants.gain"], ["line 6", "reflect must return linear RGB", "nothing"]),
    "four": (["return tm.vec4(constants.gain)"], ["line 6", "reflect must return linear RGB", "(4,)"]),
    "matrix": (["return ti.Matrix([[1.0, 2.0], [3.0, 4.0]])"], ["line 6", "reflect must return linear RGB", "(2, 2)"]),
    "tuple": (["return constants.gain, light.color"], ["line 6", "reflect must return linear RGB", "tuple"]),
    "while": (["x = constants.gain", "while x < 3.0:", "    x *= 2.0", "return x * light.color"], ["line 9", "while"]),
    "tan": (["return ti.tan(constants.gain) * light.color"], ["line 8", "must be able to differentiate", "sin / cos"]),
    "random": (["return (constants.gain + ti.random()) * light.color"], ["line 8", "random numbers"]),
}


@pytest.fixture
def one_component_fewer(monkeypatch):
    """The guard of indices takes five components for four, so that nothing that it refuses would harm Taichi."""
    shape_of = taichi_patch.shape_of
    fewer = {(5,): (4,), (1, 5): (1, 4)}
    monkeypatch.setattr(taichi_patch, "shape_of", lambda value: fewer.get(shape_of(value), shape_of(value)))


@pytest.mark.usefixtures("f64", "one_component_fewer")
@pytest.mark.parametrize("fault", FAILS)
def test_what_taichi_refuses_is_said_with_the_file_and_the_line(write, fault):
    statements, words = FAILS[fault]
    write(shader_file(*statements))
    pipeline = pipeline_with(tdr.CustomShader("my_shader.py"))
    config = Config(shader=CustomShaderConfig("my_shader.py"))
    with pytest.raises(InputError) as error, explained(pipeline.shader):
        compile_kernels(pipeline, config.jacobian)
    text = str(error.value)
    assert all(word in text for word in ["shader.path 'my_shader.py'", *words]), text
    assert "\n" not in text


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (shader_file("return light.color", before="import nowhere_to_be_found"), ["line 5", "nowhere_to_be_found"]),
        (shader_file("return light.color", before="x = 1 / 0"), ["line 5", "ZeroDivisionError"]),
        (shader_file("return light.color").replace("@ti.func", ""), ["reflect must be decorated with @ti.func"]),
        (shader_file("x = 1.0", "ti.atomic_mul(x, missing)", "return x * light.color"), ["line 9", "x *= y"]),
        (shader_file("x = constants.gain", "print(x)", "return x * light.color"), ["line 9", "Leave it out"]),
        (shader_file("return light.color", before="ti.init(arch=ti.cpu)"), ["line 5", "Leave them out"]),
        (
            shader_file("return light.color", before="raise SystemExit(3)"),
            ["line 5", "the file must run; got SystemExit"],
        ),
        (
            shader_file("c = tm.vec3(0.0)", "for i in range(3):", "    c[i] += missing", "return c"),
            ["line 10", "ends the process"],
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused_when_the_shader_is_made(write, content, words):
    write(content)
    with pytest.raises(InputError) as error:
        tdr.CustomShader("my_shader.py")
    assert all(word in str(error.value) for word in ["shader.path 'my_shader.py'", *words]), str(error.value)


@pytest.mark.usefixtures("f64")
def test_errors_that_are_not_the_shaders_are_left_alone(write):
    write(shader_file("return constants.gain * light.color"))
    for error in (RuntimeError("out of memory"), ZeroDivisionError()):
        with pytest.raises(type(error)), explained(tdr.CustomShader("my_shader.py")):
            raise error
    with pytest.raises(RuntimeError, match="auto_diff"), explained(tdr.BlinnPhongShader()):
        raise RuntimeError("auto_diff")


def test_a_sweep_over_a_constant_compiles_once(write, command):
    write(shader_file("return constants.gain * light.color", parameters='{"gain": 0.5, "other": 1.0}'))
    command("-m", "shader=custom", "shader.path=my_shader.py", "shader.gain=0.5,1,2", "shader.other=3", *SMALL,
            "jacobian.parameters=[shader.gain,light.color]")  # fmt: skip
    runs = [run for run in command.runs() if "mlflow.parentRunId" in run.data.tags]
    assert [run.data.params["shader.gain"] for run in runs] == ["0.5", "1", "2"]
    assert {run.data.params["shader"] for run in runs} == {"custom"}
    times = [run.data.metrics["time_s/compile"] for run in runs]
    # A kernel takes tens of milliseconds even from Taichi's cache; a launch takes less than one.
    assert max(times[1:]) < 0.2 * times[0]
    largest = [run.data.metrics["jacobian/light.color.0.r/max_abs"] for run in runs]
    assert largest == pytest.approx([0.5, 1.0, 2.0])
    assert {run.data.metrics["jacobian/shader.gain/max_abs"] for run in runs} == {3.0}


def test_a_mistake_in_the_file_is_one_line_on_the_terminal(write, tmp_path):
    command = Command(tmp_path)
    write(shader_file("return constants.gian * light.color"))
    options = ("shader=custom", "shader.path=my_shader.py", *SMALL, "tracking.enabled=false")
    done = command(*options, status=1)
    assert done.stderr.startswith(
        "error: shader.path 'my_shader.py' line 8: constants.gian must be a declared parameter;"
    )
    assert done.stderr.count("\n") == 1
    done = command(*options, "shader.gain=x", status=1, PYTHONPROFILEIMPORTTIME="1")
    assert not any(line.split("|")[-1].strip() == "taichi" for line in done.stderr.splitlines())
    assert done.stderr.splitlines()[-1].startswith("error: shader.gain must be a finite number; got 'x'")


@pytest.mark.parametrize("end", ["os.abort()", "os._exit(3)"])
def test_a_shader_with_which_the_process_ends_is_named(write, end):
    """By a stand-in, which Python runs when Taichi compiles the line."""
    write(shader_file(f"ti.static({end})", "return constants.gain * light.color", before="import os"))
    make = (
        "pipeline = tdr.Pipeline(tdr.TriangleMesh.cube(), shader=tdr.CustomShader('my_shader.py'), resolution=(8, 8))"
    )
    script = f"import tdr\n{make}\npipeline.forward()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode in (3, -signal.SIGABRT)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "error: shader.path 'my_shader.py': the process ended while Taichi compiled or ran the shader."
    )
    assert "(line" not in last


def test_what_is_said_then_names_the_loops_whose_trips_nobody_knows(write):
    write(
        shader_file(
            "x = 1.0", "for i in range(ti.cast(constants.gain, ti.i32)):", "    x *= 0.5", "return x * light.color"
        )
    )
    assert "more than 30 trips (line 9)," in _epitaph(tdr.CustomShader("my_shader.py").file)
