"""What is to be said of the rendering itself, whatever it is differentiated by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tdr.check.column import BUDGET
from tdr.check.diagnosis import Circumstances, diagnose_image
from tdr.check.surroundings import Surroundings
from tdr.config.parameters import Parameter
from tdr.derivatives.finite_difference import UNDERFLOW, Differences
from tdr.derivatives.step_units import Extents
from tdr.render.passes import Passes
from tdr.render.values import SceneValues
from tdr.results.jacobian_images import JacobianImages
from tdr.words import counted

Array = npt.NDArray[np.float64]

# An image jitters if at least this part of its pixels does, by more than this part of their value: half of the digits
# between those of float64 and of float32, for what the condition of a pixel may cost.
JITTERING = 1e-2
JITTER = 2.0**-38
# Which part of the covered pixels may be undefined, as where a formula is singular at a point.
UNDEFINED = 1e-2
# Where coordinates are so many times larger than what is seen, tolerances are as wide as in float32.
REMOTE = 2.0**12


def judge_rendering(
    passes: Passes, images: JacobianImages, estimated: Differences, surroundings: Surroundings, extents: Extents
) -> tuple[Circumstances, list[str], bool]:
    """Find out whether the image is finite, comes out the same again, and is as exact as its precision.

    Args:
        passes: the scene, rendered with its current settings.
        images: its Jacobian images, with what was rendered.
        estimated: the image at some pixels and finite differences of it, under all lights.
        surroundings: these pixels.
        extents: of what is seen.

    Returns:
        What is known of the run now, findings in words, and whether something is wrong.
    """
    colors, cotangents = surroundings.of_image(images.image), images.cotangents
    rendered = colors @ cotangents.T
    single = images.precision == "f32"
    jitter = estimated.jitter.max(axis=0)
    allowed = estimated.noise + jitter + UNDERFLOW[images.precision]
    if single:
        allowed += float(np.finfo(np.float32).eps) * np.nan_to_num(np.abs(colors)) @ np.abs(cotangents.T)
    defined = np.isfinite(rendered) | np.isfinite(estimated.image)
    other = (defined & ~(np.abs(rendered - estimated.image) <= allowed)).any(axis=1)
    # Where no half vector exists, rounding decides whether there is a highlight.
    other &= ~surroundings.opposite
    findings = []
    # At the very edge of a hard step, rounding decides on which side of it a pixel is.
    is_another = int(np.count_nonzero(other)) > 2 + BUDGET * len(other)
    if is_another:
        findings.append(
            f"The rendering is not what its settings give at {np.count_nonzero(other)} of {len(other)} "
            "pixels. Usual causes: settings that were changed after the rendering, a buffer of an earlier one."
        )
    finite = np.abs(estimated.image[np.isfinite(estimated.image)])
    brightness = np.maximum(np.abs(estimated.image), 1e-3 * np.max(finite, initial=0.0) or 1.0)
    # Where no half vector exists, the image jumps.
    jitters = (jitter > JITTER * brightness) & ~surroundings.opposite[:, None]
    # In a float32 run a cast to float32 is no fault.
    matters = not single and np.count_nonzero(jitters) >= max(3, JITTERING * jitters.size)
    circumstances = Circumstances(
        precision=images.precision,
        image_finite=bool(np.isfinite(rendered).all()),
        image_repeats=estimated.repeats,
        noise=float(np.median((jitter / brightness)[jitters])) if matters else 0.0,
        noise_allowed=float(np.median(estimated.noise / brightness)),
        values=_values(passes, images),
    )
    findings += diagnose_image(circumstances)
    undefined, too_many = _undefined(passes, images)
    findings += undefined
    if extents.remoteness > REMOTE:
        findings.append(
            f"Coordinates are {extents.remoteness:.1g} times as large as what is seen, and what they are "
            "rounded to limits derivatives and tolerances. Move mesh and camera nearer to the origin."
        )
    return circumstances, findings, is_another or circumstances.image_is_faulty or too_many


def _undefined(passes: Passes, images: JacobianImages) -> tuple[list[str], bool]:
    """How many pixels of the whole rendering are not finite, in words, and whether they are too many."""
    if np.isfinite(images.image).all():
        return [], False
    covered = images.image.reshape(-1, 3)[passes.rasterizer.pixels]
    count = int(np.count_nonzero(~np.isfinite(covered).all(axis=1)))
    finding = (
        f"The image is not finite at {count} of {counted(len(covered), 'covered pixel')}; nothing is known of its "
        f"derivatives there, and a check fails beyond {UNDEFINED:.0%}. Usual causes: a root, a power or a logarithm of "
        "a negative number, a division by 0, a vector of length 0 that is normalized."
    )
    return [finding], count > UNDEFINED * len(covered)


def _values(passes: Passes, images: JacobianImages) -> dict[Parameter, Array]:
    """The parameters' current values, each of its shape."""
    scene = SceneValues.of(passes.scene)
    return {
        p: (scene[p.name] if p.per_light else scene[p.name][0]).reshape(p.shape(images.num_lights))
        for p in passes.parameters
    }
