"""How line plots are drawn: axes with ticks, lines, and a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.reports.canvas import BLACK, BLUE, GREEN, INK, ORANGE, PURPLE, SKY_BLUE, VERMILION, Canvas, Color, Key, Picture
from tdr.words import format_decade, format_number, spread_decades

LINE_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, BLACK)
_GRID: Color = (225, 225, 225)

# The size of the area that the axes span, and of the font, in pixels.
_WIDTH, _HEIGHT, _EM = 560, 400, 22
_CATEGORIES = 6  # that are labelled at most

# Steps between the ticks of angles; smaller stretches than this many degrees have ticks as other numbers have.
_DEGREES = (15, 30, 45, 90, 180, 360)
_ANGLES = 60
_INTERVALS = 5  # between the ticks of numbers, at most

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One axis of a plot. It runs from the lowest to the highest tick that the numbers need.

    Attributes:
        label: what it shows, with the unit.
        logarithmic: whether equal distances are equal ratios. Zeros then stand at the axis's lower end, one decade
            below the least positive number; negative numbers are not shown.
        categories: what the numbers 0, 1, 2, ... stand for, if it is not for themselves.
        degrees: whether the numbers are angles in degrees, so that ticks are at parts or multiples of a right angle.
    """

    label: str
    logarithmic: bool = False
    categories: Sequence[str] = ()
    degrees: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    Attributes:
        label: what it shows.
        x: (N,) where its points are.
        y: (N,) their values; at one that is not finite, the line is interrupted.
        dashed: whether it is dashed, without a dot at each point: a limit, not a measurement.
    """

    label: str
    x: Values
    y: Values
    dashed: bool = False


@dataclass(frozen=True)
class Plot:
    """Lines over a common pair of axes.

    Attributes:
        heading: lines of text above.
        x: the horizontal axis.
        y: the vertical axis.
        lines: up to seven, each in a colour of its own.
        notes: lines of text below.
    """

    heading: Sequence[str]
    x: Axis
    y: Axis
    lines: Sequence[Line]
    notes: Sequence[str] = ()


def draw_plot(plot: Plot) -> Picture:
    """Draw a plot.

    Args:
        plot: what to draw.

    Returns:
        (height, width, 3) sRGB, with a white margin.
    """
    em, small = _EM, 0.8 * _EM
    x = _Extent.of(plot.x, np.concatenate([line.x for line in plot.lines]))
    y = _Extent.of(plot.y, np.concatenate([line.y for line in plot.lines]))
    legend = [[Key(color, line.label)] for color, line in zip(LINE_COLORS, plot.lines, strict=False)]

    left, top = 4 * em, round((2.4 + 1.3 * len(plot.heading)) * em)
    right, bottom = left + _WIDTH, top + _HEIGHT
    below = bottom + 3.2 * em
    notes = below + 1.15 * len(legend) * em
    canvas = Canvas(right + 2 * em, round(notes + (0.8 + 1.1 * len(plot.notes)) * em))
    for i, text in enumerate(plot.heading):
        canvas.write(canvas.width / 2, (1.5 + 1.3 * i) * em, text, em, canvas.width - 2 * em)
    for share, label in x.ticks:
        at = round(left + share * (_WIDTH - 1))
        canvas.fill(at, top, at + 1, bottom, _GRID)
        canvas.write(at, bottom + 1.1 * em, label, small, _WIDTH / len(x.ticks))
    for share, label in y.ticks:
        at = round(bottom - 1 - share * (_HEIGHT - 1))
        canvas.fill(left, at, right, at + 1, _GRID)
        canvas.write(left - 0.4 * em, at + 0.3 * em, label, small, 3 * em, align=1)
    for start, end in (((left, top), (left + 1, bottom)), ((left, bottom - 1), (right, bottom))):
        canvas.fill(*start, *end, INK)
    canvas.write(left, top - 0.6 * em, plot.y.label, small, _WIDTH, align=0)
    canvas.write((left + right) / 2, bottom + 2.4 * em, plot.x.label, small, _WIDTH)
    for color, line in zip(LINE_COLORS, plot.lines, strict=False):
        points = [left + x.shares(line.x) * (_WIDTH - 1), bottom - 1 - y.shares(line.y) * (_HEIGHT - 1)]
        canvas.line(np.stack(points, axis=-1), color, 2.5, dashed=line.dashed)
    canvas.legend(legend, left, below, _WIDTH, small)
    for i, text in enumerate(plot.notes):
        canvas.write(canvas.width / 2, notes + (0.9 + 1.1 * i) * em, text, small, canvas.width - 2 * em)
    return canvas.picture()


@dataclass(frozen=True)
class _Extent:
    """The stretch of numbers that an axis shows, of their decimal logarithms where it is logarithmic.

    Attributes:
        low: its lower end.
        high: its upper end.
        ticks: shares of its length, and their labels.
        logarithmic: see :class:`Axis`.
    """

    low: float
    high: float
    ticks: list[tuple[float, str]]
    logarithmic: bool

    @classmethod
    def of(cls, axis: Axis, values: Values) -> _Extent:
        finite = values[np.isfinite(values)]
        if axis.categories:
            last = len(axis.categories) - 1
            step = 1 + last // _CATEGORIES
            ticks = [((i + 0.5) / (last + 1), axis.categories[i]) for i in range(0, last + 1, step)]
            return cls(-0.5, last + 0.5, ticks, False)
        return cls._of_logarithms(finite) if axis.logarithmic else cls._of_numbers(finite, axis.degrees)

    @classmethod
    def _of_numbers(cls, values: Values, degrees: bool) -> _Extent:
        from matplotlib.ticker import MaxNLocator

        low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
        if not len(values):
            low, high = 0.0, 1.0
        elif low == high:
            low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
        ticks = np.asarray(MaxNLocator(_INTERVALS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        if degrees and high - low >= _ANGLES:
            spans = ((step, math.floor(low / step), math.ceil(high / step)) for step in _DEGREES)
            ticks = next((s * np.arange(a, b + 1.0) for s, a, b in spans if b - a <= _INTERVALS), ticks)
        low, step, high = float(ticks[0]), float(ticks[1] - ticks[0]), float(ticks[-1])
        digits = 3 + int(math.log10(max(-low, high) / step))
        ticks = step * np.rint(ticks / step)  # zero is exactly zero
        labels = [format_number(tick, digits) for tick in ticks]
        return cls(low, high, list(zip(np.linspace(0, 1, len(ticks)).tolist(), labels, strict=True)), False)

    @classmethod
    def _of_logarithms(cls, values: Values) -> _Extent:
        positive = values[values > 0]
        low, high = 0, 1
        if len(positive):
            low, high = math.floor(math.log10(positive.min())), math.ceil(math.log10(positive.max()))
        decades = spread_decades(low, max(high, low + 1))
        ticks = [(decade, format_decade(decade)) for decade in decades]
        if (values == 0).any():
            ticks.insert(0, (decades[0] - 1, "0"))
        low, high = ticks[0][0], ticks[-1][0]
        return cls(low, high, [((decade - low) / (high - low), label) for decade, label in ticks], True)

    def shares(self, values: Values) -> Values:
        """Where numbers stand, in shares of the length; NaN for those that are not shown."""
        if self.logarithmic:
            shown = np.where(values > 0, values, np.where(values == 0, 10.0**self.low, np.nan))
            values = np.log10(shown)
        shares: Values = np.where(np.isfinite(values), (values - self.low) / (self.high - self.low), np.nan)
        return shares
