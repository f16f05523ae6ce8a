"""A sweep in words: what its run's page in MLflow says above the contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tdr.sweep_views.images import RunImages, SweepImages
from tdr.sweep_views.swept import SweptAxis, SweptRun, short
from tdr.words import counted, format_number

_LISTED = 20  # findings


def describe_sweep(images: SweepImages) -> str:
    """What a sweep's page says: what varies, how the runs ended, the colour scales, and what is wrong.

    Args:
        images: the sweep's images.

    Returns:
        Markdown.
    """
    runs = images.swept.runs
    axes = ", ".join(map(_axis, images.swept.axes)) or "nothing"
    statuses = Counter(run.status.lower() for run in runs)
    verdicts = Counter(run.verdict for run in runs if run.finished and run.verdict)
    lines = [f"Sweep over {axes}: {counted(len(runs), 'run')}, {_counts(statuses)}."]
    if verdicts:
        lines[0] += f" Checks: {_counts(verdicts)}."
    if images.limits:
        scales = ", ".join(f"`{p.name}` ±{format_number(limit.value)}" for p, limit in images.limits.items())
        lines.append(f"Each parameter has one colour scale in all runs of the sweep's pictures: {scales}.")
    findings = [
        finding for run, kept in zip(runs, images.runs, strict=True) for finding in _findings(images, run, kept)
    ]
    if len(findings) > _LISTED:
        findings[_LISTED:] = [f"and {len(findings) - _LISTED} more"]
    return "\n\n".join([*lines, *(["\n".join(f"- {finding}" for finding in findings)] if findings else [])])


def _axis(axis: SweptAxis) -> str:
    values: Sequence[str] = [short(value) for value in axis.values]
    if axis.numbers is not None and len(values) > 3:
        return f"`{axis.key}` ({len(values)} values from {values[0]} to {values[-1]})"
    listed = ", ".join(values[:6]) + (", …" if len(values) > 6 else "")
    return f"`{axis.key}` ({listed})"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common())


def _findings(images: SweepImages, run: SweptRun, kept: RunImages) -> list[str]:
    """What is wrong with a run, in sentences."""
    caption, findings = images.swept.caption(run), []
    if not run.finished:
        findings.append(f"**{run.status.lower()}**: {caption}" + (f": {_one_line(run.error)}" if run.error else ""))
    elif kept.problem:
        findings.append(f"**{kept.absent}**: {caption}: {_one_line(kept.problem)}")
    if run.verdict in ("failed", "not comparable"):
        findings.append(f"**check {run.verdict}**: {caption}")
    return findings


def _one_line(text: str) -> str:
    """A message without line breaks."""
    return " ".join(text.split())
