"""A sweep's plan, its names, and how it stands."""

import pytest

from tdr.sweep import folder_name, run_name


@pytest.mark.parametrize(
    ("axes", "values", "name"),
    [
        (["light.azimuth"], {"light.azimuth": "15", "image.width": "8"}, "light.azimuth=15"),
        (["light.azimuth"], {"light.azimuth": "0.30000000000000004"}, "light.azimuth=0.3"),
        (["light.azimuth"], {"light.azimuth": "337.5"}, "light.azimuth=337.5"),
        (["light.azimuth"], {"light.azimuth": "315.0"}, "light.azimuth=315"),
        (["light.azimuth"], {"light.azimuth": "-0.0"}, "light.azimuth=0"),
        (["light.azimuth"], {"light.azimuth": "-5.551115123125783e-17"}, "light.azimuth=0"),
        (["shader.eps"], {"shader.eps": "1.5e-13"}, "shader.eps=1.5e-13"),
        (["shader.eps"], {"shader.eps": "1e-05"}, "shader.eps=1e-05"),
        (["shader.gain"], {"shader.gain": "12345678901.5"}, "shader.gain=12345678901.5"),
        (["camera.position"], {"camera.position": "[0.1,-0.6000000000000001,2.0]"}, "camera.position=[0.1,-0.6,2]"),
        (["light.direction"], {"light.direction": "[[1,-1,-1],[0,0.5,-1]]"}, "light.direction=[[1,-1,-1],[0,0.5,-1]]"),
        (["mesh.path"], {"mesh.path": "v1.0/2.0/a_3.0.obj"}, "mesh.path=v1.0/2.0/a_3.0.obj"),
        (["mesh", "shader.diffuse"], {"shader.diffuse": "0.5", "mesh": "torus"}, "mesh=torus shader.diffuse=0.5"),
        ([], {"mesh": "torus"}, "job"),
    ],
)
def test_a_job_is_named_by_what_varies(axes, values, name):
    assert run_name(axes, values) == name


def test_long_names_show_both_ends_and_differ_where_values_do():
    vectors = [[[x, 0, -1] if i == 5 else [i, -1, -1] for i in range(12)] for x in range(20)]
    texts = [str(directions).replace(" ", "") for directions in vectors]
    names = [run_name(["light.direction"], {"light.direction": text}) for text in texts]
    assert len(set(names)) == 20
    assert all(name.startswith("light.direction=[[0,-1,-1],[1,") for name in names)
    assert all(name.endswith("[11,-1,-1]]") for name in names)
    assert max(map(len, names)) <= len("light.direction=") + 60
    many = {f"light.direction{i}": texts[0] for i in range(6)}
    assert len(run_name([*many], many)) <= 250


def test_folders_are_named_by_what_varies_and_differ_where_any_override_does():
    names = [folder_name(f"light.direction=[[{x},0,-1]] " * 20, [f"x={x}"]) for x in range(50)]
    assert len(set(names)) == 50
    assert all(len(name) <= 107 for name in names)
    assert folder_name("mesh.path=a/b/../c d.obj", []).startswith("mesh.path=a_b_.._c_d.obj-")
    assert folder_name("a=1", ["a=1"]) == folder_name("a=1", ["a=1"])
    assert folder_name("a=1", ["a=1"]) != folder_name("a=1", ["a=1", "b=2"])
