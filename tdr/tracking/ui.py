"""Addresses of pages in MLflow's UI, as they follow the address of the UI itself."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, urlencode

from tdr.tracking import saved_view

# Without it the UI opens a page about language models.
_WORKFLOW = "workflowType=machine_learning"


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
        saved: whether the sweep's view has been saved (:mod:`tdr.tracking.saved_view`). The UI restores it only if
            the address does not say by itself what is to be listed.
    """
    query = {"viewStateShareKey": sweep} if saved else saved_view.listing(sweep)
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
