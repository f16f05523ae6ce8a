"""A closer look at one column, where its verdict alone says too little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tdr.check.comparison import compare
from tdr.check.explanation import ColumnSample
from tdr.check.surroundings import Surroundings
from tdr.config import Method
from tdr.config.parameters import Column, columns_of
from tdr.derivatives.evaluation import PixelSample, evaluate
from tdr.derivatives.jacobian import compute_at
from tdr.derivatives.step_units import Extents, has_own_scale
from tdr.render.passes import Passes
from tdr.render.values import SceneValues
from tdr.results.jacobian_images import JacobianImages

# How far a number is moved to find out whether it is clamped, in units of its steps.
_REACH = np.exp2(np.arange(-20.0, 5.0))


def separate_channels(
    passes: Passes, images: JacobianImages, sample: ColumnSample, surroundings: Surroundings, extents: Extents
) -> ColumnSample | None:
    """Compute and compare a column for R, G and B separately.

    Args:
        passes: the scene, rendered with its current settings.
        images: Jacobian images of a weighted sum of the channels.
        sample: one of their columns, at some pixels.
        surroundings: these pixels.
        extents: of what is seen.

    Returns:
        The column, with three channels; None where the images have them already, or are no derivatives by AD.
    """
    if len(images.cotangents) == 3 or images.method == Method.finite_difference.value:
        return None
    parameter = sample.column.parameter
    derivatives = compute_at(passes, [parameter], np.eye(3), surroundings.subset, Method(images.method))
    names = [column.name for column in columns_of([parameter], images.num_lights)]
    tested = derivatives[[names.index(sample.column.name)]].astype(np.float64)
    separately = replace(images, cotangents=np.eye(3))
    comparison = compare(passes, separately, [sample.column], surroundings, extents, moving=False, tested=tested)
    return replace(
        sample,
        tested=tested[0],
        reference=comparison.reference[0],
        tolerance=comparison.tolerance[0],
        comparable=comparison.comparable[0] & sample.comparable,
        repetition=None,
    )


def flat_range(passes: Passes, column: Column, unit: float, surroundings: Surroundings) -> float:
    """How far a number can move, to both sides, until the image changes.

    Args:
        passes: the scene, rendered with its current settings.
        column: a number with which the image does not change.
        unit: of its steps.
        surroundings: the pixels that are looked at.

    Returns:
        The largest of some distances up to which nothing changes; infinite if nothing does at any of them, or if the
        number is one of those that cannot be clamped, such as an angle.
    """
    if not has_own_scale(column):
        return np.inf
    steps = unit * _REACH
    sample, scene = PixelSample.of(passes, surroundings.subset), SceneValues.of(passes.scene)
    displacements = np.concatenate([[0.0], steps, -steps])[:, None]
    image = evaluate(sample, scene.all_displaced([column], displacements), passes.layout())
    same = ((image == image[:1]) | (np.isnan(image) & np.isnan(image[:1]))).all(axis=(1, 2))
    changes = ~same[1:].reshape(2, -1).all(axis=0)
    return float(steps[np.argmax(changes) - 1]) if changes.any() and not changes[0] else np.inf
