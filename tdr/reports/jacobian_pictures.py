"""Jacobian images, renderings and G-buffers in pictures.

Everything here is a pure function from arrays to pictures: (height, width, 3) uint8 arrays, sRGB.

In a picture of a Jacobian image, positive entries are red, negative ones blue and zero is nearly white; pixels that
no triangle covers are grey, entries that are not finite are lime. All columns of a parameter share one colour scale.
A picture shows every entry as a square of whole picture pixels, or, of an image too large for that, one of every
s x s pixels; the colour scale always comes from all entries.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import VECTOR, Column, Parameter, Reads
from tdr.reports.color_limit import ColorLimit, color_limit
from tdr.reports.drawing import ColorScale, Group, Picture, Zoom, color_levels, draw_figure, draw_group, id_colors, mark
from tdr.results.jacobian_images import Array, JacobianImages, entries_of, row_bands
from tdr.results.statistics import count_clipped
from tdr.words import counted, format_number

CHANNELS = ("R", "G", "B")

# the longer side of a rendering that is shown as it is, in pixels; browsers show no larger ones with ease
_LARGEST_RENDER = 4096

# how many panels a figure has at most, across and down
_FIGURE_COLUMNS = 4
_FIGURE_ROWS = 12


# ------------------------------------------------------------------------------------------------------ pictures


def encode_srgb(image: Array) -> Picture:
    """Encode a linear image for display.

    Components below 0 become 0, above 1 become 255 and NaN becomes 0; :func:`tdr.results.statistics.count_clipped` says
    how many these are.

    Args:
        image: (H, W, 3) linear RGB.

    Returns:
        (H, W, 3) sRGB.

    Source: IEC 61966-2-1:1999.
    """
    encoded = np.empty(image.shape, np.uint8)
    for rows in row_bands(image.shape):
        linear = np.clip(np.nan_to_num(image[rows]), 0, 1)
        # powers of zero, and of what is nearly zero, are slow
        power = np.power(np.maximum(linear, 0.0031308), 1 / 2.4)
        curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * power - 0.055)
        np.rint(255 * curve, out=encoded[rows], casting="unsafe")
    return encoded


def render_zoom(image: Array) -> Zoom:
    """How a rendering (H, W, 3) is shown by itself: as it is, or, where it is huge, one of every few pixels."""
    return Zoom(-(-max(image.shape) // _LARGEST_RENDER), 1)


def column_title(images: JacobianImages, column: Column) -> str:
    """The title of a column's picture, for example ``∂(R+G+B)/∂ mesh.rotation.x, per rad``.

    Args:
        images: the Jacobian images.
        column: one of their columns.
    """
    components = column.parameter.components
    component = f".{components[column.index[-1]]}" if components else ""
    return f"{_numerator(images)}/∂ {subject(column)}{component}{per_unit(column)}"


def column_picture(images: JacobianImages, column: Column, limit: ColorLimit | None = None) -> Picture:
    """Draw one Jacobian image; where the channels were differentiated separately, one panel each for R, G and B.

    Args:
        images: the Jacobian images.
        column: one of their columns.
        limit: :func:`color_limit` of its parameter, if it is already known.

    Returns:
        The picture, with a title, a colour bar and the scale, which all columns of the parameter share.
    """
    limit = limit or color_limit(images, column.parameter)
    channels = len(images.cotangents)
    zoom = Zoom.for_group(images.triangle_id.shape, channels)
    scale = ColorScale.diverging(limit.value, extended=limit.beyond > 0)
    group = Group(
        heading=[column_title(images, column), *_not_finite_columns(images, [column], limit)],
        panels=[[panel for row in _panels(images, [column], scale, zoom) for panel in row]],
        titles=CHANNELS if channels == 3 else (),
        scale=scale,
        notes=[f"{column.parameter.name}: {limit}", *visibility_note([column.parameter]), *zoom.note],
    )
    return draw_group(group)


def figure(images: JacobianImages, limits: Mapping[Parameter, ColorLimit] | None = None) -> Picture:
    """Draw the rendering and the Jacobian images side by side, parameter by parameter.

    Every parameter has a colour bar with its scale. A figure has at most twelve rows of panels; what is left out of
    it is stated in it.

    Args:
        images: the Jacobian images.
        limits: :func:`color_limit` of the parameters, if they are already known.

    Returns:
        The figure.
    """
    channels = len(images.cotangents)
    rows: list[list[list[Column]]] = [[]]
    free = _FIGURE_COLUMNS - 1  # the rendering takes the first place
    for _, columns in itertools.groupby(images.columns, subject):
        piece = list(columns)
        if len(piece) > free:
            rows.append([])
            free = _FIGURE_COLUMNS
        rows[-1].append(piece)
        free -= len(piece)
    most = _FIGURE_ROWS // channels
    rows, hidden = rows[:most], [column for row in rows[most:] for piece in row for column in piece]

    zoom = Zoom.for_figure(images.triangle_id.shape, channels * len(rows))
    shown = dict.fromkeys(piece[0].parameter for row in rows for piece in row)
    limits = {p: limits[p] if limits else color_limit(images, p) for p in shown}
    groups = [[_figure_group(images, piece, limits[piece[0].parameter], zoom) for piece in row] for row in rows]
    render = zoom.enlarge(encode_srgb(zoom.sample(images.image)))
    groups[0].insert(0, Group(["rendering"], [[render]], notes=_clipped_note(images.image)))

    footer = [*visibility_note(limits), *zoom.note]
    if hidden:
        footer.append(f"{len(hidden)} of {len(images.columns)} columns not shown, from {subject(hidden[0])} on")
    return draw_figure(groups, footer)


def _panels(images: JacobianImages, columns: Sequence[Column], scale: ColorScale, zoom: Zoom) -> list[list[Picture]]:
    """One row of panels a channel, one panel a column."""
    background = zoom.sample(images.triangle_id) < 0
    rows = []
    for channel in range(len(images.cotangents)):
        row = []
        for column in columns:
            values = images.sampled(column, zoom.stride)[:, :, channel]
            panel = scale.colors(values)
            # an entry of the background that is not zero must not be hidden
            mark(panel, values, background & (values == 0))
            row.append(zoom.enlarge(panel))
        rows.append(row)
    return rows


def _figure_group(images: JacobianImages, columns: Sequence[Column], limit: ColorLimit, zoom: Zoom) -> Group:
    """The part of a figure that shows the columns of one parameter; of one light's, where each light has its own."""
    numerator, denominator = f"{_numerator(images)}/∂", f"{subject(columns[0])}{per_unit(columns[0])}"
    components = columns[0].parameter.components
    title = [f"{numerator} {denominator}"] if components else [numerator, denominator]
    scale = ColorScale.diverging(limit.value, extended=limit.beyond > 0)
    return Group(
        heading=[*_not_finite_columns(images, columns, limit), *title],
        panels=_panels(images, columns, scale, zoom),
        titles=components,
        row_titles=CHANNELS if len(images.cotangents) == 3 else (),
        scale=scale,
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
    triangle_id = g_buffer["triangle_id"]
    covered = triangle_id >= 0
    zoom = Zoom.for_group(covered.shape, 1)
    background = zoom.sample(~covered)
    pictures = {}

    def add(name: str, panel: Picture, notes: Sequence[str] = (), scale: ColorScale | None = None) -> None:
        mark(panel, zoom.sample(g_buffer[name]), background)
        heading = [name, *_not_finite_note(g_buffer[name][covered])]
        pictures[name] = draw_group(Group(heading, [[zoom.enlarge(panel)]], scale=scale, notes=[*notes, *zoom.note]))

    num_seen = int(np.count_nonzero(np.bincount(triangle_id[covered])))
    add("triangle_id", id_colors(zoom.sample(triangle_id)), [f"{counted(num_seen, 'triangle')} seen"])

    depth = g_buffer["depth_ndc"]
    scale = ColorScale.sequential(*_finite_range(depth[covered]))
    add("depth_ndc", scale.colors(zoom.sample(depth)), scale=scale)

    position = g_buffer["position_world"]
    ranges = [_finite_range(component) for component in position[covered].T]
    lower, upper = np.array(ranges).T
    extent = np.where(upper > lower, upper - lower, 1)
    box = ", ".join(
        f"{axis} {format_number(low)} to {format_number(high)}"
        for axis, (low, high) in zip(VECTOR, ranges, strict=True)
    )
    add("position_world", color_levels((zoom.sample(position) - lower) / extent), [f"R, G, B: {box}"])

    add("normal_world", color_levels((zoom.sample(g_buffer["normal_world"]) + 1) / 2), ["R, G, B: (n + 1) / 2"])
    albedo = g_buffer["albedo"]
    add("albedo", encode_srgb(zoom.sample(albedo)), _clipped_note(albedo[covered]))
    add("barycentrics", color_levels(zoom.sample(g_buffer["barycentrics"])), ["R, G, B: the triangle's corners"])
    return pictures


# ---------------------------------------------------------------------------------------------------------- text


def numerators(cotangents: npt.NDArray[np.float64]) -> list[str]:
    """What was differentiated, one text a cotangent: ∂(R+G+B), ∂R, ∂(0.2R+0.7G+0.1B).

    Args:
        cotangents: (C, 3) weights of R, G and B.
    """
    texts = []
    for weights in cotangents:
        text = ""
        for weight, channel in zip(weights, CHANNELS, strict=True):
            if weight:
                sign = "\N{MINUS SIGN}" if weight < 0 else "+" if text else ""
                text += sign + ("" if abs(weight) == 1 else f"{abs(weight):g}") + channel
        texts.append(f"∂{text}" if text in CHANNELS else f"∂({text})")
    return texts


def _numerator(images: JacobianImages) -> str:
    """What was differentiated, in one text: ∂(R, G, B) for the three channels separately."""
    return "∂(R, G, B)" if len(images.cotangents) == 3 else numerators(images.cotangents)[0]


def subject(column: Column) -> str:
    """The parameter of a column, with the light's index where each light has its own: light.direction[0]."""
    parameter = column.parameter
    return f"{parameter.name}[{column.index[0]}]" if parameter.per_light else parameter.name


def per_unit(column: Column) -> str:
    """What a title says about the unit of the derivative's denominator: ``, per rad``, nothing where it has none."""
    return "" if column.parameter.unit == "1" else f", per {column.parameter.unit}"


def _finite_range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _not_finite_columns(images: JacobianImages, columns: Sequence[Column], limit: ColorLimit) -> list[str]:
    """A line on the entries of some columns of one parameter that are not finite, if there are any."""
    if not limit.nonfinite:
        return []
    return _not_finite_note(
        *(entries_of(band, column.index) for _, band in images.bands(columns[0].parameter) for column in columns)
    )


def _not_finite_note(*arrays: npt.NDArray[Any]) -> list[str]:
    number = sum(array.size - np.count_nonzero(np.isfinite(array)) for array in arrays)
    return [f"{counted(number, 'entry', 'entries')} not finite (lime)"] if number else []


def _clipped_note(image: Array) -> list[str]:
    number = count_clipped(image)
    return [f"{counted(number, 'component')} clipped"] if number else []


def visibility_note(parameters: Iterable[Parameter]) -> list[str]:
    """A line on what a Jacobian of pose leaves out, if one of the parameters is of pose."""
    posed = any(parameter.reads is Reads.POSE for parameter in parameters)
    return ["derivatives of pose hold visibility fixed"] if posed else []
