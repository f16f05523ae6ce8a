"""Starting Taichi: once, quietly, and in the precision that was asked for."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tdr
from tdr import backend
from tdr.backend import ti
from tdr.config import Arch, Precision
from tdr.errors import InputError

THREADS = ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK", "TI_CPU_MAX_NUM_THREADS")


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    """Run Python with every warning an error, in a process where nothing is imported yet."""
    command = [sys.executable, "-W", "error", "-c", code]
    root = Path(__file__).resolve().parents[1]
    variables = {key: value for key, value in os.environ.items() if key not in THREADS} | environment
    return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False, timeout=120)


def test_starting_again_in_the_same_precision_keeps_what_is_there(precision):
    epoch = backend.epoch()
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(0), resolution=(4, 4))
    tdr.start(precision)
    assert backend.epoch() == epoch
    assert backend.precision() is precision
    pipeline.passes.find_visible()
    assert (pipeline.passes.rasterizer.triangle_id_buffer >= 0).any()


def test_arrays_are_in_the_running_precision(precision):
    dtype = np.float64 if precision is Precision.f64 else np.float32
    assert backend.dtype() is dtype
    array = backend.array(np.arange(12.0).reshape(3, 4).T)
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, np.arange(12.0).reshape(3, 4).T)


def test_a_backend_that_is_not_there_is_named(restart):
    missing = Arch.metal if sys.platform != "darwin" else Arch.cuda
    with pytest.raises(InputError, match=rf"runtime\.arch must .*; got '{missing.value}'\. Use runtime\.arch=cpu"):
        tdr.start(Precision.f64, missing)
    restart()
    assert backend.precision() is Precision.f32


@pytest.mark.parametrize("key", ["precision", "arch"])
def test_what_does_not_exist_is_refused(precision, key):
    with pytest.raises(InputError, match=rf"runtime\.{key} must .*; got 'f16'"):
        tdr.start(**{key: "f16"})
    assert backend.precision() is precision, "what runs goes on"


@pytest.mark.usefixtures("f64")
def test_precision_and_backend_go_by_their_names():
    epoch = backend.epoch()
    tdr.start("f64", "cpu")
    assert backend.epoch() == epoch


@pytest.mark.parametrize("name", ["Pipeline", "PerspectiveCamera", "BlinnPhongShader", "compute_jacobian", "start"])
def test_whatever_is_used_first_prints_and_warns_nothing(name):
    finished = run(f"import tdr; tdr.{name}; tdr.start()")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({}, 1),
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"SLURM_CPUS_PER_TASK": "3"}, 3),
        ({"OMP_NUM_THREADS": "2", "SLURM_CPUS_PER_TASK": "3", "TI_CPU_MAX_NUM_THREADS": "4"}, 4),
    ],
)
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds a process to some of the cores")
def test_a_worker_uses_no_more_threads_than_its_share(environment, threads):
    finished = run(
        "import os\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import tdr, tdr.backend\n"
        "tdr.start()\n"
        "print(tdr.backend.ti.cfg.cpu_max_num_threads)",
        **environment,
    )
    assert (finished.stdout, finished.stderr) == (f"{threads}\n", "")


def test_a_share_that_is_no_number_is_refused():
    finished = run("import tdr; tdr.start()", OMP_NUM_THREADS="many")
    assert "OMP_NUM_THREADS must be a whole number, at least 1; got 'many'." in finished.stderr


def test_what_needs_no_taichi_does_not_import_it():
    finished = run(
        "import sys, tdr, tdr.config, tdr.errors, tdr.results.jacobian_images, tdr.config.parameters\n"
        "tdr.NormalsEstimator(tdr.TriangleMesh.cube())\n"
        "assert 'taichi' not in sys.modules"
    )
    assert finished.returncode == 0, finished.stderr


def test_the_precision_does_not_depend_on_what_was_imported_before():
    """A pixel that faces light and camera: 0.1 + 0.3 + 0.2 with the default constants, to the last bits of float64."""
    finished = run(
        "import tdr\n"
        "from tdr.config import Precision\n"
        "shader, camera = tdr.BlinnPhongShader(ambient=0.1, diffuse=0.3, specular=0.2), tdr.PerspectiveCamera()\n"
        "tdr.start(Precision.f64)\n"
        "mesh = tdr.TriangleMesh([[-9, -9, 0], [9, -9, 0], [0, 9, 0]], [[0, 1, 2]])\n"
        "pipeline = tdr.Pipeline(mesh, camera, shader=shader, resolution=(1, 1))\n"
        "pipeline.forward()\n"
        "print(repr(float(pipeline.output_buffer.values[0, 0, 0])))"
    )
    assert finished.returncode == 0, finished.stderr
    assert float(finished.stdout.splitlines()[-1]) == pytest.approx(0.6, abs=1e-14)


@ti.func
def without_left(x):
    return x.left


@ti.func
def without_right(x):
    return x.right


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("function", [without_left, without_right], ids=["left", "right"])
def test_errors_in_functions_name_their_own_lines(function):
    @ti.kernel
    def call():
        function(1.0)

    with pytest.raises(ti.TaichiCompilationError) as caught:
        call()
    side = function.__name__.removeprefix("without_")
    line = inspect.getsourcelines(function.__wrapped__)[1] + 2
    assert f"line {line}, in without_{side}:\n    return x.{side}\n           ^^^^" in str(caught.value)
