"""Sweeps that are drawn when they end, and runs that are drawn afterwards from what the store has of them."""

import imageio.v3 as iio
import pytest
from command_line import SMALL, Command

DRAWN = {"contact_sheet.png", "sweep.html", "sweep.mp4", "sweep.gif"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory, server_database):
    """A sweep of three jobs, one of which fails."""
    command = Command(tmp_path_factory.mktemp("swept"), server_database)
    done = command("-m", "light.azimuth=0,90,inf", "light.elevation=45", *SMALL, status=1)
    return command, done.stdout


def test_the_page_of_a_sweep_shows_it_as_a_whole(swept):
    command, output = swept
    assert "2 of 3 jobs finished" in output
    parent, children = command.sweep_runs()
    assert len(children) == 3
    client = command.client()
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= DRAWN | {"sweep.json", "plots"}
    note = parent.data.tags["mlflow.note.content"]
    assert f"![contact_sheet.png](get-artifact?path=contact_sheet.png&run_uuid={parent.info.run_id})" in note
    assert "2 finished, 1 failed" in note
    assert "light.azimuth must be a finite number; got inf." in note
    assert parent.data.params == {"light.azimuth": "0, 90, inf"}
    assert parent.info.run_id in output


def test_runs_are_drawn_from_the_store_alone(swept, tmp_path):
    command = swept[0]
    uri = ("--uri", f"sqlite:///{command.folder}/mlflow.db")
    text = command.script("draw_sweep", *uri, "--runs", "attributes.status = 'FINISHED'", "--to", str(tmp_path))
    assert "2 runs, over light.azimuth" in text
    assert {path.name for path in tmp_path.iterdir()} >= DRAWN
    assert iio.imread(tmp_path / "contact_sheet.png").std() > 10
    assert "runs.png" not in text
    assert "finds none" in command.script("draw_sweep", *uri, "--runs", "params.mesh = 'x'", "--to", "none", status=1)
    assert "query must be one that MLflow understands" in command.script(
        "draw_sweep", *uri, "--runs", "?", "--to", "n", status=1
    )
    wrong = command.script("draw_sweep", *uri, "--runs", "", "--axes", "nope", "--to", "none", status=1)
    assert "--axes must name parameters of every run; got nope" in wrong


def test_a_sweep_is_drawn_again_in_its_folder(swept):
    command = swept[0]
    (command.folder / "sweep" / "contact_sheet.png").unlink()
    assert "contact_sheet.png" in command.script("draw_sweep", "sweep")
    assert (command.folder / "sweep" / "contact_sheet.png").exists()
    assert "A sweep's folder must hold a sweep.json" in command.script("draw_sweep", ".", status=1)
    assert "must be given; got both or neither" in command.script("draw_sweep", status=1)
