"""Jacobian images: how every pixel changes with each number of some parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config import JacobianConfig, Method, select_parameters
from tdr.config.parameters import Parameter, columns_of
from tdr.derivatives import forward
from tdr.derivatives.entries import Entries, kept_memory
from tdr.derivatives.evaluation import PixelSample
from tdr.derivatives.fitted import fitted_differences
from tdr.derivatives.step_units import Extents
from tdr.errors import check_choice
from tdr.render.passes import Passes
from tdr.render.pipeline import Pipeline
from tdr.render.values import SceneValues
from tdr.results.jacobian_images import JacobianImages
from tdr.scene.mesh import TriangleMesh

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
        parameters: names, or one, or ``"all"``.
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
        parameters=_listed(parameters),
        method=check_choice("jacobian.method", Method, method),
        cotangent=_listed(cotangent),
    )
    pipeline.forward()
    images = differentiate(pipeline, settings)
    # The caller may write into the pipeline's image.
    return replace(images, image=images.image.copy(), triangle_id=images.triangle_id.copy())


def _listed(value: Any) -> Any:
    """Anything with several values as the list that settings have; all else as it is."""
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value


def differentiate(pipeline: Pipeline, settings: JacobianConfig, track: Track = silently) -> JacobianImages:
    """Compute Jacobian images of what the pipeline rendered last.

    Args:
        pipeline: the scene, rendered with its current settings.
        settings: which parameters, and how.
        track: wraps the loop over bands or pixels, to show progress.

    Returns:
        The Jacobian images; the image and the triangle ids are the pipeline's own
        (:meth:`tdr.render.passes.Passes.hand_over`).

    Raises:
        InputError: if a parameter is not known.
    """
    chosen = select_parameters(pipeline.parameters, settings.parameters)
    cotangents = settings.cotangents()
    num_lights = pipeline.light_array.num_lights
    height, width = pipeline.resolution
    num_columns = len(columns_of(chosen, num_lights))
    passes = pipeline.passes
    entries = Entries.of(passes.rasterizer.pixels, (height, width), num_columns, cotangents, kept_memory(passes))
    _FILL[settings.method](passes, chosen, cotangents, entries, track)
    values = {}
    first = 0
    for parameter in chosen:
        shape = parameter.shape(num_lights)
        last = first + int(np.prod(shape))
        values[parameter.name] = np.moveaxis(entries.values[:, first:last], 1, 3).reshape(height, width, -1, *shape)
        first = last
    image, triangle_id = passes.hand_over()
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
    passes: Passes,
    parameters: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    subset: npt.NDArray[np.integer],
    method: Method = Method.batched,
) -> npt.NDArray[np.floating]:
    """Compute the entries of Jacobian images at some pixels alone.

    Args:
        passes: the scene, rendered with its current settings.
        parameters: what to differentiate with respect to.
        cotangents: (C, 3).
        subset: (N,) where the pixels stand in the list of covered pixels.
        method: how.

    Returns:
        (D, N, C), column by column.
    """
    return compute_covered(passes.restricted(subset), parameters, cotangents, method)


def compute_covered(
    passes: Passes,
    parameters: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    method: Method = Method.batched,
) -> npt.NDArray[np.floating]:
    """Compute the entries of Jacobian images at the covered pixels alone.

    Args:
        passes: the scene, with the G-buffer of its covered pixels (:meth:`tdr.render.passes.Passes.restricted`).
        parameters: what to differentiate with respect to.
        cotangents: (C, 3).
        method: how.

    Returns:
        (D, N, C), column by column, in the order of the list of covered pixels.
    """
    covered = np.arange(len(passes.rasterizer.pixels), dtype=np.int32)
    num_columns = len(columns_of(parameters, passes.num_lights))
    entries = Entries.of(covered, (1, len(covered)), num_columns, cotangents)
    _FILL[method](passes, parameters, cotangents, entries, silently)
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


# Each of the following writes the derivatives of the passes's covered pixels.


def _fill_batched(
    passes: Passes,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: Entries,
    track: Track,
) -> None:
    layout = passes.layout(pulled_back=chosen)
    reverse = [(channel, *band) for channel in range(len(cotangents)) for band in passes.bands()]
    for channel, start, count in track(reverse, "reverse passes"):
        passes.kernels.seed(count, backend.array(cotangents[channel]))
        places = entries.places(channel, start, count)
        passes.pull_back(start, count, layout, places, entries.stride, entries.memory)
    ti.sync()


def _fill_pixel_by_pixel(
    passes: Passes,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: Entries,
    track: Track,
) -> None:
    seeds = passes.output_buffer.grad.reshape(-1, 3)
    seeds.fill(0.0)
    for k, pixel in enumerate(track(passes.rasterizer.pixels.tolist(), "pixels")):
        for channel, cotangent in enumerate(cotangents):
            seeds[pixel] = cotangent
            entries.values[entries.rows[k], :, entries.offsets[k], channel] = passes.gradient(chosen)
        seeds[pixel] = 0.0


def _fill_forward(
    passes: Passes,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: Entries,
    track: Track,
) -> None:
    kernels = forward.current_kernels()
    # One layout for all, though each pass perturbs one number: Taichi compiles longer than it runs.
    layout = passes.layout(perturbed=chosen)
    kernels.allocate(layout)
    scene = SceneValues.of(passes.scene)
    named = columns_of(chosen, passes.num_lights)
    covered = np.arange(len(passes.rasterizer.pixels))
    bands = [covered[start : start + forward.BAND] for start in range(0, len(covered), forward.BAND)]
    for band in track(bands, "bands"):
        sample = PixelSample.of(passes, band)
        kernels.load(sample, scene)
        for d, column in enumerate(named):
            derivatives = kernels.differentiate(len(band), column, scene, cotangents, layout, passes.scene.shader)
            entries.values[entries.rows[band], d, entries.offsets[band]] = derivatives


def _fill_finite_difference(
    passes: Passes,
    chosen: Sequence[Parameter],
    cotangents: npt.NDArray[np.float64],
    entries: Entries,
    track: Track,
) -> None:
    named = columns_of(chosen, passes.num_lights)
    covered = np.arange(len(passes.rasterizer.pixels))
    if not len(covered):
        return
    extents = Extents.of(passes)
    for d in track(range(len(named)), "columns"):
        light = named[d].index[0] if named[d].parameter.per_light else None
        guess = extents.units(passes, [named[d]])
        estimated, (unit,) = fitted_differences(passes, [named[d]], guess, covered, cotangents, extents, light=light)
        entries.values[entries.rows, d, entries.offsets] = estimated.values[0] / unit


_FILL = {
    Method.batched: _fill_batched,
    Method.loop: _fill_pixel_by_pixel,
    Method.forward: _fill_forward,
    Method.finite_difference: _fill_finite_difference,
}
