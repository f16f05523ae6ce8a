"""A sweep as a film: the rendering and the Jacobian images, one run after the other, with the same scales."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tdr.reports.canvas import BLUE, INK, WHITE, Canvas, Color, Picture
from tdr.reports.drawing import BACKGROUND, NOT_FINITE, ColorScale, draw_bar
from tdr.reports.jacobian_pictures import visibility_note
from tdr.sweep_views.images import Derivative, SweepImages, choose_evenly, first_groups
from tdr.sweep_views.sheet import EMPTY, defect_notes, empty_label, panel_shape, thumbnail

_FRAMES = 200
_COLUMNS = 11  # Jacobian images in a frame
_ACROSS = 4  # panels
_SIDE = 280  # pixels of a panel, about
_LEAST_WIDTH = 640
_EM = 20
_GAP = 16
_TOP = round(3.2 * _EM)  # the caption, and the line that shows how far the film is
_TRACK: Color = (210, 210, 210)


def frames_a_second(count: int) -> float:
    """How fast to show so many runs: all of them in eight seconds, but none too briefly or too long."""
    return min(max(count / 8, 2.0), 12.0)


class Film:
    """A film of a sweep.

    Args:
        images: the sweep's images.

    Attributes:
        chosen: which runs it shows: at most 200, evenly chosen.
        rate: frames a second.
    """

    def __init__(self, images: SweepImages) -> None:
        self.chosen = choose_evenly(len(images.runs), _FRAMES)
        self.rate = frames_a_second(len(self.chosen))
        self._images = images
        groups, left_out = first_groups(images.derivatives, _COLUMNS)
        shown = [None, *(derivative for piece in groups for derivative in piece)]
        self._scene = _Scene(images, shown, [*left_out, *self._notes()])

    @property
    def pixels(self) -> int:
        """How many pixels a frame has."""
        return self._scene.base.size // 3

    def frames(self) -> Iterator[Picture]:
        """Draw the frames, each when it is asked for: (height, width, 3) sRGB, of an even height and width."""
        swept = self._images.swept
        for at, index in enumerate(self.chosen):
            run = swept.runs[index]
            caption = swept.caption(run) + (" ✗ check failed" if run.verdict == "failed" else "")
            yield self._scene.frame(index, caption, at / max(1, len(self.chosen) - 1))

    def palette(self) -> Picture:
        """The 256 colours that come closest to what the frames show, (256, 3) sRGB, for formats that have no more."""
        from PIL import Image

        scale = ColorScale.diverging(1.0, extended=False).palette
        diverging = scale[np.rint(np.linspace(0, len(scale) - 1, len(scale) // 2)).astype(int)]  # the ends and zero too
        exact = np.array([WHITE, INK, BLUE, _TRACK, EMPTY, BACKGROUND, NOT_FINITE, (0, 0, 0)], np.uint8)
        shown = [self._images.crop(self._images.runs[i].render) for i in self.chosen if not self._images.runs[i].absent]
        pixels = np.concatenate([np.zeros((1, 3), np.uint8), *(render[::4, ::4].reshape(-1, 3) for render in shown)])
        rest = 256 - len(diverging) - len(exact)
        renders = Image.fromarray(pixels[None]).quantize(rest, method=Image.Quantize.MEDIANCUT).getpalette() or []
        colors = np.array(renders, np.uint8).reshape(-1, 3)[:rest]
        found = np.concatenate([exact, diverging, colors])
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(found)] = found
        return palette

    def _notes(self) -> list[str]:
        images, notes = self._images, ["each parameter has one colour scale in all runs"]
        if len(self.chosen) < len(images.runs):
            notes[0] += f"; {len(self.chosen)} of {len(images.runs)} runs shown, evenly chosen"
        return [
            *notes,
            *visibility_note(images.limits),
            *images.crop_note,
            *images.sampling_note,
            *defect_notes(images),
        ]


class _Scene:
    """What all frames have in common, and where the panels stand in them.

    Attributes:
        base: a frame without what changes, (height, width, 3) sRGB.
    """

    def __init__(self, images: SweepImages, shown: list[Derivative | None], notes: list[str]) -> None:
        self._images, self._shown = images, shown
        self._panel = panel_shape(images, _SIDE)
        height, width = self._panel
        across = min(len(shown), _ACROSS)
        down = height + round(4.2 * _EM)
        self._width = max(_LEAST_WIDTH, 2 * _EM + across * (width + _GAP) - _GAP)
        self._corners = [
            (_TOP + round(1.6 * _EM) + i // across * down, _EM + i % across * (width + _GAP)) for i in range(len(shown))
        ]
        bottom = _TOP + -(-len(shown) // across) * down
        total = round(bottom + (0.6 + 1.1 * len(notes)) * _EM)
        canvas = Canvas(self._width + self._width % 2, total + total % 2)
        for (top, left), derivative in zip(self._corners, shown, strict=True):
            title = "rendering" if derivative is None else derivative.title
            canvas.write(left + width / 2, top - 0.5 * _EM, title, 0.9 * _EM, width)
            canvas.paste(left, top, np.zeros((height, width, 3), np.uint8))
            if derivative is not None:
                limit, bar = images.limit(derivative), round(0.7 * width)
                draw_bar(canvas, left + width / 2, top + height + 8, bar, round(0.5 * _EM), limit.scale, 0.75 * _EM)
        for i, note in enumerate(notes):
            canvas.write(_EM, bottom + (0.6 + 1.1 * i) * _EM, note, 0.75 * _EM, self._width - 2 * _EM, align=0)
        self.base = canvas.picture()
        self._empty: dict[str, Picture] = {}

    def frame(self, index: int, caption: str, progress: float) -> Picture:
        """The frame of one run, given its caption, and how far the film is by then, from 0 to 1."""
        frame: Picture = self.base.copy()
        head = Canvas(frame.shape[1], _TOP)
        head.write(_EM, 1.6 * _EM, caption, 1.1 * _EM, self._width - 2 * _EM, align=0)
        left, right, line = _EM, self._width - _EM, round(2.4 * _EM)
        head.fill(left, line, right, line + 3, _TRACK)
        reached = round(left + progress * (right - left - 8))
        head.fill(left, line, reached + 8, line + 3, BLUE)
        head.fill(reached, line - 4, reached + 8, line + 7, BLUE)
        frame[:_TOP] = head.picture()
        for (top, left), derivative in zip(self._corners, self._shown, strict=True):
            panel = thumbnail(self._images, self._images.runs[index], derivative, _SIDE)
            if panel is None:
                panel = self._empty_panel(empty_label(self._images.runs[index]))
            place = frame[top : top + self._panel[0], left : left + self._panel[1]]
            place[:] = EMPTY
            height, width = panel.shape[:2]
            y, x = (self._panel[0] - height) // 2, (self._panel[1] - width) // 2
            place[y : y + height, x : x + width] = panel
        return frame

    def _empty_panel(self, label: str) -> Picture:
        if label not in self._empty:
            height, width = self._panel
            canvas = Canvas(width, height)
            canvas.fill(0, 0, width, height, EMPTY)
            canvas.write(width / 2, height / 2 + 0.4 * _EM, label, _EM, width - 4)
            self._empty[label] = canvas.picture()
        return self._empty[label]
