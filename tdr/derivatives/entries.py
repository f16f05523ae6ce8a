"""Where the entries of Jacobian images are kept while they are computed.

Fresh memory is slow where it is touched first, so that of a pipeline's Jacobian images is used again as soon as nobody
holds the last ones.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.errors import InputError
from tdr.render.passes import Passes

# Bytes that a processor's cache holds together; where they are fewer, no harm is done.
_CACHE_LINE = 64
# Entries that kernels can number.
_MOST_ENTRIES = 2**31 - 1


def _references(arrays: list[npt.NDArray[np.floating]]) -> int:
    """How many references there are to the first array of a list; each view is one."""
    array = arrays[0]
    return sys.getrefcount(array)


# As many as there are if nobody else knows of the array.
_ALONE = _references([np.zeros(0)])


class KeptMemory:
    """An array of zeros, kept for the next results of the same shape if nobody looks at the last ones any more."""

    def __init__(self) -> None:
        self._arrays: list[npt.NDArray[np.floating]] = []
        self._written: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._rows = slice(0)

    def zeros(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, rows: npt.NDArray[np.int32], written: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.floating]:
        """An array of a shape that is zero wherever the caller does not write.

        Args:
            shape: the array's; its first axis are rows.
            dtype: its type.
            rows: in which rows the caller writes, in ascending order.
            written: where the caller writes, all of it, as numbers that are the same for the same places.
        """
        is_free = bool(self._arrays) and _references(self._arrays) == _ALONE
        if not is_free or self._arrays[0].shape != shape or self._arrays[0].dtype != dtype:
            self._arrays = [np.zeros(shape, dtype)]
        elif not np.array_equal(written, self._written):
            self._arrays[0][self._rows] = 0.0
        self._written = written
        self._rows = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0)
        return self._arrays[0]


# One for each pipeline, as long as it lives.
_kept: weakref.WeakKeyDictionary[Passes, KeptMemory] = weakref.WeakKeyDictionary()


def kept_memory(passes: Passes) -> KeptMemory:
    """The memory in which Jacobian images of a pipeline are computed again and again."""
    return _kept.setdefault(passes, KeptMemory())


@dataclass(frozen=True)
class Entries:
    """Where the entries of Jacobian images are kept: row by row, and in a row column by column of the Jacobian.

    So rows in which nothing is seen are never touched and take no memory. Columns lie an odd number of cache lines
    apart: kernels write to all of them in turn, and a cache has few places for addresses that agree in their last bits.

    Attributes:
        memory: (rows * D * stride,) all of it, with the gaps.
        stride: how far it is from a column to the next.
        values: (rows, D, width, C), without them.
        rows: (N,) in which row each covered pixel is, and likewise
        offsets: (N,) at which place of it.
    """

    memory: npt.NDArray[np.floating]
    stride: int
    values: npt.NDArray[np.floating]
    rows: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]

    @classmethod
    def of(
        cls,
        pixels: npt.NDArray[np.int32],
        shape: tuple[int, int],
        num_columns: int,
        cotangents: npt.NDArray[np.float64],
        kept: KeptMemory | None = None,
    ) -> Entries:
        """Zeros for the entries of some pixels.

        Args:
            pixels: (N,) int32, row * width + column.
            shape: (height, width) of the images.
            num_columns: D.
            cotangents: (C, 3).
            kept: memory that is used again, if there is some.

        Raises:
            InputError: if they are more than kernels can number.
        """
        height, width = shape
        dtype = np.dtype(backend.dtype())
        used = width * len(cotangents)
        num_lines = -(-used * dtype.itemsize // _CACHE_LINE) | 1
        stride = num_lines * _CACHE_LINE // dtype.itemsize
        if height * num_columns * stride > _MOST_ENTRIES:
            raise InputError(
                f"The entries of Jacobian images must be at most {_MOST_ENTRIES:,} at a time; got "
                f"{height * num_columns * stride:,}. Ask for fewer pixels or parameters, or set jacobian.memory_limit."
            )
        rows = pixels // np.int32(max(width, 1))
        memory = (kept or KeptMemory()).zeros((height, num_columns, stride), dtype, rows, pixels)
        values = memory[:, :, :used].reshape(height, num_columns, width, len(cotangents))
        return cls(memory.reshape(-1), stride, values, rows, pixels - rows * np.int32(width))

    def places(self, channel: int, start: int, count: int) -> npt.NDArray[np.int32]:
        """Where in ``memory`` the entries of the first column and of a cotangent are, for so many covered pixels."""
        num_columns, num_channels = self.values.shape[1], self.values.shape[3]
        first = self.rows[start : start + count] * np.int32(num_columns * self.stride)
        return np.asarray(first + self.offsets[start : start + count] * np.int32(num_channels) + np.int32(channel))
