"""Addresses in MLflow's UI."""

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
