"""The words in which mistakes are answered."""

import pytest
from composed import answer
from hydra.errors import MissingConfigException

from tdr.command.mistakes import message_of, print_error
from tdr.errors import InputError


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("light=nope", ["light must be one of frontal, three_point, tilted", "'nope'"]),
        ("light=titled", ["Did you mean tilted?"]),
        ("lights=tilted", ["lights must be a known key", "Did you mean light?"]),
        ("image.widht=3", ["image.widht must be a known key", "Keys in image: width", "Did you mean width?"]),
        ("jacobian.memory_limt=1GB", ["Did you mean memory_limit?"]),
        ("camera.fovdeg=3", ["camera.fovdeg must be a known key", "position, rotation, look_at, near, far, fov"]),
        ("+light.intensty=2", ["light.intensty must be a known key", "direction, color"]),
        ("++foo=1", ["foo must be a known key", "mesh, camera, light"]),
        ("+camera.look.at=1", ["camera.look must be a known key"]),
        ("mesh.path=x.obj", ["mesh.path must be a known key"]),
        ("mesh=file", ["mesh.path must be given"]),
        ("camera.fov=wide", ["camera.fov must be a number", "'wide'"]),
        ("image.width=3.5", ["image.width must be a whole number", "'3.5'"]),
        ("image.width=null", ["image.width must have a value", "null"]),
        ("tracking.enabled=maybe", ["tracking.enabled must be true or false", "'maybe'"]),
        ("runtime.precision=f16", ["runtime.precision must be one of f32, f64", "'f16'"]),
        ("image.width=0", ["image.width must be", "at least 1", "got 0"]),
        ("image.height=-4", ["image.height must be", "at least 1", "got -4"]),
        ("camera.near=200", ["camera.near must be less than camera.far", "200", "100"]),
        ("camera.fov=180", ["camera.fov must be", "less than 180", "180"]),
        ("camera.fov=nan", ["camera.fov must be a finite number", "nan"]),
        ("light.direction=[[0,0,0]]", ["light.direction must not be the zero vector"]),
        ("light.direction=[1,-1,-1]", ["light.direction must be a list with one 3-vector a light", "[1, -1, -1]"]),
        ("light.direction=[[1,inf,0]]", ["light.direction must have 3 finite components", "inf"]),
        ("light.azimuth=left", ["light.azimuth must be a number", "'left'"]),
        ("light.elevation=100", ["light.elevation must be", "at least -90 and at most 90", "100"]),
        ("light.color=[[1,1,1],[1,0,0]]", ["light.color must have one colour", "got 2"]),
        ("mesh.rotation=0.4", ["mesh.rotation must be a list", "float"]),
        ("shader.shininess=-1", ["shader.shininess must be", "at least 0", "-1"]),
        ("jacobian.parameters=[light.colour]", ["'light.colour'", "light.color, shader.ambient", "camera.fov"]),
        ("jacobian.parameters=[]", ["jacobian.parameters must be a list of parameter names, one or 'all'"]),
        ("jacobian.cotangent=red", ["jacobian.cotangent must be 'rgb' or a list of 3 numbers", "'red'"]),
        ("camera=null", ["A config group must have one option"]),
        ("mesh=[sphere,cube]", ["A config group must have one option"]),
        ("light=frontal,tilted", ["must have one value", "add -m"]),
        ("jacobian.parameters=light.direction,shader.specular", ["must have one value", "a list has brackets"]),
        ("jacobian.parameters=[light.directon]", ["Did you mean light.direction?"]),
        ("image.width", ["Each argument must have the form key=value", "got image.width."]),
        ("1]]", ["Each argument must have the form key=value", "got 1]]."]),
        ("image..width=3", ["Each argument must have the form key=value", "got image..width=3."]),
        (
            "light.direction=[[1,",
            ["light.direction must have brackets in pairs", "[[1,", "Quote a value with spaces: '"],
        ),
        ("light.direction=[[1,0,0]]]", ["light.direction must have brackets in pairs", "[[1,0,0]]]"]),
        ("mesh.path=it's", ["mesh.path must be a value", "it's", "quotes of its own: \"mesh.path='it\\'s'\"."]),
        ("image.width=1,,2", ["image.width must be a value, or several with commas between", "1,,2"]),
        ("image.width=rnge(1,9)", ["image.width must be a value", "rnge(1,9)", "Unknown function 'rnge'"]),
    ],
)
def test_mistakes_are_answered_in_the_users_words(override, words):
    text = answer(override)
    assert all(word in text for word in words), text
    assert text.count("\n") == 0


def test_errors_that_are_not_the_users_leave_a_trace(capsys, monkeypatch):
    monkeypatch.setenv("TDR_FULL_ERROR", "0")
    print_error(InputError("camera.fov must be smaller; got 200."))
    assert capsys.readouterr().err == "error: camera.fov must be smaller; got 200.\n"
    print_error(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setenv("TDR_FULL_ERROR", "1")
    print_error(InputError("x"))
    assert "tdr.errors.InputError: x" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "extra"), [("joblib", "joblib"), ("submitit_slurm", "slurm"), ("ray", "ray")])
def test_a_launcher_that_is_not_installed(option, extra):
    error = MissingConfigException("not found", f"hydra/launcher/{option}", ["basic"])
    assert (
        message_of(error) == f"hydra/launcher must be one of basic; got '{option}'. Run: pip install -e \".[{extra}]\""
    )
