"""What a check of Jacobian images found, as plain data: numbers a column, and a verdict."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column
from tdr.words import counted


class Verdict(enum.Enum):
    """How a check ended."""

    passed = "passed"
    failed = "failed"
    not_comparable = "not comparable"


class Place(enum.IntEnum):
    """What a check did at a pixel, or why it could do nothing there.

    The first three were not looked at or compared; the others are excluded, each for the cause that it names.
    """

    background = 0  # no triangle is visible
    unsampled = 1  # a quick check did not look at the pixel
    interior = 2  # compared; all neighbours see the same piece of surface
    boundary = 3  # compared; a neighbour sees the background, or a triangle that shares no vertex
    visibility = 4  # the visible triangle changes at every step of the finite differences
    light_edge = 5  # the surface is parallel to a light: n.l = 0, where max(0, n.l) has its kink
    highlight_edge = 6  # n.h = 0, where max(0, n.h) has its kink
    kink = 7  # the slopes to the two sides differ, and neither of those explains it
    undefined = 8  # the image is not finite there, or at every step
    imprecise = 9  # the finite differences are too uncertain to compare with


COMPARED = (Place.interior, Place.boundary)
EXCLUDED = tuple(place for place in Place if place > Place.boundary)


@dataclass(frozen=True)
class ComparedEntry:
    """One entry of a Jacobian image beside the value that it was compared with.

    Attributes:
        row: the pixel's row; 0 is the top.
        column: the pixel's column.
        channel: 0, 1, 2 for R, G, B where the channels were differentiated separately, else None.
        value: the entry.
        reference: what the independent method gives.
        tolerance: by how much they may differ.
    """

    row: int
    column: int
    channel: int | None
    value: float
    reference: float
    tolerance: float


@dataclass(frozen=True)
class StepCurve:
    """How finite differences of one entry depend on their step.

    Attributes:
        name: the entry's column.
        unit: the unit of the step.
        entry: the entry.
        steps: (J,) steps, from large to small.
        differences: (J,) central differences; NaN where there is none.
    """

    name: str
    unit: str
    entry: ComparedEntry
    steps: npt.NDArray[np.float64]
    differences: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColumnCheck:
    """One column against an independent method. Errors are relative to the column's largest entry.

    Attributes:
        column: the column.
        verdict: whether every compared entry is within its tolerance; not comparable if too few could be compared.
        scale: the largest magnitude among the column's entries.
        max_error: the largest difference, relative to ``scale``.
        median_error: the median difference, likewise.
        l2_error: the Euclidean norm of all differences over that of the references.
        cosine: of the angle between entries and references; 1 if both are zero.
        tolerance: the largest tolerance of a compared entry, relative to ``scale``.
        worst: the compared entry whose difference is the largest multiple of its tolerance; None if there is none.
        max_errors: ``interior`` and ``boundary`` -> the largest difference there, relative to ``scale``.
        tolerances: ``interior`` and ``boundary`` -> the largest tolerance there, relative to ``scale``.
        places: how many pixels there are of each place.
        out_of_tolerance: how many entries differ by more than their tolerance.
        forward_error: the largest difference of reverse and forward mode, relative to ``scale``; None where only one
            was run.
        findings: what is wrong, in words, and the usual causes; empty if nothing is. A column may have one without
            having failed: that nothing depends on its parameter, for example.
    """

    column: Column
    verdict: Verdict
    scale: float
    max_error: float
    median_error: float
    l2_error: float
    cosine: float
    tolerance: float
    worst: ComparedEntry | None
    max_errors: Mapping[str, float]
    tolerances: Mapping[str, float]
    places: Mapping[Place, int]
    out_of_tolerance: int
    forward_error: float | None
    findings: tuple[str, ...]

    @property
    def zero(self) -> bool:
        """Whether no pixel changes with the column, so that all of its entries are 0."""
        return self.scale == 0.0

    @property
    def excess(self) -> float:
        """The difference of the worst entry in multiples of its tolerance; 0 if there is none."""
        if self.worst is None:
            return 0.0
        difference = abs(self.worst.value - self.worst.reference)
        if not np.isfinite(difference):
            return np.inf
        return difference / max(self.worst.tolerance, float(np.finfo(np.float64).tiny))


@dataclass(frozen=True)
class DirectionCheck:
    """A random direction v of all columns together, at many pixels, with a random cotangent w.

    Attributes:
        tangent: ``<w, Jv>``, with the directional derivative Jv from finite differences.
        cotangent: ``<J^T w, v>``, with J from the Jacobian images.
        tolerance: by how much they may differ.
        pixels: how many pixels were compared.
        out_of_tolerance: how many entries of Jv differ by more than their tolerance.
    """

    tangent: float
    cotangent: float
    tolerance: float
    pixels: int
    out_of_tolerance: int


@dataclass(frozen=True, repr=False)
class CheckResult:
    """What a check found.

    Attributes:
        mode: ``quick`` or ``full``.
        precision: of the run, ``f32`` or ``f64``.
        method: what was checked, ``batched`` for example.
        reference: what it was checked against, in words.
        verdict: of the whole.
        columns: one check a column.
        direction: the check of a random direction; None in a full check.
        findings: what is wrong with the whole, in words: a repetition that differs, rounding noise.
        sampled: how many pixels were looked at in every column.
        place: (H, W) uint8, what was done at each pixel (:class:`Place`); of several columns the highest number.
        pixels: (N,) int32 the pixels that were looked at, as row * W + column, in that order.
        errors: (N,) the largest difference of any column at each of them, relative to the column's scale; NaN where
            nothing was compared.
        excesses: (N,) the largest difference over its tolerance; above 1 is out of tolerance.
        curve: the steps at the entry that is worst of all; None if there is none.
    """

    mode: str
    precision: str
    method: str
    reference: str
    verdict: Verdict
    columns: tuple[ColumnCheck, ...]
    direction: DirectionCheck | None
    findings: tuple[str, ...]
    sampled: int
    place: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.int32]
    errors: npt.NDArray[np.float64]
    excesses: npt.NDArray[np.float64]
    curve: StepCurve | None

    def __repr__(self) -> str:
        """One line, which also fits a notebook's cell; the images and columns are there to be asked for."""
        columns = counted(len(self.columns), "column")
        worst = "nothing compared"
        if self.worst is not None and self.worst.worst is not None:
            entry, scale = self.worst.worst, self.worst.scale
            error = abs(entry.value - entry.reference)
            of = " of the largest entry" if 0 < scale < np.inf else ""
            worst = (
                f"worst {self.worst.column.name}: error {error / scale if of else error:.2g}{of}, "
                f"{self.worst.excess:.2g} times its tolerance"
            )
        return f"<CheckResult {self.verdict.value}: {self.mode}, {columns}, {worst}>"

    @property
    def error(self) -> npt.NDArray[np.float64]:
        """``errors`` as an image (H, W), NaN where nothing was compared."""
        return self._image(self.errors)

    @property
    def excess(self) -> npt.NDArray[np.float64]:
        """``excesses`` as an image (H, W), NaN where nothing was compared."""
        return self._image(self.excesses)

    def _image(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        image = np.full(self.place.shape, np.nan)
        image.reshape(-1)[self.pixels] = values
        return image

    def count_places(self) -> dict[Place, int]:
        """How many pixels of the image there are of each place."""
        counts = np.sum([np.bincount(row, minlength=len(Place)) for row in self.place], axis=0)
        return {place: int(counts[place]) for place in Place if counts[place]}

    @property
    def worst(self) -> ColumnCheck | None:
        """The column with the entry whose difference is the largest multiple of its tolerance."""
        judged = [check for check in self.columns if check.worst is not None]
        return max(judged, key=lambda check: check.excess, default=None)
