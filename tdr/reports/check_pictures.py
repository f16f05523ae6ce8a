"""Pictures of a check: where entries differ, what was done at each pixel, and how the worst entry depends on the step.

A pixel of a picture stands for a block of image pixels and shows the worst of them, so that none is lost. Of an image
that was only sampled, the blocks are larger: in the picture of errors nearly all of them have a sample; in that of
places most have none, so that one sees how little was looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.reports.canvas import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILION,
    WHITE,
    YELLOW,
    Color,
    Key,
    Picture,
    encircle,
    enlarge,
    paint,
)
from tdr.reports.check_words import PLACE_LABELS, both_values, deviation, where
from tdr.reports.drawing import BACKGROUND, NOT_FINITE, ColorScale, Group, Zoom, color_levels, draw_group
from tdr.reports.plotting import Axis, Line, Plot, draw_plot
from tdr.results.check_result import COMPARED, CheckResult, Place, StepCurve
from tdr.words import counted, format_number, spread_decades

PLACE_COLORS: dict[Place, Color] = {
    Place.background: BACKGROUND,
    Place.unsampled: WHITE,
    Place.interior: SKY_BLUE,
    Place.boundary: BLUE,
    Place.visibility: ORANGE,
    Place.light_edge: YELLOW,
    Place.highlight_edge: PURPLE,
    Place.kink: GREEN,
    Place.undefined: BLACK,
    Place.imprecise: VERMILION,
}
_EXCLUDED = PURPLE
_OUT_OF_TOLERANCE = VERMILION

_PALER = 0.6  # how far the brightest surface is from its place's colour to white
_HARD_TO_SEE = 4  # the side of a single pixel, in pixels of the picture
_SURROUNDINGS = 3  # an excluded block is single if so far around it there are, with itself, at most as many
# the share of blocks that are without a sample, in the two pictures of a sampled image
_EMPTY_OF_ERRORS = 0.01
_EMPTY_OF_PLACES = 0.7
_LOW_PERCENTILE = 5  # the colour scale of errors starts at the decade of this one
_LOWEST_DECADE = -16


def check_pictures(result: CheckResult, image: npt.NDArray[np.floating]) -> dict[str, Picture]:
    """Draw what a check found.

    Args:
        result: the check.
        image: (H, W, 3) linear RGB, the rendering that was differentiated.

    Returns:
        ``error``, the largest difference of any column at each pixel; ``places``, what was done at each pixel; and
        ``steps``, finite differences of the worst entry against their step, unless there is none.
    """
    pictures = {
        "error": _error_picture(result, _Blocks.of(result, _EMPTY_OF_ERRORS)),
        "places": _place_picture(result, image, _Blocks.of(result, _EMPTY_OF_PLACES)),
    }
    if result.curve is not None:
        pictures["steps"] = _step_picture(result.curve)
    return pictures


@dataclass(frozen=True)
class _Blocks:
    """How pixels are put together: into small blocks, one a pixel of the panels, and these into large ones.

    Attributes:
        zoom: its stride is the side of the small blocks, in image pixels.
        side: of the large blocks, which share one value, in pixels of the panels.
        place: the highest place of each large block.
        background: (h, w), the pixels of the panels that show nothing else.
    """

    zoom: Zoom
    side: int
    place: npt.NDArray[np.uint8]
    background: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, result: CheckResult, empty: float) -> _Blocks:
        """Blocks of which about so large a share is without a sample."""
        zoom = Zoom.for_group(result.place.shape, 1)
        place = _block_maxima(result.place, zoom.stride)
        counts = result.count_places()
        unsampled = counts.get(Place.unsampled, 0)
        seen = sum(count for place, count in counts.items() if place > Place.unsampled)
        side = 1
        if unsampled and seen:
            of_pixel = math.log(unsampled / (unsampled + seen))  # of a block of n pixels it is n times that
            side = max(1, round(math.sqrt(math.log(empty) / of_pixel) / zoom.stride))
        return cls(zoom, side, _block_maxima(place, side), place == Place.background)

    def spread(self, blocks: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What large blocks show, (h, w, ...)."""
        height, width = self.background.shape
        return blocks.repeat(self.side, axis=1)[:, :width].repeat(self.side, axis=0)[:height]

    @property
    def note(self) -> list[str]:
        side = self.side * self.zoom.stride
        return [f"each block of {side} x {side} pixels shows its worst"] if side > 1 else []


def _sample_note(result: CheckResult) -> list[str]:
    """A line that says so where not all of the surface was looked at."""
    counts = result.count_places()
    surface = sum(count for place, count in counts.items() if place is not Place.background)
    unsampled = counts.get(Place.unsampled, 0)
    return [f"{surface - unsampled:,} of {surface:,} pixels of the surface were looked at"] if unsampled else []


def _block_maxima(values: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """The largest value of each block, NaN only where there is nothing else."""
    if side == 1:
        return values
    for axis in (0, 1):
        first, *others = (values[k::side] if axis == 0 else values[:, k::side] for k in range(side))
        values = first.copy()
        for other in others:  # the last blocks may be smaller
            height, width = other.shape
            np.fmax(values[:height, :width], other, out=values[:height, :width])
    return values


def _blocks_of(result: CheckResult, values: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """The largest of the pixels' values in each block, NaN where there are none."""
    height, width = result.place.shape
    blocks = np.full((-(-height // side), -(-width // side)), np.nan)
    rows, columns = np.divmod(result.pixels, width)
    np.fmax.at(blocks, (rows // side, columns // side), values)
    return blocks


def _error_picture(result: CheckResult, blocks: _Blocks) -> Picture:
    own, place = _blocks_of(result, result.errors, blocks.zoom.stride), blocks.place
    error = _block_maxima(own, blocks.side)
    scale = _error_scale(error)
    empty = np.isnan(error)
    background = blocks.background & np.isnan(own)
    colors = scale.colors(error)
    marks = [
        ("not sampled", WHITE, empty & (place == Place.unsampled)),
        ("excluded", _EXCLUDED, empty & (place > Place.boundary)),
        ("not finite", NOT_FINITE, np.isinf(error) | empty & ((place == Place.interior) | (place == Place.boundary))),
    ]
    keys = [Key(BACKGROUND, "background")] if background.any() else []
    for label, color, pixels in marks:
        if pixels.any():
            paint(colors, pixels, color)
            keys.append(Key(color, label))
    legend = [keys[i : i + 2] for i in range(0, len(keys), 2)]
    panel = blocks.spread(colors)
    # a pixel of the background has no part in what is found beside it
    paint(panel, background, BACKGROUND)
    panel = blocks.zoom.enlarge(panel)

    out = _blocks_of(result, result.excesses, blocks.zoom.stride) > 1
    num_out = int(np.count_nonzero(result.excesses > 1))
    if num_out:
        encircle(panel, blocks.zoom.enlarge(out), _OUT_OF_TOLERANCE)
        legend.append([Key(_OUT_OF_TOLERANCE, f"around {counted(num_out, 'pixel')} out of tolerance")])
    group = Group(
        heading=[
            f"check {result.verdict.value} ({result.mode}, {result.precision}): largest error",
            *_worst_lines(result),
        ],
        panels=[[panel]],
        scale=None if empty.all() else scale,
        legend=legend,
        notes=[]
        if empty.all()
        else ["error of any column, relative to its largest entry", *_sample_note(result), *blocks.note],
    )
    return draw_group(group)


def _error_scale(error: npt.NDArray[np.float64]) -> ColorScale:
    """The decades of the errors, apart from the smallest of them."""
    finite = error[np.isfinite(error)]
    positive = finite[finite > 0]
    if not positive.size:
        return ColorScale.decades(_LOWEST_DECADE, 0, extended=bool(finite.size))
    high = max(_LOWEST_DECADE + 1, math.ceil(math.log10(positive.max())))
    low = math.floor(math.log10(np.percentile(positive, _LOW_PERCENTILE, method="lower")))
    low = min(high - 1, max(_LOWEST_DECADE, low))
    low = spread_decades(low, high)[0]
    return ColorScale.decades(low, high, extended=bool(finite.min() < 10.0**low))


def _worst_lines(result: CheckResult) -> list[str]:
    worst = result.worst
    if worst is None or worst.worst is None:
        return ["nothing was compared"]
    label = "farthest beyond its limit" if worst.excess > 1.0 else "nearest its limit"
    lines = [
        f"{label}: {worst.column.name}, {where(worst.worst)}",
        both_values(worst.worst),
        deviation(worst, worst.worst),
    ]
    return [_typeset(line) for line in lines]


def _typeset(text: str) -> str:
    """A text with true minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")


def _place_picture(result: CheckResult, image: npt.NDArray[np.floating], blocks: _Blocks) -> Picture:
    # the surface shows through, so that one sees where on it a place is
    red, green, blue = np.moveaxis(blocks.zoom.sample(image), 2, 0)
    brightness = color_levels(np.sqrt(np.maximum(red + green + blue, 0) / 3))
    interior = np.array(PLACE_COLORS[Place.interior])
    shades = interior + _PALER * np.linspace(0, 1, 256)[:, None] * (255 - interior)
    palette = np.concatenate([[PLACE_COLORS[place] for place in Place], shades]).astype(np.uint8)
    place = np.where(blocks.background, np.uint8(Place.background), blocks.spread(blocks.place))
    shown = np.where(place == Place.interior, np.uint16(len(Place)) + brightness, place)
    panel = blocks.zoom.enlarge(np.take(palette, shown, axis=0))
    notes = ["interior: paler where the rendering is brighter", *blocks.note] if (shown >= len(Place)).any() else []
    single = blocks.spread(_isolated(blocks.place > Place.boundary))
    if single.any() and blocks.side * blocks.zoom.factor <= _HARD_TO_SEE:
        covered = blocks.zoom.enlarge(np.isin(place, (Place.unsampled, *COMPARED)))
        for which in map(Place, np.unique(place[single])):
            enlarge(panel, blocks.zoom.enlarge(single & (place == which)), PLACE_COLORS[which], covered)
        notes.append("single excluded pixels are drawn larger")
    group = Group(
        heading=["what the check did at each pixel", *_sample_note(result)],
        panels=[[panel]],
        legend=[
            [Key(PLACE_COLORS[place], f"{PLACE_LABELS[place]}: {count:,}")]
            for place, count in result.count_places().items()
        ],
        notes=notes,
    )
    return draw_group(group)


def _isolated(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The marked blocks with hardly another one around, which are easily overlooked: no part of an area or a line."""
    rows, columns = np.nonzero(marked)
    offsets = np.arange(2 * _SURROUNDINGS + 1)
    padded = np.pad(marked, _SURROUNDINGS)
    around = padded[rows[:, None, None] + offsets[:, None], columns[:, None, None] + offsets].sum(axis=(1, 2))
    isolated = np.zeros_like(marked)
    isolated[rows, columns] = around <= _SURROUNDINGS
    return isolated


def _step_picture(curve: StepCurve) -> Picture:
    entry, unit = curve.entry, "" if curve.unit == "1" else f" in {curve.unit}"
    limit = np.full(2, entry.tolerance)
    plot = Plot(
        heading=[f"{curve.name} at {where(entry)}", _typeset(both_values(entry))],
        x=Axis(f"step h{unit}", logarithmic=True),
        y=Axis("|D(h) \N{MINUS SIGN} value|", logarithmic=True),
        lines=[
            Line("distance of D(h) from the derivative", curve.steps, np.abs(curve.differences - entry.value)),
            Line(f"tolerance, {format_number(entry.tolerance, 2)}", curve.steps[[0, -1]], limit, dashed=True),
        ],
    )
    return draw_plot(plot)
