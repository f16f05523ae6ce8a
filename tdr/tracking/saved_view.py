"""How the runs of a sweep are to be shown in MLflow's UI: which, in what order, with which columns and pictures.

The UI can share a view: it keeps the view in a tag of the experiment, and restores it for whoever opens an address
that names the tag. MLflow does not document what is in the tag; versions 3.12 to 3.17 read what is written here.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

# What the name of the experiment's tag starts with; the rest is in the address.
TAG = "mlflow.sharedViewState."

_PICTURES = "pictures"

# Pixels. The grid scrolls inside its card, which fits on a screen.
_MAX_CARD_HEIGHT = 800
_ROW_HEIGHT = 170
_CHARACTER_WIDTH = 8


# What is as the UI has it. MLflow 3.12 fails where something is missing.
_DEFAULTS = {
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "modelVersionFilter": "All Runs",
    "datasetsFilter": [],
    "runsExpanded": {},
    "runsPinned": [],
    "runsHidden": [],
    "runsVisibilityMap": {},
    "viewMaximized": False,
    "runListHidden": False,
    "groupBy": None,
    "groupsExpanded": {},
    "useGroupedValuesInCharts": True,
    "hideEmptyCharts": True,
    "autoRefreshEnabled": True,
    "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
}


def listing(sweep: str) -> dict[str, str]:
    """Which runs are listed, and in what order: those of a sweep, the last job first.

    In that order the UI's charts and grids, which begin with the last run of the list, show the jobs from the first to
    the last. By time, which is the UI's own order, it would fold the runs into their sweep and leave them out of both.

    Args:
        sweep: the id of the sweep's own run.
    """
    return {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{sweep}'",
        # It ends with the job's number.
        "orderByKey": "tags.`tdr.uid`",
        "orderByAsc": "false",
    }


def encode(sweep: str, params: Sequence[str], metrics: Sequence[str], images: Sequence[str]) -> str:
    """The value of the experiment's tag.

    Args:
        sweep: the id of the sweep's own run.
        params: what varies; the first columns.
        metrics: the last columns; between the two is the verdict of the check.
        images: keys of the pictures, the rows of a grid with a column a run. The UI shows ten runs at a time.
    """
    columns = [
        *(f"params.`{name}`" for name in params),
        "tags.`tdr.check`",
        *(f"metrics.`{name}`" for name in metrics),
    ]
    state: dict[str, Any] = {
        **_DEFAULTS,
        **listing(sweep),
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {column: _CHARACTER_WIDTH * len(column) for column in columns},
        # The UI would hide the runs after the tenth from all charts.
        "runsHiddenMode": "SHOW_ALL",
    }
    if images:
        state["compareRunSections"] = [_section(len(images))]
        state["compareRunCharts"] = [_grid(images)]
        # Otherwise the sections that the UI adds are sorted in by name.
        state["isAccordionReordered"] = True
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()


def _section(rows: int) -> dict[str, Any]:
    return {
        "uuid": _PICTURES,
        "name": "Pictures",
        "display": True,
        "isReordered": False,
        "columns": 1,
        "cardHeight": min(_MAX_CARD_HEIGHT, _ROW_HEIGHT * (rows + 1)),
    }


def _grid(images: Sequence[str]) -> dict[str, Any]:
    return {
        "uuid": "grid",
        "type": "IMAGE",
        "metricSectionId": _PICTURES,
        "imageKeys": list(images),
        "step": 0,
        # With all of them as a caption no picture would be in sight.
        "showRunParams": False,
        "deleted": False,
        "isGenerated": False,
    }
