"""What is set of Python's garbage collector, and when nothing is."""

import gc
import sys

import pytest

from tdr.patches import garbage_collector


@pytest.fixture(autouse=True)
def as_before():
    """The collector, which is afterwards as it was."""
    threshold = gc.get_threshold()
    gc.set_threshold(700)
    garbage_collector.freeze_what_stays.cache_clear()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_what_stays_is_looked_through_rarely_and_then_no_more():
    garbage_collector.collect_rarely()
    assert gc.get_threshold()[0] == garbage_collector.THRESHOLD
    for freeze in (garbage_collector.freeze_what_stays, garbage_collector.leave_to_the_end):
        gc.unfreeze()
        freeze()
        assert gc.get_freeze_count() > 1000
    gc.unfreeze()
    garbage_collector.freeze_what_stays()
    assert gc.get_freeze_count() == 0, "once a process"
    with garbage_collector.undisturbed():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


@pytest.mark.parametrize("reason", ["off", "maybe", "version"])
def test_nothing_is_changed_where_the_switch_or_the_version_says_no(reason, monkeypatch, capsys):
    if reason == "version":
        monkeypatch.setattr(sys, "version_info", (3, 14, 1))
    else:
        monkeypatch.setenv("TDR_PATCHES", reason)
    before = gc.get_threshold()
    garbage_collector.collect_rarely()
    garbage_collector.freeze_what_stays()
    garbage_collector.leave_to_the_end()
    with garbage_collector.undisturbed():
        assert gc.isenabled()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    line = "patch      tdr.patches.garbage_collector steps aside: it was tried with Python 3.10 to 3.13, this is 3.14\n"
    assert capsys.readouterr().err == (line if reason == "version" else "")
