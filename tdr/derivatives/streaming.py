"""Jacobian images that are too large for memory: computed in bands of rows, and written to disk band by band.

A band's covered pixels get a G-buffer, are shaded, and are differentiated as those of a whole image are, and so the
numbers are the same. What is held for all pixels is no more than what visibility needs, the list of those that are
covered, and the image. Each array goes into an NPY file of its own, which can be mapped into memory:
``np.load(path, mmap_mode="r")``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.config import JacobianConfig, Method, select_parameters
from tdr.config.memory import format_bytes
from tdr.config.parameters import Parameter
from tdr.derivatives.jacobian import Track, compute_covered, silently
from tdr.errors import InputError
from tdr.render.pipeline import Pipeline
from tdr.results import naming
from tdr.results.array_files import ArrayFiles, ArrayWriter
from tdr.results.jacobian_images import JacobianImages
from tdr.timing import Stopwatch

# What differences of all steps take for a pixel and a cotangent, twice: when they are put together; bytes.
_DIFFERENCES = 2 * 20 * 8
# Where a pixel is, and where its entries go, bytes.
_PLACE = 20


@dataclass(frozen=True)
class _Band:
    """Some rows that have covered pixels.

    Attributes:
        top: the first row.
        rows: how many.
        left: the first column that has a covered pixel.
        columns: how many there are up to the last one.
        subset: of the list of covered pixels.
    """

    top: int
    rows: int
    left: int
    columns: int
    subset: slice


@dataclass(frozen=True)
class _Task:
    """What is to be computed, and how much memory that takes, in bytes."""

    pipeline: Pipeline
    settings: JacobianConfig

    @property
    def chosen(self) -> tuple[Parameter, ...]:
        return select_parameters(self.pipeline.parameters, self.settings.parameters)

    @property
    def cotangents(self) -> npt.NDArray[np.float64]:
        return self.settings.cotangents()

    def size(self, parameter: Parameter) -> int:
        """How many columns a parameter has."""
        return int(np.prod(parameter.shape(self.pipeline.light_array.num_lights)))

    @property
    def entry_bytes(self) -> int:
        """A column's entries at a pixel."""
        return len(self.cotangents) * np.dtype(backend.dtype()).itemsize

    @property
    def columns_bytes(self) -> int:
        """All columns' entries at a pixel."""
        return sum(map(self.size, self.chosen)) * self.entry_bytes

    @property
    def covered_bytes(self) -> int:
        """What a covered pixel takes besides: its G-buffer, and what some methods need to compute its entries."""
        differences = _DIFFERENCES * len(self.cotangents) if self.settings.method is Method.finite_difference else 0
        return 9 * np.dtype(np.float64).itemsize + differences

    def bands(self) -> list[_Band]:
        """The rows that have covered pixels, in bands that fit into the memory limit."""
        height, width = self.pipeline.resolution
        pixels, limit = self.pipeline.passes.rasterizer.pixels, self.settings.memory_bytes()
        starts = np.searchsorted(pixels, np.arange(height + 1, dtype=np.int32) * np.int32(width))
        counts = np.diff(starts)
        # The entries of one parameter are put into their places of whole rows at a time.
        placed = max(map(self.size, self.chosen)) * self.entry_bytes * width
        needed = counts * (self.covered_bytes + self.columns_bytes + _PLACE) + np.where(counts > 0, placed, 0)
        if needed.max() > limit:
            raise InputError(
                f"jacobian.memory_limit must be at least {int(needed.max())} bytes, which one row of this image takes; "
                f"got {self.settings.memory_limit or format_bytes(limit)}."
            )
        sums = np.concatenate([[0], np.cumsum(needed)])
        bands, top = [], 0
        while top < height:
            bottom = int(np.searchsorted(sums, sums[top] + limit, side="right")) - 1
            subset = slice(int(starts[top]), int(starts[bottom]))
            if subset.start < subset.stop:
                columns = pixels[subset] % np.int32(width)
                left, right = int(columns.min()), int(columns.max())
                bands.append(_Band(top, bottom - top, left, right - left + 1, subset))
            top = bottom
        return bands


def whole_bytes(pipeline: Pipeline, settings: JacobianConfig) -> int:
    """How much memory the Jacobian images of what is visible take if they are computed as a whole, bytes.

    Args:
        pipeline: the scene; :meth:`tdr.render.passes.Passes.find_visible` came before.
        settings: which Jacobian images, and how.
    """
    task = _Task(pipeline, settings)
    height, width = pipeline.resolution
    return height * width * task.columns_bytes + len(pipeline.passes.rasterizer.pixels) * task.covered_bytes


def stream(
    pipeline: Pipeline,
    settings: JacobianConfig,
    folder: Path,
    stopwatch: Stopwatch,
    track: Track = silently,
) -> JacobianImages:
    """Render, and compute Jacobian images, band by band.

    Args:
        pipeline: the scene; :meth:`tdr.render.passes.Passes.find_visible` came before.
        settings: which Jacobian images, how, and in how much memory.
        folder: gets ``jacobian/<name>.npy`` for each parameter, ``image`` and ``triangle_id``.
        stopwatch: gets the times of the parts.
        track: wraps the loop over bands, to show progress.

    Returns:
        The Jacobian images; their values are memory maps.

    Raises:
        InputError: if a parameter is not known, or the memory limit is too low for a single row.
        OSError: if the disk has no room.
    """
    task = _Task(pipeline, settings)
    bands = task.bands()
    shape, channels, num_lights = pipeline.resolution, len(task.cotangents), pipeline.light_array.num_lights
    shapes = {p.name: (*shape, channels, *p.shape(num_lights)) for p in task.chosen}
    dtypes = {**dict.fromkeys([*shapes, naming.IMAGE], backend.dtype()), naming.TRIANGLE_ID: np.int32}
    shapes |= {naming.IMAGE: (*shape, 3), naming.TRIANGLE_ID: shape}
    folder = folder / naming.ARRAY_FOLDER
    folder.mkdir(exist_ok=True)
    try:
        with contextlib.ExitStack() as files:
            writers = {}
            with stopwatch.measure("arrays"):
                for name, whole in shapes.items():
                    writer = ArrayWriter(folder / f"{name}.npy", whole, dtypes[name])
                    writers[name] = files.enter_context(writer)
            pipeline.passes.clear_image()
            for band in track(bands, "bands"):
                _compute(task, band, writers, stopwatch)
            image, triangle_id = pipeline.passes.hand_over()
            with stopwatch.measure("arrays"):
                writers[naming.IMAGE].write(0, 0, image)
                writers[naming.TRIANGLE_ID].write(0, 0, triangle_id)
    except BaseException:
        # What is not whole is of no use, and may have filled the disk.
        for name in shapes:
            (folder / f"{name}.npy").unlink(missing_ok=True)
        raise
    return JacobianImages(
        image=image,
        triangle_id=triangle_id,
        parameters=task.chosen,
        values=ArrayFiles(folder, [parameter.name for parameter in task.chosen]),
        cotangents=task.cotangents,
        num_lights=num_lights,
        method=settings.method.value,
        precision=backend.precision().value,
    )


def _compute(task: _Task, band: _Band, writers: Mapping[str, ArrayWriter], stopwatch: Stopwatch) -> None:
    with stopwatch.measure("render"):
        part = task.pipeline.passes.restricted(band.subset)
        part.shade_covered()
    with stopwatch.measure("jacobian"):
        columns = compute_covered(part, task.chosen, task.cotangents, task.settings.method)
    with stopwatch.measure("arrays"):
        row, column = np.divmod(part.rasterizer.pixels, np.int32(task.pipeline.resolution[1]))
        places = (row - np.int32(band.top)) * np.int32(band.columns) + (column - np.int32(band.left))
        first = 0
        for parameter in task.chosen:
            last = first + task.size(parameter)
            placed = _placed(columns[first:last], places, band.rows * band.columns)
            writers[parameter.name].write(band.top, band.left, placed.reshape(band.rows, band.columns, -1))
            first = last


def _placed(
    columns: npt.NDArray[np.floating], places: npt.NDArray[np.int32], num_pixels: int
) -> npt.NDArray[np.floating]:
    """A parameter's columns (D, N, C) in a rectangle of pixels (pixels, C, D), zero elsewhere."""
    pixels = np.zeros((num_pixels, columns.shape[2], columns.shape[0]), columns.dtype)
    for d, column in enumerate(columns):
        for channel in range(column.shape[1]):
            pixels[places, channel, d] = column[:, channel]
    return pixels
