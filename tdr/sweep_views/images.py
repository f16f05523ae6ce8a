"""The images of a sweep, sampled down until all of them fit into memory, and the colour scales that its runs share.

The runs' arrays are read one run at a time. What is kept of an image is one of every s x s entries, each rounded to
one of 65,533 levels between the image's largest magnitude and its negative. The colour scales come from all entries.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column, Parameter
from tdr.errors import InputError
from tdr.reports.canvas import Picture
from tdr.reports.color_limit import end_of_scale, sample_magnitudes
from tdr.reports.drawing import BACKGROUND, NOT_FINITE, ColorScale
from tdr.reports.jacobian_pictures import encode_srgb, numerators, per_unit, subject
from tdr.results.jacobian_images import Array, JacobianImages
from tdr.sweep_views.swept import Swept
from tdr.words import format_number

_MEMORY = 128 << 20  # bytes, of all samples together
_SIDE = 256  # pixels: the longer side of a sample at most
_MAGNITUDES = 1 << 18  # about how many entries of a parameter the end of its scale is chosen by, over all runs

# The pictures show the surface with a margin of so large a share of the image, unless that is most of the image.
_MARGIN = 0.03
_MOST = 0.7

# codes of entries; those between are multiples of the step
_LARGEST_CODE = 32766
_BACKGROUND_CODE = 32767
_NOT_FINITE_CODE = -32768


@dataclass(frozen=True)
class Derivative:
    """One Jacobian image of one channel, whatever the run.

    Attributes:
        column: the number that it is the derivative by.
        numerator: what was differentiated: ``∂(R+G+B)``.
    """

    column: Column
    numerator: str

    @property
    def component(self) -> str:
        """The component of its parameter: ``x``; empty for a single number."""
        components = self.column.parameter.components
        return components[self.column.index[-1]] if components else ""

    @property
    def heading(self) -> str:
        """The title of all components: ``∂(R+G+B)/∂ light.direction[0]``."""
        return f"{self.numerator}/∂ {subject(self.column)}{per_unit(self.column)}"

    @property
    def title(self) -> str:
        """The title of this component: ``∂(R+G+B)/∂ light.direction[0].x``."""
        component = f".{self.component}" if self.component else ""
        return f"{self.numerator}/∂ {subject(self.column)}{component}{per_unit(self.column)}"


@dataclass(frozen=True)
class SampledEntries:
    """A sampled Jacobian image of one channel.

    Attributes:
        codes: (h, w) int16, the entries in units of ``step``; the two outermost codes are the background, where
            the entry is zero, and what is not finite.
        step: the difference of neighbouring levels.
    """

    codes: npt.NDArray[np.int16]
    step: float

    @classmethod
    def of(cls, values: Array, background: npt.NDArray[np.bool_]) -> SampledEntries:
        """Round entries.

        Args:
            values: (h, w).
            background: (h, w), the pixels that no triangle covers.
        """
        finite = np.isfinite(values)
        known = np.where(finite, values, 0).astype(np.float64)
        largest = float(np.abs(known).max(initial=0))
        step = largest / _LARGEST_CODE or 1.0
        codes = np.rint(known / step).astype(np.int16)
        codes[background & (values == 0)] = _BACKGROUND_CODE
        codes[~finite] = _NOT_FINITE_CODE
        return cls(codes, step)

    @property
    def largest(self) -> float:
        """The largest magnitude, in the unit of the entries."""
        magnitudes = np.abs(self.codes.astype(np.int32))
        return self.step * int(magnitudes[magnitudes <= _LARGEST_CODE].max(initial=0))

    def panel(self, scale: ColorScale, codes: npt.NDArray[np.int16]) -> Picture:
        """Some of its codes in colours.

        Args:
            scale: the colours.
            codes: (h, w) part of :attr:`codes`.

        Returns:
            (h, w, 3) sRGB.
        """
        panel = scale.colors(codes * np.float32(self.step))
        panel[codes == _BACKGROUND_CODE] = BACKGROUND
        panel[codes == _NOT_FINITE_CODE] = NOT_FINITE
        return panel


@dataclass(frozen=True)
class RunImages:
    """What is kept of one run's images.

    Attributes:
        absent: why there are none, in a word or two; empty where there are some.
        problem: the same in a sentence, where it is not how the run ended.
        shape: height and width of the whole image.
        stride: one of every ``stride`` x ``stride`` pixels is kept.
        has_nonfinite: whether there are entries that are not finite.
        covered: the rectangle that the surface takes up, in shares of the image: top, bottom, left, right.
        render: (h, w, 3) the rendering, sRGB.
        entries: the Jacobian images, each (h, w).
    """

    absent: str = ""
    problem: str = ""
    shape: tuple[int, int] = (1, 1)
    stride: int = 1
    has_nonfinite: bool = False
    covered: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    render: Picture = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))
    entries: Mapping[Derivative, SampledEntries] = field(default_factory=dict)


@dataclass(frozen=True)
class SharedLimit:
    """The symmetric colour scale of one parameter, the same in all runs.

    Attributes:
        value: the magnitude shown in full red or blue; 1 if all finite entries of all runs are zero.
        largest: the largest magnitude of all finite entries of all runs.
    """

    value: float
    largest: float

    def __str__(self) -> str:
        """The scale as pictures state it."""
        if not self.largest:
            return "all zero, scale ±1"
        beyond = f"; entries go up to ±{format_number(self.largest)}" if self.largest > self.value else ""
        return f"scale ±{format_number(self.value)} in all runs{beyond}"

    @property
    def scale(self) -> ColorScale:
        """The colours."""
        return ColorScale.diverging(self.value, extended=self.largest > self.value)


@dataclass(frozen=True)
class SweepImages:
    """The sampled images of a sweep.

    Attributes:
        swept: the sweep.
        runs: what is kept of each run, in the same order.
        derivatives: every Jacobian image that a run has, in the order of the first run that has it.
        limits: the colour scale of each parameter.
    """

    swept: Swept
    runs: tuple[RunImages, ...]
    derivatives: tuple[Derivative, ...]
    limits: Mapping[Parameter, SharedLimit]

    @classmethod
    def collect(cls, swept: Swept, read: Callable[[Path], JacobianImages]) -> SweepImages:
        """Read the images of all runs, one run after the other.

        Args:
            swept: the sweep.
            read: gives the images of a run's folder, or raises InputError; such a run is ``unreadable``.
        """
        runs, largest, samples = [], defaultdict[Parameter, float](float), defaultdict[Parameter, list[Array]](list)
        for run in swept.runs:
            if not run.finished:
                runs.append(RunImages(run.status.lower()))
                continue
            try:
                images = read(run.folder)
            except InputError as error:
                runs.append(RunImages("unreadable", str(error)))
                continue
            nonfinite = 0
            for parameter in images.parameters:
                found = sample_magnitudes(images, parameter, -(-_MAGNITUDES // len(swept.runs)))
                largest[parameter] = max(largest[parameter], found.largest)
                samples[parameter].append(found.sample)
                nonfinite += found.nonfinite
            runs.append(_sample(images, _MEMORY // len(swept.runs), nonfinite > 0))
        limits = {
            parameter: SharedLimit(end_of_scale(found, np.concatenate(samples[parameter])) or 1.0, found)
            for parameter, found in largest.items()
        }
        derivatives = dict.fromkeys(derivative for run in runs for derivative in run.entries)
        return cls(swept, tuple(runs), tuple(derivatives), limits)

    def limit(self, derivative: Derivative) -> SharedLimit:
        """The colour scale of a Jacobian image."""
        return self.limits[derivative.column.parameter]

    def largest_entry(self, derivative: Derivative) -> float:
        """The largest magnitude that a Jacobian image has in any run, as sampled."""
        return max(run.entries[derivative].largest for run in self.runs if derivative in run.entries)

    @functools.cached_property
    def titles(self) -> tuple[str, ...]:
        """The title of each run; a cross marks a failed check."""
        return tuple(
            f"✗ {self.swept.title(run)}" if run.verdict == "failed" else self.swept.title(run)
            for run in self.swept.runs
        )

    @functools.cached_property
    def window(self) -> tuple[float, float, float, float]:
        """The rectangle that the surface takes up in any run, with a margin: top, bottom, left, right.

        In shares of the image. All of it where the rectangle has most of it.
        """
        boxes = np.array([run.covered for run in self.runs if not run.absent])
        if not len(boxes):
            return (0.0, 1.0, 0.0, 1.0)
        top, left = np.maximum(boxes[:, 0::2].min(axis=0) - _MARGIN, 0)
        bottom, right = np.minimum(boxes[:, 1::2].max(axis=0) + _MARGIN, 1)
        if (bottom - top) * (right - left) > _MOST:
            return (0.0, 1.0, 0.0, 1.0)
        return (float(top), float(bottom), float(left), float(right))

    def crop(self, sample: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The part of a sample (h, w, ...) that is in the window: a view."""
        height, width = sample.shape[:2]
        top, bottom, left, right = self.window
        return sample[
            math.floor(top * height) : math.ceil(bottom * height), math.floor(left * width) : math.ceil(right * width)
        ]

    @property
    def crop_note(self) -> list[str]:
        """A line that says so where pictures show the window alone."""
        if self.window == (0.0, 1.0, 0.0, 1.0):
            return []
        sizes = {(run.shape, run.stride) for run in self.runs if not run.absent}
        if len(sizes) > 1:
            return ["cropped to the surface, in all runs alike"]
        (((height, width), stride),) = sizes
        rows, columns = (
            self.crop(np.broadcast_to(index, (-(-height // stride), -(-width // stride)))) * stride
            for index in np.ogrid[: -(-height // stride), : -(-width // stride)]
        )
        rows_shown, columns_shown = (f"{index.min()} to {index.max()}" for index in (rows, columns))
        return [f"cropped to rows {rows_shown} of {height} and columns {columns_shown} of {width}"]

    @property
    def sampling_note(self) -> list[str]:
        """A line that says so where entries are left out."""
        most = max(run.stride for run in self.runs)
        return [f"one of every {most} x {most} pixels kept"] if most > 1 else []


def _sample(images: JacobianImages, memory: int, has_nonfinite: bool) -> RunImages:
    """What is kept of one run's images, in so many bytes."""
    shape = images.triangle_id.shape
    height, width = shape
    bytes_a_pixel = 3 + 2 * len(images.columns) * len(images.cotangents)
    stride = max(-(-max(shape) // _SIDE), math.ceil(math.sqrt(height * width * bytes_a_pixel / memory)))
    kept = (slice(None, None, stride),) * 2
    background = images.triangle_id[kept] < 0
    entries = {
        Derivative(column, numerator): SampledEntries.of(images.sampled(column, stride)[..., channel], background)
        for _, columns in groupby(images.columns, subject)
        for (channel, numerator), column in product(enumerate(numerators(images.cotangents)), list(columns))
    }
    seen = ~background
    for kept_entries in entries.values():  # what is not zero must not be cropped away either
        seen |= kept_entries.codes != _BACKGROUND_CODE
    return RunImages(
        shape=(height, width),
        stride=stride,
        has_nonfinite=has_nonfinite,
        covered=_box(seen),
        render=encode_srgb(images.image[kept]),
        entries=entries,
    )


def _box(seen: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The rectangle around the pixels that are marked, in shares of the image; all of it if there are none."""
    if not seen.any():
        return (0.0, 1.0, 0.0, 1.0)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    height, width = seen.shape
    return (rows[0] / height, (rows[-1] + 1) / height, columns[0] / width, (columns[-1] + 1) / width)


def group(derivatives: Sequence[Derivative]) -> list[list[Derivative]]:
    """The derivatives in pieces with one heading, so that only their components differ."""
    return [list(piece) for _, piece in groupby(derivatives, lambda derivative: derivative.heading)]


def first_groups(derivatives: Sequence[Derivative], most: int) -> tuple[list[list[Derivative]], list[str]]:
    """As many whole groups as have at most so many derivatives together, and a line on those that are left out."""
    groups, shown = group(derivatives), 0
    for i, piece in enumerate(groups):
        if i and shown + len(piece) > most:
            left_out = len(derivatives) - shown
            return groups[:i], [f"{left_out} of {len(derivatives)} columns not shown, from {piece[0].heading} on"]
        shown += len(piece)
    return groups, []


def choose_evenly(count: int, most: int) -> list[int]:
    """Indices from 0 to ``count - 1``: all of them, or ``most`` at distances as even as can be, with both ends."""
    return [round(index) for index in np.linspace(0, count - 1, min(count, most))]
