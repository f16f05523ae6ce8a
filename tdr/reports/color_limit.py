"""Where the colour scale of Jacobian images ends: at the largest entry, unless that would wash out the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tdr.config.parameters import Parameter
from tdr.results.jacobian_images import Array, JacobianImages
from tdr.words import counted, format_number

# the colour scale ends at this percentile where the largest magnitude exceeds it by more than this factor
_PERCENTILE = 99
_OUTLIER_FACTOR = 4
_SAMPLE = 1 << 16  # about how many entries the percentile is taken from


@dataclass(frozen=True)
class ColorLimit:
    """The symmetric colour scale of one parameter, from ``-value`` to ``value``.

    Attributes:
        value: the magnitude shown in full red or blue; 1 if all finite entries are zero.
        beyond: how many finite entries are larger than that in magnitude.
        all_zero: whether all finite entries are zero.
        nonfinite: how many entries are not finite.
    """

    value: float
    beyond: int
    all_zero: bool
    nonfinite: int

    def __str__(self) -> str:
        """The scale as pictures state it."""
        if self.all_zero:
            return "all zero, scale ±1"
        beyond = f", {counted(self.beyond, 'entry', 'entries')} beyond" if self.beyond else ""
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
    magnitudes = sample_magnitudes(images, parameter, _SAMPLE)
    limit = end_of_scale(magnitudes.largest, magnitudes.sample)
    beyond = 0
    if limit < magnitudes.largest:
        beyond = sum(int(np.count_nonzero(_finite_magnitudes(band) > limit)) for _, band in images.bands(parameter))
    return ColorLimit(limit or 1.0, beyond, limit == 0, magnitudes.nonfinite)


@dataclass(frozen=True)
class Magnitudes:
    """What the colour scale of a parameter's Jacobian images is chosen by.

    Attributes:
        largest: the largest magnitude of all finite entries, 0 if there are none.
        nonfinite: how many entries are not finite.
        sample: the nonzero finite magnitudes of some entries, those of evenly spaced pixels.
    """

    largest: float
    nonfinite: int
    sample: Array


def sample_magnitudes(images: JacobianImages, parameter: Parameter, count: int) -> Magnitudes:
    """What the colour scale of a parameter's Jacobian images is chosen by.

    Args:
        images: the Jacobian images.
        parameter: one of their parameters.
        count: about how many entries to look at for the sample.
    """
    height, width = images.triangle_id.shape
    size = height * width * len(images.cotangents) * math.prod(parameter.shape(images.num_lights))
    step = -(-size // count) | 1  # odd, so as not to meet a power of two
    largest, nonfinite, samples = 0.0, 0, []
    for rows, band in images.bands(parameter):
        magnitudes = _finite_magnitudes(band)
        largest = max(largest, float(magnitudes.max(initial=0)))
        nonfinite += band.size - magnitudes.size
        pixels = band.reshape(-1, *band.shape[2:])[-rows.start * width % step :: step]
        samples.append(np.abs(pixels).reshape(-1))
    sample = np.concatenate(samples)
    return Magnitudes(largest, nonfinite, sample[np.isfinite(sample) & (sample > 0)])


def end_of_scale(largest: float, sample: Array) -> float:
    """Where a colour scale ends: at the largest magnitude, or at the 99th percentile if it would wash the picture out.

    Args:
        largest: the largest magnitude.
        sample: nonzero magnitudes; see :func:`sample_magnitudes`.
    """
    percentile = float(np.percentile(sample, _PERCENTILE)) if sample.size else largest
    return largest if largest <= _OUTLIER_FACTOR * percentile else percentile


def _finite_magnitudes(values: Array) -> Array:
    """The magnitudes of the finite entries."""
    magnitudes = np.abs(values)
    finite = np.isfinite(magnitudes)
    return magnitudes if finite.all() else magnitudes[finite]
