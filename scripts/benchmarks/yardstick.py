"""How fast the machine is at the moment: the time of arithmetic that no change of the project makes faster or slower.

It is of the kind that the project's kernels consist of, on as many threads. What else runs on the machine, and its
clock, slow both down alike; copying memory says little about either.
"""

import numpy as np

from tdr.backend import ti

_ENTRIES = 1 << 15
_STEPS = 8


class Yardstick:
    """The arithmetic, ready to be timed."""

    def __init__(self) -> None:
        self._values = np.full(_ENTRIES, 0.7)

    def compute(self) -> None:
        """Do it once: a few milliseconds."""
        _compute(self._values)
        ti.sync()


@ti.kernel
def _compute(values: ti.types.ndarray(dtype=ti.f64, ndim=1)):
    for i in range(values.shape[0]):
        value = values[i]
        for _ in range(_STEPS):
            value = ti.pow(ti.sqrt(value * value + 0.5) / (value + 1.5), 1.3)
        values[i] = value
