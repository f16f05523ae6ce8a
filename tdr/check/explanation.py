"""The simplest rule that turns the references of a column of Jacobian images into its wrong entries.

A rule is named only where the numbers leave little else: it holds within the tolerances at nearly all entries, and at
some pixels it accounts for the difference so closely that chance does not. What cannot be told so is left open.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column
from tdr.words import counted

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rule = tuple[str, str]  # what is found, after "the entries"; its usual causes

CLEAR = 100  # a difference is clear at so many tolerances: a rule that holds there explains it to 1 %
FEW = 3  # fewer pixels than this show no rule
ALMOST = 0.99  # a rule must hold at this part of the entries that are not 0, and of those that are wrong
CHANCE = 0.1  # of the pixels, fewer than this are right by chance: at about 1 % an error is below 1 % of its usual size
FLOAT32 = 2.0**-24  # rounding to float32 changes a number by up to this part of it
TINY = np.finfo(np.float64).tiny

_FACTORS: tuple[tuple[float, str, str], ...] = (
    (-1.0, "-1", "a wrong sign: a direction that points the other way, or a difference taken in reverse"),
    (180 / np.pi, "180/pi", "degrees where the derivative is by radians"),
    (np.pi / 180, "pi/180", "radians where the derivative is by degrees"),
    (np.pi, "pi", "the 1/pi of a diffuse reflection left out"),
    (1 / np.pi, "1/pi", "the 1/pi of a diffuse reflection applied twice"),
    *((n, f"{n}", f"the same contribution added {n} times, or a gradient that was not cleared") for n in range(2, 10)),
    *(
        (
            1 / n,
            f"1/{n}",
            f"a mean in place of a sum, or one of {n} equal contributions alone, as of a run-time loop's trips",
        )
        for n in range(2, 10)
    ),
)


@dataclass(frozen=True)
class ColumnSample:
    """One column at the pixels that were looked at; C is 1, or 3 for R, G and B separately.

    Attributes:
        column: the column.
        pixels: (N, 2) int, row and column of each pixel.
        tested: (N, C) what the run computed.
        reference: (N, C) central differences; may be NaN where not comparable.
        tolerance: (N, C) by how much they may differ.
        comparable: (N, C) whether an entry counts.
        repetition: (N, C) what the run computed when asked again; None where it was not.
        singular: (N,) where the scene has a singular point, at which an entry need not be a number; None for nowhere.
        cosines: name -> (N,) what shading depends on at the pixels, such as n.l; None where it is not known.
    """

    column: Column
    pixels: npt.NDArray[np.integer]
    tested: Array
    reference: Array
    tolerance: Array
    comparable: Mask
    repetition: Array | None = None
    singular: Mask | None = None
    cosines: Mapping[str, Array] | None = None

    @property
    def not_finite(self) -> Mask:
        """(N, C) the entries that are no numbers, though there is no singular point."""
        bad = ~np.isfinite(self.tested)
        return bad if self.singular is None else bad & ~self.singular[:, None]

    @property
    def difference(self) -> Array:
        """(N, C) tested minus reference."""
        return self.tested - self.reference

    @property
    def wrong(self) -> Mask:
        """(N, C) the comparable entries that are out of tolerance."""
        return self.comparable & (np.abs(self.difference) > self.tolerance)

    def restricted(self, mask: Mask) -> ColumnSample:
        """The same with only ``mask`` (N, C) comparable, as far as it is finite; NaN wherever nothing is."""
        comparable = mask & np.isfinite(self.tested) & np.isfinite(self.reference)
        tested, reference = (np.where(comparable, values, np.nan) for values in (self.tested, self.reference))
        return replace(self, tested=tested, reference=reference, comparable=comparable)

    def of_channels(self, chosen: npt.NDArray[np.bool_]) -> ColumnSample:
        """The same with some of its channels alone, (3,)."""
        return replace(
            self,
            tested=self.tested[:, chosen],
            reference=self.reference[:, chosen],
            tolerance=self.tolerance[:, chosen],
            comparable=self.comparable[:, chosen],
            repetition=None,
        )

    def clear(self, values: Array) -> bool:
        """Whether ``values`` (N, C) are far above the tolerance at enough comparable pixels to show a rule."""
        return num_pixels(self.comparable & (values != 0) & (np.abs(values) >= CLEAR * self.tolerance)) >= FEW

    def vanishes(self, values: Array) -> bool:
        """Whether ``values`` (N, C) are exactly 0 at all comparable entries."""
        return not values[self.comparable].any()


def num_pixels(mask: Mask) -> int:
    """How many pixels of ``mask`` (N, C) have an entry that is true."""
    return int(np.count_nonzero(mask.any(axis=1)))


def largest(values: Array) -> float:
    """The largest magnitude that is not NaN."""
    return float(np.nanmax(np.abs(values)))


def like_float32(relative: float) -> bool:
    """Whether an error is the rounding of float32, lessened or multiplied a little on its way through a formula."""
    return FLOAT32 / 8 <= relative <= FLOAT32 * 32


def explain(
    sample: ColumnSample, others: Sequence[ColumnSample], precision: str, channels: ColumnSample | None = None
) -> Rule:
    """What the wrong entries of a column are.

    Args:
        sample: the column, with an entry that is wrong and NaN wherever nothing can be compared.
        others: the columns at the same pixels, likewise; the column itself may be among them.
        precision: ``f32`` or ``f64``.
        channels: the column for R, G and B separately, likewise, where the sample is of their weighted sum.

    Returns:
        A sentence, and the usual causes.
    """
    if channels is not None:
        wrong: Mask = np.any(channels.wrong, axis=0)
        right = channels.of_channels(~wrong)
        # A column that is of one channel by nature says nothing in the others.
        if wrong.any() and right.clear(right.reference):
            found, causes = explain(channels.of_channels(wrong), (), precision)
            names = " and ".join(name for name, bad in zip(("red", "green", "blue"), wrong, strict=True) if bad)
            alone = f"In {names} alone, {found[0].lower()}{found[1:]}"
            return alone, f"a channel that a formula, a mask or a swizzle treats unlike the others; {causes}"
    rule = _rule(sample, others, precision)
    if rule is None:
        return _part(sample, others, precision)
    return f"The entries {rule[0]}.", rule[1]


def _rule(sample: ColumnSample, others: Sequence[ColumnSample], precision: str) -> Rule | None:
    """The first rule that holds at nearly all entries; those without a free number come before those with one."""
    return (
        _float32(sample, precision)
        or _zero(sample)
        or _known_factor(sample)
        or _component(sample, others)
        or _added(sample, others)
        or _channels(sample)
        or _shift(sample)
        or _left_over(sample)
        or _factor(sample)
        or _offset(sample)
    )


def _holds(sample: ColumnSample, explanation: Array, slack: float = 1.0) -> bool:
    """Whether an explanation (N, C), NaN where it says nothing, is the tested column within ``slack`` tolerances."""
    tolerance, wrong = slack * sample.tolerance, sample.wrong
    known = sample.comparable & np.isfinite(explanation)
    right = known & (np.abs(sample.tested - explanation) <= tolerance)
    size = np.fmin(np.abs(sample.tested), np.abs(sample.difference))
    not_zero = known & (np.fmax(np.abs(sample.tested), np.abs(explanation)) > tolerance)
    return (
        replace(sample, comparable=right, tolerance=tolerance).clear(size)
        and 2 * np.count_nonzero(known & wrong) >= np.count_nonzero(wrong)
        and all(np.count_nonzero(right & part) >= ALMOST * np.count_nonzero(part) for part in (not_zero, known & wrong))
    )


def _float32(sample: ColumnSample, precision: str) -> Rule | None:
    error = largest(sample.difference) / max(largest(sample.reference), TINY)
    if precision != "f64" or not like_float32(error) or num_pixels(sample.wrong) < FEW:
        return None
    found = f"differ from the finite differences by up to {error:.1e} of the largest, about the rounding of float32"
    return found, "a buffer, a seed, a constant or a cast of float32 in a chain of float64"


def _zero(sample: ColumnSample) -> Rule | None:
    zero = (np.abs(sample.tested) <= sample.tolerance)[sample.comparable].all()
    if not sample.vanishes(sample.tested) and not (zero and sample.clear(sample.reference)):
        return None
    return (
        f"are 0, although the finite differences reach {largest(sample.reference):.3g}",
        "the value passes through an integer or a cast, is written to a vector at a run-time index, is read as a "
        "Python number that was fixed at compile time, is carried through a loop with a run-time bound, or goes "
        "through a buffer without gradient or one stored over before the reverse pass",
    )


def _known_factor(sample: ColumnSample) -> Rule | None:
    for factor, name, causes in _FACTORS:
        if _holds(sample, factor * sample.reference, max(1.0, abs(factor))):
            return f"are {name} times the finite differences", causes
    return None


def _component(sample: ColumnSample, others: Sequence[ColumnSample]) -> Rule | None:
    for other, sign in itertools.product(others, (1, -1)):
        either = replace(sample, tolerance=np.fmax(sample.tolerance, other.tolerance))
        if _holds(either, sign * other.reference):
            minus = "minus " if sign < 0 else ""
            if other.column.parameter == sample.column.parameter:
                causes = "components in the wrong order, or a matrix where its transpose belongs"
            else:
                causes = "a stale entry: a buffer that still holds what an earlier pass wrote there"
            return f"are {minus}the finite differences by {other.column.name}", causes
    return None


def _added(sample: ColumnSample, others: Sequence[ColumnSample]) -> Rule | None:
    for other, sign in itertools.product(others, (1, -1)):
        if other.column != sample.column:
            both = replace(sample, tolerance=sample.tolerance + other.tolerance)
            if _holds(both, sample.reference + sign * other.reference):
                return (
                    f"are the finite differences {'plus' if sign > 0 else 'minus'} those by {other.column.name}",
                    "a slot or a buffer to which the derivatives by two numbers are added, such as a local that stands "
                    "for both",
                )
    return None


def _channels(sample: ColumnSample) -> Rule | None:
    for order in itertools.permutations(range(3)) if sample.tested.shape[1] == 3 else ():
        if _holds(sample, sample.reference[:, order]):
            names = ", ".join("RGB"[channel] for channel in order)
            return f"of R, G, B are the finite differences of {names}", "channels in the wrong order"
    return None


def _shift(sample: ColumnSample) -> Rule | None:
    rows, columns = (sample.pixels + 1).T
    index = np.full((rows.max() + 2, columns.max() + 2), -1)
    index[rows, columns] = np.arange(len(rows))
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        neighbor = index[rows + down, columns + right]
        if _holds(sample, np.where(neighbor[:, None] >= 0, sample.reference[neighbor], np.nan)):
            return (
                f"are the finite differences of a neighbouring pixel (row {down:+d}, column {right:+d})",
                "a buffer that is written and read at indices that are one apart",
            )
    return None


def _left_over(sample: ColumnSample) -> Rule | None:
    zero = (np.abs(sample.reference) <= sample.tolerance)[sample.comparable].all()
    if not sample.vanishes(sample.reference) and not (zero and sample.clear(sample.tested)):
        return None
    found = f"reach {largest(sample.tested):.3g}, although the finite differences are 0"
    return found, "a gradient left over from an earlier pass, or that of another parameter"


def _factor(sample: ColumnSample) -> Rule | None:
    used = sample.comparable & (sample.reference != 0) & (np.abs(sample.reference) >= CLEAR * sample.tolerance)
    if num_pixels(used) < FEW:
        return None
    tested, reference = sample.tested[used], sample.reference[used]
    median = np.median(tested / reference)
    near = np.abs(tested / reference - median) <= abs(median - 1) / 2  # least squares, but without outliers
    factor = float(tested[near] @ reference[near] / max(reference[near] @ reference[near], TINY))
    if not _holds(sample, factor * sample.reference, 2 * max(1.0, abs(factor))):  # twice: the fit has an error too
        return None
    number = f"{factor:.3g}" if abs(factor - 1) >= 0.1 else f"{1 + float(f'{factor - 1:.2g}'):.12g}"
    sign = "a wrong sign, and " if factor < 0 else ""
    return f"are {number} times the finite differences", f"{sign}a missing or a surplus factor in the chain rule"


def _offset(sample: ColumnSample) -> Rule | None:
    offset = float(np.nanmedian(sample.difference))
    if not _holds(sample, sample.reference + offset, 2.0):  # the median has an error too
        return None
    return f"are the finite differences plus {offset:.3g}", "a value left over from another pass, added at every pixel"


def _part(sample: ColumnSample, others: Sequence[ColumnSample], precision: str) -> Rule:
    """The rule of the wrong entries alone if enough others are clearly right, else that there is none."""
    wrong, size = sample.wrong, np.abs(sample.reference)
    error = np.abs(sample.difference[wrong])
    usual = np.median(error / np.fmax(size[wrong], error))
    telling = sample.comparable & (size > 0) & (usual * size >= CLEAR * sample.tolerance)
    bad: Mask = np.any(wrong, axis=1)
    good: Mask = np.any(telling & ~bad[:, None], axis=1)
    if good.sum() < max(FEW, CHANCE * (good | bad).sum()):
        found, causes = _no_rule(sample)
        return f"The entries {found}.", causes
    there = sample.restricted(wrong)
    rule = _rule(there, others, precision)
    found, causes = rule or _no_rule(there)
    if rule or bad.sum() >= FEW:
        missing = "a term, a branch, a light or a loop iteration that is missing or differentiated wrongly there"
        causes = f"{missing}; {causes}" if rule else missing
    place = f"At {bad.sum()} of {counted(num_pixels(sample.comparable), 'pixel')}{_where(sample, bad, good)}"
    return f"{place} the entries {found}; elsewhere they are right to tolerance.", causes


def _where(sample: ColumnSample, bad: Mask, good: Mask) -> str:
    """What the bad pixels share and no good one has."""
    if bad.sum() < FEW:
        return " (" + "; ".join(f"row {row}, column {column}" for row, column in sample.pixels[bad]) + ")"
    low, high = sample.pixels[bad].min(axis=0), sample.pixels[bad].max(axis=0)
    inside = (sample.pixels >= low) & (sample.pixels <= high)
    rows, columns = (f"{name} {low[i]} to {high[i]}" for i, name in enumerate(("rows", "columns")))
    sign = np.sign(sample.reference)
    positive, negative = ((sign == s).any(axis=1) & ~(sign == -s).any(axis=1) for s in (1, -1))
    for mask, name in (
        (inside[:, 0], f"in {rows}"),
        (inside[:, 1], f"in {columns}"),
        (inside.all(axis=1), f"in {rows} and {columns}"),
        (positive, "where the derivative is positive"),
        (negative, "where the derivative is negative"),
    ):
        if mask[bad].all() and not mask[good].any():
            return f", all {name},"
    return _where_shading(sample, bad, good)


def _where_shading(sample: ColumnSample, bad: Mask, good: Mask) -> str:
    """In which range of something that shading depends on all bad pixels are, and no good one."""
    for name, values in (sample.cosines or {}).items():
        low, high = values[bad].min(), values[bad].max()
        below, above = values[good & (values < low)], values[good & (values > high)]
        if len(below) + len(above) < np.count_nonzero(good):
            continue
        # The limit lies between the last pixel that is bad and the next that is good.
        limits = [
            f"{0.5 * (low + below.max()):.2g}" if len(below) else "",
            f"{0.5 * (high + above.min()):.2g}" if len(above) else "",
        ]
        if all(limits):
            return f", all where {name} is between {limits[0]} and {limits[1]},"
        return f", all where {name} is {'above' if limits[0] else 'below'} {limits[0] or limits[1]},"
    return ""


def _no_rule(sample: ColumnSample) -> Rule:
    if num_pixels(sample.wrong) < FEW:
        pairs = zip(sample.tested[sample.wrong], sample.reference[sample.wrong], strict=True)
        found = "are " + ", ".join(f"{value:.4g} in place of {wanted:.4g}" for value, wanted in pairs)
        return found, "the edge of a branch, or a formula near a point where it is singular"
    tested, reference = sample.tested[sample.comparable], sample.reference[sample.comparable]
    norm = np.linalg.norm(reference)  # not 0: that is a rule, and so is a tested column of 0
    error = np.linalg.norm(tested - reference) / norm
    cosine = tested @ reference / (norm * np.linalg.norm(tested))
    return (
        f"follow no simple rule: they differ from the finite differences by {error:.2g} of those, cosine {cosine:.4g}",
        "a run-time loop that reads a value from before it (`ti.static` mends it), a buffer updated in place by "
        "a formula that is not linear, an atomic maximum or minimum, a term missing in the derivative",
    )
