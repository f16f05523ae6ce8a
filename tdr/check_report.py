"""What a check found, in words and numbers: for the terminal, for a run's page, and for ``check.json``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tdr.check_result import COMPARED, EXCLUDED, CheckResult, ColumnCheck, DirectionCheck, Entry, Place, Verdict

PLACE_LABELS: Mapping[Place, str] = {
    Place.background: "background",
    Place.unsampled: "not sampled",
    Place.interior: "compared, interior",
    Place.boundary: "compared, boundary",
    Place.visibility: "visible triangle changes",
    Place.light_edge: "surface parallel to a light (n.l = 0)",
    Place.highlight_edge: "edge of a highlight (n.h = 0)",
    Place.kink: "kink of another cause",
    Place.undefined: "image not finite",
    Place.imprecise: "finite differences too uncertain",
}

_METRICS = ("max_error", "median_error", "l2_error", "cosine", "tolerance", "out_of_tolerance")

_CAUSES = " Usual causes: "  # where a finding says what it may come from

_LINE = 110  # characters of a line on the terminal
_LEFT = 11  # of its left column
_ROWS = 30  # of a table on a run's page
_FINDINGS = 20  # on a run's page
_SHOWN = 6  # columns that did not pass, on the terminal
_NAMES = 4  # of columns that share a finding


# --------------------------------------------------------------------------------------------------------- words


def where(entry: Entry) -> str:
    """Where an entry stands: ``row 3, column 5``, with its channel if it has one."""
    channel = "" if entry.channel is None else f", {'RGB'[entry.channel]}"
    return f"row {entry.row}, column {entry.column}{channel}"


def both_values(entry: Entry) -> str:
    """An entry and its reference, ``0.51234, reference 0.51271``, with digits enough to see how far they agree."""
    difference, largest = abs(entry.value - entry.reference), max(abs(entry.value), abs(entry.reference))
    digits = 10
    if 0 < difference <= largest < math.inf:
        digits = min(10, max(4, 3 + int(math.log10(largest / difference))))
    return f"{entry.value:.{digits}g}, reference {entry.reference:.{digits}g}"


def deviation(check: ColumnCheck, entry: Entry) -> str:
    """By how much an entry of a column differs: ``3.1e-08 of the largest entry (allowed 2e-06)``."""
    difference = abs(entry.value - entry.reference)
    if not math.isfinite(difference):
        return f"{entry.value:g} in place of a number"
    if not 0 < check.scale < math.inf:
        return f"{difference:.2g} (allowed {entry.tolerance:.2g})"
    return f"{difference / check.scale:.2g} of the largest entry (allowed {entry.tolerance / check.scale:.2g})"


def extent(result: CheckResult) -> str:
    """What was looked at: ``quick: 27 columns at 512 pixels and a random direction at 16,384``."""
    direction = f" and a random direction at {result.direction.pixels:,}" if result.direction else ""
    columns = _count(len(result.columns), "column")
    return f"{result.mode}: {columns} at {_count(result.sampled, 'pixel')}{direction}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _compared(check: ColumnCheck) -> int:
    return sum(check.places.get(place, 0) for place in COMPARED)


def _excluded(check: ColumnCheck) -> int:
    return sum(check.places.get(place, 0) for place in EXCLUDED)


def _worst_first(columns: Sequence[ColumnCheck]) -> list[ColumnCheck]:
    """Failed columns, those that were not comparable, and passed ones; the worst first among each."""
    order = (Verdict.failed, Verdict.not_comparable, Verdict.passed)
    return sorted(columns, key=lambda check: (order.index(check.verdict), -check.excess))


def _shared_findings(columns: Sequence[ColumnCheck]) -> list[tuple[str, str]]:
    """Each finding once, with the columns that have it."""
    names: dict[str, list[str]] = {}
    for check in columns:
        for finding in check.findings:
            names.setdefault(finding, []).append(check.column.name)
    return [
        (", ".join(having[:_NAMES]) + (f" and {len(having) - _NAMES} more" if len(having) > _NAMES else ""), finding)
        for finding, having in names.items()
    ]


def _outcome(check: ColumnCheck) -> str:
    """What became of a column that did not pass, in words."""
    if check.verdict is Verdict.not_comparable or check.worst is None:
        places = {place: check.places.get(place, 0) for place in EXCLUDED}
        commonest = max(places, key=places.__getitem__)
        cause = f", most of them: {PLACE_LABELS[commonest]}" if places[commonest] else ""
        return f"{_compared(check):,} compared, {_excluded(check):,} excluded{cause}"
    out = f"; {check.out_of_tolerance:,} out of tolerance" if check.out_of_tolerance > 1 else ""
    return f"{where(check.worst)}: {both_values(check.worst)} +/- {check.worst.tolerance:.2g}{out}"


def _disagreement(direction: DirectionCheck) -> str | None:
    """What is wrong with the random direction; None if nothing is."""
    if abs(direction.tangent - direction.cotangent) <= direction.tolerance and not direction.out_of_tolerance:
        return None
    return (
        f"<w, Jv> is {direction.tangent:.6g} and <J^T w, v> is {direction.cotangent:.6g} "
        f"(allowed {direction.tolerance:.2g}); {direction.out_of_tolerance:,} of Jv out of tolerance"
    )


# ------------------------------------------------------------------------------------------------------ terminal


def summary_lines(result: CheckResult) -> list[str]:
    """What the terminal shows: the verdict, then what is wrong, and for a full check a table of the columns.

    Args:
        result: the check.

    Returns:
        Lines of at most 110 characters, the first with ``check`` in its left column.
    """
    verdict = result.verdict.value if result.verdict is Verdict.passed else result.verdict.value.upper()
    parts = [extent(result)]
    failed = sum(check.verdict is Verdict.failed for check in result.columns)
    if failed:
        parts.append(f"{_count(failed, 'column')} failed")
    worst = result.worst
    if worst is not None and worst.worst is not None:
        label = "farthest beyond its limit" if worst.excess > 1.0 else "nearest its limit"
        parts.append(f"{label}: {deviation(worst, worst.worst)}, {worst.column.name} at {where(worst.worst)}")
    lines = _wrap(f"{'check':<{_LEFT}}{verdict:<8} {'; '.join(parts)}", _LEFT)
    if result.mode == "full":
        lines += _table(result.columns)
    for finding in result.findings:
        lines += _wrap(" " * (_LEFT + 2) + finding, _LEFT + 4)
    disagreement = result.direction and _disagreement(result.direction)
    if disagreement:
        lines += _wrap(" " * (_LEFT + 2) + f"random direction  {disagreement}", _LEFT + 4)
    not_passed = [check for check in _worst_first(result.columns) if check.verdict is not Verdict.passed]
    for check in not_passed[:_SHOWN]:
        verdict = "" if check.verdict is Verdict.failed else "not comparable: "
        lines += _wrap(" " * (_LEFT + 2) + f"{check.column.name}  {verdict}{_outcome(check)}", _LEFT + 4)
        for finding in check.findings:
            lines += _wrap(" " * (_LEFT + 4) + finding.partition(_CAUSES)[0], _LEFT + 6)
    if len(not_passed) > _SHOWN:
        lines.append(" " * (_LEFT + 2) + f"and {len(not_passed) - _SHOWN} more columns; check.json has all of them")
    # Columns that are wrong in one way share their causes.
    causes = [finding.partition(_CAUSES)[2] for check in not_passed[:_SHOWN] for finding in check.findings]
    for cause in dict.fromkeys(filter(None, causes)):
        lines += _wrap(" " * (_LEFT + 2) + f"{_CAUSES.strip().lower()} {cause}", _LEFT + 4)
    for names, finding in _shared_findings([check for check in result.columns if check.verdict is Verdict.passed]):
        lines += _wrap(" " * (_LEFT + 2) + f"{names} (passed): {finding}", _LEFT + 4)
    return lines


def _table(columns: Sequence[ColumnCheck]) -> list[str]:
    width = max(len("column"), *(len(check.column.name) for check in columns)) if columns else 0
    row = f"{'':{_LEFT + 2}}{{:<{width}}}{{:>12}}{{:>11}}{{:>11}}{{:>11}}{{:>11}}{{:>10}}  {{}}"
    lines = [row.format("column", "max error", "of limit", "forward", "cosine", "compared", "excluded", "")]
    for check in columns:
        forward = "" if check.forward_error is None else f"{check.forward_error:.2g}"
        numbers = (f"{check.max_error:.2g}", f"{check.excess:.2g}", forward, f"{check.cosine:.6f}")
        verdict = "" if check.verdict is Verdict.passed else check.verdict.value.upper()
        lines.append(row.format(check.column.name, *numbers, f"{_compared(check):,}", f"{_excluded(check):,}", verdict))
    return [line.rstrip() for line in lines]


def _wrap(line: str, indent: int) -> list[str]:
    """Break a line; what follows its first piece is indented."""
    indented = " " * indent
    return textwrap.wrap(line, _LINE, subsequent_indent=indented, break_long_words=False, break_on_hyphens=False)


# ---------------------------------------------------------------------------------------------------- run's page


def describe(result: CheckResult) -> str:
    """What a run's page says about its check.

    Args:
        result: the check.

    Returns:
        Markdown: the verdict, what was compared, a table of the columns and what is wrong with them.
    """
    lines = [
        f"**Check {result.verdict.value}.** {extent(result).capitalize()}. "
        f"Compared: `{result.method}` in {result.precision} with {result.reference}.",
        "",
        "Errors are relative to the column's largest entry.",
        "",
        "| column | verdict | max error | tolerance | median | cosine | compared | excluded |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    ordered = _worst_first(result.columns)
    for check in ordered[:_ROWS]:
        verdict = "passed" if check.verdict is Verdict.passed else f"**{check.verdict.value}**"
        lines.append(
            f"| {check.column.name} | {verdict} | {check.max_error:.2g} | {check.tolerance:.2g} "
            f"| {check.median_error:.2g} | {check.cosine:.6f} | {_compared(check):,} | {_excluded(check):,} |"
        )
    if len(ordered) > _ROWS:
        lines += ["", f"The {_ROWS} worst of {len(ordered)} columns; {len(ordered) - _ROWS} are left out."]
    findings = list(_all_findings(result, ordered))
    if findings:
        lines += ["", *(f"- {finding}" for finding in findings[:_FINDINGS])]
    if len(findings) > _FINDINGS:
        lines.append(f"- {len(findings) - _FINDINGS} more in `check.json`")
    return "\n".join(lines) + "\n"


def _all_findings(result: CheckResult, columns: Sequence[ColumnCheck]) -> Iterator[str]:
    yield from result.findings
    disagreement = result.direction and _disagreement(result.direction)
    if disagreement:
        yield "random direction: " + disagreement.replace("<", r"\<")
    for check in columns:
        if check.verdict is not Verdict.passed:
            yield f"`{check.column.name}` {check.verdict.value}: {_outcome(check)}"
    for names, finding in _shared_findings(columns):
        yield f"{names}: {finding}"


# ------------------------------------------------------------------------------------------------------- numbers


def check_metrics(result: CheckResult) -> dict[str, float]:
    """The numbers of every column, as metrics.

    Args:
        result: the check.

    Returns:
        For every column, under ``check/<column name>/<key>``: ``max_error``, ``median_error``, ``l2_error``,
        ``cosine``, ``tolerance`` and ``out_of_tolerance`` (:class:`tdr.check_result.ColumnCheck`); ``compared`` and
        ``excluded``, in pixels; and ``forward_error`` where forward mode was run. An error may be infinite or NaN.
    """
    metrics: dict[str, float] = {}
    for check in result.columns:
        numbers = {key: getattr(check, key) for key in _METRICS}
        numbers |= {"compared": _compared(check), "excluded": _excluded(check)}
        if check.forward_error is not None:
            numbers["forward_error"] = check.forward_error
        metrics |= {f"check/{check.column.name}/{key}": float(number) for key, number in numbers.items()}
    return metrics


def check_json(result: CheckResult) -> dict[str, Any]:
    """All that a check found except its images, ready for JSON.

    Args:
        result: the check.

    Returns:
        Numbers, text, lists and dicts with the names of :class:`tdr.check_result.CheckResult`, and ``places``, how
        many pixels of the image there are of each. A number that is not finite is None; ``nonfinite`` has its path,
        ``columns/0/max_error`` for example, and what it is: ``nan``, ``inf`` or ``-inf``.
    """
    counts = np.bincount(result.place.ravel(), minlength=len(Place))
    curve, direction = result.curve, result.direction
    content = {
        "verdict": result.verdict.value,
        "mode": result.mode,
        "precision": result.precision,
        "method": result.method,
        "reference": result.reference,
        "sampled": result.sampled,
        "findings": list(result.findings),
        "places": {place.name: int(counts[place]) for place in Place if counts[place]},
        "direction": direction and dict(vars(direction)),
        "curve": curve
        and {
            "name": curve.name,
            "unit": curve.unit,
            "entry": dict(vars(curve.entry)),
            "steps": curve.steps.tolist(),
            "differences": curve.differences.tolist(),
        },
        "columns": [_column_json(check) for check in result.columns],
    }
    nonfinite: dict[str, str] = {}
    return {**_finite(content, "", nonfinite), "nonfinite": nonfinite}


def _column_json(check: ColumnCheck) -> dict[str, Any]:
    return {
        **vars(check),
        "column": check.column.name,
        "verdict": check.verdict.value,
        "worst": check.worst and dict(vars(check.worst)),
        "max_errors": dict(check.max_errors),
        "tolerances": dict(check.tolerances),
        "places": {place.name: number for place, number in check.places.items()},
        "findings": list(check.findings),
    }


def _finite(content: Any, path: str, nonfinite: dict[str, str]) -> Any:
    """The content with None for each number that is not finite, which is noted under its path."""
    if isinstance(content, dict):
        return {key: _finite(value, f"{path}/{key}", nonfinite) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value, f"{path}/{i}", nonfinite) for i, value in enumerate(content)]
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        nonfinite[path[1:]] = str(content)
        return None
    return content
