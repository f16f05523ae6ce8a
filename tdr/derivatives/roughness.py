"""Whether an image passes through something coarser than float64, such as float32, and how coarse that is.

Such an image is a staircase. It shows at values at equal distances that are so short that a smooth function is all but
straight between them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# How many values show how coarse the image is; the first few show whether it is.
VALUES = 32
FEW = 6
# What is coarse is so at all pixels; a kink or a jump between the values is at a few.
_COARSE = 0.05


def roughness(probe: Array, noise: Array) -> Array:
    """By how much values (M, P, N, C) at equal distances are seen to be rounded, (M, N, C); 0 where within ``noise``.

    Where rounding errors are independent, with a standard deviation s, the mean square of their k-th differences is
    (2k choose k) s**2, whatever k is; that of a smooth function falls with k. So it is rounding if the third and the
    fifth differences give the same s but for a factor of 4. An error of 3 s is never exceeded by one that is uniform,
    as on a staircase, and hardly ever by one that is normal.
    (More & Wild 2011, "Estimating computational noise".)
    """
    third, fifth = (
        np.sqrt(np.mean(np.diff(probe, n=order, axis=1) ** 2, axis=1) / math.comb(2 * order, order)) for order in (3, 5)
    )
    return np.where((3.0 * third > noise) & (fifth > third / 4.0), 3.0 * third, 0.0)


def is_coarse(roughness: Array) -> npt.NDArray[np.bool_]:
    """(M,) along which directions the image is coarse everywhere, and not only bent or broken at a few pixels."""
    return np.asarray(np.count_nonzero(roughness, axis=(1, 2)) > _COARSE * roughness[0].size)


def jitter_of(roughness: Array, second: Array, noise: Array, image: Array) -> Array:
    """By how much the image (N, C) jitters beyond its noise when displaced, (M, N, C).

    A pixel is as coarse along all directions, also where the values do not show it because they lie on one step; but
    not along those that do not change what is rounded, where its second differences are 0.
    """
    coarse = is_coarse(roughness)
    seen = roughness[coarse]
    pixel = np.sqrt(np.sum(seen * seen, axis=0) / np.maximum(np.count_nonzero(seen, axis=0), 1))
    if not pixel.any():
        return np.zeros_like(roughness)
    brightness = np.maximum(np.abs(image), 1e-3 * np.max(np.abs(image[np.isfinite(image)]), initial=0.0) or 1.0)
    pixel = np.fmax(pixel, np.quantile((pixel / brightness)[pixel > 0.0], 0.95) * brightness)
    rough = np.fmax.reduce(second, axis=1) > 4.0 * noise
    return np.where(coarse[:, None, None] | rough, pixel, 0.0)
