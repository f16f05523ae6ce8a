"""A sweep as one picture: its runs side by side, or, over two axes, as a grid. Each row of panels has one colour scale.

Pictures stay usable whatever the size of the sweep: they show some of the runs and columns and say what is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.reports.canvas import Canvas, Color, Picture
from tdr.reports.drawing import Zoom, draw_bar
from tdr.reports.jacobian_pictures import visibility_note
from tdr.sweep_views.images import Derivative, RunImages, SweepImages, choose_evenly, first_groups
from tdr.sweep_views.swept import short
from tdr.words import counted

EMPTY: Color = (238, 238, 238)

# how much a contact sheet shows at most
_RUNS = 24
_ACROSS = 12
_COLUMNS = 12

# how much a grid shows at most: values of an axis, and blocks beside the rendering's
_VALUES = 16
_BLOCKS = 3

# sizes in pixels: panels, all panels of a line, the font
_PANEL = (130, 280)
_LINE = 1680
_EM = 20
_LEAST_WIDTH = 900
_BAR = 300
_GRID_PANEL = (64, 180)
_GRID_LINE = 720
_GRID_LEAST = 620
_GRID_SIDE = 100


def thumbnail(images: SweepImages, run: RunImages, derivative: Derivative | None, side: int) -> Picture | None:
    """A small picture of a run's rendering or of one of its Jacobian images.

    Args:
        images: the sweep's images.
        run: one of its runs.
        derivative: which Jacobian image; None for the rendering.
        side: the longer side has about so many pixels.

    Returns:
        (h, w, 3) sRGB; None if the run has no such image.
    """
    if run.absent or (derivative is not None and derivative not in run.entries):
        return None
    entries = None if derivative is None else run.entries[derivative]
    sample = images.crop(run.render if entries is None else entries.codes)
    zoom = Zoom.for_thumbnail(sample.shape[:2], side)
    shown = zoom.sample(sample)
    if entries is not None and derivative is not None:
        shown = entries.panel(images.limit(derivative).scale, shown)
    return zoom.enlarge(shown)


def empty_label(run: RunImages) -> str:
    """What stands in the place of an image that a run does not have."""
    return run.absent or "none"


def panel_shape(images: SweepImages, side: int) -> tuple[int, int]:
    """Height and width, in pixels, of a place in which every run's thumbnail fits; square if there is none."""
    shapes = []
    for run in images.runs:
        if not run.absent:
            height, width = images.crop(run.render).shape[:2]
            zoom = Zoom.for_thumbnail((height, width), side)
            shapes.append((-(-height // zoom.stride) * zoom.factor, -(-width // zoom.stride) * zoom.factor))
    return (max(h for h, _ in shapes), max(w for _, w in shapes)) if shapes else (side, side)


def contact_sheet(images: SweepImages) -> Picture:
    """Draw the rendering and the Jacobian images of the runs: a row each, the runs from left to right in their order.

    All Jacobian images of a parameter have one colour scale, the same in all runs.

    Args:
        images: the sweep's images.

    Returns:
        (height, width, 3) sRGB. At most 24 runs, evenly chosen, and 12 Jacobian images; what is left out is stated.
    """
    swept = images.swept
    chosen = choose_evenly(len(images.runs), _RUNS)
    lines = -(-len(chosen) // _ACROSS)
    across = -(-len(chosen) // lines)
    groups, left_out = first_groups(images.derivatives, _COLUMNS)
    place = _Place.of(images, min(max(_LINE // across, _PANEL[0]), _PANEL[1]))

    heading = f"{swept.heading}: {counted(len(swept.runs), 'run')}; one colour scale a parameter"
    if len(chosen) < len(swept.runs):
        heading += f"; {len(chosen)} evenly chosen runs shown"
    footer = [
        *left_out,
        *visibility_note(images.limits),
        *images.crop_note,
        *images.sampling_note,
        *defect_notes(images),
    ]

    header = round(3.0 * _EM)
    heights = [header + count * place.down for count in (1, *map(len, groups))]
    band = sum(heights) + round(0.8 * _EM)
    side = round(1.6 * _EM)
    width = max(_LEAST_WIDTH, side + across * place.right + 2 * _EM)
    top, left = round(2.2 * _EM), _EM + side
    canvas = Canvas(width, round(top + lines * band + (0.6 + 1.2 * len(footer)) * _EM))
    canvas.write(_EM, 1.6 * _EM, heading, _EM, width - 2 * _EM, align=0)
    for line in range(lines):
        part, y = chosen[line * across : (line + 1) * across], top + line * band
        canvas.write(_EM, y + 1.3 * _EM, "rendering", _EM, width, align=0)
        for c, index in enumerate(part):
            x = left + c * place.right + place.width / 2
            canvas.write(x, y + header - 0.4 * _EM, images.titles[index], _EM, place.width)
            place.draw(canvas, images, index, None, left + c * place.right, y + header)
        y += heights[0]
        for rows, height in zip(groups, heights[1:], strict=True):
            _draw_header(canvas, images, rows[0], rows[0].heading, _EM, y, width - 2 * _EM)
            for r, derivative in enumerate(rows):
                row_top = y + header + r * place.down
                baseline = row_top + place.height / 2 + 0.4 * _EM
                canvas.write(_EM + side / 2, baseline, derivative.component, _EM, side)
                for c, index in enumerate(part):
                    place.draw(canvas, images, index, derivative, left + c * place.right, row_top)
            y += height
    for i, text in enumerate(footer):
        canvas.write(_EM, top + lines * band + (0.8 + 1.2 * i) * _EM, text, 0.8 * _EM, width - 2 * _EM, align=0)
    return canvas.picture()


def defect_notes(images: SweepImages) -> list[str]:
    """Lines on the runs without images, on those whose check failed, and on entries that are not finite."""
    counts = [
        (sum(bool(run.absent) for run in images.runs), "without images: the places say why"),
        (sum(run.verdict == "failed" for run in images.swept.runs), "with a failed check: ✗"),
        (sum(run.has_nonfinite for run in images.runs), "with entries that are not finite: lime"),
    ]
    return [f"{number} of {counted(len(images.runs), 'run')} {what}" for number, what in counts if number]


@dataclass(frozen=True)
class _Place:
    """Places of equal size for thumbnails.

    Attributes:
        side: about how many pixels the longer side of a thumbnail has.
        height: of a place.
        width: of a place.
    """

    side: int
    height: int
    width: int

    @classmethod
    def of(cls, images: SweepImages, side: int) -> _Place:
        return cls(side, *panel_shape(images, side))

    @property
    def down(self) -> int:
        return self.height + 6

    @property
    def right(self) -> int:
        return self.width + 6

    def draw(
        self, canvas: Canvas, images: SweepImages, index: int, derivative: Derivative | None, left: int, top: int
    ) -> None:
        """Draw a run's image, or why there is none, into the place with this corner; no run has the index -1."""
        panel = None if index < 0 else thumbnail(images, images.runs[index], derivative, self.side)
        if panel is None:
            canvas.paste(left, top, np.full((self.height, self.width, 3), EMPTY, np.uint8))
            label = "no run" if index < 0 else empty_label(images.runs[index])
            size = 0.8 * _EM
            canvas.write(left + self.width / 2, top + self.height / 2 + 0.3 * size, label, size, self.width - 6)
        else:
            height, width = panel.shape[:2]
            canvas.paste(left + (self.width - width) // 2, top + (self.height - height) // 2, panel)


def _draw_header(
    canvas: Canvas, images: SweepImages, derivative: Derivative, title: str, left: int, top: int, width: int
) -> None:
    """Write a title and the scale, and draw the colour bar beside them; the whole is three font sizes high."""
    limit = images.limit(derivative)
    bar = min(_BAR, width // 3)
    room = width - bar - 5 * _EM
    canvas.write(left, top + 1.3 * _EM, title, _EM, room, align=0)
    canvas.write(left, top + 2.3 * _EM, str(limit), 0.8 * _EM, room, align=0)
    middle = left + width - 2.2 * _EM - bar / 2
    draw_bar(canvas, middle, round(top + 0.7 * _EM), bar, round(0.6 * _EM), limit.scale, 0.8 * _EM)


def grid_sheet(images: SweepImages) -> Picture:
    """Draw a sweep over two axes as grids: axis 1 downwards, axis 2 to the right.

    There is a grid of the renderings, and one of each of the first three parameters: of that of its Jacobian images
    that has the largest entry.

    Args:
        images: the images of a sweep that has a :attr:`Swept.grid`.

    Returns:
        (height, width, 3) sRGB. At most 16 values of each axis, evenly chosen; what is left out is stated.
    """
    grid = images.swept.grid
    if grid is None:
        raise ValueError("images must be of a sweep over two axes, with one run at each pair of values")
    blocks: list[Derivative | None] = [None]
    for _, pieces in itertools.groupby(images.derivatives, lambda derivative: derivative.column.parameter):
        blocks.append(max(pieces, key=images.largest_entry))
    hidden = len(images.derivatives) - len(blocks[1 : 1 + _BLOCKS])
    blocks = blocks[: 1 + _BLOCKS]

    down, across = images.swept.axes
    rows, columns = choose_evenly(len(down.values), _VALUES), choose_evenly(len(across.values), _VALUES)
    block_grid = _Grid(
        indices=grid[np.ix_(rows, columns)],
        row_titles=[short(down.values[row]) for row in rows],
        column_titles=[short(across.values[column]) for column in columns],
        place=_Place.of(images, min(max(_GRID_LINE // len(columns), _GRID_PANEL[0]), _GRID_PANEL[1])),
    )
    heading = f"down: {down.label}; across: {across.label}; one colour scale a grid"
    if grid.size > block_grid.indices.size:
        heading += f"; {len(rows)} x {len(columns)} evenly chosen values shown"
    parameters = [block.column.parameter for block in blocks if block is not None]
    footer = [f"the column of each parameter that has the largest entry; {hidden} others not shown"] if hidden else []
    footer += [*visibility_note(parameters), *images.crop_note, *images.sampling_note, *defect_notes(images)]

    per_line = 2 if len(blocks) > 1 else 1
    top = round(2.2 * _EM)
    bottom = top + -(-len(blocks) // per_line) * block_grid.height
    width = per_line * (block_grid.width + 2 * _EM)
    canvas = Canvas(width, round(bottom + (0.6 + 1.2 * len(footer)) * _EM))
    canvas.write(_EM, 1.6 * _EM, heading, _EM, width - 2 * _EM, align=0)
    for i, block in enumerate(blocks):
        left = _EM + i % per_line * (block_grid.width + 2 * _EM)
        block_grid.draw(canvas, images, block, left, top + i // per_line * block_grid.height)
    for i, text in enumerate(footer):
        canvas.write(_EM, bottom + (0.8 + 1.2 * i) * _EM, text, 0.8 * _EM, width - 2 * _EM, align=0)
    return canvas.picture()


@dataclass(frozen=True)
class _Grid:
    """A grid of runs.

    Attributes:
        indices: which run stands where, -1 for none.
        row_titles: the values beside the rows.
        column_titles: the values above the columns.
        place: of one thumbnail.
    """

    indices: npt.NDArray[np.intp]
    row_titles: Sequence[str]
    column_titles: Sequence[str]
    place: _Place

    @property
    def width(self) -> int:
        return max(_GRID_LEAST, len(self.column_titles) * self.place.right) + _GRID_SIDE

    @property
    def height(self) -> int:
        return len(self.row_titles) * self.place.down + round(5.4 * _EM)

    def draw(self, canvas: Canvas, images: SweepImages, derivative: Derivative | None, left: int, top: int) -> None:
        """Draw the rendering or a Jacobian image of all runs; the corner of the whole is given."""
        if derivative is None:
            canvas.write(left, top + 1.3 * _EM, "rendering", _EM, self.width, align=0)
        else:
            _draw_header(canvas, images, derivative, derivative.title, left, top, self.width)
        left, top = left + _GRID_SIDE, top + round(4.4 * _EM)
        for c, title in enumerate(self.column_titles):
            x = left + c * self.place.right + self.place.width / 2
            canvas.write(x, top - 0.4 * _EM, title, 0.9 * _EM, self.place.width)
        for r, title in enumerate(self.row_titles):
            y = top + r * self.place.down
            baseline = y + self.place.height / 2 + 0.4 * _EM
            canvas.write(left - 0.5 * _EM, baseline, title, 0.9 * _EM, _GRID_SIDE - _EM, align=1)
            for c in range(len(self.column_titles)):
                x = left + c * self.place.right
                self.place.draw(canvas, images, int(self.indices[r, c]), derivative, x, y)
