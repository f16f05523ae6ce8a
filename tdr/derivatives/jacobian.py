"""Jacobian images: how every pixel changes with each number of some parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config import JacobianConfig, Method, select_parameters
from tdr.config.parameters import Parameter, columns_of
from tdr.derivatives import forward
from tdr.derivatives.evaluation import PixelSample, SceneValues
from tdr.derivatives.finite_difference import differences, scales
from tdr.errors import InputError, check_choice
from tdr.render.kept_memory import KeptMemory
from tdr.render.pipeline import Pipeline
from tdr.results.jacobian_images import JacobianImages
from tdr.scene.mesh import TriangleMesh

T = TypeVar("T")

# Bytes that a processor's cache holds together; where they are fewer, no harm is done.
_CACHE_LINE = 64
# Entries that kernels can number.
_MOST_ENTRIES = 2**31 - 1


class Track(Protocol):
    """Wraps an iteration, to show progress."""

    def __call__(self, items: Sequence[T], name: str) -> Iterable[T]:
        """The same items, one after the other; ``name`` says what is being done."""


def silently(items: Sequence[T], name: str) -> Iterable[T]:  # noqa: ARG001
    """Iterate without showing progress."""
    return items


def compute_jacobian(
    pipeline: Pipeline,
    parameters: Sequence[str] | str = ("light.direction",),
    *,
    method: str = "batched",
    cotangent: Sequence[float] | str = (1.0, 1.0, 1.0),
) -> JacobianImages:
    """Render once and compute Jacobian images.

    Args:
        pipeline: the scene; it is rendered with its current settings.
        parameters: names, or ``"all"``.
        method: ``batched``: all pixels in one reverse pass; ``loop``: one reverse pass a pixel, the slow reference;
            ``forward``: one forward pass a column; ``finite_difference``: central differences in float64.
        cotangent: weights of R, G and B, or ``"rgb"`` for the three channels separately.

    Returns:
        The Jacobian images.

    Raises:
        InputError: if a parameter is not known, the cotangent is neither of the above, or the images have too many
            entries.
    """
    settings = JacobianConfig(
        parameters=parameters if isinstance(parameters, str) else list(parameters),
        method=check_choice("jacobian.method", Method, method),
        cotangent=cotangent if isinstance(cotangent, str) else list(cotangent),
    )
    pipeline.forward()
    images = differentiate(pipeline, settings)
    # The caller may write into the pipeline's image.
    return replace(images, image=images.image.copy(), triangle_id=images.triangle_id.copy())


def differentiate(pipeline: Pipeline, settings: JacobianConfig, track: Track = silently) -> JacobianImages:
    """Compute Jacobian images of what the pipeline rendered last.

    Args:
        pipeline: the scene, rendered with its current settings.
        settings: which parameters, and how.
        track: wraps the loop over bands or pixels, to show progress.

    Returns:
        The Jacobian images; the image and the triangle ids are the pipeline's own (:meth:`tdr.Pipeline.hand_over`).

    Raises:
        InputError: if a parameter is not known.
    """
    chosen = select_parameters(pipeline.parameters, settings.parameters)
    cotangents = settings.cotangents()
    num_lights = pipeline.light_array.num_lights
    height, width = pipeline.resolution
    num_columns = len(columns_of(chosen, num_lights))
    pixels, kept = pipeline.rasterizer.pixels, pipeline.jacobian_memory
    entries = _Entries.of(pixels, (height, width), num_columns, cotangents, kept)
    _FILL[settings.method](pipeline, chosen, cotangents, entries, track)
    values = {}
    first = 0
    for parameter in chosen:
        shape = parameter.shape(num_lights)
        last = first + int(np.prod(shape))
        values[parameter.name] = np.moveaxis(entries.values[:, first:last], 1, 3).reshape(height, width, -1, *shape)
        first = last
    image, triangle_id = pipeline.hand_over()
    return JacobianImages(
        image=image,
        triangle_id=triangle_id,
        parameters=chosen,
        values=values,
        cotangents=cotangents,
        num_lights=num_lights,
        method=settings.method.value,
        precision=backend.precision().value,
    )


def compute_at(
    pipeline: Pipeline,
    parameters: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: npt.NDArray[np.integer],
    method: Method = Method.batched,
) -> npt.NDArray[np.floating]:
    """Compute the entries of Jacobian images at some pixels alone.

    Args:
        pipeline: the scene, rendered with its current settings.
        parameters: what to differentiate with respect to.
        cotangents: (C, 3).
        entries: (N,) entries of the list of covered pixels.
        method: how.

    Returns:
        (D, N, C), column by column.
    """
    return compute_covered(pipeline.restricted(entries), parameters, cotangents, method)


def compute_covered(
    pipeline: Pipeline,
    parameters: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    method: Method = Method.batched,
) -> npt.NDArray[np.floating]:
    """Compute the entries of Jacobian images at the covered pixels alone.

    Args:
        pipeline: the scene, with the G-buffer of its covered pixels (:meth:`tdr.Pipeline.restricted`).
        parameters: what to differentiate with respect to.
        cotangents: (C, 3).
        method: how.

    Returns:
        (D, N, C), column by column, in the order of the list of covered pixels.
    """
    covered = np.arange(len(pipeline.rasterizer.pixels), dtype=np.int32)
    num_columns = len(columns_of(parameters, pipeline.light_array.num_lights))
    entries = _Entries.of(covered, (1, len(covered)), num_columns, cotangents)
    _FILL[method](pipeline, parameters, cotangents, entries, silently)
    return np.asarray(entries.values[0])


def compile_kernels(pipeline: Pipeline, settings: JacobianConfig) -> None:
    """Compile everything that rendering and differentiating a scene needs, on an image of one pixel.

    Kernels do not depend on the mesh, the resolution or the number of lights; what is compiled once in a process is
    not compiled again.

    Args:
        pipeline: the scene.
        settings: which parameters, and how.
    """
    triangle = TriangleMesh(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.array([[0, 1, 2]]))
    small = Pipeline(
        triangle, pipeline.camera, pipeline.light_array, pipeline.shader, pipeline.placement, resolution=(1, 1)
    )
    small.forward()
    differentiate(small, settings)
    pipeline.clear_gradients()


@dataclass(frozen=True)
class _Entries:
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
    ) -> _Entries:
        """Zeros, for pixels (N,), given as row * width + column, of images of a shape, (height, width).

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


# Each of the following writes the derivatives of the pipeline's covered pixels.


def _fill_batched(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: _Entries,
    track: Track,
) -> None:
    layout = pipeline.layout(pulled_back=chosen)
    passes = [(channel, *band) for channel in range(len(cotangents)) for band in pipeline.bands()]
    for channel, start, count in track(passes, "reverse passes"):
        pipeline.kernels.seed(count, backend.array(cotangents[channel]))
        places = entries.places(channel, start, count)
        pipeline.pull_back(start, count, layout, places, entries.stride, entries.memory)
    ti.sync()


def _fill_pixel_by_pixel(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: _Entries,
    track: Track,
) -> None:
    names = [parameter.name for parameter in chosen]
    seeds = pipeline.output_buffer.grad.reshape(-1, 3)
    pipeline.clear_gradients()
    for k, pixel in enumerate(track(pipeline.rasterizer.pixels.tolist(), "pixels")):
        for channel, cotangent in enumerate(cotangents):
            seeds[pixel] = cotangent
            pipeline.backward(names)
            gradient = np.concatenate([pipeline.gradients[name].reshape(-1) for name in names])
            entries.values[entries.rows[k], :, entries.offsets[k], channel] = gradient
            pipeline.clear_gradients()


def _fill_forward(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: _Entries,
    track: Track,
) -> None:
    kernels = forward.current_kernels()
    # One layout for all, though each pass perturbs one number: Taichi compiles longer than it runs.
    layout = pipeline.layout(perturbed=chosen)
    kernels.allocate(layout)
    scene = SceneValues.of(pipeline)
    named = columns_of(chosen, pipeline.light_array.num_lights)
    covered = np.arange(len(pipeline.rasterizer.pixels))
    bands = [covered[start : start + forward.BAND] for start in range(0, len(covered), forward.BAND)]
    for band in track(bands, "bands"):
        sample = PixelSample.of(pipeline, band)
        kernels.load(sample, scene)
        for d, column in enumerate(named):
            derivatives = kernels.differentiate(len(band), column, scene, cotangents, layout, pipeline.shader)
            entries.values[entries.rows[band], d, entries.offsets[band]] = derivatives


def _fill_finite_difference(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: _Entries,
    track: Track,
) -> None:
    named = columns_of(chosen, pipeline.light_array.num_lights)
    units = scales(pipeline, named)
    covered = np.arange(len(pipeline.rasterizer.pixels))
    for d in track(range(len(named)), "columns"):
        light = named[d].index[0] if named[d].parameter.per_light else None
        estimated = differences(pipeline, [named[d]], units[d : d + 1, None], covered, cotangents, light=light)
        entries.values[entries.rows, d, entries.offsets] = estimated.values[0] / units[d]


_FILL = {
    Method.batched: _fill_batched,
    Method.loop: _fill_pixel_by_pixel,
    Method.forward: _fill_forward,
    Method.finite_difference: _fill_finite_difference,
}
