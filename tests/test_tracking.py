from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import imageio.v3 as iio
import numpy as np
import pytest

from tdr import tracking
from tdr.config import TrackingConfig
from tdr.record import RunRecord
from tdr.tracking import LOCAL_UI, MAX_TEXT, TrackingError, TrackingStore, redact

UI_SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "ui.py"


def make_record(output_dir: Path, **changes: Any) -> RunRecord:
    """A run with the files that a real one leaves behind."""
    (output_dir / ".hydra").mkdir(parents=True, exist_ok=True)
    (output_dir / ".hydra" / "config.yaml").write_text("light:\n  direction: [[1.0, -1.0, -1.0]]\n")
    (output_dir / "jacobian").mkdir(exist_ok=True)
    for name in ("render.png", "figure.png", "jacobian/light.direction.0.x.png"):
        iio.imwrite(output_dir / name, np.full((4, 6, 3), 200, np.uint8))
    record = RunRecord(
        name="tilted",
        status="FINISHED",
        start_time=1_700_000_000.25,
        end_time=1_700_000_003.5,
        output_dir=output_dir,
        params={"light.direction": [[1.0, -1.0, -1.0]], "shader.shininess": 30.0, "mesh": "sphere", "version": "1.0"},
        metrics={"jacobian_ms": 3.25, "coverage": 0.5},
        tags={"paper": "fig3"},
        images=["render.png", "jacobian/light.direction.0.x.png"],
        description="Three columns.",
    )
    record = dataclasses.replace(record, **changes)
    record.write_json()
    return record


def open_client(store: TrackingStore) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri)


def list_runs(store: TrackingStore, query: str = "") -> list[Any]:
    client = open_client(store)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, query))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "my project"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def server_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as ``mlflow ui`` makes it when it is opened before the first run."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = tmp_path_factory.mktemp("server") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", "mlflow-artifacts:/")
    return path


@pytest.fixture
def store(root: Path, server_database: Path) -> TrackingStore:
    shutil.copy(server_database, root)
    return TrackingStore(TrackingConfig(), root)


# --- what a run looks like in MLflow ---


def test_uploaded_run_is_the_run_that_happened(store: TrackingStore, root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link = store.log(make_record(tmp_path / "out"))

    client = open_client(store)
    run = client.get_run(link.run_id)
    assert (run.info.run_name, run.info.status) == ("tilted", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (1_700_000_000_250, 1_700_000_003_500)
    assert run.data.params == {
        "light.direction": "[[1, -1, -1]]",
        "shader.shininess": "30",
        "mesh": "sphere",
        "version": "1.0",
    }
    assert run.data.metrics == {"jacobian_ms": 3.25, "coverage": 0.5}
    assert run.data.tags["paper"] == "fig3"
    assert "tdr.nonfinite_metrics" not in run.data.tags
    # Everything is below the root, whatever directory the run was started from.
    kept = root / "mlruns" / "tdr" / link.run_id / "artifacts"
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert (kept / path.relative_to(tmp_path / "out")).read_bytes() == path.read_bytes()
    assert not (tmp_path / "mlruns").exists()
    assert (root / "mlflow.db").is_file()


def test_images_are_in_the_grid_under_their_names_at_full_resolution(store: TrackingStore, root: Path, tmp_path: Path):
    link = store.log(make_record(tmp_path / "out"))
    images = sorted((root / "mlruns" / "tdr" / link.run_id / "artifacts" / "images").glob("*.png"))
    keys = [path.name.partition("+")[0].replace("~", "/") for path in images]
    assert keys == ["jacobian/light.direction.0.x", "render"]
    assert iio.imread(images[0]).shape == (4, 6, 3)
    assert open_client(store).get_run(link.run_id).data.tags["mlflow.loggedImages"] == "True"


def test_description_shows_the_figure_and_its_own_pictures(store: TrackingStore, tmp_path: Path):
    link = store.log(make_record(tmp_path / "out"))
    note = open_client(store).get_run(link.run_id).data.tags["mlflow.note.content"]
    assert note == f"Three columns.\n\n![figure.png](get-artifact?path=figure.png&run_uuid={link.run_id})"

    (tmp_path / "checked" / "check").mkdir(parents=True)
    iio.imwrite(tmp_path / "checked" / "check" / "error.png", np.zeros((2, 2, 3), np.uint8))
    record = make_record(tmp_path / "checked")
    record.description = (
        "Wrong.\n\n![check/error.png](check/error.png)\n\n[why](check.json) ![](http://elsewhere/a.png)"
    )
    link = store.log(record)
    note = open_client(store).get_run(link.run_id).data.tags["mlflow.note.content"]
    assert f"\n![check/error.png](get-artifact?path=check/error.png&run_uuid={link.run_id})\n" in note
    assert "[why](check.json) ![](http://elsewhere/a.png)" in note

    record = make_record(tmp_path / "failed", status="FAILED", images=[])
    (tmp_path / "failed" / "figure.png").unlink()
    run = open_client(store).get_run(store.log(record).run_id)
    assert (run.info.status, run.data.tags["mlflow.note.content"]) == ("FAILED", "Three columns.")


def test_metrics_that_mlflow_cannot_keep_are_named_in_a_tag(store: TrackingStore, tmp_path: Path):
    metrics = {"a": 1.0, "b": math.nan, "c": math.inf, "d": None, "e": np.float32(0.5)}
    run = open_client(store).get_run(store.log(make_record(tmp_path / "out", metrics=metrics)).run_id)
    assert run.data.metrics == {"a": 1.0, "e": 0.5}
    assert run.data.tags["tdr.nonfinite_metrics"] == "b=nan, c=inf, d=None"


def test_long_values_are_cut_visibly(store: TrackingStore, tmp_path: Path):
    record = make_record(
        tmp_path / "out", params={"long": "x" * 9000, "fits": "y" * MAX_TEXT}, tags={"long": "z" * 9000}
    )
    data = open_client(store).get_run(store.log(record).run_id).data
    for text in (data.params["long"], data.tags["long"]):
        assert len(text) == MAX_TEXT
        assert text.endswith(" ... (cut from 9000 characters; the whole is in record.json)")
    assert data.params["fits"] == "y" * MAX_TEXT


# --- uploading again, and uploads that fail ---


def test_run_that_the_store_has_is_not_uploaded_again(store: TrackingStore, root: Path, tmp_path: Path):
    first = store.log(make_record(tmp_path / "out"))
    later = RunRecord.read_json(tmp_path / "out" / "record.json")
    assert TrackingStore(TrackingConfig(), root).log(later) == first
    assert len(list_runs(store)) == 1


def test_job_that_ran_again_replaces_its_earlier_attempt(store: TrackingStore, tmp_path: Path):
    failed = store.log(make_record(tmp_path / "out", status="FAILED", uid="job", start_time=1_700_000_000.0))
    done = store.log(make_record(tmp_path / "out", uid="job"))
    assert failed.run_id != done.run_id
    assert [(run.info.run_id, run.info.status) for run in list_runs(store)] == [(done.run_id, "FINISHED")]


def test_upload_that_was_killed_is_replaced(store: TrackingStore, tmp_path: Path):
    record = make_record(tmp_path / "out")
    store.runs_url()
    client = open_client(store)
    experiment = client.get_experiment_by_name("tdr").experiment_id
    half = client.create_run(experiment, tags={"tdr.uid": record.uid}).info.run_id
    link = store.log(record)
    assert [run.info.run_id for run in list_runs(store)] == [link.run_id]
    assert link.run_id != half


def test_failed_upload_leaves_no_run_behind(store: TrackingStore, tmp_path: Path):
    record = make_record(tmp_path / "out", images=["missing.png"])
    with pytest.raises(TrackingError, match=r"No such file or directory: .*missing\.png\)") as caught:
        store.log(record)
    assert str(caught.value).endswith(f"The results are in {tmp_path / 'out'}.")
    assert list_runs(store) == []


# --- sweeps and links ---


def test_sweep_has_its_runs_below_it_and_its_page_shows_them_alone(store: TrackingStore, tmp_path: Path):
    values = {"light.azimuth": "0, 90"}
    opening = ("5eed", "lights", 1_700_000_000.25, values, {"paper": "fig3"}, "Two lights.")
    sweep = store.open_sweep(*opening)
    assert open_client(store).get_run(sweep).info.status == "RUNNING"
    for name in ("b", "a"):
        store.log(make_record(tmp_path / name, name=name, sweep="5eed"))
    store.log(make_record(tmp_path / "alone", name="alone"))
    store.close_sweep(sweep, "FAILED", {"ok": 1, "worst": math.nan}, "One light.", tmp_path, [])

    run = open_client(store).get_run(sweep)
    assert (run.info.run_name, run.info.status, run.info.end_time > 0) == ("lights", "FAILED", True)
    assert (run.info.start_time, run.data.params) == (1_700_000_000_250, values)
    assert run.data.metrics == {"ok": 1}
    expected = {"paper": "fig3", "tdr.nonfinite_metrics": "worst=nan"}
    assert expected.items() <= run.data.tags.items()
    link, _, description = run.data.tags["mlflow.note.content"].partition("\n\n")
    assert (link, description) == (f"[Runs side by side]({store.sweep_url(sweep)[len(LOCAL_UI) + 1 :]})", "One light.")

    page, _, query = store.sweep_url(sweep).partition("?")
    assert page == store.runs_url().partition("?")[0]
    (search,) = parse_qs(query)["searchFilter"]
    assert {run.info.run_name for run in list_runs(store, search)} == {"a", "b"}
    # Ordered by time, the UI would fetch the sweep's run as well and fold its runs into it.
    assert parse_qs(query)["orderByKey"] != ["attributes.start_time"]


def test_sweep_that_is_taken_up_again_is_the_same_run(store: TrackingStore, root: Path, tmp_path: Path):
    opening = ("5eed", "lights", 1_700_000_000.25, {"light.azimuth": "0, 90"}, {}, "Two lights.")
    sweep = store.open_sweep(*opening)
    store.log(make_record(tmp_path / "a", uid="5eed-a", sweep="5eed"))
    store.close_sweep(sweep, "KILLED", {}, "", tmp_path, [])
    again = TrackingStore(TrackingConfig(), root)
    assert again.open_sweep(*opening) == sweep
    assert open_client(store).get_run(sweep).info.status == "RUNNING"
    assert again.runs_of(sweep) == {"5eed-a": 1_700_000_000_250}
    again.log(make_record(tmp_path / "b", uid="5eed-b", sweep="5eed"))
    assert set(again.runs_of(sweep)) == {"5eed-a", "5eed-b"}


def test_page_of_a_sweep_has_its_files_and_those_of_a_later_end_replace_them(
    store: TrackingStore, root: Path, tmp_path: Path
):
    sweep = store.open_sweep("5eed", "lights", 1_700_000_000.25, {}, {}, "Two lights.")
    kept = root / "mlruns" / "tdr" / sweep / "artifacts"
    files = ["sheet.png", "sweep.html", "plots/error bars.png"]
    (tmp_path / "plots").mkdir()
    for attempt in ("first", "second"):
        for name in files:
            (tmp_path / name).write_text(attempt)
        store.close_sweep(sweep, "FINISHED", {}, f"![a]({files[0]}) [c](x.png)", tmp_path, files)
        assert {path.read_text() for path in kept.rglob("*") if path.is_file()} == {attempt}
        assert all((kept / name).is_file() for name in files)
    note = open_client(store).get_run(sweep).data.tags["mlflow.note.content"]
    page = store.run_url(sweep)[len(LOCAL_UI) + 1 :].replace("?", "/artifacts/sweep.html?")
    shown = f"![a](get-artifact?path=sheet.png&run_uuid={sweep}) [c](x.png)"
    assert note.endswith(f" · [sweep.html]({page})\n\n{shown}")

    with pytest.raises(TrackingError, match=rf"No such file .*lost\.png.* The results are in {tmp_path}\."):
        store.close_sweep(sweep, "FAILED", {"jobs": 1}, "new", tmp_path, ["lost.png"])
    run = open_client(store).get_run(sweep)
    assert (run.info.status, run.data.metrics) == ("FAILED", {"jobs": 1})
    assert run.data.tags["mlflow.note.content"] == note


def test_link_to_a_sweep_names_the_view_once_it_is_saved(store: TrackingStore):
    sweep = store.open_sweep("5eed", "lights", 1_700_000_000.25, {}, {}, "")
    # The UI restores a view only where the address does not say what is to be listed.
    assert {"searchFilter", "orderByKey"} <= parse_qs(store.sweep_url(sweep)).keys()
    store.save_view(sweep, ["light.azimuth"], [], ["render.png"])
    query = parse_qs(store.sweep_url(sweep).partition("?")[2])
    assert query == {
        "workflowType": ["machine_learning"],
        "viewStateShareKey": [sweep],
        "compareRunsMode": ["CHART"],
    }
    # A tag that is too long for the store.
    other = store.open_sweep("other", "lights", 1_700_000_000.25, {}, {}, "")
    names = [f"{np.random.default_rng(i).bytes(40).hex()}.png" for i in range(500)]
    with pytest.raises(TrackingError):
        store.save_view(other, [], [], names)
    assert "searchFilter" in parse_qs(store.sweep_url(other))


def test_run_of_an_unknown_sweep_is_refused(store: TrackingStore, tmp_path: Path):
    with pytest.raises(TrackingError, match=r"must point to a store that has the sweep's own run"):
        store.log(make_record(tmp_path / "a", sweep="5eed"))
    assert list_runs(store) == []


def test_links_lead_to_the_local_ui_or_the_server(store: TrackingStore, root: Path, tmp_path: Path, monkeypatch):
    link = store.log(make_record(tmp_path / "out"))
    page = f"http://127.0.0.1:5000/#/experiments/{link.experiment_id}/runs"
    assert store.runs_url() == f"{page}?workflowType=machine_learning"
    assert link.url == f"{page}/{link.run_id}?workflowType=machine_learning"

    assert store.ui_command == f"mlflow ui --backend-store-uri 'sqlite:///{root}/mlflow.db'"
    monkeypatch.chdir(root)
    assert TrackingStore(TrackingConfig(), root).ui_command == "mlflow ui"
    assert TrackingStore(TrackingConfig(uri="http://localhost:1"), root).ui_command is None


# --- stores that cannot be used ---


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


@pytest.mark.parametrize("uri", [None, "http://127.0.0.1:1"])
def test_folder_with_other_things_in_it_is_not_uploaded(root: Path, uri: str | None):
    record = make_record(root.parent)
    with pytest.raises(TrackingError, match=r"hydra\.run\.dir must be a folder of the run's own"):
        TrackingStore(TrackingConfig(uri=uri), root).log(record)


@contextlib.contextmanager
def listening_socket() -> Iterator[tuple[socket.socket, str]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


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
    monkeypatch.setattr(tracking, "ANSWER_TIMEOUT", 1)
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
from tdr.record import RunRecord
from tdr.tracking import TrackingError, TrackingStore
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
from tdr.record import RunRecord
from tdr.tracking import TrackingStore
TrackingStore(TrackingConfig(), Path(sys.argv[1])).log(RunRecord.read_json(Path(sys.argv[2])))
"""
    processes = []
    for i in range(2):
        make_record(tmp_path / str(i))
        command = [sys.executable, "-c", script, str(root), str(tmp_path / str(i) / "record.json")]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]
    assert len(list_runs(TrackingStore(TrackingConfig(), root))) == 2


# --- with a real server ---


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
