"""A picture that is being drawn: panels, areas, lines and text on white. matplotlib is imported with the first one."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import ImageFont

Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

INK: Color = (34, 34, 34)
WHITE: Color = (255, 255, 255)

# Okabe and Ito, "Color Universal Design", 2008: told apart also without red or green
BLACK: Color = (0, 0, 0)
ORANGE: Color = (230, 159, 0)
SKY_BLUE: Color = (86, 180, 233)
GREEN: Color = (0, 158, 115)
YELLOW: Color = (240, 228, 66)
BLUE: Color = (0, 114, 178)
VERMILION: Color = (213, 94, 0)
PURPLE: Color = (204, 121, 167)


LEGEND_STEP = 1.4  # from row to row of a legend, in font sizes


@dataclass(frozen=True)
class Key:
    """What a colour stands for: one entry of a legend."""

    color: Color
    label: str


class Canvas:
    """A picture that is being drawn, in pixels from its top left corner.

    Lines are drawn by matplotlib's renderer itself, because a ``Figure`` resamples the panels, and text by Pillow,
    because it is three times as fast. Each gets a copy of the part that it draws on: one of the whole picture would
    take longer than the drawing.

    Args:
        width: in pixels.
        height: in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._picture: Picture = np.full((height, width, 3), 255, np.uint8)
        self.width = width
        self._panels: list[tuple[int, int, Picture]] = []
        self._texts: list[tuple[float, float, str, float, float, float]] = []

    def paste(self, left: int, top: int, panel: Picture) -> None:
        """Put a panel with a thin frame around it, above all else."""
        self._panels.append((left, top, panel))

    def fill(self, left: int, top: int, right: int, bottom: int, color: Color) -> None:
        """Fill a rectangle."""
        self._picture[top:bottom, left:right] = color

    def polygon(self, corners: Sequence[tuple[float, float]], color: Color) -> None:
        """Fill a polygon, given its corners (x, y)."""
        with self._renderer(np.array(corners, float), 1) as (renderer, path, transform):
            renderer.draw_path(_style(renderer, color, 0), path, transform, _unit(color))

    def line(self, points: npt.NDArray[np.float64], color: Color, width: float, *, dashed: bool) -> None:
        """Draw a line through points: solid with a dot at each, or dashed.

        Args:
            points: (N, 2), x and y; where one is NaN, the line is interrupted.
            color: its colour.
            width: in pixels.
            dashed: whether it is dashed.
        """
        from matplotlib.path import Path
        from matplotlib.transforms import Affine2D

        if not np.isfinite(points).all(axis=1).any():
            return
        with self._renderer(points, 3 * width) as (renderer, path, transform):
            style = _style(renderer, color, width)
            if dashed:
                style.set_dashes(0, [3 * width, 2 * width])
            renderer.draw_path(style, path, transform, None)
            if not dashed:
                dot, radius = Path.unit_circle(), Affine2D().scale(1.5 * width)
                renderer.draw_markers(_style(renderer, color, 0), dot, radius, path, transform, _unit(color))

    @contextlib.contextmanager
    def _renderer(self, points: npt.NDArray[np.float64], margin: float) -> Iterator[tuple[Any, Any, Any]]:
        """Matplotlib's renderer for the part around some points, the path through them, and its place on the part."""
        from matplotlib.backends.backend_agg import RendererAgg
        from matplotlib.path import Path
        from matplotlib.transforms import Affine2D

        known = points[np.isfinite(points).all(axis=1)]
        left, top = np.maximum(np.floor(known.min(axis=0) - margin), 0).astype(int)
        right, bottom = np.ceil(known.max(axis=0) + margin).astype(int)
        part = self._picture[top:bottom, left:right]
        create: Any = RendererAgg
        renderer = create(part.shape[1], part.shape[0], 72)  # at 72 dpi a point is a pixel
        drawn: Picture = np.asarray(renderer.buffer_rgba())
        drawn[..., 3] = 255
        for channel in range(3):  # five times as fast as all at once
            drawn[..., channel] = part[..., channel]
        # the renderer counts from the bottom
        yield renderer, Path(points), Affine2D().scale(1, -1).translate(-left, top + part.shape[0])
        for channel in range(3):
            part[..., channel] = drawn[..., channel]

    def write(self, x: float, baseline: float, text: str, size: float, width: float, align: float = 0.5) -> None:
        """Write one line of text of a given font size, smaller where that is wider than ``width``.

        Args:
            x: where the text is.
            baseline: the y of its baseline.
            text: the text.
            size: the font size.
            width: how wide it may be.
            align: the share of the text that is to the left of ``x``.
        """
        self._texts.append((x, baseline, text, size, width, align))

    def legend(self, rows: Sequence[Sequence[Key]], left: int, top: float, width: float, size: float) -> None:
        """Write rows of keys, each row ``LEGEND_STEP`` font sizes below the last; the keys of a row share its width."""
        side = round(0.8 * size)
        for i, row in enumerate(rows):
            baseline, cell = top + (i + 0.9) * LEGEND_STEP * size, width / len(row)
            for j, key in enumerate(row):
                x = round(left + j * cell)
                self.paste(x + 1, round(baseline) - side, np.full((side, side, 3), key.color, np.uint8))
                self.write(x + 1.3 * size, baseline, key.label, size, cell - 1.8 * size, align=0)

    def picture(self) -> Picture:
        """What was drawn, (height, width, 3) sRGB."""
        from PIL import Image, ImageDraw

        picture = self._picture
        for left, top, panel in self._panels:
            bottom, right = top + panel.shape[0], left + panel.shape[1]
            picture[top - 1 : bottom + 1, [left - 1, right]] = INK
            picture[[top - 1, bottom], left:right] = INK
            picture[top:bottom, left:right] = panel
        for x, baseline, text, size, room, align in self._texts:
            extent = _font(size).getlength(text)
            font = _font(size * min(1.0, room / extent)) if extent else _font(size)
            start, end = x - align * min(extent, room), x + (1 - align) * min(extent, room)
            # no glyph of the font reaches farther
            left, top = max(0, int(start - 1.25 * size)), max(0, int(baseline - 1.25 * size))
            part = picture[top : int(baseline + 0.5 * size), left : int(end + size)]
            image = Image.fromarray(part)
            ImageDraw.Draw(image).text((start - left, baseline - top), text, INK, font, anchor="ls")
            part[:] = np.asarray(image)
        return picture


@functools.lru_cache(maxsize=256)
def _font(size: float) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font, in pixels."""
    from matplotlib.font_manager import findfont
    from PIL import ImageFont

    return ImageFont.truetype(findfont("DejaVu Sans"), size)


def _style(renderer: Any, color: Color, width: float) -> Any:
    style = renderer.new_gc()
    style.set_foreground(_unit(color))
    style.set_linewidth(width)
    return style


def _unit(color: Color) -> tuple[float, ...]:
    return tuple(level / 255 for level in color)


def paint(panel: Picture, pixels: npt.NDArray[np.bool_], color: Color) -> None:
    """Give pixels a colour.

    Args:
        panel: (height, width, 3) sRGB, changed in place.
        pixels: (height, width), which.
        color: their colour.
    """
    for channel, level in enumerate(color):  # eight times as fast as all at once
        panel[..., channel][pixels] = level


def encircle(panel: Picture, marked: npt.NDArray[np.bool_], color: Color) -> None:
    """Draw a line around pixels, at a distance, so that even a single one of them is seen.

    Args:
        panel: (height, width, 3) sRGB, changed in place; the marked pixels keep their colours.
        marked: (height, width), which pixels.
        color: of the line, which has a white edge on both sides.
    """
    if not marked.any():
        return
    unit = max(1, max(marked.shape) // 256)
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    around = tuple(slice(max(0, i[0] - 8 * unit), i[-1] + 8 * unit + 1) for i in (rows, columns))
    inner, line, line_end, end = (_dilate(marked[around], distance * unit) for distance in (4, 5, 7, 8))
    paint(panel[around], end & ~inner, WHITE)
    paint(panel[around], line_end & ~line, color)


def enlarge(panel: Picture, marked: npt.NDArray[np.bool_], color: Color, over: npt.NDArray[np.bool_]) -> None:
    """Draw pixels larger than they are, with a dark edge, so that even a single one of them is seen.

    Args:
        panel: (height, width, 3) sRGB, changed in place; the marked pixels keep their colours.
        marked: (height, width), which pixels: few.
        color: of the marks.
        over: (height, width), which pixels the marks may cover.
    """
    reach = max(1, max(marked.shape) // 256)
    rows, columns = (index[:, None, None] for index in np.nonzero(marked))
    for around, shade in ((reach + 1, INK), (reach, color)):
        offsets = np.arange(-around, around + 1)
        beside = np.broadcast_arrays(rows + offsets[:, None], columns + offsets)
        down, right = (np.clip(index, 0, size - 1) for index, size in zip(beside, marked.shape, strict=True))
        free = over[down, right]
        panel[down[free], right[free]] = shade


def _dilate(marked: npt.NDArray[np.bool_], distance: int) -> npt.NDArray[np.bool_]:
    """The pixels that have a marked one at most so far away, across, down and diagonally."""
    for _ in range(2):
        seen = np.cumsum(np.pad(marked, ((distance + 1, distance), (0, 0))), axis=0, dtype=np.int32)
        marked = (seen[2 * distance + 1 :] > seen[: -2 * distance - 1]).T
    return marked
