"""How pictures are drawn: colours, text and layout.

Nothing here knows what is shown. Numbers become colours, coloured panels become groups with headings, colour bars,
legends and notes, and rows of groups become a picture: a (height, width, 3) uint8 array, sRGB. matplotlib is imported
when the first picture is drawn.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tdr.reports.canvas import INK, LEGEND_STEP, Canvas, Color, Key, paint
from tdr.reports.canvas import Picture as Picture
from tdr.words import format_decade, format_number, spread_decades

Scalar = TypeVar("Scalar", bound=np.generic)

BACKGROUND: Color = (200, 200, 200)
NOT_FINITE: Color = (0, 255, 0)

# Small images are enlarged to the first size, large ones shrunk to the second, in picture pixels. A group that is a
# picture of its own is at least 384 pixels and always 20 font sizes wide, a panel's place in a figure 256 pixels and
# 12 font sizes, so that text stays legible in a thumbnail and in print.
_PANEL = 512
_LARGE_PANEL = 1024
_GROUP_WIDTH = 384
_GROUP_EMS = 20
_FIGURE_PLACE = 256
_FIGURE_EMS = 12
_FIGURE_HEIGHT = 3600  # of all panels


# -------------------------------------------------------------------------------------------------------- colour


@dataclass(frozen=True)
class ColorScale:
    """Numbers as colours, and the colour bar that shows which is which.

    Attributes:
        low: the number that has the first colour.
        high: the number that has the last colour.
        palette: (size, 3) uint8 sRGB, the colours in between at even steps.
        extended: whether the bar says that there are numbers beyond its lower and its upper end.
        logarithmic: whether the steps are even in the numbers' logarithms; then zero is beyond the lower end.
    """

    low: float
    high: float
    palette: Picture
    extended: tuple[bool, bool] = (False, False)
    logarithmic: bool = False

    @classmethod
    def diverging(cls, limit: float, *, extended: bool) -> ColorScale:
        """From blue at ``-limit`` over nearly white at zero to red at ``limit``.

        Args:
            limit: the largest magnitude, in the unit of the numbers.
            extended: whether there are numbers beyond it.
        """
        palette = _palette("RdBu_r", 255)  # an odd size: zero has a colour of its own
        return cls(-limit, limit, palette, (extended, extended))

    @classmethod
    def sequential(cls, low: float, high: float) -> ColorScale:
        """From dark blue at ``low`` to yellow at ``high``, in the unit of the numbers."""
        return cls(low, high, _palette("cividis", 256))

    @classmethod
    def decades(cls, low: int, high: int, *, extended: bool) -> ColorScale:
        """From dark blue at ten to the power of ``low`` to yellow at ten to the power of ``high``.

        Args:
            low: the exponent of the number that has the first colour.
            high: the exponent of the number that has the last colour; larger than ``low``.
            extended: whether there are smaller numbers, zero for example.
        """
        return cls(10.0**low, 10.0**high, _palette("cividis", 256), (extended, False), logarithmic=True)

    def colors(self, values: npt.NDArray[np.floating]) -> Picture:
        """The colours of numbers; beyond the ends, those of the ends.

        Args:
            values: (H, W); NaN counts as zero.

        Returns:
            (H, W, 3) sRGB.
        """
        scaled, low, high = np.clip(np.nan_to_num(values), self.low, self.high), self.low, self.high
        if self.logarithmic:
            scaled, low, high = np.log10(scaled), math.log10(low), math.log10(high)
        scaled = (scaled - low) / ((high - low) or 1)
        scaled *= len(self.palette) - 1
        colors: Picture = np.take(self.palette, np.rint(scaled, out=scaled).astype(np.intp), axis=0)
        return colors

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The ticks of the bar: shares of its length, and their labels, with digits enough to tell them apart."""
        if self.logarithmic:
            low, high = round(math.log10(self.low)), round(math.log10(self.high))
            return [((decade - low) / (high - low), format_decade(decade)) for decade in spread_decades(low, high)]
        extent, largest = self.high - self.low, max(abs(self.low), abs(self.high))
        digits = 3 + int(math.log10(max(1, largest / extent))) if extent else 3
        return [(share, format_number(self.low + share * extent, digits)) for share in (0, 0.5, 1)]


@functools.cache
def _palette(name: str, size: int) -> Picture:
    """A matplotlib colour map as (size, 3) colours."""
    import matplotlib

    colors: Picture = matplotlib.colormaps[name].resampled(size)(np.arange(size), bytes=True)
    return colors[:, :3]


def color_levels(values: npt.NDArray[np.floating]) -> Picture:
    """Components from 0 to 1 as levels from 0 to 255; what is beyond is clipped and NaN is 0. Any shape."""
    levels: Picture = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return levels


def id_colors(ids: npt.NDArray[np.integer]) -> Picture:
    """A colour for each id, the same in every picture.

    Args:
        ids: (H, W).

    Returns:
        (H, W, 3) sRGB.
    """
    import matplotlib.colors

    # multiples of irrational numbers modulo 1 spread evenly and do not repeat
    hue, saturation, value = (ids * irrational % 1 for irrational in (0.6180339887, 0.7548776662, 0.5698402910))
    hsv = np.stack([hue, 0.35 + 0.45 * saturation, 0.65 + 0.3 * value], axis=-1)
    return color_levels(matplotlib.colors.hsv_to_rgb(hsv))


def mark(panel: Picture, values: npt.NDArray[Any], background: npt.NDArray[np.bool_]) -> None:
    """Paint the pixels whose colours would mislead.

    Args:
        panel: (H, W, 3) sRGB, changed in place.
        values: (H, W, ...), what the panel shows; pixels with a value that is not finite become lime.
        background: (H, W), which pixels become grey, whatever their values.
    """
    paint(panel, ~np.isfinite(values).reshape(*background.shape, -1).all(axis=-1), NOT_FINITE)
    paint(panel, background, BACKGROUND)


# -------------------------------------------------------------------------------------------------------- layout


@dataclass(frozen=True)
class Zoom:
    """How an image is shown: one of every ``stride`` x ``stride`` pixels, each as ``factor`` x ``factor``.

    Attributes:
        stride: in image pixels.
        factor: in picture pixels.
    """

    stride: int
    factor: int

    @classmethod
    def for_group(cls, shape: tuple[int, ...], panels: int) -> Zoom:
        """The zoom for the panels of :func:`draw_group`.

        Args:
            shape: the image's height and width, in pixels.
            panels: how many panels stand side by side.
        """
        return cls._fit(shape, _PANEL // panels, _LARGE_PANEL if panels == 1 else _PANEL)

    @classmethod
    def for_figure(cls, shape: tuple[int, ...], rows: int) -> Zoom:
        """The zoom for the panels of :func:`draw_figure`.

        Args:
            shape: the image's height and width, in pixels.
            rows: how many rows of panels the figure has.
        """
        panel = min(_PANEL, _FIGURE_HEIGHT // rows)
        return cls._fit(shape, panel, panel)

    @classmethod
    def for_thumbnail(cls, shape: tuple[int, ...], side: int) -> Zoom:
        """The zoom for a picture whose longer side should have about so many pixels: two thirds to one and a half.

        Args:
            shape: the image's height and width, in pixels.
            side: in picture pixels.
        """
        longest = max(shape)
        return cls(max(1, round(longest / side)), max(1, round(side / longest)))

    @classmethod
    def _fit(cls, shape: tuple[int, ...], enlarge_to: int, shrink_to: int) -> Zoom:
        longest = max(shape)
        return cls(-(-longest // shrink_to), max(1, enlarge_to // longest))

    def sample(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The pixels that are shown of an image (H, W, ...): a view, (H / stride, W / stride, ...), rounded up."""
        return image[:: self.stride, :: self.stride]

    def enlarge(self, panel: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """What :meth:`sample` gave, in colours (h, w, 3), at the size (h * factor, w * factor, 3) of the picture."""
        return panel if self.factor == 1 else panel.repeat(self.factor, axis=1).repeat(self.factor, axis=0)

    @property
    def note(self) -> list[str]:
        """A line that says so where pixels are left out."""
        return [f"one of every {self.stride} x {self.stride} pixels shown"] if self.stride > 1 else []


@dataclass(frozen=True)
class Group:
    """Panels of one size that belong together: a heading above, a colour bar, a legend and notes below.

    Attributes:
        heading: lines above the panels.
        panels: rows of panels, each (height, width, 3) sRGB.
        titles: one above each panel of the first row.
        row_titles: one beside each row.
        scale: the colour scale of all panels.
        legend: rows of keys to the colours that are not on the scale.
        notes: lines below.
    """

    heading: Sequence[str]
    panels: Sequence[Sequence[Picture]]
    titles: Sequence[str] = ()
    row_titles: Sequence[str] = ()
    scale: ColorScale | None = None
    legend: Sequence[Sequence[Key]] = ()
    notes: Sequence[str] = ()


def draw_group(group: Group) -> Picture:
    """Draw a group as a picture of its own.

    Args:
        group: its panels have the size that :meth:`Zoom.for_group` gives.

    Returns:
        (height, width, 3) sRGB, with a white margin.
    """
    panels = len(group.panels[0])
    return _draw([[group]], _GROUP_WIDTH // panels, _GROUP_EMS / panels)


def draw_figure(rows: Sequence[Sequence[Group]], footer: Sequence[str]) -> Picture:
    """Draw rows of groups.

    Args:
        rows: the groups; all their panels have the size that :meth:`Zoom.for_figure` gives.
        footer: lines below everything.

    Returns:
        (height, width, 3) sRGB, with a white margin.
    """
    return _draw(rows, _FIGURE_PLACE, _FIGURE_EMS, footer)


def _draw(rows: Sequence[Sequence[Group]], place: int, ems: float, footer: Sequence[str] = ()) -> Picture:
    """Draw rows of groups; the places of the panels are ``ems`` font sizes and at least ``place`` pixels wide."""
    height, width = rows[0][0].panels[0][0].shape[:2]
    place = max(place, width)
    em = place / ems
    side = round(1.2 * em) if any(group.row_titles for row in rows for group in row) else 0
    grid = _Grid((height, width), place, em, side)
    down, right = grid.step

    margin = round(em)
    across = max(sum(len(group.panels[0]) for group in row) for row in rows)
    tops, bottom = [], 0.4 * em
    for row in rows:
        tops.append(round(bottom + max(grid.above(group) for group in row)))
        bottom = tops[-1] + max((len(group.panels) - 1) * down + height + grid.below(group) for group in row) + 0.8 * em
    canvas = Canvas(margin + across * right + margin - (right - side - place), round(bottom + 1.1 * len(footer) * em))
    for row, top in zip(rows, tops, strict=True):
        left = margin + side
        for group in row:
            grid.draw(group, canvas, left, top)
            left += len(group.panels[0]) * right
    for i, line in enumerate(footer):
        canvas.write(canvas.width / 2, bottom + 1.1 * i * em, line, 0.8 * em, canvas.width - 2 * margin)
    return canvas.picture()


@dataclass(frozen=True)
class _Grid:
    """Where the parts of a picture stand. Panels stand in places of equal size; text and gaps are measured in ems.

    Attributes:
        panel: height and width of a panel in pixels.
        place: width of a place in pixels.
        em: the font size in pixels.
        side: width of the row titles in pixels.
    """

    panel: tuple[int, int]
    place: int
    em: float
    side: int

    @property
    def step(self) -> tuple[int, int]:
        """From panel to panel, downwards and to the right."""
        gap = round(0.5 * self.em)
        return self.panel[0] + gap, self.place + gap + self.side

    def above(self, group: Group) -> float:
        return (0.4 + 1.3 * (len(group.heading) + bool(group.titles))) * self.em

    def below(self, group: Group) -> float:
        legend = self.legend_ems(group)
        return (0.6 + (2.1 if group.scale else 0) + legend + 1.1 * len(group.notes)) * self.em

    def legend_ems(self, group: Group) -> float:
        return 0.3 + 0.8 * LEGEND_STEP * len(group.legend) if group.legend else 0

    def draw(self, group: Group, canvas: Canvas, left: int, top: int) -> None:
        """Draw a group; the top left corner of its first panel's place is given."""
        em, (down, right) = self.em, self.step
        width = (len(group.panels[0]) - 1) * right + self.place
        center = left + width / 2
        for r, row in enumerate(group.panels):
            for c, panel in enumerate(row):
                canvas.paste(left + c * right + (self.place - self.panel[1]) // 2, top + r * down, panel)
        for r, title in enumerate(group.row_titles):
            canvas.write(left - self.side / 2, top + r * down + self.panel[0] / 2 + 0.4 * em, title, em, self.side)
        for c, title in enumerate(group.titles):
            canvas.write(left + c * right + self.place / 2, top - 0.5 * em, title, em, self.place)
        for i, line in enumerate(reversed(group.heading)):
            canvas.write(center, top - (0.5 + 1.3 * (i + bool(group.titles))) * em, line, em, width)
        baseline = top + (len(group.panels) - 1) * down + self.panel[0] + 1.2 * em
        if group.scale:
            bar_width, bar_height = round(width - 4 * em), round(0.6 * em)
            draw_bar(canvas, center, round(baseline - 0.7 * em), bar_width, bar_height, group.scale, 0.8 * em)
            baseline += 2.1 * em
        canvas.legend(group.legend, left, baseline - 0.9 * em, width, 0.8 * em)
        baseline += self.legend_ems(group) * em
        for i, line in enumerate(group.notes):
            canvas.write(center, baseline + 1.1 * i * em, line, 0.8 * em, width)


def draw_bar(canvas: Canvas, center: float, top: int, width: int, height: int, scale: ColorScale, size: float) -> None:
    """Draw a horizontal colour bar with labelled ticks below, and with a pointed end where it is extended.

    Args:
        canvas: what to draw on.
        center: the x of its middle.
        top: the y of its upper edge.
        width: in pixels, without pointed ends.
        height: in pixels, without the ticks.
        scale: its colours and numbers.
        size: the font size of the labels.
    """
    left, bottom = round(center - width / 2), top + height
    steps = np.rint(np.linspace(0, len(scale.palette) - 1, width)).astype(np.intp)
    canvas.paste(left, top, np.broadcast_to(scale.palette[steps], (height, width, 3)))
    ends = ((left - 1, -height, scale.palette[0]), (left + width + 1, height, scale.palette[-1]))
    for extended, (x, outwards, color) in zip(scale.extended, ends, strict=True):
        if extended:
            corners = [(x, top - 1), (x + outwards, (top + bottom) / 2), (x, bottom + 1)]
            canvas.polygon(corners, (int(color[0]), int(color[1]), int(color[2])))
    for share, label in scale.ticks:
        x = round(left + share * (width - 1))
        canvas.fill(x, bottom, x + 1, bottom + height // 3, INK)
        canvas.write(x, bottom + 1.3 * size, label, size, width / len(scale.ticks))
