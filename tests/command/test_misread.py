"""Arguments that Hydra misreads, and the words that are said of them."""

import pytest

from tdr.command.arguments import prepare
from tdr.command.settings import ROOT
from tdr.errors import InputError


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("light=[[0,0,0]]", r"light must be one option; got \[\[0,0,0\]\].*light.direction=\[\[1,-1,-1\]\]"),
        (
            "light=[a,b]",
            r"light must be one option; got \[a,b\]. To sweep over several, leave the brackets out and add -m",
        ),
        ("light=[tilted,frontal]", "light must be one option"),
        ("experiment=[[1]]", "experiment must be one option"),
        (
            "mesh.rotation.x=0.3",
            r"mesh.rotation must be given with all .*Type mesh.rotation=\[0.3,y,z\]",
        ),
        ("camera.position.z=2", r"Type camera.position=\[x,y,2\]"),
        ("light.direction.0.x=0.3", r"Type light.direction=\[\[0.3,y,z\]\]"),
        ("light.color.g=1", r"Type light.color=\[\[r,1,b\]\]"),
        ("+mesh.albedo.r=1", r"Type mesh.albedo=\[1,g,b\]"),
        ("mesh=my.obj", "mesh must be one of its options; got my.obj. Type mesh=file mesh.path=my.obj"),
        ("mesh=../meshes/my.ply", r"Type mesh=file mesh.path=../meshes/my.ply"),
        ("shader=./toon.py", r"Type shader=custom shader.path=./toon.py"),
        ("--light=tilted", "light must be given without dashes; got --light=tilted. Type light=tilted"),
        ("--mesh.scale=2", "Type mesh.scale=2"),
        ("~shader.specular", r"shader.specular must have a value; got ~shader.specular.*Type shader.specular=\.\.\."),
    ],
)
def test_what_hydra_would_misread_is_answered_with_what_to_type(argument, said):
    with pytest.raises(InputError, match=said) as error:
        prepare(["image.width=8", argument])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("folder", [".", "..", "{here}", "'{here}'", str(ROOT), "/"])
def test_a_folder_that_is_not_the_runs_own_is_refused(tmp_path, monkeypatch, folder):
    """All that lies in a run's folder is sent to MLflow."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"hydra\.run\.dir must be a folder of the run's own; got"):
        prepare([f"hydra.run.dir={folder.format(here=tmp_path)}"])
    assert prepare(["hydra.run.dir=new", "hydra.run.dir=outputs/${now:%H}"])


@pytest.mark.parametrize(
    "argument",
    [
        "light=tilted",
        "light=tilted,frontal",
        "mesh=sphere,cube",
        "shader=custom",
        "mesh.path=my.obj",
        "light.direction=[[1,0,0]]",
        "--config-name=x",
        "--help",
        "~experiment",
        "shader.gain.x=3",
        "hydra.run.dir=a.b",
    ],
)
def test_all_else_is_left_to_hydra(argument):
    assert prepare([argument]) == [argument]


def test_a_sweep_of_which_something_is_missing_does_not_begin(command):
    done = command("experiment=lesson", "shader=custom", status=1)
    assert "shader.path must be given; got nothing. Add shader.path=... to the command." in done.stderr
    assert "resume" not in done.stdout
    assert not (command.folder / "sweep").exists()
