"""MLflow's UI: the addresses of its pages, and how it shows the runs of a sweep.

An address here is what follows that of the UI itself. How runs are shown, which, in what order, with which columns and
pictures, is a view that the UI can share: it keeps the view in a tag of the experiment, and restores it for whoever
opens an address that names the tag. MLflow does not document what is in the tag; versions 3.12 to 3.17 read what is
written here.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from tdr.results import naming
from tdr.tracking.mlflow_client import PARENT_TAG

# Without it the UI opens a page about language models.
_WORKFLOW = "workflowType=machine_learning"

# What the name of the experiment's tag starts with; the rest is in the address.
VIEW_TAG = "mlflow.sharedViewState."

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


def runs_page(experiment: str) -> str:
    """The page that lists all runs of an experiment."""
    return f"#/experiments/{experiment}/runs?{_WORKFLOW}"


def run_page(experiment: str, run: str, artifact: str = "") -> str:
    """The page of a run, or that which shows one of its artifacts."""
    shown = f"/artifacts/{quote(artifact)}" if artifact else ""
    return f"#/experiments/{experiment}/runs/{run}{shown}?{_WORKFLOW}"


def sweep_page(experiment: str, sweep: str, *, saved: bool) -> str:
    """The page that shows the runs of a sweep side by side.

    Args:
        experiment: the experiment's id.
        sweep: the id of the sweep's own run.
        saved: whether the sweep's view has been saved (:func:`view`). The UI restores it only if
            the address does not say by itself what is to be listed.
    """
    query = {"viewStateShareKey": sweep} if saved else listing(sweep)
    return f"{runs_page(experiment)}&{urlencode({**query, 'compareRunsMode': 'CHART'}, quote_via=quote)}"


def with_artifacts(markdown: str, experiment: str, run: str, artifacts: Collection[str]) -> str:
    """Let a text for a run's page show the run's artifacts.

    Args:
        markdown: pictures and links in it may have names of artifacts for their targets.
        experiment: the experiment's id.
        run: the run's id.
        artifacts: the names.

    Returns:
        The text, with the artifacts' addresses.
    """

    def resolve(match: re.Match[str]) -> str:
        picture, label, name = match.groups()
        if name not in artifacts:
            return match[0]
        address = f"get-artifact?path={quote(name)}&run_uuid={run}" if picture else run_page(experiment, run, name)
        return f"{picture}[{label}]({address})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)", resolve, markdown)


def listing(sweep: str) -> dict[str, str]:
    """Which runs are listed, and in what order: those of a sweep, the last job first.

    In that order the UI's charts and grids, which begin with the last run of the list, show the jobs from the first to
    the last. By time, which is the UI's own order, it would fold the runs into their sweep and leave them out of both.

    Args:
        sweep: the id of the sweep's own run.
    """
    return {
        "searchFilter": f"tags.`{PARENT_TAG}` = '{sweep}'",
        # It ends with the job's number.
        "orderByKey": f"tags.`{naming.UID_TAG}`",
        "orderByAsc": "false",
    }


def view(sweep: str, params: Sequence[str], metrics: Sequence[str], images: Sequence[str]) -> str:
    """A view of the runs of a sweep: the value of the experiment's tag ``VIEW_TAG`` + the sweep's id.

    Args:
        sweep: the id of the sweep's own run.
        params: what varies; the first columns.
        metrics: the last columns; between the two is the verdict of the check.
        images: keys of the pictures, the rows of a grid with a column a run. The UI shows ten runs at a time.
    """
    columns = [
        *(f"params.`{name}`" for name in params),
        f"tags.`{naming.CHECK_TAG}`",
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
