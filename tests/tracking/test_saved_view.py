"""What a sweep's link is to show, as MLflow's UI keeps it."""

import base64
import json
import zlib

import pytest

from tdr.tracking import saved_view


def decode(text: str) -> dict:
    """The state of a page, as the UI reads it."""
    assert text.startswith("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(text.removeprefix("deflate;"))))


def test_columns_are_the_values_the_verdict_and_the_metrics():
    state = decode(saved_view.encode("5eed", ["light", "shader.shininess"], ["a/max_abs"], ["render"]))
    assert state["selectedColumns"] == [
        "params.`light`",
        "params.`shader.shininess`",
        "tags.`tdr.check`",
        "metrics.`a/max_abs`",
    ]
    assert state["columnOrder"] == [*state["columnWidths"]] == state["selectedColumns"]


def test_pictures_are_one_grid_in_a_section_of_its_own():
    state = decode(saved_view.encode("5eed", [], [], ["render", "jacobian/light.azimuth.0"]))
    (section,) = state["compareRunSections"]
    (grid,) = state["compareRunCharts"]
    assert grid["metricSectionId"] == section["uuid"]
    assert grid["imageKeys"] == ["render", "jacobian/light.azimuth.0"]
    assert grid["showRunParams"] is False


def test_without_pictures_the_charts_are_those_of_the_ui():
    state = decode(saved_view.encode("5eed", [], [], []))
    assert not {"compareRunSections", "compareRunCharts"} & state.keys()


def test_view_lists_what_the_address_of_the_list_does():
    state, listing = decode(saved_view.encode("5eed", [], [], [])), saved_view.listing("5eed")
    assert "5eed" in state["searchFilter"]
    assert [state["searchFilter"], state["orderByKey"]] == [listing["searchFilter"], listing["orderByKey"]]
    assert json.dumps(state["orderByAsc"]) == listing["orderByAsc"]
    assert state["runsHiddenMode"] == "SHOW_ALL"


@pytest.mark.parametrize("columns", [3, 27, 120])
def test_view_of_a_sweep_fits_into_a_tag(columns):
    names = [f"jacobian/light.direction.{i // 3}.{'xyz'[i % 3]}" for i in range(columns)]
    view = saved_view.encode("0" * 32, ["light"] * 4, [f"{name}/max_abs" for name in names], ["render", *names])
    assert len(view) <= 5000
