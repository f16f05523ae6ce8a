"""Arrays that are kept in NPY files, one each, and never whole in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

# Where a run keeps them, and what they are called besides the parameters' names.
ARRAY_FILES = "jacobian"
IMAGE = "image"
TRIANGLE_ID = "triangle_id"


class ArrayFiles(Mapping[str, npt.NDArray[Any]]):
    """Arrays in the NPY files of a folder: each is mapped into memory, read-only, whenever it is asked for.

    What was read of a map takes memory as long as something refers to the map. So ask again rather than keep one.

    Args:
        folder: where the files are.
        names: the arrays' names, those of the files without ``.npy``.

    Raises:
        OSError, ValueError: if a file is missing or is no whole NPY file.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        # Their headers are read once, because that takes longer than to map them.
        self._maps = {}
        for name in names:
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            self._maps[name] = {"dtype": array.dtype, "offset": array.offset, "shape": array.shape}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The array, as a memory map."""
        return np.memmap(self._folder / f"{name}.npy", mode="r", **self._maps[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    @property
    def nbytes(self) -> int:
        """How much all arrays take on disk."""
        return sum(math.prod(m["shape"]) * m["dtype"].itemsize for m in self._maps.values())


class ArrayWriter:
    """Writes an array of pixels (H, W, ...) into an NPY file, piece by piece; what is not written is zero.

    A context manager.

    Args:
        path: the file.
        shape: of the whole array.
        dtype: of its numbers.

    Raises:
        OSError: if the disk has no room for the whole array.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._width = shape[1]
        self._pixel_bytes = math.prod(shape[2:]) * self._dtype.itemsize
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": tuple(shape)}
        self._file = path.open("wb")
        try:
            np.lib.format.write_array_header_1_0(self._file, header)
            self._start = self._file.tell()
            reserve(self._file, self._start + shape[0] * self._width * self._pixel_bytes)
        except BaseException:
            self._file.close()
            raise

    def write(self, row: int, column: int, pixels: npt.NDArray[Any]) -> None:
        """Write a rectangle.

        Args:
            row: of its top left pixel.
            column: likewise.
            pixels: (h, w, ...).
        """
        for i, line in enumerate(np.ascontiguousarray(pixels, self._dtype)):
            self._file.seek(self._start + ((row + i) * self._width + column) * self._pixel_bytes)
            self._file.write(line.data)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def reserve(file: BinaryIO, size: int) -> None:
    """Make an empty file as long as it is going to be, all zeros, so that a full disk is found before it is written.

    Args:
        file: open for writing.
        size: bytes.

    Raises:
        OSError: if there is no room.
    """
    file.flush()
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)
