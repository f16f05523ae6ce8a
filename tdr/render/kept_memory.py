"""Memory for results that is used again: fresh memory is slow where it is touched first."""

import sys

import numpy as np
import numpy.typing as npt


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
