"""Functions for shaders, compiled by themselves from their statements: values, and derivatives by both modes."""

import functools
import importlib.util
import itertools
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tdr import backend
from tdr.backend import ti
from tdr.shaders.rules import violations_in

HEADER = "import taichi as ti\nimport taichi.math as tm\n\n\n"
# Negative, exactly 0, and positive; no two alike.
C = np.array([-0.7, -0.2, 0.0, 0.1, 0.35, 0.62, 0.9, 1.4])
A = np.array([0.8, 1.3, 0.6, 1.1, 0.7, 0.9, 0.5, 1.2])

_TOGETHER = 8  # functions in a kernel
_numbers = itertools.count()


def function(statements: str, name: str = "function") -> str:
    """The text of a function of two numbers, c and a."""
    return f"@ti.func\ndef {name}(c, a):\n{textwrap.indent(statements, '    ')}\n\n\n"


def rules_of(statements: str, before: str = "") -> set[str]:
    """The rules that a function breaks, and what stands before it in its file."""
    return {violation.rule for violation in violations_in(HEADER + before + function(statements))}


class Compiled:
    """Functions of two numbers, c and a, evaluated at :data:`C` and :data:`A` in float64.

    Several share a kernel, because each kernel takes a while; none sees another's arguments.

    Args:
        folder: where their files are written, because Taichi reads the source of what it compiles.
        bodies: the statements of each.
        before: what stands before them in the file.
    """

    def __init__(self, folder: Path, bodies: Sequence[str], before: str = "") -> None:
        self.kernels = [_Kernel(folder, bodies[n : n + _TOGETHER], before) for n in range(0, len(bodies), _TOGETHER)]

    def values(self, c: np.ndarray = C, a: np.ndarray = A) -> np.ndarray:
        """Their values (F, N)."""
        return np.concatenate([kernel.values(c, a) for kernel in self.kernels])

    def reverse(self) -> np.ndarray:
        """Their derivatives by c and by a (F, 2, N), in reverse mode."""
        return np.concatenate([kernel.reverse() for kernel in self.kernels])

    def forward(self) -> np.ndarray:
        """Their derivatives by c and by a (F, 2, N), in forward mode."""
        return np.concatenate([kernel.forward() for kernel in self.kernels])

    def differences(self) -> np.ndarray:
        """Their derivatives by c and by a (F, 2, N), by central differences; NaN where two steps disagree."""
        small, large = (
            np.stack([self.values(C + h) - self.values(C - h), self.values(a=A + h) - self.values(a=A - h)], axis=1)
            / (2.0 * h)
            for h in (1e-5, 3e-5)
        )
        return np.where(np.abs(large - small) < 1e-6 * (1.0 + np.abs(small)), small, np.nan)


class _Kernel:
    def __init__(self, folder: Path, bodies: Sequence[str], before: str) -> None:
        path = folder / f"functions_{next(_numbers)}.py"
        lines = [f"    for k in range({len(C)}):"]
        for n in range(len(bodies)):
            place = f"{len(bodies)} * k + {n}"
            # As in the renderer, an argument is a sum: Taichi treats what it loads from a field in a way of its own.
            arguments = ", ".join(f"{name}[{place}] + shift[{place}]" for name in "ca")
            lines.append(f"        out[{place}] = function_{n}({arguments})")
        head = "@ti.kernel\ndef evaluate(c: ti.template(), a: ti.template(), shift: ti.template(), out: ti.template()):"
        functions = "".join(function(body, f"function_{n}") for n, body in enumerate(bodies))
        path.write_text(HEADER + before + functions + "\n".join([head, *lines]) + "\n")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.evaluate, self.count = module.evaluate, len(bodies)
        self.fields = _fields(backend.epoch())

    def values(self, c: np.ndarray = C, a: np.ndarray = A) -> np.ndarray:
        for field, numbers in zip(self.fields, (c, a), strict=False):
            field.from_numpy(np.resize(np.repeat(numbers, self.count), field.shape))
        self.evaluate(*self.fields)
        return self._of_each(self.fields[-1])

    def reverse(self) -> np.ndarray:
        self.values()
        for field in self.fields:
            field.grad.fill(0.0)
        self.fields[-1].grad.fill(1.0)
        self.evaluate.grad(*self.fields)
        return np.stack([self._of_each(field.grad) for field in self.fields[:2]], axis=1)

    def forward(self) -> np.ndarray:
        self.values()
        derivatives = []
        for field in self.fields[:2]:
            with ti.ad.FwdMode(loss=self.fields[-1], param=field, seed=[1.0] * (len(C) * _TOGETHER)):
                self.evaluate(*self.fields)
            derivatives.append(self._of_each(self.fields[-1].dual))
        return np.stack(derivatives, axis=1)

    def _of_each(self, field: Any) -> np.ndarray:
        return field.to_numpy()[: len(C) * self.count].reshape(len(C), self.count).T


@functools.cache
def _fields(_epoch: int) -> list[Any]:
    """For c, a, what is added to them, and the result; one set, because Taichi compiles all fields for each new one."""
    return [ti.field(ti.f64, len(C) * _TOGETHER, needs_grad=True, needs_dual=True) for _ in range(4)]
