#!/usr/bin/env bash
# Ctrl-C or a signal that arrives while Taichi asks a value what it is, as it does for every name that it compiles, is
# swallowed: the program goes on, and Taichi takes the value for none of its own.
#
# Why it matters: Python promises that KeyboardInterrupt ends what goes on unless somebody catches it. Bare "except" clauses in
# taichi/lang/util.py (is_matrix_class, is_taichi_class) and kernel_impl.py catch it. A scheduler's SIGTERM, turned into
# KeyboardInterrupt, is lost, or a kernel fails to compile with a message about something else. Keep the signal in a variable.
# Since when: found on 1 December 2026 with Taichi 1.7.4, the newest release.
#
# Makes a virtual environment in a temporary folder, and fails if Taichi no longer behaves so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check taichi==1.7.4 numpy
cat >"$folder/interrupted.py" <<'PYTHON'
import os
import signal
import time

import taichi as ti
from taichi.lang.util import is_matrix_class, is_taichi_class


class Asked:
    """A value that is being asked what it is when Ctrl-C is pressed."""

    def __getattr__(self, name):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10.0)
        return True


signal.signal(signal.SIGINT, signal.default_int_handler)
print("Taichi", ".".join(map(str, ti.__version__)))
for question in (is_matrix_class, is_taichi_class):
    answer = question(Asked())
    print(f"{question.__name__}: interrupted, and answered {answer}")
    assert answer is False, "Taichi no longer behaves so"
PYTHON
TI_SKIP_VERSION_CHECK=ON "$folder/venv/bin/python" "$folder/interrupted.py"
