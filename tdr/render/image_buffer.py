"""What a pipeline renders into, and what it pulls back from."""

import functools

import numpy as np
import numpy.typing as npt

from tdr import backend


class ImageBuffer:
    """An image and the cotangent to be pulled back from it.

    Args:
        height: rows.
        width: columns.

    Attributes:
        values: (H, W, 3) linear RGB, row 0 at the top, background 0.
    """

    def __init__(self, height: int, width: int) -> None:
        self.values = np.zeros((height, width, 3), dtype=backend.dtype())

    @functools.cached_property
    def grad(self) -> npt.NDArray[np.floating]:
        """(H, W, 3) cotangent; fill it, in whole or pixel by pixel, before :meth:`Pipeline.backward`."""
        return np.zeros_like(self.values)

    def clear_grad(self) -> None:
        """Set the cotangent to zero; where nobody has asked for it yet, it takes no memory."""
        if "grad" in vars(self):
            self.grad.fill(0.0)

    def to_numpy(self) -> npt.NDArray[np.floating]:
        """A copy of the image, (H, W, 3) linear RGB."""
        return np.array(self.values)
