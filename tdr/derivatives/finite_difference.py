"""Finite differences of the image with an error bound for every entry, in float64 in every run.

Central differences at steps from 2**-4 down to 2**-22 times a unit (:mod:`tdr.derivatives.step_units`), each a quarter
of the one before, are extrapolated, and the one with the least bound counts (:mod:`tdr.derivatives.extrapolation`).

How far rounding moves a value is measured: an algorithm of n rounded operations gives the exact result for data that
are off by about sqrt(n) roundings, so the change of the value under small random changes of all that it is computed
from, times ``ROUNDINGS``, is what rounding can do (Kenney & Laub 1994, "Small-sample statistical condition estimates").
That is what float64 explains. An image that passes through something coarser, such as float32, is a staircase; that is
measured by itself (:mod:`tdr.derivatives.roughness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column, Reads
from tdr.derivatives.evaluation import PixelSample, evaluate
from tdr.derivatives.extrapolation import extrapolated
from tdr.derivatives.roughness import FEW, VALUES, is_coarse, jitter_of, roughness
from tdr.derivatives.step_units import Extents
from tdr.render.passes import Passes
from tdr.render.values import SceneValues
from tdr.results.check_result import Place

Array = npt.NDArray[np.float64]

STEPS: Array = np.exp2(-np.arange(4.0, 23.0, 2.0))
# The root of the operations that a colour and its derivative take (some hundreds), doubled.
ROUNDINGS = 30.0
EPS = float(np.finfo(np.float64).eps)
# What underflow may cost: the least normal number times what later factors may multiply it by. It is absolute: an
# operation gives (x op y) (1 + delta) + eta, where eta is not 0 below the normal numbers (Higham 2002, "Accuracy and
# stability of numerical algorithms", equation 2.8).
UNDERFLOW = {"f32": float(np.finfo(np.float32).tiny) * 2.0**20, "f64": float(np.finfo(np.float64).tiny) * 2.0**20}

# A pixel as dark as this part of the brightest is black but for rounding, and how it jitters tells nothing.
DARK = 2.0**-20

# What is changed to see what rounding does: of which sample, and how far, by a large and a small change. Equal normals
# or albedos of a triangle's corners hide what rounding does to the barycentrics: what cancels exactly does not cancel
# when rounded. So geometry is also changed where the corners were told apart; beyond a light's edge that hides it.
# A triangle that is seen edge-on is another one after a large change, and so is a function that varies fast.
_AS_IT_IS, _TOLD_APART = range(2)
_NUDGES = (
    (Reads.SHADING, _AS_IT_IS, (2.0**-16, 2.0**-32)),
    (Reads.POSE, _AS_IT_IS, (2.0**-16, 2.0**-40)),
    (Reads.POSE, _TOLD_APART, (2.0**-18, 2.0**-36)),
)
# The step at which derivatives are taken then.
NUDGED_STEP = 2.0**-12
# Of a smaller change rounding would leave too little.
_LEAST_NUDGE = 2.0**-44
_APART = 2.0**-4
# Where the image is evaluated to see how coarse it is: at equal distances, all to one side of 0, where a kink or a jump
# at the parameter's value itself plays no part.
_PROBE: Array = STEPS[-1] * np.arange(1.0, VALUES + 1.0)

# The relative size of a large change of the data and what it does, and those of a small one.
_Changes = list[tuple[float, Array]]

# Pixels times scenes that are evaluated at a time: 24 bytes each.
_EVALUATIONS = 1 << 21


@dataclass(frozen=True)
class Differences:
    """Directional derivatives of cotangents . image, by finite differences.

    Shapes: M directions, N pixels, C cotangents, J steps.

    Attributes:
        values: (M, N, C) the derivatives; NaN where the image is not finite at every step.
        bounds: (M, N, C) by how much they may be off; infinite where no step can be trusted.
        bends: (M, N, C) by how much the slopes to the two sides differ at the step that counts.
        causes: (M, N) uint8 why no step can be trusted (:class:`tdr.results.check_result.Place`), 0 where one can.
        central: (M, J, N, C) the central difference of each step.
        shading_condition: (M, N, C) how much a derivative changes per relative change of what the shading reads.
        geometry_condition: (M, N, C) likewise, of what geometry is computed from.
        image: (N, C) cotangents . image.
        noise: (N, C) what rounding in float64 can do to ``image``.
        jitter: (M, N, C) by how much the image was seen to jitter beyond that when displaced; 0 where it does not.
        repeats: whether the image came out the same when it was evaluated again.
    """

    values: Array
    bounds: Array
    bends: Array
    causes: npt.NDArray[np.uint8]
    central: Array
    shading_condition: Array
    geometry_condition: Array
    image: Array
    noise: Array
    jitter: Array
    repeats: bool


def differences(
    passes: Passes,
    columns: Sequence[Column],
    directions: Array,
    subset: npt.NDArray[np.integer],
    cotangents: Array,
    extents: Extents,
    *,
    steps: Array = STEPS,
    excluded: npt.NDArray[np.bool_] | None = None,
    light: int | None = None,
) -> Differences:
    """Differentiate the image along directions in the space of some columns.

    The triangle that a pixel sees is held fixed.

    Args:
        passes: the scene, rendered with its current settings.
        columns: D columns.
        directions: (M, D), in the unit of each column's derivative; a step h displaces the columns by h times that.
        subset: (N,) where the pixels stand in the list of covered pixels.
        cotangents: (C, 3).
        extents: of what is seen.
        steps: (J,) at least 3, each a quarter of the one before.
        excluded: (M, J, N), or what broadcasts to it: which steps must not be used, because the pixel sees another
            triangle at the step or its opposite, or there is a singular point on the way; by default none.
        light: whose own numbers all columns are, under which alone the pixels are seen then, because what the others
            add does not change; by default they are seen under all lights.

    Returns:
        The derivatives along each direction, per unit of it, and their bounds.
    """
    settings = 2 + 2 * len(_NUDGES)
    scenes = len(directions) * (2 * len(steps) + settings) + FEW + 2 + settings
    size = max(1, _EVALUATIONS // scenes)
    chunks = [slice(start, start + size) for start in range(0, max(1, len(subset)), size)]
    parts = []
    if excluded is not None:
        excluded = np.broadcast_to(excluded, (len(directions), len(steps), len(subset)))
    for chunk in chunks:
        usable = None if excluded is None else ~excluded[:, :, chunk, None]
        part = Chunk(passes, columns, directions, subset[chunk], cotangents, steps, light)
        # A displaced image need not be finite, and then the step is not used.
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            parts.append(part.differences(usable, extents))
    return _joined(parts)


def central_differences(
    passes: Passes,
    columns: Sequence[Column],
    directions: Array,
    subset: npt.NDArray[np.integer],
    cotangents: Array,
    steps: Array = STEPS,
) -> Array:
    """The central difference of each step, (M, J, N, C), without any bound; see :func:`differences`."""
    return Chunk(passes, columns, directions, subset, cotangents, steps).central()


def _joined(parts: Sequence[Differences]) -> Differences:
    if len(parts) == 1:
        return parts[0]

    def join(name: str, axis: int) -> Array:
        return np.concatenate([getattr(part, name) for part in parts], axis=axis)

    return Differences(
        values=join("values", 1),
        bounds=join("bounds", 1),
        bends=join("bends", 1),
        causes=np.concatenate([part.causes for part in parts], axis=1),
        central=join("central", 2),
        shading_condition=join("shading_condition", 1),
        geometry_condition=join("geometry_condition", 1),
        image=join("image", 0),
        noise=join("noise", 0),
        jitter=join("jitter", 1),
        repeats=all(part.repeats for part in parts),
    )


@dataclass(frozen=True)
class _Setting:
    """Pixels and their scene, as they are or nudged; see :func:`tdr.derivatives.evaluation.evaluate`."""

    sample: PixelSample
    scene: SceneValues
    stretch: float = 0.0


class Chunk:
    """Finite differences at so many pixels that their evaluations fit into memory."""

    def __init__(
        self,
        passes: Passes,
        columns: Sequence[Column],
        directions: Array,
        subset: npt.NDArray[np.integer],
        cotangents: Array,
        steps: Array,
        light: int | None = None,
    ) -> None:
        self.columns = columns
        self.directions = directions
        self.cotangents = cotangents
        self.steps = steps
        self.sample = PixelSample.of(passes, subset)
        self.scene = SceneValues.of(passes.scene)
        if light is not None:
            self.scene = self.scene.lit_by(light)
            self.columns = [replace(column, index=(0, *column.index[1:])) for column in columns]
        self.layout = passes.layout()

    def evaluate(
        self, settings: Sequence[_Setting], steps: Array, times: int, others: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """Evaluate G settings in one launch.

        Returns:
            The image ``times`` times, (G, times, N, C); displaced by each step and its opposite, (G, M, 2, J, N, C);
            and with each of the ``others`` (P, D), (G, P, N, C).
        """
        signed = np.concatenate([steps, -steps])
        moves = (signed[:, None] * self.directions[:, None]).reshape(-1, len(self.columns))
        still = np.zeros((times, len(self.columns)))
        displacements = np.concatenate([still, moves, still[:0] if others is None else others])
        image = evaluate(
            PixelSample.joined([setting.sample for setting in settings]),
            [scene for setting in settings for scene in setting.scene.all_displaced(self.columns, displacements)],
            self.layout,
            [setting.stretch for setting in settings],
        )
        shape = (len(self.sample.pixels), len(self.cotangents))
        image = np.swapaxes((image @ self.cotangents.T).reshape(len(displacements), len(settings), *shape), 0, 1)
        moved, others_moved = np.split(image[:, times:], [len(moves)], axis=1)
        there_and_back = moved.reshape(len(settings), len(self.directions), 2, len(steps), *shape)
        return image[:, :times], there_and_back, others_moved

    def central(self) -> Array:
        """The central difference of each step, (M, J, N, C)."""
        _, (moved,), _ = self.evaluate([_Setting(self.sample, self.scene)], self.steps, times=1)
        return np.asarray((moved[:, 0] - moved[:, 1]) / (2.0 * self.steps[:, None, None]))

    def ladder(self, noise: Array) -> tuple[Array, Array, Array, Array]:
        """What :func:`extrapolated` reads, where ``noise`` (N, C) is what rounding does to the image."""
        ((image,),), (moved,), _ = self.evaluate([_Setting(self.sample, self.scene)], self.steps, times=1)
        h = self.steps[:, None, None]
        second = np.abs(moved[:, 0] - 2.0 * image + moved[:, 1])
        return (moved[:, 0] - moved[:, 1]) / (2.0 * h), second, h, _noise_moved(noise, image, moved)

    def differences(self, usable: npt.NDArray[np.bool_] | None, extents: Extents) -> Differences:
        """The derivatives along each direction; ``usable`` is (M, J, N, 1)."""
        here = [_Setting(self.sample, self.scene)]
        # Along one direction that is made of all it shows whether the image is coarse along any.
        together = np.random.default_rng(0).standard_normal(len(self.directions)) @ self.directions
        few = _PROBE[:FEW, None] * together
        ((image, again),), (moved,), (probe,) = self.evaluate(here, self.steps, times=2, others=few)
        if usable is not None:
            moved = np.where(usable[:, None], moved, np.nan)
        h = self.steps[:, None, None]
        central = (moved[:, 0] - moved[:, 1]) / (2.0 * h)
        second = np.abs(moved[:, 0] - 2.0 * image + moved[:, 1])
        change, conditions = self.nudged(extents)
        noise = ROUNDINGS * EPS * np.fmax(change + np.abs(image), DARK * _brightest(image)) + UNDERFLOW["f64"]
        noise_moved = _noise_moved(noise, image, moved)
        # The step beyond the last value of the probe. Where it may not be used, the image is not straight along it.
        beyond = np.searchsorted(-self.steps, -_PROBE[-1]) - 1
        straight = True if usable is None else usable[:, beyond]
        noise_probed = noise_moved[:, beyond]
        jitter = np.zeros_like(noise_probed)
        if is_coarse(roughness(probe[None], np.fmax.reduce(noise_probed))).any():
            along = (_PROBE[:, None] * self.directions[:, None]).reshape(-1, len(self.columns))
            _, _, (values,) = self.evaluate(here, self.steps[:0], times=0, others=along)
            values = values.reshape(len(self.directions), len(_PROBE), *values.shape[1:])
            jitter = jitter_of(roughness(values, noise_probed) * straight, second, noise_probed, image)
        rates = [(what, _per_change(c, jitter / NUDGED_STEP) / seen) for what, c, seen in conditions]
        shading, geometry = (
            np.fmax.reduce([rate for changed, rate in rates if changed is what]) for what in (Reads.SHADING, Reads.POSE)
        )
        repeats = np.array_equal(image, again, equal_nan=True)
        values, bounds, bends, _ = extrapolated(central, second, h, np.fmax(noise_moved, jitter[:, None]))
        causes = np.zeros(values.shape[:2], dtype=np.uint8)
        trusted = np.isfinite(bounds).all(axis=2)
        causes[~trusted] = Place.kink
        if usable is not None:
            # An extrapolation and its bound rest on three steps, and on all smaller ones.
            causes[~trusted & ~usable[:, -3:, :, 0].all(axis=1)] = Place.visibility
        defined = np.isfinite(image) & np.isfinite(moved).any(axis=(1, 2))
        causes[(causes != Place.visibility) & ~defined.all(axis=2)] = Place.undefined
        return Differences(values, bounds, bends, causes, central, shading, geometry, image, noise, jitter, repeats)

    def nudged(self, extents: Extents) -> tuple[Array, list[tuple[Reads, _Changes, float]]]:
        """How the image and its derivatives change when the data is changed a little.

        Returns:
            The image's change (N, C) per relative change of the data; and for each kind of change what it changes, how
            the derivatives (M, N, C) change, and what part of it the changed corners leave to be seen.
        """
        rng = np.random.default_rng(0)
        coordinates = extents.coordinates / float(np.abs(self.scene["mesh.scale"][0, 0]))
        settings = [
            _Setting(self.sample, self.scene),
            _Setting(self.sample.nudged(Reads.SHADING, _APART, rng), self.scene),
        ]
        sizes = []
        for what, before, relatives in _NUDGES:
            for relative in relatives:
                # A part of what is seen is the smaller a part of coordinates, the farther away it is.
                size = max(relative / extents.remoteness, _LEAST_NUDGE)
                sizes.append(size)
                stretch = size if what is Reads.SHADING else 0.0
                scene = self.scene.nudged(what, size, rng, extents.coordinates)
                settings.append(_Setting(settings[before].sample.nudged(what, size, rng, coordinates), scene, stretch))
        image, _, moved = self.evaluate(settings, self.steps[:0], times=1, others=NUDGED_STEP * self.directions)
        slopes = (moved - image) / NUDGED_STEP

        def changes(values: Array, before: int, n: int) -> _Changes:
            return [(sizes[i], np.abs(values[2 + i] - values[before])) for i in (2 * n, 2 * n + 1)]

        of_image = [_per_change(changes(image[:, 0], before, n)) for n, (_, before, _) in enumerate(_NUDGES)]
        conditions = [
            (what, changes(slopes, before, n), _APART if before == _TOLD_APART else 1.0)
            for n, (what, before, _) in enumerate(_NUDGES)
        ]
        return np.fmax.reduce(of_image), conditions


def _brightest(image: Array) -> Array:
    """The largest magnitude (C,) of an image (N, C), as far as it is finite."""
    return np.asarray(np.max(np.abs(image), axis=0, initial=0.0, where=np.isfinite(image)))


def _noise_moved(noise: Array, image: Array, moved: Array) -> Array:
    """By how much displaced images (M, 2, J, N, C) may be off, (M, J, N, C).

    As much as the image, but for what underflows relative to its brightness.
    """
    brightness = np.fmax(np.abs(image), 1e-3 * _brightest(image))
    rounded = np.where(brightness > 0.0, (noise - UNDERFLOW["f64"]) / brightness, 0.0)
    relative = np.fmax(ROUNDINGS * EPS, rounded)
    return np.asarray(np.fmax(noise, relative * np.fmax(np.abs(moved[:, 0]), np.abs(moved[:, 1]))))


def _per_change(changes: _Changes, noise: Array | float = 0.0) -> Array:
    """By how much values change per relative change of the data, beyond their noise.

    Args:
        changes: the size of a large change of the data and what it does, and those of a small one.
        noise: of the values; twice of it is in each of their changes.
    """
    (large, by_large), (small, by_small) = changes
    # A jump is as high after a small change of the data; it is no rate.
    is_jump = by_small > by_large / 16.0
    return np.fmax(
        np.maximum(by_large - 2.0 * noise, 0.0) / large,
        np.where(is_jump, 0.0, np.maximum(by_small - 2.0 * noise, 0.0) / small),
    )
