"""The main job with images that do not fit into the memory limit, as a user starts it."""

import filecmp
import json

import imageio.v3 as iio
import numpy as np
import pytest
from command_line import SMALL, Command

from tdr.reports import jacobian_pictures
from tdr.results.array_files import read_arrays

OPTIONS = (
    "light=three_point",
    "jacobian.parameters=all",
    "image.width=40",
    "image.height=32",
    "jacobian.cotangent=rgb",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, server_database):
    """The same run with the usual limit and with a low one, and what the second printed."""
    command = Command(tmp_path_factory.mktemp("runs"), server_database)
    command(*OPTIONS, "tracking.enabled=false")
    (command.folder / "run").rename(command.folder / "whole")
    return command, command(*OPTIONS, "jacobian.memory_limit=300kB")


def test_only_the_form_of_the_arrays_differs(runs):
    whole, run = runs[0].folder / "whole", runs[0].folder / "run"
    expected, arrays = read_arrays(whole).arrays(), read_arrays(run).arrays()
    for name, array in expected.items():
        mapped = np.load(run / "jacobian" / f"{name}.npy", mmap_mode="r")
        for found in (arrays[name], mapped):
            assert (found.shape, found.dtype) == (array.shape, array.dtype)
            np.testing.assert_array_equal(found, array)
    files = {
        folder: {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for folder in (whole, run)
    }
    assert {str(path) for path in files[whole] ^ files[run]} == {
        "jacobian.npz",
        *(f"jacobian/{name}.npy" for name in expected),
    }
    differ = {str(path) for path in files[whole] & files[run] if not filecmp.cmp(whole / path, run / path, False)}
    settings = {f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides")}
    assert differ == {"metrics.json", "record.json", *settings}
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (whole, run)]
    for numbers in metrics:
        assert all(numbers[f"time_s/{part}"] > 0 for part in ("visibility", "render", "jacobian"))
        for key in [key for key in numbers if key.startswith("time_s/")]:
            del numbers[key]
    assert metrics[0] == metrics[1]


def test_the_terminal_and_the_page_say_which_form_it_is_and_why(runs):
    command, done = runs
    line = "jacobian/*.npy, 599 kB: with the G-buffer more than jacobian.memory_limit, 300 kB"
    assert f"arrays     {line}\n" in done.stdout
    assert done.stderr == ""
    (run,) = command.runs()
    assert f"arrays: {line}" in run.data.tags["mlflow.note.content"]
    kept = {item.path for item in command.client().list_artifacts(run.info.run_id, "jacobian")}
    assert {"jacobian/image.npy", "jacobian/light.direction.npy", "jacobian/light.direction.0.x.png"} <= kept


def test_runs_are_drawn_from_what_the_store_has_of_them(runs, tmp_path):
    command = runs[0]
    uri = ("--uri", f"sqlite:///{command.folder}/mlflow.db")
    command.script("draw_sweep", *uri, "--runs", "", "--to", str(tmp_path))
    assert iio.imread(tmp_path / "contact_sheet.png").std() > 10


def test_what_needs_all_pixels_in_memory_is_refused_before_the_computation(command):
    columns = ("tracking.enabled=false", *SMALL, "jacobian.parameters=all")
    # The arrays alone take 8 * 8 * 27 * 4 bytes. What is visible decides whether its G-buffer still fits.
    done = command(*columns, "jacobian.memory_limit=7kB", "check=full", status=1)
    assert "check must be quick or off where the Jacobian images exceed jacobian.memory_limit, 7.0 kB" in done.stderr
    done = command(*columns, "jacobian.memory_limit=7kB", "image.g_buffer=true", status=1)
    assert "image.g_buffer must be false where the Jacobian images exceed jacobian.memory_limit" in done.stderr
    done = command(*columns, "jacobian.memory_limit=300", status=1)
    assert "jacobian.memory_limit must be at least" in done.stderr
    assert not (command.folder / "run" / "jacobian").exists()


def test_a_limit_that_is_none_or_too_low_for_the_arrays_is_answered_at_once_and_leaves_no_run(first_command):
    done = first_command("jacobian.memory_limit=lots", status=1)
    assert "jacobian.memory_limit must be a number of bytes or a text such as 2GB or 512MB" in done.stderr
    done = first_command(*SMALL, "jacobian.parameters=all", "jacobian.memory_limit=6.9kB", "check=full", status=1)
    assert "check must be quick or off where the Jacobian images exceed jacobian.memory_limit" in done.stderr
    assert not (first_command.folder / "run").exists()
    assert not (first_command.folder / "mlflow.db").exists()


def test_a_huge_rendering_is_shown_smaller_and_its_data_are_whole(command):
    done = command("image.width=9000", "image.height=5", "tracking.enabled=false", "check=off")
    assert "sampled    one of every 3 x 3 pixels shown in render.png (not in the data)\n" in done.stdout
    images = read_arrays(command.folder / "run")
    assert images.image.shape == (5, 9000, 3)
    shown = iio.imread(command.folder / "run" / "render.png")
    np.testing.assert_array_equal(shown, jacobian_pictures.encode_srgb(images.image[::3, ::3]))


def test_a_job_that_is_run_again_in_the_other_form_leaves_one(command):
    for limit, form in (("1kB", "npy"), ("1MB", "npz"), ("1kB", "npy")):
        command(*SMALL, f"jacobian.memory_limit={limit}", "tracking.enabled=false", "check=off")
        assert (command.folder / "run" / "jacobian.npz").exists() == (form == "npz")
        assert bool([*command.folder.glob("run/jacobian/*.npy")]) == (form == "npy")
