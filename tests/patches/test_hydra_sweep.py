"""Jobs that are composed from one another are those that Hydra composes."""

import copy
import pickle

import hydra
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from tdr.command.mistakes import message_of
from tdr.command.settings import CONF, register, validate
from tdr.patches.hydra_sweep import SweepLoader, loader_of_jobs

SWEEPS = {
    "values": [["light.azimuth=0.5", "image.width=8"], ["light.azimuth=-3", "image.width=9"]],
    "lists": [[f"light.direction=[[{x},0,-1],[0,{x},-1]]", "light.color=[[1,1,1]]"] for x in (1, 2, 3)],
    "groups": [[f"mesh={m}", f"shader={s}", "mesh.scale=2"] for m in ("torus", "cube") for s in ("lambertian",)],
    "back to a group": [
        ["mesh=torus", "image.width=8"],
        ["mesh=cube", "image.width=8"],
        ["mesh=torus", "image.width=9"],
    ],
    "a preset": [["experiment=resolution", f"image.width={w}"] for w in (8, 16, 32)],
    "added": [[f"+tracking.tags.note={note}", f"image.width={w}"] for note in ("a", "b") for w in (8, 9)],
    "added to": [[f"+tracking.tags={{note:{note}}}"] for note in ("a", "b")],
    "dictionaries": [["image={width:8}"], ["image={height:9}"], ["image={width:7}"]],
    "Hydra's own": [["image.width=8", f"hydra.sweep.subdir='{name}'"] for name in ("a=1,b", "c d")],
    "quoted": [[f"tracking.experiment='{name}'"] for name in ("a b", "c,d")],
    "nothing": [["camera.look_at=[0,0,0]"], ["camera.look_at=null"]],
}


@pytest.fixture(scope="module")
def loader():
    register()
    with initialize_config_dir(version_base="1.3", config_dir=CONF):
        yield GlobalHydra.instance().config_loader()


def task_of(config):
    """What Hydra hands to a job."""
    task = copy.deepcopy(config)
    with open_dict(task):
        del task["hydra"]
    return task


@pytest.mark.parametrize("jobs", SWEEPS.values(), ids=SWEEPS.keys())
def test_a_job_is_what_hydra_composes(loader, jobs):
    master = loader.load_configuration("jacobian", overrides=["hydra.job.name=sweep"], run_mode=RunMode.MULTIRUN)
    fast = SweepLoader(loader)
    for overrides in [*jobs, *reversed(jobs)]:
        expected, actual = loader.load_sweep_config(master, overrides), fast.load_sweep_config(master, overrides)
        assert OmegaConf.to_yaml(actual) == OmegaConf.to_yaml(expected)
        assert OmegaConf.is_struct(actual) == OmegaConf.is_struct(expected)
        assert validate(task_of(actual)) == validate(task_of(expected))
        # What becomes of one job changes no other.
        actual.image.width = 12345
        actual.hydra.job.num = 6


def test_a_value_of_the_wrong_type_is_refused_as_by_hydra(loader):
    master = loader.load_configuration("jacobian", overrides=[], run_mode=RunMode.MULTIRUN)
    fast = SweepLoader(loader)
    fast.load_sweep_config(master, ["camera.fov=30"])
    with pytest.raises(Exception, match="wide") as caught:
        fast.load_sweep_config(master, ["camera.fov=wide"])
    assert message_of(caught.value) == "camera.fov must be a number; got 'wide'."


def test_a_process_keeps_the_loader_that_it_gets_with_each_job(loader):
    sent = pickle.dumps(SweepLoader(loader))
    other = pickle.dumps(SweepLoader(loader))
    kept = pickle.loads(sent)
    assert pickle.loads(sent) is kept
    master = loader.load_configuration("jacobian", overrides=[], run_mode=RunMode.MULTIRUN)
    for width in (8, 9):
        overrides = [f"image.width={width}"]
        expected = loader.load_sweep_config(master, overrides)
        assert OmegaConf.to_yaml(kept.load_sweep_config(master, overrides)) == OmegaConf.to_yaml(expected)
    assert pickle.loads(other) is not kept


def test_hydra_composes_the_jobs_where_the_switch_or_its_version_says_so(loader, monkeypatch, capsys):
    assert type(loader_of_jobs(loader)) is SweepLoader
    monkeypatch.setattr(hydra, "__version__", "1.3.1")
    assert loader_of_jobs(loader) is loader
    monkeypatch.setenv("TDR_PATCHES", "off")
    assert loader_of_jobs(loader) is loader
    assert capsys.readouterr().err == (
        "patch      tdr.patches.hydra_sweep steps aside: it was tried with Hydra 1.3.2 to 1.3.8, this is 1.3.1\n"
    )
