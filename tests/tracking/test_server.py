"""A team's server, MLflow on PostgreSQL: a sweep of many processes comes out whole there, and without passwords."""

import contextlib
import http.server
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import mlflow
import pytest
from command_line import Command

pytestmark = pytest.mark.server

DATABASE_PASSWORD = "quite-secret-4711"
CREDENTIALS = {
    "MLFLOW_TRACKING_USERNAME": "somebody-1848",
    "MLFLOW_TRACKING_PASSWORD": "password-1871",
    "MLFLOW_TRACKING_TOKEN": "token-1914",
}
TINY = ("image.width=8", "image.height=8", "check=off")


@dataclass(frozen=True)
class Server:
    """An MLflow server.

    Attributes:
        uri: its address.
        artifacts: where it keeps the files of runs.
        log: what it prints.
        database: PostgreSQL's address, with the password.
        programs: where PostgreSQL's programs are.
    """

    uri: str
    artifacts: Path
    log: Path
    database: str
    programs: Path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def find_programs() -> Path:
    """PostgreSQL's programs, of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL must be installed for these tests; on Debian and Ubuntu: apt-get install postgresql"
    return found[-1].parent


@contextlib.contextmanager
def running(command: list[str], answers, **options) -> Iterator[None]:
    """Run a server and everything that it starts for the time of a block, which begins when it answers."""
    process = subprocess.Popen(command, stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        deadline = time.monotonic() + 120
        while not answers():
            assert process.poll() is None, command
            assert time.monotonic() < deadline, command
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=30)


@contextlib.contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """A PostgreSQL server of its own in a temporary folder; yields its address."""
    folder, port = Path(tempfile.mkdtemp(prefix="tdr-postgresql-")), free_port()
    (folder / "password").write_text(DATABASE_PASSWORD)
    # PostgreSQL refuses to run as root, so in a container it runs as the user that its package creates.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    if user:
        owner = pwd.getpwnam("postgres")
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    data = str(folder / "data")
    create = [f"{programs}/initdb", "-D", data, "-U", "tdr", "-A", "scram-sha-256", "--pwfile", f"{folder}/password"]
    subprocess.run(create, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
    command = [f"{programs}/postgres", "-D", data, "-p", str(port), *(f"--{setting}" for setting in settings)]
    probe = [f"{programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        with (
            (folder / "log").open("w") as log,
            running(
                command, lambda: subprocess.run(probe, check=False).returncode == 0, stdout=log, cwd=folder, **user
            ),
        ):
            yield f"postgresql://tdr:{DATABASE_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """``mlflow server`` as docs/server.md sets it up."""
    folder, port, programs = tmp_path_factory.mktemp("server"), free_port(), find_programs()
    uri = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=5):
            return True
        return False

    options = ["--artifacts-destination", str(folder / "artifacts"), "--workers", "2", "--port", str(port)]
    with postgresql(programs) as database, (folder / "log").open("w") as log:
        environment = {
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        command = [sys.executable, "-m", "mlflow", "server", *options]
        with running(command, answers, stdout=log, cwd=folder, env=environment):
            yield Server(uri, folder / "artifacts", folder / "log", database, programs)


def files(folder: Path) -> dict[str, bytes]:
    """The files in a folder: relative name -> content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leaks(secrets: list[str], *folders: Path) -> list[Path]:
    """The files in some folders that contain one of some secrets."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if any(secret.encode() in path.read_bytes() for secret in secrets)]


def test_a_hundred_jobs_of_eight_processes_arrive_whole(server, tmp_path):
    command = Command(tmp_path)
    command(
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=8", "-m", *TINY),
        *("light.azimuth=range(0,360,18)", "shader.shininess=5,10,20,40,80"),
        *(f"tracking.uri={server.uri}", "tracking.experiment=hundred"),
    )
    client = mlflow.MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("hundred").experiment_id
    found = client.search_runs([experiment], max_results=500)
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    assert (parent.info.status, parent.data.metrics["jobs/finished"]) == ("FINISHED", 100)
    runs = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert [run.info.status for run in runs] == ["FINISHED"] * 100
    by_name = {f"azimuth={i} shininess={s}" for i in range(0, 360, 18) for s in (5, 10, 20, 40, 80)}
    assert {run.info.run_name for run in runs} == by_name
    for run in runs:
        folder = tmp_path / "sweep" / run.data.tags["tdr.uid"].partition("-")[2]
        kept = files(server.artifacts / experiment / run.info.run_id / "artifacts")
        images = [name for name in kept if name.startswith("images/")]
        assert {name: content for name, content in kept.items() if name not in images} == files(folder)
        # Of render and three columns: the picture and its thumbnail.
        assert len(images) == 2 * 4
    # And from the server, as the UI gets them.
    downloaded = Path(client.download_artifacts(run.info.run_id, "jacobian", str(tmp_path)))
    assert files(downloaded) == files(folder / "jacobian")


def test_passwords_are_neither_in_process_lists_nor_logs_nor_on_disk(server, tmp_path):
    processes = ""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            processes += path.read_text(errors="replace")
    assert server.uri.rpartition(":")[2] in processes
    assert DATABASE_PASSWORD not in processes + server.log.read_text()

    command = Command(tmp_path)
    secrets = list(CREDENTIALS.values())
    given = (*TINY, "-m", "shader.shininess=5,-1", f"tracking.uri={server.uri}", "tracking.experiment=secret")
    for launcher in ((), ("hydra/launcher=submitit_local",)):
        done = command(*launcher, *given, status=1, **CREDENTIALS)
        assert not any(secret in done.stdout + done.stderr for secret in secrets)
        (tmp_path / "sweep").rename(tmp_path / f"sweep{len(launcher)}")
    dump = subprocess.run(
        [f"{server.programs}/pg_dump", server.database], capture_output=True, text=True, check=True
    ).stdout
    assert "shininess=-1" in dump
    assert not any(secret in dump + server.log.read_text() for secret in secrets)
    assert leaks(secrets, tmp_path, server.artifacts) == []


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server that takes no credentials."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        """Refuse."""
        self.seen.append(self.headers["Authorization"])
        self.send_response(401)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_) -> None:
        """Print nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a server that refuses every request."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{listener.server_port}"
        listener.shutdown()


def test_passwords_that_are_refused_are_not_repeated(refusing, tmp_path):
    command = Command(tmp_path)
    secrets = list(CREDENTIALS.values())
    uri = f"http://{refusing}"
    for mode in ((), ("-m", "shader.shininess=5,10")):
        done = command(*TINY, *mode, f"tracking.uri={uri}", status=1, **CREDENTIALS)
        assert f"must point to an MLflow server that answers; got {uri}" in done.stderr
        assert "401" in done.stderr
        assert not any(secret in done.stdout + done.stderr for secret in secrets)
    assert any(Refusing.seen), "the credentials were sent"

    # An address with credentials is refused wherever it comes from, before anything is written or sent.
    with_password = f"http://somebody-1848:password-1871@{refusing}"
    from_environment = "tracking.uri=${oc.env:MLFLOW_TRACKING_URI}"
    for uri in (from_environment, f"tracking.uri={with_password}"):
        for mode in ((), ("-m", "shader.shininess=5,10")):
            done = command(*TINY, *mode, uri, status=1, MLFLOW_TRACKING_URI=with_password)
            assert "tracking.uri must not contain a user name" in done.stderr
            assert not any(secret in done.stdout + done.stderr for secret in secrets)
    copied = "hydra.job.env_copy=[MLFLOW_TRACKING_PASSWORD]"
    assert "hydra.job.env_copy must not contain" in command(copied, status=1, **CREDENTIALS).stderr
    assert leaks(secrets, tmp_path) == []
