from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from stores import listening_socket, make_record, open_client

from tdr.config import TrackingConfig
from tdr.tracking.mlflow_client import TrackingError
from tdr.tracking.store import LOCAL_UI, TrackingStore

UI_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "ui.py"


def read_url(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read())


@contextlib.contextmanager
def serving(script: Path, directory: Path) -> Iterator[tuple[str, Path]]:
    """Run ``ui.py`` until it is left; yields its address and what it prints."""
    with listening_socket() as (_, address):
        pass
    output = directory / "server.log"
    with output.open("w") as file:
        command = [sys.executable, str(script), "--port", address.rpartition(":")[2]]
        server = subprocess.Popen(command, cwd=directory, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                read_url(f"{address}/health")
                break
            assert server.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        yield address, output
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_ui_shows_local_runs_with_their_files_and_takes_runs_as_a_server(root: Path, tmp_path: Path):
    (root / "scripts").mkdir()
    script = shutil.copy(UI_SCRIPT, root / "scripts")
    with serving(script, tmp_path) as (address, output):
        # Written into the database, past the server; and through the server, into an experiment of its own.
        local = TrackingStore(TrackingConfig(), root).log(make_record(tmp_path / "local"))
        served_store = TrackingStore(TrackingConfig(uri=f"{address}/", experiment="team/served"), root)
        served = served_store.log(make_record(tmp_path / "served"))

        assert f"{address}/#/experiments/{local.experiment_id}/runs?workflowType=machine_learning" in output.read_text()
        assert f"replace {LOCAL_UI} by {address}" in output.read_text()
        assert served.url.startswith(f"{address}/#/experiments/{served.experiment_id}/runs/{served.run_id}?")
        for link, folder in ((local, "local"), (served, "served")):
            listing = f"{address}/ajax-api/2.0/mlflow/artifacts/list?run_id={link.run_id}"
            assert {file["path"] for file in json.loads(read_url(listing))["files"]} >= {".hydra", "figure.png"}
            for name in (".hydra/config.yaml", "jacobian/light.direction.0.x.png", "figure.png"):
                url = f"{address}/get-artifact?path={quote(name)}&run_uuid={link.run_id}"
                assert read_url(url) == (tmp_path / folder / name).read_bytes()

        # An experiment whose files belong on some other machine: they would never get there.
        open_client(served_store).create_experiment("elsewhere", artifact_location="file:///no/such/machine/mlruns")
        with pytest.raises(TrackingError, match=r"tracking\.experiment must keep its files on the server; got"):
            TrackingStore(TrackingConfig(uri=address, experiment="elsewhere"), root).runs_url()
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:///misspelt.db", "--uri must name a database that exists; got sqlite:///"),
        ("http://127.0.0.1:1", "--uri must be sqlite:///<file>; got http://127.0.0.1:1, a server"),
        ("./mlruns", "tracking.uri must be sqlite:///<file> or the http"),
    ],
)
def test_ui_of_a_store_that_cannot_be_shown_is_refused(tmp_path: Path, uri: str, message: str):
    command = [sys.executable, str(UI_SCRIPT), "--uri", uri]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_nobody_else_reaches_the_ui(root: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever MLflow's default is: it has no passwords, and runs can be deleted there."""
    import ui

    started: list[list[str]] = []
    monkeypatch.setattr(ui, "ROOT", root)
    monkeypatch.setattr(ui.os, "execv", lambda _, command: started.append(command))
    monkeypatch.setattr(sys, "argv", ["ui.py", "--port", "5999"])
    monkeypatch.chdir(root)
    ui.main()
    (command,) = started
    assert command[command.index("--host") + 1] == "127.0.0.1"
