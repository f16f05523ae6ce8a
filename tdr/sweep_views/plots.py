"""Metrics against what was swept: lines over one axis, heat maps over two, and discs over the directions of a light."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import COLOR, VECTOR
from tdr.reports.canvas import INK, WHITE, Canvas, Color, Picture
from tdr.reports.drawing import ColorScale, draw_bar
from tdr.reports.plotting import LINE_COLORS, Axis, Line, Plot, draw_plot
from tdr.results import naming
from tdr.sweep_views.swept import Swept, short
from tdr.words import counted

Values = npt.NDArray[np.float64]

_LOGARITHMIC = 8  # an axis is logarithmic where its largest step is so many times its smallest
_TIMES = (naming.TOTAL, "jacobian", "check")

# sizes in pixels
_EM = 20
_MAP = 300
_DISC = 300
_POINT = 14  # radius of a point at most
_RADIUS = _DISC / 2 - _POINT  # of the disc, so that points on its edge are whole
_SIDE = 110
_LEAST_WIDTH = 800
_LABELS = 8
_GAP_COLOR: Color = (238, 238, 238)
_RING: Color = (190, 190, 190)


@dataclass(frozen=True)
class Measure:
    """Metrics of one kind, which are drawn together.

    Attributes:
        name: the stem of the file's name.
        heading: what they are.
        label: what their axis says, with the unit.
        keys: what each is called in the plot -> the metric's name.
        logarithmic: whether ratios matter, not differences.
    """

    name: str
    heading: str
    label: str
    keys: Mapping[str, str]
    logarithmic: bool

    def values(self, swept: Swept) -> Values:
        """The metrics, (keys, runs); NaN where a run has none or one that is not finite."""
        values = np.array([[run.metric(key) for run in swept.runs] for key in self.keys.values()])
        return np.where(np.isfinite(values), values, np.nan)


def measures(swept: Swept) -> list[Measure]:
    """What is worth plotting of a sweep: norms of the Jacobian images, errors found by the checks, and times."""
    names = list(dict.fromkeys(key for run in swept.runs for key in run.metrics))
    subjects: dict[str, dict[str, str]] = {}
    for column, key in naming.columns_of_metrics(names, naming.OF_JACOBIAN, naming.L2).items():
        subject, _, component = column.rpartition(".")
        if component not in (*VECTOR, *COLOR):
            subject, component = column, column
        subjects.setdefault(subject, {})[component] = key
    chosen = [
        Measure(subject, f"size of the Jacobian images by {subject}", "l2 norm over all pixels", keys, False)
        for subject, keys in subjects.items()
    ]
    errors = naming.columns_of_metrics(names, naming.OF_CHECK, naming.MAX_ERROR)
    if errors:
        label = "relative to the column's largest entry"
        for i in range(0, len(errors), len(LINE_COLORS)):
            keys = dict(list(errors.items())[i : i + len(LINE_COLORS)])
            number = f"_{i // len(LINE_COLORS) + 1}" if len(errors) > len(LINE_COLORS) else ""
            chosen.append(Measure(f"check{number}", "largest error found by the check", label, keys, True))
    times = {part: key for part in _TIMES if (key := naming.time_metric(part)) in names}
    if times:
        chosen.append(Measure("time", "time of a run and of its parts", "seconds", times, True))
    return chosen


def sweep_plots(swept: Swept) -> dict[str, Picture]:
    """Plot the measures of a sweep.

    Args:
        swept: the sweep.

    Returns:
        Name -> (height, width, 3) sRGB: lines over one axis, or over the runs where there are three axes or more; heat
        maps over two axes; and over directions discs, besides the lines where there are any.
    """
    pictures = {}
    to_light, grid = swept.to_light(), swept.grid
    for measure in measures(swept):
        if to_light is not None:
            disc = "" if grid is not None else "_directions"
            pictures[f"{measure.name}{disc}"] = _discs(swept, measure, to_light)
        if grid is None:
            pictures[measure.name] = _lines(swept, measure)
        elif to_light is None:
            pictures[measure.name] = _heat_maps(swept, measure, grid)
    return pictures


def _gap_note(values: Values, what: str) -> list[str]:
    """A line on the runs of which nothing is shown."""
    number = int(np.isnan(values).all(axis=0).sum())
    return [f"{what}: {counted(number, 'run')} without finite numbers"] if number else []


# --------------------------------------------------------------------------------------------------------- lines


def _lines(swept: Swept, measure: Measure) -> Picture:
    values, numbers = measure.values(swept), None
    axis = swept.axes[0] if len(swept.axes) == 1 else None
    if axis is not None and axis.numbers is not None:
        numbers = axis.numbers[[swept.position(run)[0] for run in swept.runs]]
        x = Axis(axis.label, logarithmic=_is_geometric(axis.numbers), degrees=axis.in_degrees)
    else:
        x = Axis(swept.heading, categories=[swept.title(run) for run in swept.runs])
    at = np.arange(len(swept.runs), dtype=np.float64) if numbers is None else numbers
    return draw_plot(
        Plot(
            heading=[measure.heading],
            x=x,
            y=Axis(measure.label, logarithmic=measure.logarithmic),
            lines=[Line(label, at, line) for label, line in zip(measure.keys, values, strict=True)],
            notes=_gap_note(values, "gaps"),
        )
    )


def _is_geometric(numbers: Values) -> bool:
    """Whether ascending numbers are spread over ratios rather than over differences."""
    steps = np.diff(numbers)
    return bool(numbers[0] > 0 and len(steps) > 1 and steps.max() > _LOGARITHMIC * steps.min())


# ----------------------------------------------------------------------------------------- heat maps and discs


def _heat_maps(swept: Swept, measure: Measure, grid: npt.NDArray[np.intp]) -> Picture:
    """A map of each metric: axis 1 downwards, axis 2 to the right."""
    values = measure.values(swept)
    rows, columns = grid.shape
    cell = max(1, _MAP // max(rows, columns))
    scale, canvas, corners = _frame(measure, values, (cell * rows + 2 * _EM, cell * columns), _gap_note(values, "grey"))
    down, across = swept.axes
    for (left, top), line in zip(corners, values, strict=True):
        numbers = np.where(grid >= 0, line[grid], np.nan)
        panel = scale.colors(numbers)
        panel[np.isnan(numbers)] = _GAP_COLOR
        canvas.paste(left, top, panel.repeat(cell, axis=0).repeat(cell, axis=1))
        for r in _labelled(rows):
            baseline = top + (r + 0.5) * cell + 0.3 * _EM
            canvas.write(left - 6, baseline, short(down.values[r]), 0.8 * _EM, _SIDE - _EM, align=1)
        shown = _labelled(columns)
        for c in shown:
            room = cell * columns / len(shown) - 4
            canvas.write(left + (c + 0.5) * cell, top + rows * cell + _EM, short(across.values[c]), 0.8 * _EM, room)
        middle = left + columns * cell / 2
        canvas.write(middle, top + rows * cell + 2.1 * _EM, f"→ {across.label}", 0.8 * _EM, _MAP)
        canvas.write(middle, top + rows * cell + 3.1 * _EM, f"↓ {down.label}", 0.8 * _EM, _MAP)
    return canvas.picture()


def _discs(swept: Swept, measure: Measure, to_light: Values) -> Picture:
    """A disc of each metric: where the lights stand, seen along -z; the angle from the z axis is the distance.

    The disc ends where the light comes from the side, or, if there are lights behind, where it comes from behind.
    """
    values = measure.values(swept)
    angle = np.rad2deg(np.arccos(np.clip(to_light[:, 2], -1, 1)))
    end = 90.0 if angle.max() <= 90 + 1e-9 else 180.0
    across = np.linalg.norm(to_light[:, :2], axis=1, keepdims=True)
    places = (angle / end)[:, None] * to_light[:, :2] / np.where(across > 0, across, 1)
    notes = [
        "where the light stands: seen along \N{MINUS SIGN}z, x to the right and y up; "
        f"circles: {', '.join(f'{ring}°' for ring in _rings(end))} from the z axis",
        *_gap_note(values, "hollow"),
    ]
    scale, canvas, corners = _frame(measure, values, (_DISC, _DISC), notes)
    radius = min(_POINT, max(5.0, 0.4 * _DISC / math.sqrt(len(places))))
    for (left, top), line in zip(corners, values, strict=True):
        middle = np.array([left + _DISC / 2, top + _DISC / 2])
        for ring in reversed(_rings(end)):
            share = ring / end * _RADIUS
            for shrink, color in ((0, INK if ring == end else _RING), (1.5, WHITE)):
                canvas.polygon(_circle(middle, share - shrink), color)
        colors = scale.colors(line[None])[0]
        for place, number, color in zip(places, line, colors, strict=True):
            center = middle + _RADIUS * place * (1, -1)
            red, green, blue = (int(level) for level in color)
            canvas.polygon(_circle(center, radius), INK)
            fill = WHITE if math.isnan(number) else (red, green, blue)
            canvas.polygon(_circle(center, radius - 1.5), fill)
    return canvas.picture()


def _rings(end: float) -> list[int]:
    return [30, 60, 90] if end == 90 else [60, 90, 120, 180]


def _circle(middle: Values, radius: float) -> list[tuple[float, float]]:
    turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return [
        (float(middle[0] + radius * c), float(middle[1] + radius * s))
        for c, s in zip(np.cos(turns), np.sin(turns), strict=True)
    ]


def _frame(
    measure: Measure, values: Values, panel: tuple[int, int], notes: Sequence[str]
) -> tuple[ColorScale, Canvas, list[tuple[int, int]]]:
    """A picture with a title, the titles of its panels, a colour bar and notes; and where the panels' corners are."""
    scale = _scale(values, measure.logarithmic)
    height, width = panel
    step = width + _SIDE
    top = round(3.6 * _EM)
    bar = top + height + round(2.4 * _EM)
    total = max(2 * _EM + len(values) * step, 560)
    canvas = Canvas(total, round(bar + (3.4 + 1.2 * len(notes)) * _EM))
    canvas.write(total / 2, 1.4 * _EM, f"{measure.heading}: {measure.label}", _EM, total - 2 * _EM)
    left = (total - len(values) * step) // 2 + _SIDE - _EM
    corners = [(left + i * step, top) for i in range(len(values))]
    for (x, _), label in zip(corners, measure.keys, strict=True):
        canvas.write(x + width / 2, top - 0.5 * _EM, label, _EM, step)
    draw_bar(canvas, total / 2, bar, min(360, total - 6 * _EM), 12, scale, 0.8 * _EM)
    for i, note in enumerate(notes):
        canvas.write(total / 2, bar + (3.0 + 1.2 * i) * _EM, note, 0.8 * _EM, total - 2 * _EM)
    return scale, canvas, corners


def _scale(values: Values, logarithmic: bool) -> ColorScale:
    known = values[np.isfinite(values)]
    if logarithmic:
        positive = known[known > 0]
        low = math.floor(math.log10(positive.min())) if len(positive) else 0
        high = math.ceil(math.log10(positive.max())) if len(positive) else 1
        return ColorScale.decades(low, max(high, low + 1), extended=bool((known <= 0).any()))
    return ColorScale.sequential(float(known.min()), float(known.max())) if len(known) else ColorScale.sequential(0, 1)


def _labelled(count: int) -> range:
    """Which of so many rows or columns are labelled."""
    return range(0, count, 1 + (count - 1) // _LABELS)
