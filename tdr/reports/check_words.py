"""What a check found, in words and numbers: for the terminal, for a run's page, and for ``check.json``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tdr.results import naming
from tdr.results.check_result import (
    COMPARED,
    EXCLUDED,
    CheckResult,
    ColumnCheck,
    ComparedEntry,
    DirectionCheck,
    Place,
    Verdict,
)
from tdr.words import Sentence, counted, say_once, without_links

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

_METRICS = (naming.MAX_ERROR, "median_error", "l2_error", "cosine", "tolerance", "out_of_tolerance")

_CAUSES = " Usual causes: "  # where a finding says what it may come from

_LINE = 110  # characters of a line on the terminal
_LEFT = 11  # of its left column
_ROWS = 30  # of a table on a run's page
_FINDINGS = 20  # on a run's page
_SHOWN = 6  # failed columns with their worst entries


# --------------------------------------------------------------------------------------------------------- words


def where(entry: ComparedEntry) -> str:
    """Where an entry stands: ``row 3, column 5``, with its channel if it has one."""
    channel = "" if entry.channel is None else f", {'RGB'[entry.channel]}"
    return f"row {entry.row}, column {entry.column}{channel}"


def both_values(entry: ComparedEntry) -> str:
    """An entry and its reference, ``0.51234, reference 0.51271``, with digits enough to see how far they agree."""
    difference, largest = abs(entry.value - entry.reference), max(abs(entry.value), abs(entry.reference))
    digits = 10
    if 0 < difference <= largest < math.inf:
        digits = min(10, max(4, 3 + int(math.log10(largest / difference))))
    return f"{entry.value:.{digits}g}, reference {entry.reference:.{digits}g}"


def deviation(check: ColumnCheck, entry: ComparedEntry) -> str:
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
    columns = counted(len(result.columns), "column")
    return f"{result.mode}: {columns} at {counted(result.sampled, 'pixel')}{direction}"


def _compared(check: ColumnCheck) -> int:
    return sum(check.places.get(place, 0) for place in COMPARED)


def _name(check: ColumnCheck) -> str:
    return check.column.name


def _excluded(check: ColumnCheck) -> int:
    return sum(check.places.get(place, 0) for place in EXCLUDED)


def _worst_first(columns: Sequence[ColumnCheck]) -> list[ColumnCheck]:
    """Failed columns, those that were not comparable, and passed ones; the worst first among each."""
    order = (Verdict.failed, Verdict.not_comparable, Verdict.passed)
    return sorted(columns, key=lambda check: (order.index(check.verdict), -check.excess))


def _found(columns: Iterable[ColumnCheck]) -> list[Sentence]:
    """What was found in columns."""
    return say_once((_name(check), finding.partition(_CAUSES)[0]) for check in columns for finding in check.findings)


def _causes(columns: Iterable[ColumnCheck]) -> list[tuple[str, Sentence]]:
    """What that may come from, each with its beginning."""
    findings = [(_name(check), finding) for check in columns for finding in check.findings]
    causes = say_once((name, finding.partition(_CAUSES)[2]) for name, finding in findings if _CAUSES in finding)
    return [(f"usual causes of {s.heading}" if len(causes) > 1 else "usual causes", s) for s in causes]


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


def terminal_lines(result: CheckResult) -> list[str]:
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
        parts.append(f"{counted(failed, 'column')} failed")
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
    return lines + _what_is_wrong(_worst_first(result.columns), " " * (_LEFT + 2))


def _what_is_wrong(columns: Sequence[ColumnCheck], indent: str) -> list[str]:
    """The worst of the failed columns, and each sentence that there is to say about any, once."""
    of = {verdict: [check for check in columns if check.verdict is verdict] for verdict in Verdict}
    failed, not_comparable = of[Verdict.failed], of[Verdict.not_comparable]
    shown = [*failed[:_SHOWN], *not_comparable]
    found = [s for s in _found([*failed, *not_comparable]) if not {*s.subjects}.isdisjoint(map(_name, shown))]
    lines = []
    for check in failed[:_SHOWN]:
        lines += _wrap(f"{indent}{_name(check)}  {_outcome(check)}", len(indent) + 2)
        for sentence in found:
            if sentence.subjects == (_name(check),):
                lines += _wrap(f"{indent}  {sentence.text}", len(indent) + 4)
    if len(failed) > _SHOWN:
        lines.append(f"{indent}and {len(failed) - _SHOWN} more columns; {naming.CHECK} has all of them")
    outcomes = say_once((_name(check), _outcome(check)) for check in not_comparable)
    notes = say_once((_name(check), finding) for check in of[Verdict.passed] for finding in check.findings)
    for beginning, sentence in (
        *((f"{s.heading}  not comparable", s) for s in outcomes),
        *((s.heading, s) for s in found if len(s.subjects) > 1 or s.subjects[0] not in map(_name, failed)),
        *_causes(shown),
        *((f"{s.heading} (passed)", s) for s in notes),
    ):
        lines += _wrap(f"{indent}{beginning}: {sentence.text}", len(indent) + 2)
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


def page_text(result: CheckResult) -> str:
    """What a run's page says about its check.

    Args:
        result: the check.

    Returns:
        Markdown: the verdict, what was compared and what is wrong, a picture of the errors if the check failed, and a
        table of the columns. Pictures are named by their files, relative to the run's folder.
    """
    ordered = _worst_first(result.columns)
    findings = list(_findings(result, ordered))
    lines = [
        f"**Check {result.verdict.value}.** {extent(result).capitalize()}. "
        f"Compared: `{result.method}` in {result.precision} with {result.reference}.",
        "",
        *(f"- {without_links(finding)}" for finding in findings[:_FINDINGS]),
    ]
    if len(findings) > _FINDINGS:
        lines.append(f"- {len(findings) - _FINDINGS} more in `{naming.CHECK}`")
    if result.verdict is Verdict.failed:
        lines += ["", f"![{naming.CHECK_ERRORS}]({naming.CHECK_ERRORS})"]
    lines += [
        "",
        "Errors are relative to the column's largest entry.",
        "",
        "| column | verdict | max error | tolerance | median | cosine | compared | excluded |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for check in ordered[:_ROWS]:
        verdict = "passed" if check.verdict is Verdict.passed else f"**{check.verdict.value}**"
        lines.append(
            f"| {check.column.name} | {verdict} | {check.max_error:.2g} | {check.tolerance:.2g} "
            f"| {check.median_error:.2g} | {check.cosine:.6f} | {_compared(check):,} | {_excluded(check):,} |"
        )
    if len(ordered) > _ROWS:
        lines += ["", f"The {_ROWS} worst of {len(ordered)} columns; {len(ordered) - _ROWS} are left out."]
    return "\n".join(lines) + "\n"


def _findings(result: CheckResult, columns: Sequence[ColumnCheck]) -> Iterator[str]:
    """What is wrong, the most general first."""
    yield from result.findings
    disagreement = result.direction and _disagreement(result.direction)
    if disagreement:
        yield "random direction: " + disagreement.replace("<", r"\<")
    for sentence in _found(columns):
        yield f"{sentence.heading}: {sentence.text}"
    for beginning, sentence in _causes(columns):
        yield f"{beginning}: {sentence.text}"
    failed = [check for check in columns if check.verdict is Verdict.failed]
    for check in failed[:_SHOWN]:
        yield f"`{_name(check)}` failed: {_outcome(check)}"
    if len(failed) > _SHOWN:
        yield f"{len(failed) - _SHOWN} more columns failed"
    for sentence in say_once((_name(c), _outcome(c)) for c in columns if c.verdict is Verdict.not_comparable):
        yield f"{sentence.heading} not comparable: {sentence.text}"


# ------------------------------------------------------------------------------------------------------- numbers


def check_metrics(result: CheckResult) -> dict[str, float]:
    """The numbers of every column, as metrics.

    Args:
        result: the check.

    Returns:
        For every column, under ``check/<column name>/<key>``: ``max_error``, ``median_error``, ``l2_error``,
        ``cosine``, ``tolerance`` and ``out_of_tolerance`` (:class:`tdr.results.check_result.ColumnCheck`); ``compared``
        and ``excluded``, in pixels; and ``forward_error`` where forward mode was run. An error may be infinite or NaN.
    """
    metrics: dict[str, float] = {}
    for check in result.columns:
        numbers = {key: getattr(check, key) for key in _METRICS}
        numbers |= {"compared": _compared(check), "excluded": _excluded(check)}
        if check.forward_error is not None:
            numbers["forward_error"] = check.forward_error
        metrics |= {
            naming.column_metric(naming.OF_CHECK, check.column.name, key): float(number)
            for key, number in numbers.items()
        }
    return metrics


def check_json(result: CheckResult) -> dict[str, Any]:
    """All that a check found except its images, ready for JSON.

    Args:
        result: the check.

    Returns:
        Numbers, text, lists and dicts with the names of :class:`tdr.results.check_result.CheckResult`, and ``places``,
        how many pixels of the image there are of each. A number that is not finite is None; ``nonfinite`` has its path,
        ``columns/0/max_error`` for example, and what it is: ``nan``, ``inf`` or ``-inf``.
    """
    curve, direction = result.curve, result.direction
    content = {
        "verdict": result.verdict.value,
        "mode": result.mode,
        "precision": result.precision,
        "method": result.method,
        "reference": result.reference,
        "sampled": result.sampled,
        "findings": list(result.findings),
        "places": {place.name: count for place, count in result.count_places().items()},
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
