"""The commands that users type with all patches left out: slower, and the same to the bit."""

import subprocess
import sys

import numpy as np
import pytest
from command_line import SMALL, Command

from tdr.command.settings import ROOT

OFF = {"TDR_PATCHES": "off"}
TRACK_NOTHING = "tracking.enabled=false"
SWEEP = ("-m", "light=frontal,tilted", "shader.shininess=8,32", *SMALL)
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.fixture
def commands(tmp_path, server_database):
    """Two commands with folders of their own, for what is run with and without patches."""
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    return tuple(Command(tmp_path / name, server_database) for name in ("with", "without"))


def arrays(command):
    """All arrays that a command left, by file and name."""
    found = {}
    for path in [*command.folder.glob("run/*.npz"), *sorted(command.folder.glob("sweep/*/*.npz"))]:
        with np.load(path) as file:
            found |= {f"{path.relative_to(command.folder)} {name}": file[name] for name in file.files}
    return found


def assert_same_arrays(patched, plain, files):
    """Two commands left the same arrays, to the bit, in so many files."""
    left, right = arrays(patched), arrays(plain)
    assert len({key.partition(".npz")[0] for key in left}) == files
    assert left.keys() == right.keys()
    for key, values in left.items():
        assert (values.dtype, values.shape) == (right[key].dtype, right[key].shape)
        assert values.tobytes() == right[key].tobytes(), key


def test_a_run_and_its_help_are_the_same_without_patches(commands):
    patched, plain = commands
    overrides = ("light=tilted", "jacobian.parameters=all", *SMALL)
    patched(*overrides)
    done = plain(*overrides, **OFF)
    assert done.stderr == ""
    assert_same_arrays(patched, plain, 1)
    assert [run.info.status for run in plain.runs()] == ["FINISHED"]
    assert plain("--help", **OFF).stdout == plain("--help").stdout


@pytest.mark.parametrize("launcher", [(), JOBLIB], ids=["plain", "joblib"])
def test_a_sweep_is_the_same_without_patches(commands, launcher):
    patched, plain = commands
    patched(*SWEEP, TRACK_NOTHING, *launcher)
    done = plain(*SWEEP, TRACK_NOTHING, *launcher, **OFF)
    assert done.stderr == ""
    assert "4 of 4 jobs finished" in done.stdout
    assert_same_arrays(patched, plain, 4)
    assert patched.records().keys() == plain.records().keys()


def test_a_wrong_switch_is_answered_as_a_mistake(tmp_path):
    done = Command(tmp_path)("light=tilted", status=1, TDR_PATCHES="never")
    assert (done.stdout, done.stderr) == ("", "error: TDR_PATCHES must be on or off; got 'never'.\n")


def test_a_run_with_versions_that_were_not_tried_says_so_and_goes_on(tmp_path):
    command = Command(tmp_path)
    _, script, *overrides = command.line("image.width=4", *SMALL[1:], TRACK_NOTHING)
    code = (
        "import runpy, sys, hydra\n"
        "hydra.__version__ = '1.3.99'\n"
        f"sys.argv = {[script, *overrides]!r}\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=command.environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "patch      tdr.patches.hydra_start steps aside: it was tried with Hydra 1.3.2 to 1.3.8, this is 1.3.99\n"
    )
