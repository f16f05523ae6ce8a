"""What is done around an experiment's own computation, for one that computes next to nothing."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tdr.command.settings import ROOT

EXPERIMENT = """
import os
import signal
import sys
import time

from tdr.command import job, launch


def swallow_an_interruption(number):
    try:
        os.kill(os.getpid(), number)
        time.sleep(60)
    except:
        pass


def run(config, folder, stopwatch):
    from tdr.results.check_result import Verdict

    with stopwatch.measure("counting"):
        pixels = config.image.width * config.image.height
    if config.image.width == 13:
        raise ZeroDivisionError("thirteen ![x](y)")
    if config.image.width in (17, 19):
        swallow_an_interruption(signal.SIGINT if config.image.width == 17 else signal.SIGTERM)
        if config.image.height == 23:
            raise ValueError("a kernel is half compiled")
    (folder / "pixels.txt").write_text(str(pixels))
    verdict = Verdict.failed if pixels > 1000 else None
    return job.Outcome({"scene/pixels": pixels}, verdict, [f"counted    {pixels} pixels"], "Only pixels.")


if __name__ == "__main__":
    sys.exit(launch.launch(job.command(run, "jacobian")))
"""


@pytest.fixture
def start(tmp_path):
    """Runs the experiment with overrides; the exit status must be the expected one."""
    (tmp_path / "counting.py").write_text(EXPERIMENT)

    def start(*overrides, status=0):
        options = ["tracking.enabled=false", f"hydra.run.dir={tmp_path}/run", f"hydra.sweep.dir={tmp_path}/sweep"]
        line = [sys.executable, str(tmp_path / "counting.py"), *options, *overrides]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "TDR_FULL_ERROR": "0"}
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "env": variables, "timeout": 120}
        # What starts the tests in the background may ignore Ctrl-C, and so would all that they start.
        done = subprocess.run(line, **options, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return start


@pytest.mark.parametrize(("width", "status"), [(17, 130), (19, 143)])
@pytest.mark.parametrize("height", [23, 24], ids=["and raises", "and goes on"])
def test_an_interruption_that_somebody_swallows_ends_the_run_all_the_same(start, tmp_path, width, status, height):
    """As a bare ``except`` in Taichi's compiler does, whose kernel is half compiled then."""
    done = start(f"image.width={width}", f"image.height={height}", status=status)
    assert done.stderr == "interrupted\n"
    assert not (tmp_path / "run" / "record.json").exists()


def read(folder, name="record.json"):
    return json.loads((folder / name).read_text())


def test_a_run_leaves_its_record_metrics_and_times_and_says_what_came_out(start, tmp_path):
    done = start("image.width=4", "image.height=5", "light=tilted", "runtime.timings=true")
    assert done.stderr == ""
    first, second, imports, counting, total, last = done.stdout.splitlines()
    assert (first, second) == ("tdr        sphere perspective tilted blinn_phong", "counted    20 pixels")
    assert imports.startswith("time  ")
    assert imports.endswith("s  imports")
    assert counting.endswith("s  counting")
    assert total.endswith("s  total")
    assert last == "output     run"
    record = read(tmp_path / "run")
    assert (record["status"], record["exit_status"], record["description"]) == ("FINISHED", 0, "Only pixels.")
    assert list(record["metrics"]) == ["scene/pixels", "time_s/imports", "time_s/counting", "time_s/total"]
    assert record["metrics"] == read(tmp_path / "run", "metrics.json")
    assert record["tags"]["tdr.check"] == "off"
    assert (record["params"]["image.height"], record["params"]["light"]) == ("5", "tilted")
    assert {"pixels.txt", "metrics.json", ".hydra/config.yaml"} <= set(record["files"])
    # Hydra names a job after the script.
    assert "name: counting" in (tmp_path / "run" / ".hydra" / "hydra.yaml").read_text()


def test_what_fails_is_recorded_and_a_failed_check_is_another_exit_status(start, tmp_path):
    done = start("image.width=13", status=1)
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("error: thirteen ![x](y)\n")
    assert not done.stdout.count("counted")
    record = read(tmp_path / "run")
    assert (record["status"], record["metrics"], record["tags"]["tdr.error"]) == ("FAILED", {}, "thirteen ![x](y)")
    assert record["description"] == "**Failed.** thirteen ![x]\\(y)"
    written = (tmp_path / "run" / "error.txt").read_text()
    assert "ZeroDivisionError" in written
    assert written.endswith("\nthirteen ![x](y)\n")
    start("image.width=100", "image.height=100", status=2)
    assert read(tmp_path / "run")["tags"]["tdr.check"] == "failed"
    start("image.width=100", "image.height=100", "check.on_fail=warn")


def test_a_sweeps_jobs_run_in_other_processes(start, tmp_path):
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = start("-m", "image.width=4,13,5", "image.height=5", *launcher, status=1)
    assert "2 of 3 jobs finished" in done.stdout
    assert "counted" not in done.stdout
    records = [read(folder) for folder in sorted((tmp_path / "sweep").glob("*=*"))]
    assert [record["metrics"].get("scene/pixels") for record in records] == [20, None, 25]
    assert [record["name"] for record in records] == ["width=4", "width=13", "width=5"]
    assert all(record["metrics"]["time_s/total"] < 60 for record in records if record["status"] == "FINISHED")
