"""The runs of a sweep in the order of what was swept: the plain data that a sweep's pictures are drawn from."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tdr.results import naming
from tdr.results.record import RunRecord

MISSING = "MISSING"

DIRECTION, AZIMUTH, ELEVATION = "light.direction", "light.azimuth", "light.elevation"
_DEGREES = (AZIMUTH, ELEVATION, "camera.fov")

_TITLE = 28  # characters of a value in a title


@dataclass(frozen=True)
class SweptRun:
    """One job of a sweep, finished or not.

    Attributes:
        name: what it is called in MLflow.
        values: axis -> its value, as text, as on the command line.
        folder: where its files are.
        status: how it ended: ``FINISHED``, ``FAILED``, ``KILLED``, or ``MISSING`` where nothing says so.
        metrics: its metrics; None for a number that JSON does not have.
        verdict: what its check said: ``passed``, ``failed``, ``not comparable``, ``off``; empty if unknown.
        error: what ended it, in words, if it failed.
    """

    name: str
    values: Mapping[str, str]
    folder: Path
    status: str = "FINISHED"
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    verdict: str = ""
    error: str = ""

    @classmethod
    def read(cls, name: str, values: Mapping[str, str], folder: Path) -> SweptRun:
        """Read how a job ended from the ``record.json`` in its folder.

        Args:
            name: see :class:`SweptRun`.
            values: see :class:`SweptRun`.
            folder: where its files are; without a record, or without a folder, the run is ``MISSING``.

        Raises:
            InputError: if there is a record that cannot be read.
        """
        if not (folder / naming.RECORD).exists():
            return cls(name, values, folder, MISSING)
        record = RunRecord.read_json(folder / naming.RECORD)
        verdict, error = record.tags.get(naming.CHECK_TAG, ""), record.tags.get(naming.ERROR_TAG, "")
        return cls(name, values, folder, record.status, record.metrics, verdict, error)

    @property
    def finished(self) -> bool:
        """Whether it has left everything behind that a run leaves behind."""
        return self.status == "FINISHED"

    def metric(self, key: str) -> float:
        """One of its metrics; NaN where it has none."""
        value = self.metrics.get(key)
        return math.nan if value is None else float(value)


@dataclass(frozen=True)
class SweptAxis:
    """A key that varies in a sweep, and its values.

    Attributes:
        key: what varies, for example ``shader.shininess`` or ``light``.
        values: each value once, as text: ascending where all are numbers, else in the order given.
    """

    key: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, key: str, texts: Sequence[str]) -> SweptAxis:
        """The axis of the values that the runs have, in the order of the runs."""
        values = list(dict.fromkeys(texts))
        numbers = {text: _number(text) for text in values}
        if all(math.isfinite(number) for number in numbers.values()):
            values.sort(key=numbers.__getitem__)
        return cls(key, tuple(values))

    @property
    def numbers(self) -> npt.NDArray[np.float64] | None:
        """The values as numbers; None unless all of them are finite numbers."""
        numbers = np.array([_number(text) for text in self.values])
        return numbers if np.isfinite(numbers).all() else None

    @property
    def in_degrees(self) -> bool:
        """Whether the values are angles in degrees."""
        return self.key in _DEGREES

    @property
    def label(self) -> str:
        """The key, with the unit where it has one."""
        return f"{self.key} in degrees" if self.in_degrees else self.key


@dataclass(frozen=True)
class Swept:
    """A sweep: its axes, and its runs in the order of their values, along the last axis first.

    Attributes:
        axes: what varies; none for a sweep of one job.
        runs: all of them, also those that failed or never began.
    """

    axes: tuple[SweptAxis, ...]
    runs: tuple[SweptRun, ...]

    @classmethod
    def of(cls, keys: Sequence[str], runs: Sequence[SweptRun]) -> Swept:
        """Put runs into order.

        Args:
            keys: what varies; every run has a value for each.
            runs: at least one, in the order in which they were given.
        """
        axes = tuple(SweptAxis.of(key, [run.values[key] for run in runs]) for key in keys)
        swept = cls(axes, tuple(runs))
        return cls(axes, tuple(sorted(runs, key=swept.position)))

    def position(self, run: SweptRun) -> tuple[int, ...]:
        """Where a run stands: the index of its value on each axis."""
        return tuple(axis.values.index(run.values[axis.key]) for axis in self.axes)

    @property
    def grid(self) -> npt.NDArray[np.intp] | None:
        """Which run stands where on a sweep over two axes: (values of axis 1, values of axis 2), -1 for none.

        None if there are more or fewer axes, or two runs with the same values.
        """
        if len(self.axes) != 2:
            return None
        grid = np.full([len(axis.values) for axis in self.axes], -1)
        for i, run in enumerate(self.runs):
            if grid[self.position(run)] >= 0:
                return None
            grid[self.position(run)] = i
        return grid

    @property
    def heading(self) -> str:
        """What the titles of the runs say: the keys of the axes."""
        return ", ".join(axis.label for axis in self.axes) or "one job"

    def title(self, run: SweptRun) -> str:
        """The values of a run, short enough to stand above a small picture."""
        return ", ".join(short(run.values[axis.key]) for axis in self.axes) or run.name

    def caption(self, run: SweptRun) -> str:
        """The values of a run with their keys."""
        return ", ".join(f"{axis.key} = {short(run.values[axis.key])}" for axis in self.axes) or run.name

    def to_light(self) -> npt.NDArray[np.float64] | None:
        """The unit vector towards the light in each run, (runs, 3), world space.

        None unless the sweep is over the direction of one light and nothing else: over ``light.direction``, or over
        ``light.azimuth`` and ``light.elevation``.
        """
        keys = {axis.key for axis in self.axes}
        if keys == {DIRECTION}:
            vectors = [_one_vector(run.values[DIRECTION]) for run in self.runs]
            if any(vector is None for vector in vectors):
                return None
            towards = -np.array(vectors, np.float64)
        elif keys == {AZIMUTH, ELEVATION}:
            degrees = [[_number(run.values[key]) for key in (AZIMUTH, ELEVATION)] for run in self.runs]
            azimuth, elevation = np.deg2rad(degrees).T
            across = np.cos(elevation)
            towards = np.stack([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)], axis=1)
        else:
            return None
        length = np.linalg.norm(towards, axis=1, keepdims=True)
        return towards / length if (length > 0).all() and np.isfinite(length).all() else None


def short(text: str) -> str:
    """A value for a title: without the brackets around a single vector, cut where it is long, with true minus signs."""
    if text.startswith("[[") and text.endswith("]]") and text.count("[") == 2:
        text = text[1:-1]
    text = text.replace(" ", "")
    if len(text) > _TITLE:
        text = f"{text[:9]}…{text[10 - _TITLE :]}"
    return text if any(c.isalpha() for c in text.replace("e", "")) else text.replace("-", "\N{MINUS SIGN}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _one_vector(text: str) -> list[float] | None:
    """The vector of a list with one 3-vector, ``[[1,-1,-1]]``; None if the text is anything else."""
    try:
        (vector,) = ast.literal_eval(text)
        x, y, z = (float(number) for number in vector)
    except (ValueError, TypeError, SyntaxError):
        return None
    return [x, y, z]
