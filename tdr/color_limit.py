"""Where the colour scale of Jacobian images ends: at the largest entry, unless that would wash out the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.drawing import format_count, format_number
from tdr.jacobian_images import Array, JacobianImages
from tdr.parameters import Parameter

# the colour scale ends at this percentile where the largest magnitude exceeds it by more than this factor
_PERCENTILE = 99
_OUTLIER_FACTOR = 4
_SAMPLE = 1 << 16  # about how many entries the percentile is taken from

_BAND = 1 << 16  # how many entries to work on at a time


def bands(*images: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Bands of rows of images of equal height, so small that what is computed from them stays in the cache."""
    count = min(len(images[0]), 1 + images[0].size // _BAND)
    return zip(*(np.array_split(image, count) for image in images), strict=True)


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
        beyond = f", {format_count(self.beyond, 'entry', 'entries')} beyond" if self.beyond else ""
        return f"scale ±{format_number(self.value)}{beyond}"


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
    largest, sample = sample_magnitudes(values, _SAMPLE)
    limit = end_of_scale(largest, sample)
    if limit == largest:
        return ColorLimit(limit or 1.0, 0, limit == 0)
    beyond = sum(int(np.count_nonzero(magnitudes > limit)) for magnitudes in _finite_magnitudes(values))
    return ColorLimit(limit, beyond, False)


def sample_magnitudes(values: Array, count: int) -> tuple[float, Array]:
    """What the colour scale of a parameter's Jacobian images is chosen by.

    Args:
        values: (H, W, ...) the entries.
        count: about how many of them to look at for the sample.

    Returns:
        The largest magnitude of all finite entries, 0 if there are none; and the nonzero finite magnitudes of about
        ``count`` entries, those of evenly spaced pixels.
    """
    largest = max(float(magnitudes.max(initial=0)) for magnitudes in _finite_magnitudes(values))
    step = -(-values.size // count)
    pixels = values.reshape(values.shape[0] * values.shape[1], -1)
    sample = np.abs(pixels[:: step | 1])  # odd, so as not to meet a power of two
    return largest, sample[np.isfinite(sample) & (sample > 0)]


def end_of_scale(largest: float, sample: Array) -> float:
    """Where a colour scale ends: at the largest magnitude, or at the 99th percentile if it would wash the picture out.

    Args:
        largest: the largest magnitude.
        sample: nonzero magnitudes; see :func:`sample_magnitudes`.
    """
    percentile = float(np.percentile(sample, _PERCENTILE)) if sample.size else largest
    return largest if largest <= _OUTLIER_FACTOR * percentile else percentile


def _finite_magnitudes(values: Array) -> Iterator[Array]:
    """The magnitudes of the finite entries, band by band."""
    for (band,) in bands(values):
        magnitudes = np.abs(band)
        finite = np.isfinite(magnitudes)
        yield magnitudes if finite.all() else magnitudes[finite]
