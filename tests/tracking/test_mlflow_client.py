from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stores import list_runs, listening_socket, make_record, open_client

from tdr.config import TrackingConfig
from tdr.tracking import mlflow_client
from tdr.tracking.mlflow_client import TrackingError, redact
from tdr.tracking.store import TrackingStore


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("foo://bar", r"must be sqlite:///<file> or the http or https address of an MLflow server; got foo://bar\."),
        ("./mlruns", r"must be sqlite:///<file> or the http or https address .*; got \./mlruns\."),
        ("postgresql://s3cret@host/db", r"must be sqlite.*; got postgresql://\*\*\*@host/db\. Reach any other"),
        ("http://", "must be sqlite"),
        ("http://[bad", "must be sqlite"),
        ("http://localhost:port", "must be sqlite"),
        ("https://me:s3cret/with@host", r"must not contain a user name or password; got https://\*\*\*@host\."),
        (
            "https://s3cret@host",
            r"must not contain .* got https://\*\*\*@host\. Set the environment variables MLFLOW_TR",
        ),
        ("sqlite://", "must be sqlite:///<file>"),
        ("sqlite:///:memory:", "must name a file in an existing directory"),
        (
            "sqlite:////no/such/directory/mlflow.db",
            r"must name a file in an existing directory; got sqlite:////no/such",
        ),
        ("sqlite:///what?.db", "must name a file without % or [?] in its path"),
    ],
)
def test_impossible_uri_is_refused_before_the_run(root: Path, uri: str, message: str):
    with pytest.raises(TrackingError, match="tracking.uri " + message) as caught:
        TrackingStore(TrackingConfig(uri=uri), root)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "..", "../elsewhere", "a/b"])
def test_experiment_is_a_directory_below_mlruns(root: Path, name: str):
    with pytest.raises(TrackingError, match=r"tracking\.experiment must be usable as a directory's name; got"):
        TrackingStore(TrackingConfig(experiment=name), root)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://me:s3cret@host:5000/x", "http://***@host:5000/x"),
        ("failed: https://token@host (refused)", "failed: https://***@host (refused)"),
        ("http://me:p@ss/word@host", "http://***@host"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
    ],
)
def test_redact_blanks_out_credentials_only(text: str, clean: str):
    assert redact(text) == clean


def test_dead_server_costs_neither_time_nor_results(root: Path, tmp_path: Path):
    record = make_record(tmp_path / "out")
    # Bound, but not listening: connections are refused.
    with listening_socket() as (_, uri):
        start = time.monotonic()
        with pytest.raises(TrackingError) as caught:
            TrackingStore(TrackingConfig(uri=uri), root).log(record)
    assert str(caught.value) == (
        f"tracking.uri must point to an MLflow server that answers; got {uri} (Connection refused). "
        f"The results are in {tmp_path / 'out'}."
    )
    assert time.monotonic() - start < 10


def test_silent_server_is_given_up(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setattr(mlflow_client, "ANSWER_TIMEOUT", 1)
    record = make_record(tmp_path / "out")
    with listening_socket() as (listener, uri):
        listener.listen(8)
        store = TrackingStore(TrackingConfig(uri=uri), root)
        start = time.monotonic()
        with pytest.raises(TrackingError, match=r"server that answers; got http://127.* \(timed out\)\. The results"):
            store.log(record)
        assert time.monotonic() - start < 10
        assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ

        # The user's own limits win.
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        start = time.monotonic()
        with pytest.raises(TrackingError, match="timed out"):
            store.runs_url()
        assert time.monotonic() - start < 3


def test_nothing_is_printed_and_mlflow_is_not_imported_early(root: Path, tmp_path: Path):
    make_record(tmp_path / "out")
    (tmp_path / "garbage.db").write_text("no database at all" * 100)
    script = f"""
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO)
from tdr.config import TrackingConfig
from tdr.results.record import RunRecord
from tdr.tracking.mlflow_client import TrackingError
from tdr.tracking.store import TrackingStore
record = RunRecord.read_json(Path({str(tmp_path / "out" / "record.json")!r}))
store = TrackingStore(TrackingConfig(), Path({str(root)!r}))
assert "mlflow" not in sys.modules
store.log(record)
for uri in ("http://127.0.0.1:1", {f"sqlite:///{tmp_path}/garbage.db"!r}):
    try:
        TrackingStore(TrackingConfig(uri=uri), Path({str(root)!r})).log(record)
    except TrackingError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    kept = f"The results are in {tmp_path / 'out'}."
    assert done.stdout.splitlines() == [
        "tracking.uri must point to an MLflow server that answers; "
        f"got http://127.0.0.1:1 (Connection refused). {kept}",
        "tracking.uri must point to a database that can be written; "
        f"got sqlite:///{tmp_path}/garbage.db (file is not a database). {kept}",
    ]


def test_deleted_experiment_is_said_and_can_be_restored(store: TrackingStore, root: Path, tmp_path: Path):
    link = store.log(make_record(tmp_path / "out"))
    open_client(store).delete_experiment(link.experiment_id)
    with pytest.raises(TrackingError, match=r"must not name a deleted experiment; got 'tdr'\.") as caught:
        TrackingStore(TrackingConfig(), root).runs_url()
    assert str(caught.value).endswith(
        f"MLFLOW_TRACKING_URI='sqlite:///{root}/mlflow.db' mlflow experiments restore -x {link.experiment_id}"
    )


@pytest.mark.parametrize("name", ["Default", "moved", "served"])
def test_experiment_with_files_elsewhere_is_refused(store: TrackingStore, root: Path, tmp_path: Path, name: str):
    store.runs_url()
    locations = {"moved": (tmp_path / "old" / "mlruns" / "moved").as_uri(), "served": "mlflow-artifacts:/7"}
    if name in locations:
        open_client(store).create_experiment(name, artifact_location=locations[name])
    with pytest.raises(TrackingError, match=f"must keep its files in .*; got '{name}', which keeps them in"):
        TrackingStore(TrackingConfig(experiment=name), root).log(make_record(tmp_path / "out"))


def test_processes_that_start_together_share_one_new_store(root: Path, tmp_path: Path):
    script = """
import sys
from pathlib import Path
from tdr.config import TrackingConfig
from tdr.results.record import RunRecord
from tdr.tracking.store import TrackingStore
TrackingStore(TrackingConfig(), Path(sys.argv[1])).log(RunRecord.read_json(Path(sys.argv[2])))
"""
    processes = []
    for i in range(2):
        make_record(tmp_path / str(i))
        command = [sys.executable, "-c", script, str(root), str(tmp_path / str(i) / "record.json")]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]
    assert len(list_runs(TrackingStore(TrackingConfig(), root))) == 2
