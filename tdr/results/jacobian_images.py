"""The result of a run: a rendering and its Jacobian images, as plain arrays.

Images that are too large to be held in memory are arrays on disk (:class:`tdr.results.array_files.ArrayFiles`). What
goes through all entries takes some rows at a time, whatever the size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column, Parameter, Reads, columns_of
from tdr.errors import UnknownName, did_you_mean
from tdr.results import naming
from tdr.words import counted

Array = npt.NDArray[np.floating]

_BAND = 1 << 16  # how many entries of a column to work on at a time


def row_bands(shape: tuple[int, ...]) -> list[slice]:
    """Rows of an image to be worked on at a time: so few that what is computed from them stays in the cache.

    Args:
        shape: (H, W, ...) of the image.

    Returns:
        All rows, in order.
    """
    height, size = shape[0], int(np.prod(shape))
    count = max(1, min(height, 1 + size // _BAND))
    ends = [height * i // count for i in range(count + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(ends)]


def entries_of(values: Array, index: tuple[int, ...]) -> Array:
    """One column of a parameter's entries: a view.

    Args:
        values: (H, W, C, *parameter shape).
        index: where the column stands in the parameter's shape.

    Returns:
        (H, W, C).
    """
    entry = (Ellipsis, *index)
    return np.asarray(values[entry])  # type: ignore[index]


@dataclass(frozen=True, repr=False)
class JacobianImages:
    """How every pixel of a rendering changes with each number of some parameters.

    The triangle that a pixel sees is held fixed, so the values hold inside each visible triangle; that a silhouette
    moves over a pixel is not part of them.

    Attributes:
        image: (H, W, 3) linear RGB; row 0 is the top.
        triangle_id: (H, W) int32, the triangle that each pixel sees, -1 for background.
        parameters: what was differentiated with respect to.
        values: parameter name -> (H, W, C, *parameter shape); entry [r, c, k] is the derivative of
            ``cotangents[k] . image[r, c]``. Arrays on disk are mapped whenever they are asked for.
        cotangents: (C, 3) weights of R, G and B; C is 1, or 3 for the channels separately.
        num_lights: how many lights the scene has.
        method: ``batched`` or ``loop``.
        precision: ``f32`` or ``f64``.
    """

    image: Array
    triangle_id: npt.NDArray[np.int32]
    parameters: tuple[Parameter, ...]
    values: Mapping[str, Array]
    cotangents: npt.NDArray[np.float64]
    num_lights: int
    method: str
    precision: str

    def __repr__(self) -> str:
        """One line, which also fits a notebook's cell; the arrays are there to be asked for."""
        height, width = self.triangle_id.shape
        by = ", ".join(f"{p.name} {counted(len(columns_of([p], self.num_lights)), 'column')}" for p in self.parameters)
        channels = ", R, G and B separately" if len(self.cotangents) == 3 else ""
        return f"<JacobianImages {width} x {height} pixels, {self.precision}, {self.method}{channels}: {by}>"

    def __getitem__(self, name: str) -> Array:
        """The Jacobian images of one parameter, (H, W, C, *parameter shape), or that of one column, (H, W, C).

        Args:
            name: of a parameter, such as ``light.direction``, or of a column, such as ``light.direction.0.x``.

        Raises:
            InputError: if neither has that name; it is a KeyError too.
        """
        if name in self.values:
            return self.values[name]
        columns = {column.name: column for column in self.columns}
        if name not in columns:
            known = [*self.values, *columns]
            raise UnknownName(
                f"A Jacobian image must be asked for by one of the names {', '.join(self.values)}, or a column's; "
                f"got {name!r}.{did_you_mean(str(name), known)}"
            )
        return self.column(columns[name])

    def __contains__(self, name: object) -> bool:
        """Whether a parameter, or a column, of that name is there."""
        return name in self.values or any(column.name == name for column in self.columns)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column, parameter by parameter."""
        return columns_of(self.parameters, self.num_lights)

    def column(self, column: Column) -> Array:
        """The Jacobian image of one column, (H, W, C)."""
        return entries_of(self.values[column.parameter.name], column.index)

    def bands(self, parameter: Parameter) -> Iterator[tuple[slice, Array]]:
        """The Jacobian images of a parameter, some rows at a time: the rows, and (rows, W, C, *parameter shape)."""
        for rows in row_bands((*self.triangle_id.shape, len(self.cotangents))):
            yield rows, self.values[parameter.name][rows]

    def sampled(self, column: Column, stride: int) -> Array:
        """A column at one of every ``stride`` x ``stride`` pixels, (H / stride, W / stride, C), rounded up."""
        parts = []
        for rows, band in self.bands(column.parameter):
            part = band[-rows.start % stride :: stride, ::stride]
            parts.append(entries_of(part, column.index).copy())
        return np.concatenate(parts)

    def largest_magnitudes(self, parameter: Parameter) -> npt.NDArray[np.float64]:
        """The largest magnitude of each column's finite entries, of the parameter's shape; 0 if there are none."""
        largest = np.zeros(parameter.shape(self.num_lights))
        for _, band in self.bands(parameter):
            for index in np.ndindex(largest.shape):
                magnitudes = np.abs(entries_of(band, index))
                most = magnitudes.max()
                if not np.isfinite(most):
                    most = magnitudes[np.isfinite(magnitudes)].max(initial=0.0)
                largest[index] = max(largest[index], most)
        return largest

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What is kept on disk: ``image``, ``triangle_id`` and one array a parameter under its own name."""
        return {naming.IMAGE: self.image, naming.TRIANGLE_ID: self.triangle_id, **self.values}

    def description(self) -> dict[str, Any]:
        """What :meth:`from_arrays` needs besides the arrays; ``jacobian.json`` holds it."""
        return {
            "parameters": [{**asdict(parameter), "reads": parameter.reads.value} for parameter in self.parameters],
            "cotangents": self.cotangents.tolist(),
            "num_lights": self.num_lights,
            "method": self.method,
            "precision": self.precision,
        }

    @classmethod
    def from_arrays(
        cls,
        image: Array,
        triangle_id: npt.NDArray[np.int32],
        values: Mapping[str, Array],
        description: Mapping[str, Any],
    ) -> JacobianImages:
        """Put together what :meth:`arrays` and :meth:`description` gave.

        Args:
            image: see :class:`JacobianImages`, likewise ``triangle_id`` and ``values``.
            triangle_id: likewise.
            values: likewise.
            description: from :meth:`description`.

        Raises:
            KeyError, TypeError, ValueError: if something is missing, or the arrays have other shapes than described.
        """
        parameters = tuple(
            Parameter(**{**given, "components": tuple(given["components"]), "reads": Reads(given["reads"])})
            for given in description["parameters"]
        )
        images = cls(
            image=image,
            triangle_id=triangle_id,
            parameters=parameters,
            values=values,
            cotangents=np.array(description["cotangents"], np.float64),
            num_lights=description["num_lights"],
            method=description["method"],
            precision=description["precision"],
        )
        size, channels = images.triangle_id.shape, len(images.cotangents)
        expected = {naming.IMAGE: (*size, 3)}
        expected |= {p.name: (*size, channels, *p.shape(images.num_lights)) for p in parameters}
        arrays = images.arrays()
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has the shape {arrays[name].shape}, not {shape}")
        return images
