"""Jacobian images in numbers: statistics of every column, and its largest entry."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.results import naming
from tdr.results.jacobian_images import Array, JacobianImages, entries_of, row_bands


@dataclass(frozen=True)
class LargestEntry:
    """The entry of a Jacobian image that is largest in magnitude.

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


@dataclass(frozen=True)
class Survey:
    """What one look at all entries of Jacobian images finds.

    Attributes:
        statistics: for every column, under ``<column name>/<key>``: ``max_abs``, ``min``, ``max`` and ``l2`` (the
            Euclidean norm) of all finite entries; ``mean_abs``, the mean magnitude of the finite entries of covered
            pixels; ``nonzero``, the share of covered pixels that have a finite nonzero entry; ``nonfinite``, how many
            entries are not finite. What there are no entries for is 0.
        largest: each column's finite entry of largest magnitude, the largest first; a column without a finite entry
            has none.
    """

    statistics: dict[str, float]
    largest: list[LargestEntry]

    @property
    def nonfinite(self) -> int:
        """How many entries of all columns are not finite."""
        return int(sum(value for name, value in self.statistics.items() if name.endswith(f"/{naming.NONFINITE}")))

    def metrics(self) -> dict[str, float]:
        """The statistics as metrics, under ``jacobian/<column name>/<key>``."""
        return {f"{naming.OF_JACOBIAN}/{name}": value for name, value in self.statistics.items()}


def survey(images: JacobianImages) -> Survey:
    """Describe every column by a few numbers, and find its largest entry.

    Args:
        images: the Jacobian images.
    """
    covered = images.triangle_id >= 0
    num_covered, channels = int(np.count_nonzero(covered)), len(images.cotangents)
    statistics: dict[str, float] = {}
    entries = []
    for parameter, columns in itertools.groupby(images.columns, lambda column: column.parameter):
        chosen = list(columns)
        parts, first_rows = [], []
        for rows, band in images.bands(parameter):
            of_columns = (entries_of(band, column.index) for column in chosen)
            parts.append([_band_statistics(values, covered[rows]) for values in of_columns])
            first_rows.append(rows.start)
        for column, numbers in zip(chosen, np.swapaxes(parts, 0, 1), strict=True):
            joined = _joined(numbers, num_covered, covered.size * channels)
            statistics |= {f"{column.name}/{key}": float(value) for key, value in joined.items()}
            if joined[naming.NONFINITE] < covered.size * channels:
                where = int(np.nanargmax(np.abs(numbers[:, 1])))
                pixel, channel = divmod(int(numbers[where, 0]), channels)
                row, col = divmod(pixel, covered.shape[1])
                place = (first_rows[where] + row, col, channel if channels == 3 else None)
                entries.append(LargestEntry(column.name, *place, float(numbers[where, 1])))
    return Survey(statistics, sorted(entries, key=lambda entry: -abs(entry.value)))


def count_clipped(image: Array) -> int:
    """How many components of a linear image sRGB cannot encode: below 0, above 1 or not finite."""
    inside = (np.count_nonzero((image[rows] >= 0) & (image[rows] <= 1)) for rows in row_bands(image.shape))
    return int(image.size - sum(inside))


def count_not_finite(image: Array) -> int:
    """How many components of a linear image are not finite."""
    return int(image.size - sum(np.count_nonzero(np.isfinite(image[rows])) for rows in row_bands(image.shape)))


def _joined(parts: npt.NDArray[np.float64], num_covered: int, num_entries: int) -> dict[str, float]:
    """Statistics of a column from those of its bands."""
    low, high = parts[:, 2].min(), parts[:, 3].max()
    squares, magnitudes, known_covered, nonzero, nonfinite = parts[:, 4:].sum(axis=0)
    if nonfinite == num_entries:
        low = high = 0.0
    return {
        naming.MAX_ABS: max(high, -low),
        "mean_abs": magnitudes / max(1, known_covered),
        "min": low,
        "max": high,
        naming.L2: math.sqrt(squares),
        "nonzero": nonzero / max(1, num_covered),
        naming.NONFINITE: nonfinite,
    }


def _band_statistics(values: Array, covered: npt.NDArray[np.bool_]) -> list[float]:
    """What the statistics of a column are put together from, for a band of it.

    Where the largest entry is, and its value, two extremes, then sums.
    """
    num_covered = int(np.count_nonzero(covered)) * values.shape[2]
    if not values.any():
        return [0, 0.0, 0.0, 0.0, 0.0, 0.0, num_covered, 0, 0]
    entries, seen = values.astype(np.float64).reshape(covered.size, -1), covered.reshape(-1, 1)
    finite = np.isfinite(entries)
    nonfinite = finite.size - int(np.count_nonzero(finite))
    known = entries
    magnitudes = np.abs(entries)
    if nonfinite:
        known, num_covered = entries[finite], int(np.count_nonzero(finite & seen))
        magnitudes[~finite] = -1
    largest = int(np.argmax(magnitudes))
    low, high, squares = known.min(initial=math.inf), known.max(initial=-math.inf), np.square(known).sum()
    value = entries.flat[largest] if len(known) else math.nan
    magnitudes *= seen & finite
    nonzero = np.count_nonzero(magnitudes.any(axis=1))
    return [largest, value, low, high, squares, magnitudes.sum(), num_covered, nonzero, nonfinite]
