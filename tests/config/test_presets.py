"""The presets in ``conf/experiment/``: what each job of their sweeps is set to."""

import functools
import itertools

import numpy as np
import pytest
from composed import settings
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from tdr import config as schemas
from tdr.command.settings import CONF, ROOT
from tdr.config import Config

PRESETS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))


@functools.cache
def jobs(preset: str) -> list[Config]:
    """The checked settings of jobs that a preset starts: enough for each value of each swept key to occur."""
    with initialize_config_dir(version_base="1.3", config_dir=CONF):
        hydra = compose("jacobian", overrides=[f"experiment={preset}"], return_hydra_config=True).hydra
    swept = hydra.sweeper.params or {}
    assert (hydra.mode is not None) == bool(swept)
    parsed = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in swept.items()])
    # A list in place of a string of choices would be one job, without a word.
    assert all(override.is_sweep_override() for override in parsed)
    values = [[f"{override.key_or_group}={value}" for value in override.sweep_string_iterator()] for override in parsed]
    count = max(map(len, values), default=1)
    # All pairs of azimuth and elevation would take long, and no value depends on the other's.
    chosen = itertools.islice(zip(*map(itertools.cycle, values), strict=True), count) if values else [()]
    return [settings(f"experiment={preset}", *overrides) for overrides in chosen]


def angles(preset: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the first light stands in each job: counter-clockwise from +x, and the sine of its height towards +z."""
    x, y, z = -np.array([job.light.direction[0] for job in jobs(preset)]).T
    return np.degrees(np.arctan2(y, x)) % 360.0, z


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_composes_and_is_in_the_readme(preset):
    assert jobs(preset)
    assert f"`experiment={preset}`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_single_runs():
    (config,) = jobs("all_parameters")
    assert config.jacobian.parameters == "all"


def test_lesson():
    assert [job.light.direction for job in jobs("lesson")] == [[[0, 0, -1]], [[1, -1, -1]]]


def test_light_ring():
    azimuths, heights = angles("light_ring")
    np.testing.assert_allclose(azimuths, np.arange(0, 360, 15), atol=1e-9)
    np.testing.assert_allclose(heights, np.sqrt(0.5), atol=1e-9)


def test_light_hemisphere():
    azimuths, heights = angles("light_hemisphere")
    # Angles to 0.01 degrees.
    np.testing.assert_allclose(heights, np.tile([1 / 8, 3 / 8, 5 / 8, 7 / 8], 4), atol=1e-4)
    np.testing.assert_allclose(azimuths, np.arange(0, 360, 22.5), atol=1e-9)
    assert {(job.image.width, job.image.height) for job in jobs("light_hemisphere")} == {(256, 256)}


def test_shininess():
    exponents = np.array([job.shader.shininess for job in jobs("shininess")])
    np.testing.assert_array_equal(exponents[1:] / exponents[:-1], 2.0)
    assert all(
        [parameter.name for parameter in job.selected_parameters()]
        == ["light.direction", "shader.specular", "shader.shininess"]
        for job in jobs("shininess")
    )


def test_resolution():
    assert [(job.image.width, job.image.height) for job in jobs("resolution")] == [(2**i, 2**i) for i in range(5, 11)]
    image = settings("experiment=resolution", "image.width=64", "image.height=48").image
    assert (image.width, image.height) == (64, 48)


def test_mesh_shader():
    pairs = [(type(job.mesh), type(job.shader)) for job in jobs("mesh_shader")]
    meshes = (schemas.SphereConfig, schemas.TorusConfig, schemas.TorusKnotConfig, schemas.CubeConfig)
    assert pairs == [*zip(meshes, (schemas.BlinnPhongConfig, schemas.LambertianConfig) * 2, strict=True)]
