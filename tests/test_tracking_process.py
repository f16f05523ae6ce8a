import contextlib
import os
import signal
import subprocess
import sys


def test_it_ends_with_a_process_that_was_killed(tmp_path):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tdr.config import TrackingConfig\n"
        "from tdr.tracking_process import TrackingProcess\n"
        "print(TrackingProcess(TrackingConfig(), Path(sys.argv[1])).sweep_url('a sweep'), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        # Both processes write to the pipe, so this waits for the end of both.
        printed, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert "a%20sweep" in printed
