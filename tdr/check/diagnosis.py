"""What is wrong with a column of Jacobian images, in words, and the usual causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.check.explanation import FLOAT32, ColumnSample, explain, largest, like_float32
from tdr.config.parameters import Column, Parameter, Reads


@dataclass(frozen=True)
class Circumstances:
    """What else is known of a run.

    Attributes:
        precision: ``f32`` or ``f64``.
        image_finite: whether every pixel of the image is finite.
        image_repeats: whether the image came out the same when it was computed twice.
        noise: rounding noise of the image when evaluated in float64, relative to the image.
        noise_allowed: how much of it float64 explains.
        values: the values of the scene's parameters; a zero among them can be why nothing depends on another.
    """

    precision: str
    image_finite: bool
    image_repeats: bool
    noise: float
    noise_allowed: float
    values: Mapping[Parameter, npt.NDArray[np.floating]]

    @property
    def image_is_faulty(self) -> bool:
        """Whether the image is random, or noisier than float64 can be; large numbers may nearly cancel in it."""
        return not self.image_repeats or self.noise >= FLOAT32 / 8


def diagnose_image(circumstances: Circumstances) -> tuple[str, ...]:
    """What is wrong with the image itself, whatever it is differentiated by; empty if nothing is."""
    if not circumstances.image_repeats:
        found = "The image came out differently when it was computed twice."
        return (_finding(found, "random numbers, several pixels that write to one place, a buffer that is not reset"),)
    noise, allowed = circumstances.noise, circumstances.noise_allowed
    if not noise > allowed:
        return ()
    if like_float32(noise):
        causes = "a value passes through float32: a cast, or a buffer of float32; or it is searched for so closely"
    elif noise < FLOAT32:
        causes = "large numbers that nearly cancel"
    else:
        causes = "a value passes through an integer or a table, or large numbers of float32 nearly cancel"
    found = f"Evaluated in float64, the image carries a relative rounding noise of {noise:.1e}; {allowed:.1e} is usual."
    return (_finding(found, causes),)


def diagnose(
    sample: ColumnSample,
    others: Sequence[ColumnSample],
    circumstances: Circumstances,
    channels: ColumnSample | None = None,
    still: float = np.inf,
) -> tuple[str, ...]:
    """Say in words what is wrong with a column.

    Args:
        sample: the column.
        others: the columns that were compared at the same pixels, those of the same parameter first; the column itself
            may be among them.
        circumstances: what else is known of the run.
        channels: the column for R, G and B separately, if it is wrong and of their weighted sum.
        still: how far the number can move, to both sides, until the image changes, if it does not change with it here.

    Returns:
        Findings, each a sentence of what was found and one of the usual causes; empty if there is nothing to say. A
        column without error has one if no pixel changes with its parameter.
    """
    findings = [*_repetition(sample), *_not_finite(sample, circumstances)]
    compared = sample.restricted(sample.comparable)
    if compared.wrong.any():
        others = [other.restricted(other.comparable) for other in others]
        channels = None if channels is None else channels.restricted(channels.comparable)
        findings.append(_finding(*explain(compared, others, circumstances.precision, channels)))
    elif is_unchanged(sample):
        findings.append(_unchanged(sample, circumstances, still))
    return tuple(findings)


def is_unchanged(sample: ColumnSample) -> bool:
    """Whether all entries of a column are 0, and so are the finite differences."""
    compared = sample.restricted(sample.comparable)
    return bool(compared.comparable.any() and not sample.tested.any() and compared.vanishes(compared.reference))


def _finding(found: str, causes: str) -> str:
    return f"{found} Usual causes: {causes}."


def _repetition(sample: ColumnSample) -> list[str]:
    first, second = sample.tested, sample.repetition
    if second is None or np.array_equal(first, second, equal_nan=True):
        return []
    changed = (first != second) & ~(np.isnan(first) & np.isnan(second))
    found = f"{np.count_nonzero(changed)} of {changed.size} entries came out differently when computed again"
    if not second.any():
        return [_finding(f"{found}: all were 0.", "the seed, which a reverse pass uses up, is not set again")]
    compared = sample.restricted(sample.comparable & np.isfinite(second))
    added = np.where(compared.comparable, second, 0.0) - compared.tested
    off = np.abs(added - compared.reference) > 2 * sample.tolerance  # either of the two may be off by one tolerance
    if compared.clear(compared.reference) and not off.any():
        return [_finding(f"{found}: the derivative was added once more.", "gradients are not cleared between passes")]
    by = f", by up to {largest(added):.2g}" if compared.comparable.any() and largest(added) > 0 else ""
    causes = "random numbers, several pixels that write or add to one place, a buffer left over from the pass before"
    return [_finding(f"{found}{by}.", causes)]


def _not_finite(sample: ColumnSample, circumstances: Circumstances) -> list[str]:
    bad = sample.not_finite
    if not bad.any():
        return []
    where_finite = bad if circumstances.image_finite else bad & sample.comparable
    if not where_finite.any():
        found = f"The image itself is not finite, and neither are {np.count_nonzero(bad)} of {bad.size} entries."
        return [_finding(found, "a division by 0, a root or a logarithm of a negative number, an overflow")]
    count, nan = np.count_nonzero(where_finite), np.count_nonzero(where_finite & np.isnan(sample.tested))
    found = f"{count} of {bad.size} entries are not finite ({nan} NaN, {count - nan} infinite), where the image is."
    causes = (
        "a power of 0 with an exponent that is differentiated, a root or a normalization of 0, acos at 1, a division "
        "by 0; `max` and `select` do not protect from it, an `if` around it does"
    )
    return [_finding(found, causes)]


def _unchanged(sample: ColumnSample, circumstances: Circumstances, still: float) -> str:
    zero = _zero_factors(sample.column, circumstances.values)
    here = f" (here 0: {', '.join(zero)})" if zero else ""
    size = sample.tested.size
    everywhere = "its one entry is 0" if size == 1 else f"all {size:,} entries are 0"
    found = f"No pixel changes with it: {everywhere}, and so are the finite differences."
    if sample.column.parameter.name == "light.direction":
        light, component = sample.column.index
        directions = circumstances.values.get(sample.column.parameter)
        if directions is not None and 0.0 < abs(directions[light, component]) == np.linalg.norm(directions[light]):
            return _finding(found, "the light travels that way, and the length of its direction does not matter")
    if np.isfinite(still):
        found += f" It can move by {still:.2g} to either side without any change; beyond, the image changes."
        found += " It looks clamped."
        return _finding(found, "max, min, clamp or a comparison that the number is on the flat side of")
    causes = (
        f"the shader does not read it, it is multiplied by 0{here}, clamped, changes the image by jumps alone (a "
        "comparison, floor, an integer), or nothing is lit"
    )
    return _finding(found, causes)


def _zero_factors(column: Column, values: Mapping[Parameter, npt.NDArray[np.floating]]) -> list[str]:
    """What else shading reads and is zero: of the column's own light if it has one, else of all lights."""
    names = []
    for parameter, value in values.items():
        if parameter == column.parameter or parameter.reads is not Reads.SHADING:
            continue
        own_light = parameter.per_light and column.parameter.per_light
        if not np.any(value[column.index[0]] if own_light else value):
            names.append(f"{parameter.name}.{column.index[0]}" if own_light else parameter.name)
    return names
