"""The verdict on one column of Jacobian images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tdr.check.comparison import Comparison
from tdr.check.explanation import ColumnSample
from tdr.check.surroundings import Surroundings
from tdr.derivatives.finite_difference import ROUNDINGS
from tdr.results.check_result import ColumnCheck, ComparedEntry, Place, Verdict
from tdr.words import counted

Array = npt.NDArray[np.float64]

# A column is comparable if at least this part of its pixels is.
ENOUGH = 0.5
# At most so many pixels, as a part, may be left out for a kink that no light explains, or because their triangle
# changes within the least steps, of those that are beside another triangle: both are lines on the image, of no width.
BUDGET = 1e-2


def judge_column(
    sample: ColumnSample,
    comparison: Comparison,
    d: int,
    scale: float,
    surroundings: Surroundings,
    again: Array,
    other: Array | None,
    findings: Sequence[str],
) -> ColumnCheck:
    """Judge one column.

    Args:
        sample: the column at the pixels that were looked at.
        comparison: what it was compared with.
        d: its place in the comparison.
        scale: the largest magnitude among all of its entries.
        surroundings: the pixels.
        again: (N, C) the same derivatives, computed again.
        other: (N, C) those of the other of forward and reverse mode; None where it was not run.
        findings: what is wrong, in words, so far.

    Returns:
        Errors, counts and the verdict.
    """
    findings = list(findings)
    if _is_rounding(sample):
        findings.append("The column is zero but for rounding; errors are relative to the brightest pixel.")
        image = np.abs(comparison.estimated.image)
        brightest = float(np.max(image, initial=0.0, where=np.isfinite(image)))
        scale = max(scale, brightest / float(comparison.units[d]))
    per_scale = 1.0 / scale if scale > 0.0 else 0.0
    difference, excess, places = comparison.difference[d], comparison.excess[d], comparison.places[d]
    counts = ~np.isnan(difference)
    out_of_tolerance = int(np.count_nonzero(excess > 1.0))
    failed = out_of_tolerance > 0
    # Where nothing can be compared, a derivative must be a number at least if the image is one.
    failed |= bool((sample.not_finite & np.isfinite(comparison.estimated.image)).any())
    if sample.repetition is not None:
        failed |= not np.array_equal(sample.tested, sample.repetition, equal_nan=True)
    forward_error = None
    if other is not None:
        apart = np.where(counts, np.abs(again - other), 0.0)
        forward_error = float(np.nanmax(apart, initial=0.0)) * per_scale
        # Both are rounded.
        differ = counts & ~(apart <= 2.0 * comparison.rounding[d] + ROUNDINGS * comparison.roundoff[d] * scale)
        if differ.any():
            findings.append(f"Reverse and forward mode differ by up to {forward_error:.1e} of the largest entry.")
            # Where differences agree with what is checked and refute the other, it is the other that is wrong.
            refuted = ~(np.abs(other - sample.reference) <= sample.tolerance) & (excess <= 1.0)
            if failed or not refuted[differ].all():
                failed = True
            else:
                findings[-1] += (
                    " Finite differences agree with what is checked and refute the other mode, which Taichi gets wrong "
                    "here, as it does what is read at a run-time index."
                )
    for finding in _over_budget(places, surroundings):
        failed = True
        findings.append(finding)
    verdict = Verdict.passed
    if failed:
        verdict = Verdict.failed
    elif np.count_nonzero(counts.any(axis=1)) < ENOUGH * len(counts):
        verdict = Verdict.not_comparable
    findings += _no_half_vector(sample, counts, verdict)
    finite = counts & np.isfinite(sample.tested)
    tested, reference = (np.where(finite, a, 0.0) for a in (sample.tested, sample.reference))
    norm = float(np.linalg.norm(reference) * np.linalg.norm(tested))
    off = float(np.linalg.norm(difference[counts]))
    on = float(np.linalg.norm(reference))
    by_place = {place.name: counts & (places == place)[:, None] for place in (Place.interior, Place.boundary)}

    def largest(values: Array, where: npt.NDArray[np.bool_]) -> float:
        return float(np.max(values, initial=0.0, where=where)) * per_scale

    return ColumnCheck(
        column=sample.column,
        verdict=verdict,
        scale=scale,
        max_error=largest(difference, counts),
        median_error=float(np.median(difference[counts])) * per_scale if counts.any() else 0.0,
        l2_error=off / on if on > 0.0 else float(off > 0.0),
        cosine=float(np.sum(tested * reference)) / norm if norm > 0.0 else float(not (tested.any() or reference.any())),
        tolerance=largest(sample.tolerance, counts),
        worst=_worst(sample, excess),
        max_errors={name: largest(difference, where) for name, where in by_place.items()},
        tolerances={name: largest(sample.tolerance, where) for name, where in by_place.items()},
        places={place: int(count) for place in Place if (count := np.count_nonzero(places == place))},
        out_of_tolerance=out_of_tolerance,
        forward_error=forward_error,
        findings=tuple(findings),
    )


def _is_rounding(sample: ColumnSample) -> bool:
    """Whether a column is not exactly zero, but nowhere larger than what it is compared to may be off by."""
    magnitude = np.fmax(np.abs(sample.tested), np.abs(sample.reference))[sample.comparable]
    return bool(magnitude.any() and (magnitude <= sample.tolerance[sample.comparable]).all())


def _no_half_vector(sample: ColumnSample, counts: npt.NDArray[np.bool_], verdict: Verdict) -> list[str]:
    """What a light that shines straight towards the camera does to a column, if it does much."""
    assert sample.singular is not None  # noqa: S101
    left_out = int(np.count_nonzero(sample.singular & ~counts.any(axis=1)))
    bad = int(np.count_nonzero(~np.isfinite(sample.tested) & ~sample.not_finite))
    if not bad and (not left_out or verdict is not Verdict.not_comparable):
        return []
    infinite = f" {counted(bad, 'entry', 'entries')} there {'is' if bad == 1 else 'are'} not finite." if bad else ""
    return [
        f"At {left_out} of {counted(len(counts), 'pixel')} a light shines straight towards the camera, so that no half "
        f"vector exists, and nothing can be compared.{infinite} Turn the light or the camera a little to have them "
        "checked."
    ]


def _over_budget(places: npt.NDArray[np.uint8], surroundings: Surroundings) -> list[str]:
    """Which causes leave out more pixels than geometry explains."""
    findings = []
    kinks = np.count_nonzero(places == Place.kink)
    if kinks > 2 + BUDGET * len(places):
        findings.append(
            f"The image has a kink at {kinks} of {len(places)} pixels that no light explains. Usual causes: a "
            "value that jumps or bends there (floor, step, a comparison), a value that passes through an integer."
        )
    changing = places == Place.visibility
    if changing.any():
        unexplained = int(np.count_nonzero(changing & ~surroundings.near_edge))
        allowed = 2 + int(BUDGET * np.count_nonzero(surroundings.beside_another))
        if unexplained > allowed:
            findings.append(
                f"{unexplained} pixels see another triangle even at the least steps, though no edge passes through "
                f"their centres; at most {allowed} may. Usual causes: a triangle that the image and the "
                "derivatives do not agree about."
            )
    return findings


def _worst(sample: ColumnSample, excess: Array) -> ComparedEntry | None:
    """The entry that differs by the largest multiple of its tolerance."""
    if np.isnan(excess).all():
        return None
    n, channel = (int(i) for i in np.unravel_index(np.nanargmax(excess), excess.shape))
    row, column = (int(i) for i in sample.pixels[n])
    return ComparedEntry(
        row=row,
        column=column,
        channel=channel if excess.shape[1] == 3 else None,
        value=float(sample.tested[n, channel]),
        reference=float(sample.reference[n, channel]),
        tolerance=float(sample.tolerance[n, channel]),
    )
