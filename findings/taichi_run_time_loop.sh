#!/usr/bin/env bash
# Taichi's reverse mode gets run-time loops wrong without a word: of a value from before the loop that only the loop reads,
# and of exp (tanh, rsqrt, max, min) of what the loop carries. Forward mode is right, and so are ti.static loops.
#
# Why it matters: the sum of three samples in a loop renders as it should; its derivative is 0 or one trip's share of it.
# What is collected for the value begins at 0 in each trip of the reversed loop, and of exp's result only the last trip's is
# kept. A loop that carries only its own result, by products and sines, is right.
# Since when: found on 1 December 2026 with Taichi 1.7.4, the newest release.
#
# Makes a virtual environment in a temporary folder, and fails if Taichi no longer behaves so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check taichi==1.7.4 numpy
cat >"$folder/loops.py" <<'PYTHON'
import math

import taichi as ti

ti.init(arch=ti.cpu, default_fp=ti.f64, fast_math=False, force_scalarize_matrix=True, log_level=ti.ERROR,
        offline_cache=False)
x, values = (ti.field(ti.f64, 1, needs_grad=True) for _ in range(2))


@ti.kernel
def from_before():
    for k in x:
        c, total = 2.0 * x[k], 0.0
        for i in range(4):
            total += ti.sin(c * i)
        values[k] = total


@ti.kernel
def exponential():
    for k in x:
        carried = x[k]
        for i in range(4):
            carried = ti.exp(-carried)
        values[k] = carried


@ti.kernel
def own_result():
    for k in x:
        carried = x[k]
        for i in range(4):
            carried = ti.sin(carried) * carried + 0.1 * i
        values[k] = carried


def derivatives(kernel):
    def value(number):
        x[0] = number
        kernel()
        return values[0]

    expected = (value(0.4 + 1e-6) - value(0.4 - 1e-6)) / 2e-6
    value(0.4)
    x.grad.fill(0.0)
    values.grad.fill(1.0)
    kernel.grad()
    return x.grad[0], expected


print("Taichi", ".".join(map(str, ti.__version__)))
for kernel, is_right in ((from_before, False), (exponential, False), (own_result, True)):
    found, expected = derivatives(kernel)
    print(f"{kernel.__name__:12s} reverse mode {found:+.6f}, central difference {expected:+.6f}")
    assert math.isclose(found, expected, rel_tol=1e-6) == is_right, "Taichi no longer behaves so"
PYTHON
TI_SKIP_VERSION_CHECK=ON "$folder/venv/bin/python" "$folder/loops.py"
