"""Hydra's loader and the one that composes once: the same configs, the same errors."""

import contextlib

import hydra
import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from tdr.command.settings import CONF, register
from tdr.patches import hydra_start

register()


class SingleLoader(ConfigLoaderImpl):
    """Hydra's own, changed."""


hydra_start.change(SingleLoader)


@contextlib.contextmanager
def loaders(folder: str):
    """Hydra's own loader and ours for a folder of configs."""
    with initialize_config_dir(version_base="1.3", config_dir=folder):
        own = GlobalHydra.instance().config_loader()
        assert type(own) is ConfigLoaderImpl
        yield own, SingleLoader(own.config_search_path)


def compose_as_hydra_does(loader: ConfigLoaderImpl, name: str, overrides: list[str]):
    """What Hydra's command line composes: the config or the error."""
    overrides = list(overrides)
    mode = None
    with contextlib.suppress(Exception):
        asked = loader.load_configuration(name, overrides, RunMode.MULTIRUN, validate_sweep_overrides=False)
        mode = asked.hydra.mode
    if mode is None:
        overrides.extend(["hydra.mode=RUN"])
    try:
        return OmegaConf.to_container(loader.load_configuration(name, overrides, mode or RunMode.RUN), resolve=False)
    except Exception as error:  # noqa: BLE001 (compared)
        return type(error), str(error), str(error.__cause__)


@pytest.fixture
def compositions(monkeypatch):
    """The overrides of everything that is composed."""
    composed = []
    compose = ConfigLoaderImpl._load_configuration_impl

    def record(self, **options):
        composed.append(options["overrides"])
        return compose(self, **options)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", record)
    return composed


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["light=tilted", "image.width=7", "+tracking.tags.who=me", "hydra.job.name=x"],
        ["experiment=all_parameters", "~tracking.tags"],
        ["hydra.mode=RUN", "mesh=cube"],
        ["light=tilte"],
        ["camera.fov=wide"],
        ["nonsense=1"],
        ["image.width"],
        ["light=frontal,tilted"],
        ["image.width=1,2"],
    ],
    ids=" ".join,
)
def test_a_run_is_composed_once_and_as_hydra_does(overrides, compositions):
    with loaders(CONF) as (own, single):
        expected = compose_as_hydra_does(own, "jacobian", overrides)
        compositions.clear()
        assert compose_as_hydra_does(single, "jacobian", overrides) == expected
        assert len(compositions) == 1
        # What was kept for the run serves it alone.
        assert (
            compose_as_hydra_does(single, "jacobian", ["mesh=torus"])["hydra"]["runtime"]["choices"]["mesh"] == "torus"
        )


def test_the_mode_of_a_preset_is_known():
    with loaders(CONF) as (own, single):
        overrides = ["experiment=light_ring"]
        expected = compose_as_hydra_does(own, "jacobian", overrides)
        assert expected["hydra"]["mode"] is RunMode.MULTIRUN
        assert compose_as_hydra_does(single, "jacobian", overrides) == expected


def test_an_option_that_must_be_chosen_may_be_missing_in_a_sweep_only(tmp_path):
    (tmp_path / "color").mkdir()
    (tmp_path / "color" / "red.yaml").write_text("x: 1\n")
    (tmp_path / "main.yaml").write_text("defaults:\n  - color: ???\n")
    with loaders(str(tmp_path)) as (own, single):
        expected = compose_as_hydra_does(own, "main", [])
        assert "You must specify 'color'" in expected[1]
        assert compose_as_hydra_does(single, "main", []) == expected


def test_groups_have_the_same_options():
    with loaders(CONF) as (own, single):
        groups = own.list_groups("")
        assert {"light", "hydra"} <= set(groups)
        assert single.list_groups("") == groups
        for group in [*groups, "hydra/launcher"]:
            assert single.get_group_options(group) == own.get_group_options(group)


def methods():
    """Those of Hydra's loader that are changed."""
    return ConfigLoaderImpl.load_configuration, ConfigLoaderImpl.get_group_options


def test_hydra_is_changed_unless_the_switch_or_its_version_says_no(monkeypatch, capsys):
    before = methods()
    for method in before:
        monkeypatch.setattr(ConfigLoaderImpl, method.__name__, method)  # put back at the end
    with monkeypatch.context() as context:
        context.setenv("TDR_PATCHES", "off")
        hydra_start.install()
        assert methods() == before
        context.setenv("TDR_PATCHES", "on")
        context.setattr(hydra, "__version__", "1.3.9")
        hydra_start.install()
        assert methods() == before
    assert capsys.readouterr().err == (
        "patch      tdr.patches.hydra_start steps aside: it was tried with Hydra 1.3.2 to 1.3.8, this is 1.3.9\n"
    )
    hydra_start.install()
    assert [method.__wrapped__ for method in methods()] == [*before]
