"""When patches apply: the versions that they were tried with, and the switch."""

import pytest

from tdr.errors import InputError
from tdr.patches import guard
from tdr.patches.guard import applies


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """Nothing has been said in this process, and the switch is not set."""
    monkeypatch.delenv("TDR_PATCHES", raising=False)
    guard._say_once.cache_clear()


@pytest.mark.parametrize("version", ["1.3.2", "1.3.5", "1.3.8", "1.3.8.post1"])
def test_a_patch_applies_to_the_versions_that_it_was_tried_with(version, capsys):
    assert applies("tdr.patches.x", "Hydra", version, ("1.3.2", "1.3.8"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("version", ["1.3.1", "1.3", "1.3.9", "1.3.10", "1.4.0.dev1", "2"])
def test_a_patch_steps_aside_for_others_and_says_so_once(version, capsys):
    for _ in range(3):
        assert not applies("tdr.patches.x", "Hydra", version, ("1.3.2", "1.3.8"))
    assert capsys.readouterr() == (
        "",
        f"patch      tdr.patches.x steps aside: it was tried with Hydra 1.3.2 to 1.3.8, this is {version}\n",
    )
    assert not applies("tdr.patches.y", "Taichi", "1.7.5", ("1.7.4", "1.7.4"))
    assert capsys.readouterr().err == (
        "patch      tdr.patches.y steps aside: it was tried with Taichi 1.7.4, this is 1.7.5\n"
    )


def test_the_switch_leaves_a_patch_out_without_a_word(monkeypatch, capsys):
    monkeypatch.setenv("TDR_PATCHES", "off")
    assert not applies("tdr.patches.x", "Hydra", "1.3.2", ("1.3.2", "1.3.8"))
    assert not applies("tdr.patches.x", "Hydra", "2.0", ("1.3.2", "1.3.8"))
    assert capsys.readouterr() == ("", "")
    for on in ("on", ""):
        monkeypatch.setenv("TDR_PATCHES", on)
        assert applies("tdr.patches.x", "Hydra", "1.3.2", ("1.3.2", "1.3.8"))


def test_any_other_value_of_the_switch_is_refused(monkeypatch):
    monkeypatch.setenv("TDR_PATCHES", "0")
    with pytest.raises(InputError, match=r"^TDR_PATCHES must be on or off; got '0'\.$"):
        applies("tdr.patches.x", "Hydra", "1.3.2", ("1.3.2", "1.3.8"))
