"""From overrides to checked settings."""

import dataclasses
import itertools

import pytest
from composed import settings

from tdr.command.settings import ROOT
from tdr.config import SCHEMAS, Config

GROUPS = {group: sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml")) for group in SCHEMAS}


def test_defaults_are_the_lessons_first_figure():
    config = settings()
    assert config == Config(light=dataclasses.replace(config.light))
    assert config.light.direction == [[0, 0, -1]]
    assert (config.camera.position, config.camera.fov) == ([0.0, 0.0, 3.5], 60.0)
    assert vars(config.shader) == {"ambient": 0.1, "diffuse": 0.3, "specular": 0.2, "shininess": 30.0}
    assert settings("light=tilted").light.direction == [[1, -1, -1]]


@pytest.mark.parametrize(
    "options", [*itertools.zip_longest(*GROUPS.values())], ids=lambda options: "-".join(filter(None, options))
)
def test_every_option_composes(options, tmp_path):
    overrides = [f"{group}={option}" for group, option in zip(GROUPS, options, strict=True) if option]
    (tmp_path / "x.py").write_text("parameters = {'gain': 2}\ndef reflect(surface, light, constants): ...\n")
    paths = {"mesh=file": "mesh.path=x.ply", "shader=custom": f"shader.path={tmp_path}/x.py"}
    config = settings(*overrides, *(path for option, path in paths.items() if option in overrides))
    for group, option in zip(GROUPS, options, strict=True):
        if option in SCHEMAS[group]:
            assert isinstance(getattr(config, group), SCHEMAS[group][option])


def test_values_reach_the_settings():
    config = settings("light.direction=[[1,-1,-1],[0,0,-1]]", "light.color=[[1,0,0],[0,1,0]]", "camera=orthographic")
    assert config.light.direction == [[1, -1, -1], [0, 0, -1]]
    assert [p.name for p in config.known_parameters()][-1] == "camera.height"
    config = settings("light=three_point", "light.azimuth=90", "light.elevation=0")
    assert config.light.direction == [[0, -1, 0], [-1, -0.3, -0.8], [0.2, -0.6, 1]]
    assert len(settings("jacobian.parameters=all").selected_parameters()) == 13
    assert settings("jacobian.cotangent=rgb").jacobian.cotangents().shape == (3, 3)
