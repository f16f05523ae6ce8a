"""Addresses in MLflow's UI, and what a sweep's link is to show there."""

import base64
import json
import zlib

import pytest

from tdr.tracking import ui


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("![the sheet](sheet.png)", "![the sheet](get-artifact?path=sheet.png&run_uuid=7)"),
        ("![](plots/a.png)", "![](get-artifact?path=plots/a.png&run_uuid=7)"),
        (
            "see [the page](sweep.html).",
            "see [the page](#/experiments/1/runs/7/artifacts/sweep.html?workflowType=machine_learning).",
        ),
        ("[two](sweep.html) [lights](other.html)", None),
        ("`light.direction` (2 values) | [[1, -1, -1]] (of the sphere)", ""),
        ("[![x](https://example.org/sheet.png)](https://example.org)", ""),
    ],
)
def test_names_of_artifacts_become_addresses_and_nothing_else_changes(text, resolved):
    found = ui.with_artifacts(text, "1", "7", ["sheet.png", "plots/a.png", "sweep.html"])
    if resolved is None:
        assert found.endswith(" [lights](other.html)")
        assert found.startswith("[two](#/")
    else:
        assert found == (resolved or text)


def decode(text: str) -> dict:
    """The state of a page, as the UI reads it."""
    assert text.startswith("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(text.removeprefix("deflate;"))))


def test_columns_are_the_values_the_verdict_and_the_metrics():
    state = decode(ui.view("5eed", ["light", "shader.shininess"], ["a/max_abs"], ["render"]))
    assert state["selectedColumns"] == [
        "params.`light`",
        "params.`shader.shininess`",
        "tags.`tdr.check`",
        "metrics.`a/max_abs`",
    ]
    assert state["columnOrder"] == [*state["columnWidths"]] == state["selectedColumns"]


def test_pictures_are_one_grid_in_a_section_of_its_own():
    state = decode(ui.view("5eed", [], [], ["render", "jacobian/light.azimuth.0"]))
    (section,) = state["compareRunSections"]
    (grid,) = state["compareRunCharts"]
    assert grid["metricSectionId"] == section["uuid"]
    assert grid["imageKeys"] == ["render", "jacobian/light.azimuth.0"]
    assert grid["showRunParams"] is False


def test_without_pictures_the_charts_are_those_of_the_ui():
    state = decode(ui.view("5eed", [], [], []))
    assert not {"compareRunSections", "compareRunCharts"} & state.keys()


def test_view_lists_what_the_address_of_the_list_does():
    state, listing = decode(ui.view("5eed", [], [], [])), ui.listing("5eed")
    assert "5eed" in state["searchFilter"]
    assert [state["searchFilter"], state["orderByKey"]] == [listing["searchFilter"], listing["orderByKey"]]
    assert json.dumps(state["orderByAsc"]) == listing["orderByAsc"]
    assert state["runsHiddenMode"] == "SHOW_ALL"


@pytest.mark.parametrize("columns", [3, 27, 120])
def test_view_of_a_sweep_fits_into_a_tag(columns):
    names = [f"jacobian/light.direction.{i // 3}.{'xyz'[i % 3]}" for i in range(columns)]
    view = ui.view("0" * 32, ["light"] * 4, [f"{name}/max_abs" for name in names], ["render", *names])
    assert len(view) <= 5000
