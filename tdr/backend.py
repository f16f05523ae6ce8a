"""Taichi is started here and nowhere else.

Importing this module imports Taichi, quietly: its banner and its daily version report are switched off. Other modules
of the package import Taichi from here, or after this one.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import warnings

import numpy as np
import numpy.typing as npt

from tdr.config import Arch, Precision
from tdr.errors import InputError, check_choice

os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")
os.environ.setdefault("TI_SKIP_VERSION_CHECK", "ON")
with warnings.catch_warnings():
    # Taichi 1.7.4 calls locale.getdefaultlocale while it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    import taichi as ti
    import taichi.math as tm

    from tdr.patches import taichi as taichi_patch

taichi_patch.install()

__all__ = [
    "array",
    "dtype",
    "ensure_started",
    "epoch",
    "precision",
    "start",
    "ti",
    "tm",
]

_started: tuple[Precision, Arch] | None = None
_epoch = 0


# Taichi keeps what it has compiled for the next start when it ends, which it otherwise does when Python clears it away.
atexit.register(ti.reset)


def start(precision: Precision | str = Precision.f32, arch: Arch | str = Arch.cpu) -> None:
    """Start Taichi, or keep it as it is if it already runs so.

    A change of precision or backend restarts it, which ends the life of every pipeline made before.

    ``fast_math`` is off: with it on, the batched Jacobian differs from the one-pixel loop in the last bit.
    ``force_scalarize_matrix`` is on: forward mode needs it, and reverse passes compile faster.

    Everything is computed in float64: the types of literals and locals, also those of users' shaders, do not depend on
    the precision. So a check can judge a run in ``f32`` as sharply as one in ``f64``.

    Args:
        precision: the floating-point type of images and derivatives, ``f32`` or ``f64``.
        arch: the backend: ``cpu``, ``cuda``, ``vulkan`` or ``metal``.

    Raises:
        InputError: if there is no such precision or backend, or this machine does not have the backend.
    """
    global _started, _epoch
    precision = check_choice("runtime.precision", Precision, precision)
    arch = check_choice("runtime.arch", Arch, arch)
    if _started == (precision, arch):
        return
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            ti.init(
                arch=getattr(ti, arch.value),
                default_fp=ti.f64,
                fast_math=False,
                force_scalarize_matrix=True,
                enable_fallback=False,
                unrolling_limit=0,  # no warnings: tdr.shaders.rules says what is too long
                log_level=ti.ERROR,
                **_num_threads(),
            )
    except RuntimeError as error:
        _started = None
        raise InputError(
            f"runtime.arch must be a backend that this machine has; got {arch.value!r}. Use runtime.arch=cpu."
        ) from error
    _started = (precision, arch)
    _epoch += 1


def _num_threads() -> dict[str, int]:
    """Taichi's setting for the threads of its CPU backend; left to TI_CPU_MAX_NUM_THREADS where that is set.

    By itself Taichi takes all cores of the machine, in each of the processes that share them. joblib and Ray tell a
    worker its share in OMP_NUM_THREADS, Slurm in SLURM_CPUS_PER_TASK.
    """
    if os.environ.get("TI_CPU_MAX_NUM_THREADS"):
        return {}
    for variable in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        text = os.environ.get(variable)
        if text:
            share = text.partition(",")[0]  # OpenMP takes a list, one for each level of nesting
            if not share.isdecimal() or int(share) < 1:
                raise InputError(f"{variable} must be a whole number, at least 1; got {text!r}.")
            return {"cpu_max_num_threads": int(share)}
    # macOS and Windows bind no process to some of the cores.
    return {"cpu_max_num_threads": len(os.sched_getaffinity(0))} if hasattr(os, "sched_getaffinity") else {}


def ensure_started() -> None:
    """Start Taichi with the defaults unless it runs already."""
    if _started is None:
        start()


def precision() -> Precision:
    """The precision that Taichi was started with."""
    ensure_started()
    assert _started is not None  # noqa: S101
    return _started[0]


def epoch() -> int:
    """How often Taichi was started; device memory of an earlier start must not be touched (Taichi would crash)."""
    ensure_started()
    return _epoch


def dtype() -> type[np.floating]:
    """The NumPy type of the running precision."""
    return np.float64 if precision() is Precision.f64 else np.float32


def array(values: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Values as a contiguous array of the running precision, ready to be a kernel's argument."""
    return np.ascontiguousarray(values, dtype=dtype())
