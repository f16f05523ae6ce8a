#!/usr/bin/env bash
# In a Taichi kernel x != x is False for NaN, and so is x != y where either is NaN; not (x == x) is True.
#
# Why it matters: IEEE 754, C, Python and NumPy say the opposite, and x != x is the usual way to write isnan, which Taichi
# cannot differentiate. A guard "if x != x: x = 0.0" lets every NaN through without a word.
# Since when: found on 1 December 2026 with Taichi 1.7.4, the newest release, with fast_math on or off, f32 and f64.
#
# Makes a virtual environment in a temporary folder, and fails if Taichi no longer behaves so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check taichi==1.7.4 numpy
cat >"$folder/unequal.py" <<'PYTHON'
import math

import taichi as ti


@ti.kernel
def compare(out: ti.template(), x: float):
    out[0] = x != x
    out[1] = x != 1.5
    out[2] = x == x
    out[3] = not (x == x)


print("Taichi", ".".join(map(str, ti.__version__)))
for precision in (ti.f64, ti.f32):
    ti.init(arch=ti.cpu, default_fp=precision, fast_math=False, log_level=ti.ERROR, offline_cache=False)
    out = ti.field(ti.i32, 4)
    compare(out, math.nan)
    found = [bool(value) for value in out.to_numpy()]
    print(precision, "of NaN: x != x, x != 1.5, x == x, not (x == x):", *found)
    assert found == [False, False, False, True], "Taichi no longer behaves so"
PYTHON
TI_SKIP_VERSION_CHECK=ON "$folder/venv/bin/python" "$folder/unequal.py"
