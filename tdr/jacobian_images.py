"""The result of a run: a rendering and its Jacobian images, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.parameters import Column, Parameter, Reads, columns_of

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
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> JacobianImages:
        """Put together what :meth:`arrays` and :meth:`description` gave.

        Args:
            arrays: from :meth:`arrays`.
            description: from :meth:`description`.

        Raises:
            KeyError, TypeError, ValueError: if something is missing, or the arrays have other shapes than described.
        """
        parameters = tuple(
            Parameter(**{**given, "components": tuple(given["components"]), "reads": Reads(given["reads"])})
            for given in description["parameters"]
        )
        images = cls(
            image=arrays["image"],
            triangle_id=arrays["triangle_id"],
            parameters=parameters,
            values={parameter.name: arrays[parameter.name] for parameter in parameters},
            cotangents=np.array(description["cotangents"], np.float64),
            num_lights=description["num_lights"],
            method=description["method"],
            precision=description["precision"],
        )
        size, channels = images.triangle_id.shape, len(images.cotangents)
        expected = {"image": (*size, 3)}
        expected |= {p.name: (*size, channels, *p.shape(images.num_lights)) for p in parameters}
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has the shape {arrays[name].shape}, not {shape}")
        return images
