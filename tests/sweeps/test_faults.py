"""Sweeps that are killed, cut off and starved, and what is left of them: every finished result, and nothing by half."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest
from command_line import SMALL, Command, end, wait_for

from tdr.results.sweep import Sweep

SIX = ("-m", "shader.shininess=5,10,20,40,80,160", *SMALL)
SLOW = ("-m", "shader.shininess=5,10,20,40,80,160", "image.width=96", "image.height=96", "check=full")


def assert_whole(command: Command, jobs: int) -> None:
    """All jobs have finished, and the store has each of them once, with all that its folder holds."""
    records = command.records()
    assert [record["status"] for record in records.values()] == ["FINISHED"] * jobs
    parent, children = command.sweep_runs()
    assert (parent.info.status, [run.info.status for run in children]) == ("FINISHED", ["FINISHED"] * jobs)
    assert [run.data.tags["tdr.uid"] for run in children] == [record["uid"] for record in records.values()]
    assert parent.data.metrics["jobs/finished"] == jobs
    for run, folder in zip(children, records, strict=True):
        kept = Path(run.info.artifact_uri.removeprefix("file://"))
        for path in (command.folder / "sweep" / folder).rglob("*"):
            if path.is_file():
                assert (kept / path.relative_to(command.folder / "sweep" / folder)).read_bytes() == path.read_bytes()
        with np.load(command.folder / "sweep" / folder / "jacobian.npz") as arrays:
            assert arrays["light.direction"].any()


def test_resuming_runs_what_failed_and_nothing_else(command):
    shutil.copy(__file__, command.folder / "b.obj")
    (command.folder / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    done = command("-m", "mesh=file", "mesh.path=a.obj,b.obj", *SMALL, "light=tilted", status=1)
    assert "1 of 2 jobs finished" in done.stdout
    first = command.records()
    (failed,) = [folder for folder, record in first.items() if record["status"] == "FAILED"]
    assert "b.obj" in (command.folder / "sweep" / failed / "error.txt").read_text()
    shutil.copy(command.folder / "a.obj", command.folder / "b.obj")
    # Relative paths are those of the directory in which the sweep was started.
    elsewhere = Command(command.folder / "elsewhere")
    elsewhere.folder.mkdir()
    done = elsewhere("resume=../sweep")
    assert "1 of 2 jobs finished before, 1 left" in done.stdout
    assert_whole(command, 2)
    second = command.records()
    assert [folder for folder in first if second[folder] == first[folder]] == [f for f in first if f != failed]
    assert not (command.folder / "sweep" / failed / "error.txt").exists()
    assert "2 of 2 jobs finished before, 0 left" in elsewhere("resume=../sweep").stdout
    assert command.records() == second
    assert_whole(command, 2)


def test_a_sweep_killed_in_the_middle_of_a_job_is_taken_up_again(command):
    process = command.start(*SLOW)
    wait_for(lambda: len(command.records()) >= 2, process)
    end(process, signal.SIGKILL, group=False)
    before = command.records()
    assert 2 <= len(before) < 6
    # Its tracking process ends with it.
    deadline = time.monotonic() + 30
    while _group_lives(process.pid):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.1)
    assert command.sweep_runs()[0].info.status == "RUNNING"
    assert all(run.info.status == "FINISHED" for run in command.sweep_runs()[1])
    text = command.script("sync", "sweep")
    assert f"of {len(before)} runs sent" in text
    assert (command.sweep_runs()[0].info.status, len(command.sweep_runs()[1])) == ("KILLED", len(before))
    done = command("resume=sweep")
    assert f"{len(before)} of 6 jobs finished before, {6 - len(before)} left" in done.stdout
    assert_whole(command, 6)
    assert {folder: record for folder, record in command.records().items() if folder in before} == before


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_is_closed_and_says_how_to_go_on(command, number, status):
    process = command.start(*SLOW)
    wait_for(lambda: len(command.records()) >= 1, process)
    assert end(process, number, group=number is signal.SIGINT) == status
    done = len(command.records())
    assert 1 <= done < 6
    assert "Traceback" not in command.output()
    assert f"{done} of 6 jobs finished" in command.output()
    assert "resume     python experiments/jacobian.py resume=sweep" in command.output()
    parent, children = command.sweep_runs()
    assert (parent.info.status, parent.data.metrics["jobs/missing"]) == ("KILLED", 6 - done)
    assert len(children) == done
    command("resume=sweep")
    assert_whole(command, 6)


def test_jobs_that_failed_and_were_mended_have_finished_everywhere_once_they_are_resumed(command):
    """What the attempt before has left is there until the launcher comes to a job; it is not the job's end."""
    meshes = [command.folder / f"{name}.obj" for name in "abc"]
    command("-m", "mesh=file", f"mesh.path={','.join(map(str, meshes))}", *SMALL, status=1)
    assert {run.info.status for run in command.sweep_runs()[1]} == {"FAILED"}
    for mesh in meshes:
        mesh.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    said = command("resume=sweep").stdout
    assert [said.count(f"{i}/3  ") for i in (1, 2, 3)] == [1, 1, 1]
    assert not re.search(r"^\d/3 +failed", said, re.MULTILINE | re.IGNORECASE)
    assert_whole(command, 3)


def test_a_sweep_runs_once_at_a_time_and_only_as_it_was_started(command):
    command("-m", "shader.shininess=1,2", *SMALL)
    with Sweep.read(command.folder / "sweep").running():
        assert "A sweep must not run twice at a time" in command("resume=sweep", status=1).stderr
        assert "is running, and sends its runs itself" in command.script("sync", "sweep")
    wrong = command("resume=sweep", "shader.diffuse=1", status=1).stderr
    assert "resume must stand alone, or with hydra/launcher and its settings; got shader.diffuse=1" in wrong
    assert "A sweep's folder must hold a sweep.json that can be read; got" in command("resume=nowhere", status=1).stderr
    other = command("-m", "shader.shininess=1,3", *SMALL, status=1).stderr
    assert "hydra.sweep.dir must be a new folder, or that of the same sweep" in other


def test_a_value_that_cannot_be_composed_stops_the_sweep_before_its_first_job(command):
    assert "shader.shininess must be a number; got 'abc'" in command("-m", "shader.shininess=1,abc", status=1).stderr
    assert "light must be one of" in command("-m", "light=frontal,nope", "image.width=8,16", status=1).stderr
    assert (
        "camera.fov must be a known key"
        in command("-m", "camera=perspective,orthographic", "camera.fov=30,60", status=1).stderr
    )
    assert not (command.folder / "sweep").exists()


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int):
    """A folder on a file system of its own, and a function that changes its size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True)
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}k", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_a_full_disk_costs_the_jobs_that_do_not_fit_and_no_others(command):
    with small_disk(command.folder / "sweep", 700) as resize:
        done = command(*SIX, status=1)
        assert "Traceback" not in done.stdout + done.stderr
        assert "No space left on device" in done.stdout + done.stderr
        before = {folder: record for folder, record in command.records().items() if record["status"] == "FINISHED"}
        assert 1 <= len(before) < 6
        assert len([run for run in command.sweep_runs()[1] if run.info.status == "FINISHED"]) == len(before)
        resize(50_000)
        command("resume=sweep")
        assert_whole(command, 6)
        assert {folder: record for folder, record in command.records().items() if folder in before} == before


@pytest.mark.root
def test_a_store_whose_disk_is_full_gets_its_runs_later(command):
    with small_disk(command.folder / "store", 2_000) as resize:
        uri = f"tracking.uri=sqlite:///{command.folder}/store/mlflow.db"
        process = command.start(*SIX, uri)
        wait_for(lambda: "waiting for the store" in command.output(), process, 120)
        assert end(process, signal.SIGINT) == 1
        assert "6 of 6 jobs finished" in command.output()
        assert "runs; to send: python scripts/sync.py sweep" in command.output()
        resize(50_000)
        command.script("sync", "sweep")
        command.client = lambda: mlflow.MlflowClient(uri.removeprefix("tracking.uri="))
        assert_whole(command, 6)
        assert "0 of 6 runs sent, 6 were there" in command.script("sync", "sweep")
        assert_whole(command, 6)


class Server:
    """An MLflow server on loopback that can be cut off and started again, with a database in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = f"sqlite:///{self.folder}/mlflow.db"
        line = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
        line += ["--artifacts-destination", str(self.folder / "artifacts"), "--port", str(self.port)]
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                line, cwd=self.folder, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + 90
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path, server_database):
    shutil.copy(server_database, tmp_path / "mlflow.db")
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def served(server: Server) -> dict[str, tuple[str, int]]:
    """The runs of jobs on a server: name -> status, and how many files each has."""
    client = mlflow.MlflowClient(server.uri)
    (experiment,) = [e.experiment_id for e in client.search_experiments() if e.name == "tdr"]
    runs = [run for run in client.search_runs([experiment]) if "mlflow.parentRunId" in run.data.tags]
    return {run.info.run_name: (run.info.status, len(client.list_artifacts(run.info.run_id))) for run in runs}


def test_a_server_that_goes_away_for_a_while_gets_every_run(command, server):
    process = command.start(*SLOW, f"tracking.uri={server.uri}")
    wait_for(lambda: len(command.records()) >= 1, process)
    server.kill()
    wait_for(lambda: "It is sent again later." in command.output(), process)
    server.start()
    assert process.wait(timeout=240) == 0, command.output()
    assert "the store answers again" in command.output()
    runs = served(server)
    assert len(runs) == 6
    assert len(set(runs.values())) == 1
    assert next(iter(runs.values()))[0] == "FINISHED"


def test_a_server_that_stays_away_loses_nothing(command, server):
    process = command.start(*SIX, f"tracking.uri={server.uri}")
    wait_for(lambda: len(command.records()) >= 1, process)
    server.kill()
    wait_for(lambda: "waiting for the store" in command.output(), process)
    assert end(process, signal.SIGINT) == 1
    assert "6 of 6 jobs finished" in command.output()
    assert "error: sweep: tracking.uri must point to an MLflow server that answers" in command.script(
        "sync", "sweep", status=1
    )
    server.start()
    text = command.script("sync", "sweep")
    assert "of 6 runs sent" in text
    assert "0 of 6 runs sent, 6 were there" in command.script("sync", "sweep")
    runs = served(server)
    assert len(runs) == 6
    assert {status for status, _ in runs.values()} == {"FINISHED"}


def test_a_sweep_of_nothing_and_one_over_sweeps_are_refused(command):
    assert (
        "light.azimuth must have at least one value; got light.azimuth=range(0,0)"
        in command("-m", "light.azimuth=range(0,0)", status=1).stderr
    )
    assert (
        "experiment must be swept over presets that sweep nothing themselves; got experiment=lesson"
        in command("-m", "experiment=lesson,light_ring", status=1).stderr
    )
    assert not (command.folder / "sweep").exists()


def test_ctrl_c_again_and_again_still_closes_the_sweep(command):
    process = command.start(*SLOW)
    wait_for(lambda: len(command.records()) >= 1, process)
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in command.output()
    assert "resume     python experiments/jacobian.py resume=sweep" in command.output()
    assert command.sweep_runs()[0].info.status == "KILLED"
