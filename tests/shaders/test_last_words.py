"""What is said when a process ends in the middle of something, and that nothing is said otherwise."""

import signal
import subprocess
import sys

import pytest

START = "import os, signal, sys\nfrom tdr.shaders.last_words import last_words\n"


def stderr_of(*lines: str) -> str:
    script = START + "\n".join(lines)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60).stderr


@pytest.mark.parametrize("end", ["os.abort()", f"os.kill(os.getpid(), {int(signal.SIGKILL)})", "os._exit(3)"])
def test_they_are_said_when_the_process_ends(end):
    lines = ["with last_words('the first'): pass", "with last_words('caf\u00e9 was open'):", f"    {end}"]
    assert stderr_of(*lines) == "caf\u00e9 was open\n"


@pytest.mark.parametrize(
    "lines",
    [
        ["with last_words('it'): pass"],
        ["with last_words('it'): pass", "os.abort()"],
        ["try:", "    with last_words('it'): 1 / 0", "except ZeroDivisionError: pass"],
        ["with last_words('it'): sys.exit(3)"],
    ],
)
def test_they_are_not_said_otherwise(lines):
    assert stderr_of(*lines) == ""


def test_an_interrupt_is_left_to_the_process():
    lines = ["try:", "    with last_words('it'): os.killpg(0, signal.SIGINT)", "except KeyboardInterrupt: pass"]
    script = START + "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert (done.returncode, done.stderr) == (0, "")
