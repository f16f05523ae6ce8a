"""What a shader file must declare, how it becomes settings, and the words in which mistakes in it are answered."""

import dataclasses
import subprocess
import sys

import pytest
from composed import answer, settings

from tdr.config import Config, CustomShaderConfig, JacobianConfig
from tdr.config.shader_file import read_shader_file
from tdr.errors import InputError

FUNCTIONS = "\n@ti.func\ndef reflect(surface, light, constants):\n    return constants.gain * light.color\n"
DECLARATION = 'import taichi as ti\nparameters = {"gain": 2, "offset": -0.5}\n'


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes my_shader.py into the working directory."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "my_shader.py").write_text


@pytest.fixture
def given(write):
    """A good file, as the command line names it."""
    write(DECLARATION + FUNCTIONS)
    return ("shader=custom", "shader.path=my_shader.py")


def refusal(write, content: str) -> str:
    write(content)
    with pytest.raises(InputError) as error:
        Config(shader=CustomShaderConfig("my_shader.py"))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_declared_parameters_are_settings_and_parameters(given):
    config = settings(*given, "shader.gain=3")
    assert vars(config.shader) == {"path": "my_shader.py", "gain": 3, "offset": -0.5}
    assert isinstance(config.shader, CustomShaderConfig)
    names = [parameter.name for parameter in config.known_parameters()]
    assert [name for name in names if name.startswith("shader.")] == ["shader.gain", "shader.offset"]
    chosen = settings(*given, "jacobian.parameters=[shader.offset]").selected_parameters()
    assert [parameter.name for parameter in chosen] == ["shader.offset"]


def test_in_python_it_is_the_same(given):
    shader = CustomShaderConfig("my_shader.py")
    config = Config(shader=shader, jacobian=JacobianConfig(parameters=["shader.gain"]))
    assert config == dataclasses.replace(config)
    assert vars(config.shader) == vars(settings(*given).shader)


@pytest.mark.usefixtures("given")
def test_preset_files_may_name_a_shader_file(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /shader: custom\n"
        "shader:\n  path: my_shader.py\n  offset: 1e-3\njacobian:\n  parameters: [shader.offset]\n"
    )
    config = settings(f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine", "shader.gain=4")
    assert vars(config.shader) == {"path": "my_shader.py", "offset": 0.001, "gain": 4}


def test_annotations_order_and_signs_are_read(write):
    write("parameters: dict[str, float] = {'b': -1, 'a': +2.5}" + FUNCTIONS)
    file = read_shader_file("my_shader.py")
    assert file.parameters == (("b", -1.0), ("a", 2.5))
    assert file.functions == ("reflect",)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("shader.gian=3", ["shader.gian must be a parameter that my_shader.py declares", "gain, offset", "mean gain?"]),
        ("+shader.gian=3", ["shader.gian must be a parameter that my_shader.py declares"]),
        ("shader.gain.x=3", ["shader.gain must be a finite number"]),
        ("shader.other.x=3", ["shader.other must be a parameter"]),
        ("shader.gain=much", ["shader.gain must be a finite number; got 'much'"]),
        ("shader.gain=null", ["shader.gain must be a finite number; got None"]),
        ("shader.gain=inf", ["shader.gain must be a finite number; got inf"]),
        ("shader.gain=[1,2]", ["shader.gain must be a finite number; got [1, 2]"]),
        ("shader.path=nowhere.py", ["shader.path must be a file that can be read", "'nowhere.py'", "No such file"]),
        ("shader.path=.", ["shader.path must be a file that can be read", "directory"]),
        ("shader.path=null", ["shader.path must have a value"]),
        ("jacobian.parameters=[shader.gian]", ["'shader.gian'", "shader.gain, shader.offset"]),
        ("image.widht=3", ["image.widht must be a known key"]),
    ],
)
def test_wrong_settings_are_answered_in_the_users_words(given, override, words):
    text = answer(*given, override)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_the_file_must_be_named(given):
    assert answer(given[0]).startswith("shader.path must be given")
    assert "shader.gain must be a known key" in answer("shader.gain=3")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("parameters = {'a': 1.0}\n", ["must define @ti.func reflect(surface, light, constants)"]),
        ("reflect = 3\nparameters = {'a': 1.0}\n", ["must define @ti.func reflect"]),
        (FUNCTIONS, ["must declare its parameters at its top level"]),
        ("if True:\n    parameters = {'a': 1}" + FUNCTIONS, ["must declare its parameters at its top level"]),
        ("parameters = [1.0]" + FUNCTIONS, ["line 1", "parameters must be a literal", "got 'parameters = [1.0]'"]),
        ("parameters: dict" + FUNCTIONS, ["line 1", "parameters must be a literal"]),
        (
            "\nparameters = dict(a=1.0)" + FUNCTIONS,
            ["line 2", "parameters must be a literal", "without running the file"],
        ),
        ("parameters = {'a': 1 / 3}" + FUNCTIONS, ["parameters must be a literal", "1 / 3"]),
        ("parameters = {**{'a': 1}}" + FUNCTIONS, ["parameters must be a literal", "**{'a': 1}"]),
        ("parameters = {'a': 1,\n'b c': 1}" + FUNCTIONS, ["line 2", "a parameter's name must be", "'b c'"]),
        ("parameters = {'class': 1}" + FUNCTIONS, ["a parameter's name must be", "'class'"]),
        ("parameters = {'ä': 1}" + FUNCTIONS, ["a parameter's name must be", "'ä'"]),
        ("parameters = {3: 1}" + FUNCTIONS, ["a parameter's name must be", "got 3"]),
        ("parameters = {'path': 1}" + FUNCTIONS, ["a parameter's name must not be path", "'path'"]),
        ("parameters = {'__init__': 1}" + FUNCTIONS, ["a parameter's name must not", "'__init__'"]),
        ("parameters = {'a': 1, 'a': 2}" + FUNCTIONS, ["must name each parameter once; got 'a' twice"]),
        ("parameters = {'a': 1e999}" + FUNCTIONS, ["parameters['a'] must be a finite number; got inf"]),
        ("parameters = {'a': True}" + FUNCTIONS, ["parameters['a'] must be a finite number; got True"]),
        ("parameters = {'a': '1'}" + FUNCTIONS, ["parameters['a'] must be a finite number; got '1'"]),
        ("parameters = {'a': 1}\ndef reflect(surface, light): ...", ["line 2", "reflect must take 3 arguments"]),
        ("parameters = {'a': 1}\ndef reflect(*a): ...", ["reflect must take 3 arguments", "got reflect(*a)"]),
        (
            "parameters = {'a': 1}" + FUNCTIONS + "def ambient(surface): ...",
            ["line 5", "ambient must take 2 arguments"],
        ),
        ("parameters = {'a': 1\n" + FUNCTIONS, ["line 1", "must be valid Python"]),
        ("a\0b", ["must be", "Python"]),
    ],
)
def test_wrong_files_are_answered_with_the_file_and_the_line(write, content, words):
    text = refusal(write, content)
    assert all(word in text for word in ["shader.path", "my_shader.py", *words]), text


def test_files_in_other_encodings_are_refused(tmp_path):
    path = tmp_path / "latin.py"
    path.write_bytes("# é\n".encode("latin-1"))
    with pytest.raises(InputError, match="must be a Python file in UTF-8"):
        read_shader_file(path)


def test_the_file_is_not_run_and_taichi_not_imported(write, tmp_path):
    write(DECLARATION + 'raise SystemExit("it ran")\n' + FUNCTIONS)
    script = (
        "import sys\n"
        "from tdr.config import Config, CustomShaderConfig\n"
        "Config(shader=CustomShaderConfig('my_shader.py'))\n"
        "assert 'taichi' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=60)
