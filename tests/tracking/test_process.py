import contextlib
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tdr.config import TrackingConfig
from tdr.tracking.mlflow_client import TrackingError
from tdr.tracking.process import TrackingProcess


@pytest.fixture
def folder(tmp_path, server_database):
    """A folder with a database, because making one takes seconds."""
    shutil.copy(server_database, tmp_path)
    return tmp_path


@pytest.fixture
def process(folder):
    process = TrackingProcess(TrackingConfig(), folder)
    yield process
    process.close()


def test_a_process_that_was_killed_is_named_and_replaced(process):
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(TrackingError, match="must keep running; it was killed"):
        process.run_url("some-run")
    assert "some-run" in process.run_url("some-run")


def test_errors_come_from_where_they_were_raised(process, tmp_path):
    with pytest.raises(TrackingError, match=rf"tracking.uri must .*; got sqlite:///{tmp_path}"):
        process.runs_of("'")
    with pytest.raises(TypeError, match="missing") as caught:
        process._call("run_url")
    assert "Traceback" in str(caught.value.__cause__)


def test_an_answer_that_nobody_waits_for_is_not_taken_for_the_next(process, monkeypatch):
    class Interrupted:
        def __init__(self, future):
            self._future = future

        def result(self):
            raise KeyboardInterrupt

    submit = process._line.submit
    monkeypatch.setattr(process._line, "submit", lambda *call: Interrupted(submit(*call)))
    with pytest.raises(KeyboardInterrupt):
        process.run_url("first")
    monkeypatch.undo()
    assert "second" in process.run_url("second")


def test_it_ends_with_a_process_that_was_killed(folder):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tdr.config import TrackingConfig\n"
        "from tdr.tracking.process import TrackingProcess\n"
        "print(TrackingProcess(TrackingConfig(), Path(sys.argv[1])).sweep_url('a sweep'), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        # Both processes write to the pipe, so this waits for the end of both.
        printed, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert "a%20sweep" in printed
