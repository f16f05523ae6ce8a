"""Jacobian images: how every pixel changes with each number of some parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tdr import backend, forward
from tdr.backend import ti
from tdr.config import JacobianConfig, Method, select_parameters
from tdr.errors import check_choice
from tdr.evaluation import PixelSample, SceneValues
from tdr.finite_difference import differences, scales
from tdr.jacobian_images import JacobianImages
from tdr.mesh import TriangleMesh
from tdr.parameters import Parameter, columns_of
from tdr.pipeline import Pipeline

T = TypeVar("T")


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
        InputError: if a parameter is not known or the cotangent is neither of the above.
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
    columns = _planes(len(columns_of(chosen, num_lights)), height * width, len(cotangents))
    _FILL[settings.method](pipeline, chosen, cotangents, pipeline.rasterizer.pixels, columns, track)
    values = {}
    first = 0
    for parameter in chosen:
        shape = parameter.shape(num_lights)
        last = first + int(np.prod(shape))
        planes = columns[first:last].reshape(*shape, height, width, len(cotangents))
        values[parameter.name] = np.moveaxis(planes, range(len(shape)), range(3, 3 + len(shape)))
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
    num_columns = len(columns_of(parameters, pipeline.light_array.num_lights))
    places = np.arange(len(pipeline.rasterizer.pixels), dtype=np.int32)
    columns = _planes(num_columns, len(places), len(cotangents))
    _FILL[method](pipeline, parameters, cotangents, places, columns, silently)
    return columns


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


def _planes(num_columns: int, num_places: int, num_channels: int) -> npt.NDArray[np.floating]:
    """Zeros (D, places, C): one plane a column, so that each column is an image of its own in memory.

    The planes do not lie a multiple of 4096 bytes apart, as those of images of usual sizes would: kernels write to all
    of them in turn, and the cache has few places for addresses that agree in their last bits.
    """
    dtype = np.dtype(backend.dtype())
    used = num_places * num_channels
    distance = -(-used * dtype.itemsize // 4096) * 4096 + 192
    planes = np.zeros((num_columns, distance // dtype.itemsize), dtype)
    return planes[:, :used].reshape(num_columns, num_places, num_channels)


# Each of the following writes the derivatives (D, places, C) of the pipeline's covered pixels, in the order of its list
# of them; ``places`` says where in the columns each pixel's go.


def _fill_batched(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    places: npt.NDArray[np.int32],
    columns: npt.NDArray[np.floating],
    track: Track,
) -> None:
    layout = pipeline.layout(chosen)
    first_columns = pipeline.first_columns(layout)
    kernels = pipeline.kernels
    planes = np.asarray(columns.base)  # with the gaps between them, as kernels want arrays of one piece
    passes = [(channel, *band) for channel in range(len(cotangents)) for band in pipeline.bands()]
    for channel, start, count in track(passes, "reverse passes"):
        kernels.seed(count, backend.array(cotangents[channel]))
        kernels.clear_slots(count, layout)
        for light in pipeline.pull_back(start, count, layout):
            kernels.write_columns(
                start,
                count,
                light or 0,
                channel,
                len(cotangents),
                places,
                first_columns,
                planes,
                layout,
                light is not None,
            )
    ti.sync()


def _fill_pixel_by_pixel(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    places: npt.NDArray[np.int32],
    columns: npt.NDArray[np.floating],
    track: Track,
) -> None:
    names = [parameter.name for parameter in chosen]
    seeds = pipeline.output_buffer.grad.reshape(-1, 3)
    pipeline.clear_gradients()
    covered = list(zip(pipeline.rasterizer.pixels.tolist(), places.tolist(), strict=True))
    for pixel, place in track(covered, "pixels"):
        for channel, cotangent in enumerate(cotangents):
            seeds[pixel] = cotangent
            pipeline.backward(names)
            columns[:, place, channel] = np.concatenate([pipeline.gradients[name].reshape(-1) for name in names])
            pipeline.clear_gradients()


def _fill_forward(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    places: npt.NDArray[np.int32],
    columns: npt.NDArray[np.floating],
    track: Track,
) -> None:
    kernels = forward.current_kernels()
    # One layout for all, though each pass perturbs one number: Taichi compiles longer than it runs.
    layout = pipeline.layout(chosen, per_pixel=False)
    kernels.allocate(layout)
    scene = SceneValues.of(pipeline)
    named = columns_of(chosen, pipeline.light_array.num_lights)
    entries = np.arange(len(pipeline.rasterizer.pixels))
    bands = [entries[start : start + forward.BAND] for start in range(0, len(entries), forward.BAND)]
    for band in track(bands, "bands"):
        sample = PixelSample.of(pipeline, band)
        kernels.load(sample, scene)
        for d, column in enumerate(named):
            columns[d, places[band]] = kernels.differentiate(
                len(band), column, scene, cotangents, layout, pipeline.shader
            )


def _fill_finite_difference(
    pipeline: Pipeline,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    places: npt.NDArray[np.int32],
    columns: npt.NDArray[np.floating],
    track: Track,
) -> None:
    named = columns_of(chosen, pipeline.light_array.num_lights)
    units = scales(pipeline, named)
    entries = np.arange(len(pipeline.rasterizer.pixels))
    for d in track(range(len(named)), "columns"):
        estimated = differences(pipeline, named[d : d + 1], units[d : d + 1, None], entries, cotangents)
        columns[d, places] = estimated.values[0] / units[d]


_FILL = {
    Method.batched: _fill_batched,
    Method.loop: _fill_pixel_by_pixel,
    Method.forward: _fill_forward,
    Method.finite_difference: _fill_finite_difference,
}
