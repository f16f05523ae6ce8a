"""What a person sees of Jacobian images: numbers and pictures.

Everything here is a pure function from arrays to numbers, or to pictures: (height, width, 3) uint8 arrays, sRGB.
matplotlib is imported when the first picture is drawn.

In a picture of a Jacobian image, positive entries are red, negative ones blue and zero is nearly white; pixels that
no triangle covers are grey, entries that are not finite are lime. All columns of a parameter share one colour scale.
A picture shows every entry as a square of whole picture pixels, or, of an image too large for that, one of every
s x s pixels; the statistics and the colour scale always come from all entries.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.jacobian_images import Array, JacobianImages
from tdr.parameters import VECTOR, Column, Parameter, Reads

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

CHANNELS = ("R", "G", "B")
BACKGROUND = (200, 200, 200)
NOT_FINITE = (0, 255, 0)

# the colour scale ends at this percentile where the largest magnitude exceeds it by more than this factor
_PERCENTILE = 99
_OUTLIER_FACTOR = 4
_SAMPLE = 1 << 16  # about how many entries the percentile is taken from

_BAND = 1 << 16  # how many entries to work on at a time

# layout: small images are enlarged to the first panel size, large ones shrunk to the second, in pixels; a picture of
# a column is 20 font sizes wide and a place in a figure 12, so that text stays legible in a thumbnail and in print
_PANEL = 512
_LARGE_PANEL = 1024
_COLUMN_WIDTH = 384
_COLUMN_EMS = 20
_FIGURE_PLACE = 256
_FIGURE_EMS = 12
_FIGURE_COLUMNS = 4
_FIGURE_ROWS = 12
_FIGURE_HEIGHT = 3600

_INK = (34, 34, 34)


# ------------------------------------------------------------------------------------------------------- numbers


def column_statistics(images: JacobianImages) -> dict[str, float]:
    """Describe every column by a few numbers.

    Args:
        images: the Jacobian images.

    Returns:
        For every column, under ``<column name>/<key>``: ``max_abs``, ``min``, ``max`` and ``l2`` (the Euclidean norm)
        of all finite entries; ``mean_abs``, the mean magnitude of the finite entries of covered pixels; ``nonzero``,
        the share of covered pixels that have a finite nonzero entry; ``nonfinite``, how many entries are not finite.
        What there are no entries for is 0.
    """
    covered = images.triangle_id >= 0
    return {
        f"{column.name}/{key}": float(value)
        for column in images.columns
        for key, value in _statistics(images.column(column), covered).items()
    }


def _statistics(values: Array, covered: Mask) -> dict[str, float]:
    """Statistics of one column (H, W, C)."""
    bands = np.array([_band_statistics(*band) for band in _bands(values, covered)])
    low, high = bands[:, 0].min(), bands[:, 1].max()
    squares, magnitudes, known_covered, nonzero, nonfinite = bands[:, 2:].sum(axis=0)
    anything = nonfinite < values.size
    return {
        "max_abs": max(high, -low) if anything else 0.0,
        "mean_abs": magnitudes / max(1, known_covered),
        "min": low if anything else 0.0,
        "max": high if anything else 0.0,
        "l2": math.sqrt(squares),
        "nonzero": nonzero / max(1, np.count_nonzero(covered)),
        "nonfinite": nonfinite,
    }


def _band_statistics(values: Array, covered: Mask) -> npt.NDArray[np.float64]:
    """What the statistics of a column are put together from, for a band of it: two extremes, then sums."""
    entries, seen = values.astype(np.float64).reshape(covered.size, -1), covered.reshape(-1, 1)
    finite = np.isfinite(entries)
    known = entries[finite]
    magnitudes = np.abs(np.where(finite, entries, 0) * seen)
    return np.array(
        [
            known.min(initial=math.inf),
            known.max(initial=-math.inf),
            np.square(known).sum(),
            magnitudes.sum(),
            np.count_nonzero(finite & seen),
            np.count_nonzero(magnitudes.any(axis=1)),
            finite.size - len(known),
        ]
    )


def _bands(*images: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Bands of rows of images of equal height, so small that what is computed from them stays in the cache."""
    count = min(len(images[0]), 1 + images[0].size // _BAND)
    return zip(*(np.array_split(image, count) for image in images), strict=True)


@dataclass(frozen=True)
class Entry:
    """One entry of a Jacobian image.

    Attributes:
        name: the name of its column.
        row: the pixel's row; 0 is the top.
        column: the pixel's column.
        channel: 0, 1, 2 for R, G, B where the channels were differentiated separately, else None.
        value: the entry.
    """

    name: str
    row: int
    column: int
    channel: int | None
    value: float


def largest_entries(images: JacobianImages, count: int = 5) -> list[Entry]:
    """Find each column's finite entry of largest magnitude.

    Args:
        images: the Jacobian images.
        count: how many columns to list at most.

    Returns:
        One entry a column, largest magnitude first. A column without a finite entry has none.
    """
    entries = []
    for column in images.columns:
        values = images.column(column)
        magnitudes = np.abs(values)
        magnitudes[~np.isfinite(magnitudes)] = -1
        row, col, channel = np.unravel_index(np.argmax(magnitudes), values.shape)
        if magnitudes[row, col, channel] >= 0:
            value = float(values[row, col, channel])
            entries.append(
                Entry(column.name, int(row), int(col), int(channel) if values.shape[2] == 3 else None, value)
            )
    return sorted(entries, key=lambda entry: -abs(entry.value))[:count]


@dataclass(frozen=True)
class ColorLimit:
    """The symmetric colour scale of one parameter, from ``-value`` to ``value``.

    Attributes:
        value: the magnitude shown in full red or blue; 1 if all finite entries are zero.
        beyond: how many finite entries are larger than that in magnitude.
        all_zero: whether all finite entries are zero.
    """

    value: float
    beyond: int
    all_zero: bool

    def __str__(self) -> str:
        """The scale as pictures state it."""
        if self.all_zero:
            return "all zero, scale ±1"
        beyond = f", {_count(self.beyond, 'entry', 'entries')} beyond" if self.beyond else ""
        return f"scale ±{_number(self.value)}{beyond}"


def color_limit(images: JacobianImages, parameter: Parameter) -> ColorLimit:
    """The colour scale that all columns and channels of a parameter share.

    It ends at the largest magnitude. Where outliers would wash the picture out, that is where the largest exceeds the
    99th percentile of the nonzero magnitudes more than four times, it ends at that percentile. The percentile of a
    large image is that of evenly spaced pixels; the largest magnitude and the count are always exact.

    Args:
        images: the Jacobian images.
        parameter: one of their parameters.

    Returns:
        The scale, and how many entries lie beyond it.
    """
    values = images[parameter.name]
    limit = max(float(magnitudes.max(initial=0)) for magnitudes in _finite_magnitudes(values))
    if limit == 0:
        return ColorLimit(1.0, 0, True)
    step = -(-values.size // _SAMPLE)
    sample = np.abs(values.reshape(images.triangle_id.size, -1)[:: step | 1])  # odd, so as not to meet a power of two
    sample = sample[np.isfinite(sample) & (sample > 0)]
    percentile = float(np.percentile(sample, _PERCENTILE)) if sample.size else limit
    if limit <= _OUTLIER_FACTOR * percentile:
        return ColorLimit(limit, 0, False)
    beyond = sum(int(np.count_nonzero(magnitudes > percentile)) for magnitudes in _finite_magnitudes(values))
    return ColorLimit(percentile, beyond, False)


def _finite_magnitudes(values: Array) -> Iterator[Array]:
    """The magnitudes of the finite entries, band by band."""
    for (band,) in _bands(values):
        magnitudes = np.abs(band)
        finite = np.isfinite(magnitudes)
        yield magnitudes if finite.all() else magnitudes[finite]


# ------------------------------------------------------------------------------------------------------ pictures


def encode_srgb(image: Array) -> Picture:
    """Encode a linear image for display.

    Components below 0 become 0, above 1 become 255 and NaN becomes 0; :func:`count_clipped` says how many these are.

    Args:
        image: (H, W, 3) linear RGB.

    Returns:
        (H, W, 3) sRGB.

    Source: IEC 61966-2-1:1999.
    """
    encoded = np.empty(image.shape, np.uint8)
    for linear, levels in _bands(image, encoded):
        linear = np.clip(np.nan_to_num(linear), 0, 1)
        curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)
        np.rint(255 * curve, out=levels, casting="unsafe")
    return encoded


def count_clipped(image: Array) -> int:
    """How many components of a linear image sRGB cannot encode: below 0, above 1 or not finite."""
    return int(image.size - np.count_nonzero((image >= 0) & (image <= 1)))


def column_title(images: JacobianImages, column: Column) -> str:
    """The title of a column's picture, for example ``∂(R+G+B)/∂ mesh.rotation.x, per rad``.

    Args:
        images: the Jacobian images.
        column: one of their columns.
    """
    components = column.parameter.components
    component = f".{components[column.index[-1]]}" if components else ""
    return f"{_numerator(images)}/∂ {_subject(column)}{component}{_per_unit(column)}"


def column_picture(images: JacobianImages, column: Column) -> Picture:
    """Draw one Jacobian image; where the channels were differentiated separately, one panel each for R, G and B.

    Args:
        images: the Jacobian images.
        column: one of their columns.

    Returns:
        The picture, with a title, a colour bar and the scale, which all columns of the parameter share.
    """
    limit = color_limit(images, column.parameter)
    channels = len(images.cotangents)
    zoom = _Zoom.fit(images.triangle_id.shape, _PANEL // channels, _LARGE_PANEL if channels == 1 else _PANEL)
    group = _Group(
        heading=[column_title(images, column), *_not_finite_note(images.column(column))],
        panels=[[panel for row in _panels(images, [column], limit, zoom) for panel in row]],
        titles=CHANNELS if channels == 3 else (),
        bar=_Bar.diverging(limit),
        notes=[f"{column.parameter.name}: {limit}", *_visibility_note([column.parameter]), *zoom.note],
    )
    return _draw([[group]], place=_COLUMN_WIDTH // channels, ems=_COLUMN_EMS / channels)


def figure(images: JacobianImages) -> Picture:
    """Draw the rendering and the Jacobian images side by side, parameter by parameter.

    Every parameter has a colour bar with its scale. A figure has at most twelve rows of panels; what is left out of
    it is stated in it.

    Args:
        images: the Jacobian images.

    Returns:
        The figure.
    """
    channels = len(images.cotangents)
    rows: list[list[list[Column]]] = [[]]
    free = _FIGURE_COLUMNS - 1  # the rendering takes the first place
    for _, columns in itertools.groupby(images.columns, _subject):
        piece = list(columns)
        if len(piece) > free:
            rows.append([])
            free = _FIGURE_COLUMNS
        rows[-1].append(piece)
        free -= len(piece)
    most = _FIGURE_ROWS // channels
    rows, hidden = rows[:most], [column for row in rows[most:] for piece in row for column in piece]

    panel = min(_PANEL, _FIGURE_HEIGHT // (channels * len(rows)))
    zoom = _Zoom.fit(images.triangle_id.shape, panel, panel)
    limits = {p: color_limit(images, p) for p in dict.fromkeys(piece[0].parameter for row in rows for piece in row)}
    groups = [[_figure_group(images, piece, limits[piece[0].parameter], zoom) for piece in row] for row in rows]
    render = zoom.enlarge(encode_srgb(zoom.sample(images.image)))
    groups[0].insert(0, _Group(["rendering"], [[render]], notes=_clipped_note(images.image)))

    footer = [*_visibility_note(limits), *zoom.note]
    if hidden:
        footer.append(f"{len(hidden)} of {len(images.columns)} columns not shown, from {_subject(hidden[0])} on")
    return _draw(groups, place=_FIGURE_PLACE, ems=_FIGURE_EMS, footer=footer)


def _figure_group(images: JacobianImages, columns: Sequence[Column], limit: ColorLimit, zoom: _Zoom) -> _Group:
    """The part of a figure that shows the columns of one parameter; of one light's, where each light has its own."""
    numerator, denominator = f"{_numerator(images)}/∂", f"{_subject(columns[0])}{_per_unit(columns[0])}"
    components = columns[0].parameter.components
    title = [f"{numerator} {denominator}"] if components else [numerator, denominator]
    return _Group(
        heading=[*_not_finite_note(*map(images.column, columns)), *title],
        panels=_panels(images, columns, limit, zoom),
        titles=components,
        row_titles=CHANNELS if len(images.cotangents) == 3 else (),
        bar=_Bar.diverging(limit),
        notes=[str(limit)],
    )


def g_buffer_pictures(g_buffer: Mapping[str, npt.NDArray[Any]]) -> dict[str, Picture]:
    """Draw what the shader reads at each pixel.

    Args:
        g_buffer: ``triangle_id`` (H, W), -1 for background; ``depth_ndc`` (H, W); ``position_world`` (H, W, 3);
            ``normal_world`` (H, W, 3), unit; ``albedo`` (H, W, 3), linear RGB; ``barycentrics`` (H, W, 3).

    Returns:
        A picture for each, under the same names.
    """
    covered = g_buffer["triangle_id"] >= 0
    zoom = _Zoom.fit(covered.shape, _PANEL, _LARGE_PANEL)
    seen = zoom.sample(covered)
    pictures = {}

    def draw(name: str, panel: Picture, notes: Sequence[str] = (), bar: _Bar | None = None) -> None:
        _mark(panel, ~seen, seen & ~np.isfinite(zoom.sample(g_buffer[name])).reshape(*seen.shape, -1).all(axis=-1))
        heading = [name, *_not_finite_note(g_buffer[name][covered])]
        group = _Group(heading, [[zoom.enlarge(panel)]], bar=bar, notes=[*notes, *zoom.note])
        pictures[name] = _draw([[group]], place=_COLUMN_WIDTH, ems=_COLUMN_EMS)

    triangle_id = g_buffer["triangle_id"]
    num_triangles = int(np.count_nonzero(np.bincount(triangle_id[covered])))
    draw(
        "triangle_id", _id_colors(zoom.sample(triangle_id)), [f"{_count(num_triangles, 'triangle', 'triangles')} seen"]
    )

    depth = g_buffer["depth_ndc"]
    bar = _Bar(*_finite_range(depth[covered]), _palette("cividis_r", 256))
    draw("depth_ndc", _colors(zoom.sample(depth), bar.low, bar.high, bar.palette), bar=bar)

    position = g_buffer["position_world"]
    ranges = [_finite_range(component) for component in position[covered].T]
    lower, upper = np.array(ranges).T
    box = [f"{axis} {_number(low)} to {_number(high)}" for axis, (low, high) in zip(VECTOR, ranges, strict=True)]
    extent = np.where(upper > lower, upper - lower, 1)
    draw("position_world", _levels((zoom.sample(position) - lower) / extent), [f"R, G, B: {', '.join(box)}"])

    draw("normal_world", _levels((zoom.sample(g_buffer["normal_world"]) + 1) / 2), ["R, G, B: (n + 1) / 2"])
    albedo = g_buffer["albedo"]
    draw("albedo", encode_srgb(zoom.sample(albedo)), _clipped_note(albedo[covered]))
    draw("barycentrics", _levels(zoom.sample(g_buffer["barycentrics"])), ["R, G, B: the triangle's corners"])
    return pictures


# ---------------------------------------------------------------------------------------------------------- text


def _numerator(images: JacobianImages) -> str:
    """What was differentiated: ∂(R+G+B), ∂R, ∂(0.2R+0.7G+0.1B) or ∂(R, G, B)."""
    if len(images.cotangents) == 3:
        return "∂(R, G, B)"
    text = ""
    for weight, channel in zip(images.cotangents[0], CHANNELS, strict=True):
        if weight:
            sign = "\N{MINUS SIGN}" if weight < 0 else "+" if text else ""
            text += sign + ("" if abs(weight) == 1 else f"{abs(weight):g}") + channel
    return f"∂{text}" if text in CHANNELS else f"∂({text})"


def _subject(column: Column) -> str:
    """The parameter of a column, with the light's index where each light has its own: light.direction[0]."""
    parameter = column.parameter
    return f"{parameter.name}[{column.index[0]}]" if parameter.per_light else parameter.name


def _per_unit(column: Column) -> str:
    return "" if column.parameter.unit == "1" else f", per {column.parameter.unit}"


def _finite_range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def _not_finite_note(*arrays: npt.NDArray[Any]) -> list[str]:
    number = sum(array.size - np.count_nonzero(np.isfinite(array)) for array in arrays)
    return [f"{_count(number, 'entry', 'entries')} not finite (lime)"] if number else []


def _clipped_note(image: Array) -> list[str]:
    number = count_clipped(image)
    return [f"{_count(number, 'component', 'components')} clipped"] if number else []


def _visibility_note(parameters: Iterable[Parameter]) -> list[str]:
    """What a Jacobian of pose leaves out."""
    posed = any(parameter.reads is Reads.POSE for parameter in parameters)
    return ["derivatives of pose hold visibility fixed"] if posed else []


# -------------------------------------------------------------------------------------------------------- colour


@functools.cache
def _palette(name: str, size: int) -> Picture:
    """A matplotlib colour map as (size, 3) colours."""
    import matplotlib

    colors: Picture = matplotlib.colormaps[name].resampled(size)(np.arange(size), bytes=True)
    return colors[:, :3]


def _diverging() -> Picture:
    # an odd number, so that zero has a colour of its own
    return _palette("RdBu_r", 255)


def _levels(values: Array) -> Picture:
    """Numbers from 0 to 1 as 0 to 255."""
    levels: Picture = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return levels


def _colors(values: Array, low: float, high: float, palette: Picture) -> Picture:
    """Numbers from ``low`` to ``high`` as the colours of a palette; beyond, its ends."""
    scaled = (np.clip(np.nan_to_num(values), low, high) - low) / ((high - low) or 1)
    colors: Picture = np.take(palette, np.rint(scaled * (len(palette) - 1)).astype(np.intp), axis=0)
    return colors


def _id_colors(triangle_id: npt.NDArray[np.integer]) -> Picture:
    """A colour for each triangle, the same in every picture."""
    import matplotlib.colors

    # multiples of irrational numbers modulo 1 spread evenly and do not repeat
    hue, saturation, value = (triangle_id * irrational % 1 for irrational in (0.6180339887, 0.7548776662, 0.5698402910))
    hsv = np.stack([hue, 0.35 + 0.45 * saturation, 0.65 + 0.3 * value], axis=-1)
    return _levels(matplotlib.colors.hsv_to_rgb(hsv))


def _mark(panel: Picture, background: Mask, not_finite: Mask | np.bool_) -> None:
    panel[background] = BACKGROUND
    panel[not_finite] = NOT_FINITE


def _panels(images: JacobianImages, columns: Sequence[Column], limit: ColorLimit, zoom: _Zoom) -> list[list[Picture]]:
    """One row of panels a channel, one panel a column."""
    background = zoom.sample(images.triangle_id) < 0
    rows = []
    for channel in range(len(images.cotangents)):
        row = []
        for column in columns:
            values = zoom.sample(images.column(column)[:, :, channel])
            panel = _colors(values, -limit.value, limit.value, _diverging())
            # an entry of the background that is not zero must not be hidden
            _mark(panel, background & (values == 0), ~np.isfinite(values))
            row.append(zoom.enlarge(panel))
        rows.append(row)
    return rows


@dataclass(frozen=True)
class _Zoom:
    """How an image is shown: one of every ``stride`` x ``stride`` pixels, each as ``factor`` x ``factor``."""

    stride: int
    factor: int

    @classmethod
    def fit(cls, shape: tuple[int, ...], enlarge_to: int, shrink_to: int) -> _Zoom:
        longest = max(shape)
        return cls(-(-longest // shrink_to), max(1, enlarge_to // longest))

    def sample(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array[:: self.stride, :: self.stride]

    def enlarge(self, panel: Picture) -> Picture:
        return panel.repeat(self.factor, axis=1).repeat(self.factor, axis=0)

    @property
    def note(self) -> list[str]:
        return [f"one of every {self.stride} x {self.stride} pixels shown"] if self.stride > 1 else []


# -------------------------------------------------------------------------------------------------------- layout


@dataclass(frozen=True)
class _Bar:
    """A colour bar."""

    low: float
    high: float
    palette: Picture
    extended: bool = False

    @classmethod
    def diverging(cls, limit: ColorLimit) -> _Bar:
        return cls(-limit.value, limit.value, _diverging(), limit.beyond > 0)

    def label(self, share: float) -> str:
        """The number at a share of the bar's length, with enough digits to tell it from the ends'."""
        extent, largest = self.high - self.low, max(abs(self.low), abs(self.high))
        digits = 3 + int(math.log10(max(1, largest / extent))) if extent else 3
        return _number(self.low + share * extent, digits)


@dataclass(frozen=True)
class _Group:
    """Panels of one size that belong together: a heading above, a colour bar and notes below.

    Attributes:
        heading: lines above the panels.
        panels: rows of panels.
        titles: one above each panel of the first row.
        row_titles: one beside each row.
        bar: the colour bar of all panels.
        notes: lines below.
    """

    heading: Sequence[str]
    panels: Sequence[Sequence[Picture]]
    titles: Sequence[str] = ()
    row_titles: Sequence[str] = ()
    bar: _Bar | None = None
    notes: Sequence[str] = ()


class _Canvas:
    """A picture that is being drawn, in pixels from its top left corner.

    It uses matplotlib's renderer itself, because a ``Figure`` resamples the panels and lays out each text repeatedly.
    """

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.backends.backend_agg import RendererAgg

        renderer: Any = RendererAgg
        self._renderer = renderer(width, height, 72)  # at 72 dpi a point is a pixel
        self._buffer: Picture = np.asarray(self._renderer.buffer_rgba())
        self._buffer[:] = 255
        self.width = width
        self._panels: list[tuple[int, int, Picture]] = []

    def paste(self, left: int, top: int, panel: Picture) -> None:
        """Put a panel with a thin frame around it."""
        self._panels.append((left, top, panel))

    def bar(self, center: float, top: int, width: int, height: int, bar: _Bar, size: float) -> None:
        """Draw a horizontal colour bar with three labelled ticks, and with pointed ends where it is extended."""
        left, bottom = round(center - width / 2), top + height
        steps = np.rint(np.linspace(0, len(bar.palette) - 1, width)).astype(np.intp)
        self.paste(left, top, np.broadcast_to(bar.palette[steps], (height, width, 3)))
        if bar.extended:
            for x, outwards, color in (
                (left - 1, -height, bar.palette[0]),
                (left + width + 1, height, bar.palette[-1]),
            ):
                self._fill([(x, top - 1), (x + outwards, top + height / 2), (x, bottom + 1)], color)
        for share in (0, 0.5, 1):
            x = round(left + share * (width - 1))
            self._buffer[bottom : bottom + height // 3, x, :3] = _INK
            self.write(x, bottom + 1.3 * size, bar.label(share), size, width / 3)

    def _fill(self, corners: Sequence[tuple[float, float]], color: Picture) -> None:
        from matplotlib.path import Path
        from matplotlib.transforms import Affine2D

        style = self._renderer.new_gc()
        style.set_linewidth(0)
        flip = Affine2D().scale(1, -1).translate(0, len(self._buffer))
        self._renderer.draw_path(style, Path(corners), flip, tuple(color / 255))

    def write(self, center: float, baseline: float, text: str, size: float, width: float) -> None:
        """Write one line of text of a given font size, smaller where that is wider than ``width``."""
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family="DejaVu Sans", size=size)
        extent = self._renderer.get_text_width_height_descent(text, font, False)[0]
        if extent > width:
            font.set_size(size * width / extent)
            extent = width
        style = self._renderer.new_gc()
        style.set_foreground(tuple(level / 255 for level in _INK))
        self._renderer.draw_text(style, center - extent / 2, baseline, text, font, 0)

    def picture(self) -> Picture:
        height, width = self._buffer.shape[:2]
        picture = np.empty((height, width, 3), np.uint8)
        for channel in range(3):  # five times faster than all at once
            picture[..., channel] = self._buffer[..., channel]
        for left, top, panel in self._panels:
            bottom, right = top + panel.shape[0], left + panel.shape[1]
            picture[top - 1 : bottom + 1, [left - 1, right]] = _INK
            picture[[top - 1, bottom], left:right] = _INK
            picture[top:bottom, left:right] = panel
        return picture


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

    def above(self, group: _Group) -> float:
        return (0.4 + 1.3 * (len(group.heading) + bool(group.titles))) * self.em

    def below(self, group: _Group) -> float:
        return (0.6 + (2.1 if group.bar else 0) + 1.1 * len(group.notes)) * self.em

    def draw(self, group: _Group, canvas: _Canvas, left: int, top: int) -> None:
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
        if group.bar:
            canvas.bar(center, round(baseline - 0.7 * em), round(width - 4 * em), round(0.6 * em), group.bar, 0.8 * em)
            baseline += 2.1 * em
        for i, line in enumerate(group.notes):
            canvas.write(center, baseline + 1.1 * i * em, line, 0.8 * em, width)


def _draw(rows: Sequence[Sequence[_Group]], place: int, ems: float, footer: Sequence[str] = ()) -> Picture:
    """Lay out rows of groups on a grid and draw them.

    Args:
        rows: the groups; all panels have one size.
        place: the least width of a panel's place, in pixels.
        ems: the width of a panel's place in ems.
        footer: lines below everything.
    """
    import matplotlib

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
    canvas = _Canvas(margin + across * right + margin - (right - side - place), round(bottom + 1.1 * len(footer) * em))
    with matplotlib.rc_context({"text.hinting": "no_hinting"}):  # text is as wide as its size says, and drawn faster
        for row, top in zip(rows, tops, strict=True):
            left = margin + side
            for group in row:
                grid.draw(group, canvas, left, top)
                left += len(group.panels[0]) * right
        for i, line in enumerate(footer):
            canvas.write(canvas.width / 2, bottom + 1.1 * i * em, line, 0.8 * em, canvas.width - 2 * margin)
    return canvas.picture()
