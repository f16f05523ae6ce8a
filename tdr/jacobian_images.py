"""The result of a run: a rendering and its Jacobian images, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.parameters import Column, Parameter, columns_of

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class JacobianImages:
    """How every pixel of a rendering changes with each number of some parameters.

    The triangle that a pixel sees is held fixed, so the values hold inside each visible triangle; that a silhouette
    moves over a pixel is not part of them.

    Attributes:
        image: (H, W, 3) linear RGB; row 0 is the top.
        triangle_id: (H, W) int32, the triangle that each pixel sees, -1 for background.
        parameters: what was differentiated with respect to.
        values: parameter name -> (H, W, C, *parameter shape); entry [r, c, k] is the derivative of
            ``cotangents[k] . image[r, c]``.
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

    def __getitem__(self, name: str) -> Array:
        """The Jacobian images of one parameter, (H, W, C, *parameter shape)."""
        return self.values[name]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column, parameter by parameter."""
        return columns_of(self.parameters, self.num_lights)

    def column(self, column: Column) -> Array:
        """The Jacobian image of one column, (H, W, C)."""
        entry = (Ellipsis, *column.index)
        return np.asarray(self.values[column.parameter.name][entry])  # type: ignore[index]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What ``jacobian.npz`` holds: ``image``, ``triangle_id`` and one array a parameter under its own name."""
        return {"image": self.image, "triangle_id": self.triangle_id, **self.values}
