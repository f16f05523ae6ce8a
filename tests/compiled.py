"""A function for shaders, compiled by itself from its statements: its values, and its derivatives by both modes."""

import importlib.util
import itertools
import sys
import textwrap
from pathlib import Path

import numpy as np

from tdr import backend
from tdr.backend import ti
from tdr.shaders.rules import violations_in

HEADER = "import taichi as ti\nimport taichi.math as tm\n\n\n"
# As in the renderer, an argument is a sum: Taichi treats what it loads from a field in a way of its own.
KERNEL = """


@ti.kernel
def evaluate(c: ti.template(), a: ti.template(), shift: ti.template(), values: ti.template()):
    for k in c:
        values[k] = function(c[k] + shift[k], a[k] + shift[k])
"""
# Negative, exactly 0, and positive; no two alike.
C = np.array([-0.7, -0.2, 0.0, 0.1, 0.35, 0.62, 0.9, 1.4])
A = np.array([0.8, 1.3, 0.6, 1.1, 0.7, 0.9, 0.5, 1.2])

_numbers = itertools.count()
_memory: dict[int, list] = {}


def source_of(statements: str, before: str = "") -> str:
    """The text of a file with a function of two numbers, c and a."""
    body = textwrap.indent(statements.strip("\n"), "    ")
    return f"{HEADER}{before}\n@ti.func\ndef function(c, a):\n{body}\n"


def rules_of(statements: str, before: str = "") -> set[str]:
    """The rules that a function breaks."""
    return {violation.rule for violation in violations_in(source_of(statements, before))}


class Compiled:
    """A function of two numbers, c and a, evaluated at :data:`C` and :data:`A` in float64.

    Args:
        folder: where its file is written, because Taichi reads the source of what it compiles.
        statements: its body.
        before: what stands before it in its file.
    """

    def __init__(self, folder: Path, statements: str, before: str = "") -> None:
        path = folder / f"function_{next(_numbers)}.py"
        path.write_text(source_of(statements, before) + KERNEL)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.evaluate = module.evaluate
        if backend.epoch() not in _memory:
            _memory[backend.epoch()] = [
                ti.field(ti.f64, len(C), needs_grad=True, needs_dual=True) for _ in ("c", "a", "shift", "values")
            ]
        self.fields = _memory[backend.epoch()]

    def values(self, c: np.ndarray = C, a: np.ndarray = A) -> np.ndarray:
        """Its values."""
        self._load(c, a)
        self.evaluate(*self.fields)
        return self.fields[-1].to_numpy()

    def reverse(self) -> np.ndarray:
        """Its derivatives by c and by a (2, N), in reverse mode."""
        self._load(C, A)
        for field in self.fields:
            field.grad.fill(0.0)
        self.fields[-1].grad.fill(1.0)
        self.evaluate.grad(*self.fields)
        return np.stack([field.grad.to_numpy() for field in self.fields[:2]])

    def forward(self) -> np.ndarray:
        """Its derivatives by c and by a (2, N), in forward mode."""
        self._load(C, A)
        derivatives = []
        for field in self.fields[:2]:
            with ti.ad.FwdMode(loss=self.fields[-1], param=field, seed=[1.0] * len(C)):
                self.evaluate(*self.fields)
            derivatives.append(self.fields[-1].dual.to_numpy())
        return np.stack(derivatives)

    def differences(self) -> np.ndarray:
        """Its derivatives by c and by a (2, N), by central differences; NaN where two steps disagree."""
        by_step = []
        for h in (1e-5, 3e-5):
            by_c = self.values(C + h) - self.values(C - h)
            by_a = self.values(a=A + h) - self.values(a=A - h)
            by_step.append(np.stack([by_c, by_a]) / (2.0 * h))
        small, large = by_step
        return np.where(np.abs(large - small) < 1e-6 * (1.0 + np.abs(small)), small, np.nan)

    def _load(self, c: np.ndarray, a: np.ndarray) -> None:
        for field, numbers in zip(self.fields, (c, a), strict=False):
            field.from_numpy(numbers)
