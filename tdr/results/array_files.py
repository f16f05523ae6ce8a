"""The arrays that a run leaves: in one file, or, where they are too large for memory, in NPY files, one each."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tdr.errors import InputError
from tdr.results import naming
from tdr.results.jacobian_images import JacobianImages


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


def write_arrays(folder: Path, images: JacobianImages) -> None:
    """Write the image, the triangle ids and one array a parameter; no pickles.

    Into ``jacobian.npz``, except for arrays that are on disk already, as ``jacobian/<name>.npy`` each
    (:func:`tdr.derivatives.streaming.stream`). ``jacobian.json`` says what :func:`read_arrays` needs besides.
    """
    # A folder that a job is run in again may have the other form.
    if isinstance(images.values, ArrayFiles):
        (folder / naming.ARRAYS).unlink(missing_ok=True)
    else:
        for path in (folder / naming.ARRAY_FOLDER).glob("*.npy"):
            path.unlink()
        arrays = images.arrays()
        with (folder / naming.ARRAYS).open("wb") as file:
            # A full disk is found before NumPy has begun, which would complain twice.
            reserve(file, sum(array.nbytes + 1024 for array in arrays.values()))
            np.savez(file, **arrays)  # type: ignore[arg-type] # allow_pickle stands among the names
            file.truncate()
    content = json.dumps(images.description(), indent=2, allow_nan=False)
    (folder / naming.ARRAYS_DESCRIPTION).write_text(content + "\n", encoding="utf-8")


def read_arrays(folder: Path | str) -> JacobianImages:
    """Read what :func:`write_arrays` wrote; arrays in files of their own are mapped, not read.

    Args:
        folder: the run's folder.

    Raises:
        InputError: if the folder does not hold a run's arrays.
    """
    folder = Path(folder)
    try:
        description = json.loads((folder / naming.ARRAYS_DESCRIPTION).read_text(encoding="utf-8"))
        parameters = [parameter["name"] for parameter in description["parameters"]]
        arrays: Mapping[str, npt.NDArray[Any]]
        if (folder / naming.ARRAYS).exists():
            with (folder / naming.ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = dict(archive)
                values: Mapping[str, npt.NDArray[Any]] = {name: arrays[name] for name in parameters}
        else:
            arrays = ArrayFiles(folder / naming.ARRAY_FOLDER, [naming.IMAGE, naming.TRIANGLE_ID])
            values = ArrayFiles(folder / naming.ARRAY_FOLDER, parameters)
        return JacobianImages.from_arrays(arrays[naming.IMAGE], arrays[naming.TRIANGLE_ID], values, description)
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"folder must hold the {naming.ARRAYS} (or {naming.ARRAY_FOLDER}/*.npy) and {naming.ARRAYS_DESCRIPTION} "
            f"of a run; got {folder} ({error})."
        ) from None
