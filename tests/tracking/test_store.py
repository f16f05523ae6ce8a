from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import parse_qs

import imageio.v3 as iio
import numpy as np
import pytest
from stores import list_runs, make_record, open_client

from tdr.config import TrackingConfig
from tdr.results.record import RunRecord
from tdr.tracking.mlflow_client import MAX_TEXT, TrackingError
from tdr.tracking.store import LOCAL_UI, TrackingStore

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


@pytest.mark.parametrize("uri", [None, "http://127.0.0.1:1"])
def test_folder_with_other_things_in_it_is_not_uploaded(root: Path, uri: str | None):
    record = make_record(root.parent)
    with pytest.raises(TrackingError, match=r"hydra\.run\.dir must be a folder of the run's own"):
        TrackingStore(TrackingConfig(uri=uri), root).log(record)


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
