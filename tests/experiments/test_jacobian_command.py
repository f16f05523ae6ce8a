"""The commands that users type, run as they type them, each with a store and folders of its own."""

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
from command_line import SMALL, Command

import tdr
from tdr.command.settings import ROOT
from tdr.reports import jacobian_pictures


@pytest.fixture(scope="module")
def tilted(tmp_path_factory):
    """One run of the main job in float64, and what it printed."""
    command = Command(tmp_path_factory.mktemp("tilted"))
    options = ("jacobian.parameters=[light.direction,shader.diffuse]", "runtime.precision=f64", "image.g_buffer=true")
    done = command("light=tilted", "image.width=40", "image.height=24", *options, "runtime.timings=true")
    return command, done


def test_what_a_run_leaves_behind_is_what_the_library_computes(tilted):
    folder = tilted[0].folder / "run"
    tdr.start("f64")
    lights = tdr.DirectionalLightArray(direction=[[1, -1, -1]])
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(), light_array=lights, resolution=(24, 40))
    expected = tdr.compute_jacobian(pipeline, ["light.direction", "shader.diffuse"])
    with np.load(folder / "jacobian.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"image", "triangle_id", "light.direction", "shader.diffuse"}
        assert arrays["light.direction"].shape == (24, 40, 1, 1, 3)
        assert arrays["shader.diffuse"].shape == (24, 40, 1)
        for name, array in expected.arrays().items():
            np.testing.assert_array_equal(arrays[name], array)
    np.testing.assert_array_equal(iio.imread(folder / "render.png"), jacobian_pictures.encode_srgb(expected.image))
    pictures = {path.name for path in (folder / "jacobian").iterdir()}
    assert pictures == {f"light.direction.0.{c}.png" for c in "xyz"} | {"shader.diffuse.png"}
    for column in expected.columns:
        picture = iio.imread(folder / "jacobian" / f"{column.name}.png")
        np.testing.assert_array_equal(picture, jacobian_pictures.column_picture(expected, column))
    np.testing.assert_array_equal(iio.imread(folder / "figure.png"), jacobian_pictures.figure(expected))
    with np.load(folder / "g_buffer.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["triangle_id"], expected.triangle_id)
    assert {path.stem for path in (folder / "g_buffer").iterdir()} >= {"depth_ndc", "normal_world", "triangle_id"}


def test_the_tracked_run_says_what_was_chosen_and_measured(tilted):
    command = tilted[0]
    (run,) = command.runs()
    assert (run.info.status, run.info.run_name) == ("FINISHED", "sphere perspective tilted blinn_phong")
    params = run.data.params
    assert {key: params[key] for key in ("mesh", "camera", "light", "shader")} == {
        "mesh": "sphere",
        "camera": "perspective",
        "light": "tilted",
        "shader": "blinn_phong",
    }
    assert (params["image.width"], params["image.height"], params["runtime.precision"]) == ("40", "24", "f64")
    assert not any(key.startswith(("tracking.", "hydra.")) for key in params)
    assert len(params) < 12
    metrics = json.loads((command.folder / "run" / "metrics.json").read_text())
    assert run.data.metrics == pytest.approx(metrics)
    parts = ("imports", "compile", "visibility", "render", "jacobian", "pictures", "total")
    assert all(metrics[f"time_s/{part}"] > 0 for part in parts)
    assert metrics["jacobian/light.direction.0.x/max_abs"] > 0
    assert {"tdr.version", "tdr.taichi", "mlflow.source.git.commit", "tdr.git.dirty"} <= set(run.data.tags)
    artifacts = {item.path for item in command.client().list_artifacts(run.info.run_id)}
    assert {"render.png", "figure.png", "jacobian", "jacobian.npz", "metrics.json", ".hydra", "images"} <= artifacts


def test_the_terminal_says_what_ran_where_it_is_and_how_to_see_it(tilted):
    done = tilted[1]
    assert done.stderr == ""
    for words in ("sphere perspective tilted blinn_phong", "40 x 24 pixels", "4 Jacobian images", "largest entries"):
        assert words in done.stdout
    assert "output     run\n" in done.stdout
    assert "compile" in done.stdout
    (run,) = tilted[0].runs()
    assert f"/runs/{run.info.run_id}" in done.stdout
    assert "mlflow ui" in done.stdout


def test_a_sweep_is_one_parent_with_a_run_for_each_job_and_compiles_once(command):
    values = "[[1,-1,-1]],[[0,-1,-1]],[[0,0,0]],[[-1,-1,-1]]"
    done = command("-m", f"light.direction={values}", *SMALL, status=1)
    assert "3 of 4 jobs finished" in done.stdout
    assert "light.direction must not be the zero vector" in done.stdout
    runs = command.runs()
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert parent.info.status == "FAILED"
    assert parent.info.run_id in done.stdout
    assert [run.info.run_name for run in children] == [
        f"direction={v}" for v in values.replace("]],", "]];").split(";")
    ]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.data.tags["tdr.sweep"] for run in runs} == {parent.info.run_name}
    assert [run.info.status for run in children] == ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
    assert "zero vector" in children[2].data.tags["tdr.error"]
    compile_times = [run.data.metrics["time_s/compile"] for run in children if run.info.status == "FINISHED"]
    # A kernel takes tens of milliseconds even from Taichi's cache; a launch takes less than one.
    assert max(compile_times[1:]) < 0.2 * compile_times[0]


def test_runs_without_tracking_do_not_import_mlflow_and_write_their_files_from_any_directory(first_command):
    done = first_command("tracking.enabled=false", *SMALL, PYTHONPROFILEIMPORTTIME="1")
    assert "taichi" in done.stderr
    assert not any(line.split("|")[-1].strip().startswith("mlflow") for line in done.stderr.splitlines())
    assert (first_command.folder / "run" / "jacobian.npz").exists()
    assert not (first_command.folder / "mlflow.db").exists()
    assert not (first_command.folder / "mlruns").exists()


def test_mistakes_are_answered_without_taichi_and_mlflow_and_leave_no_run(first_command):
    done = first_command("camera.fov=200", status=1, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert not {"taichi", "mlflow", "trimesh"} & imported
    assert done.stderr.splitlines()[-1].startswith("error: camera.fov must be")
    assert not (first_command.folder / "run").exists()
    assert not (first_command.folder / "mlflow.db").exists()
    done = first_command("ligth=tilted", status=1)
    assert done.stderr.startswith("error: ligth must be a known key")
    assert done.stderr.count("\n") <= 2
    assert "Traceback" in first_command("camera.fov=200", status=1, HYDRA_FULL_ERROR="1").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # What a shell makes of light.direction=[[1, -1, -1]] without quotes.
        (["light.direction=[[1,", "-1,", "-1]]"], "light.direction must have brackets in pairs; got [[1,. Quote a"),
        (["--light=tilted"], "light must be given without dashes; got --light=tilted. Type light=tilted."),
        (["--tilted"], "unrecognized arguments: --tilted"),
    ],
)
def test_arguments_that_are_none_are_answered_and_leave_no_run(first_command, arguments, words):
    done = first_command(*arguments, status=1)
    assert words in done.stderr
    assert not (first_command.folder / "run").exists()
    assert not (first_command.folder / "mlflow.db").exists()


def test_a_mistake_takes_nothing_away(command):
    (command.folder / "run").mkdir()
    (command.folder / "run" / "notes.txt").touch()
    command("camera.fov=200", status=1)
    assert (command.folder / "run" / "notes.txt").exists()


def test_the_direction_that_angles_give_is_a_param(command):
    command("light=three_point", "light.azimuth=-150", *SMALL, "tracking.enabled=false", "check=off")
    record = json.loads((command.folder / "run" / "record.json").read_text())
    # The light is not that of the option any more, and the name says so.
    assert record["name"] == "sphere perspective three_point blinn_phong azimuth=-150"
    params = record["params"]
    # cos(35.26) cos(-150) = -0.7071, cos(35.26) sin(-150) = -0.4082, sin(35.26) = 0.5774
    assert params["light.direction"] == "[[0.7071,0.4082,-0.5774],[-1,-0.3,-0.8],[0.2,-0.6,1]]"
    assert params["light.azimuth"] == "-150"


def test_a_run_that_fails_is_kept_as_failed(command):
    done = command("mesh=file", "mesh.path=nowhere.obj", status=1)
    assert "mesh.path" in done.stderr
    assert "nowhere.obj" in done.stderr
    assert "Traceback" not in done.stderr
    (run,) = command.runs()
    assert run.info.status == "FAILED"
    assert "nowhere.obj" in run.data.tags["tdr.error"]
    assert run.data.tags["mlflow.note.content"].startswith("**Failed.** mesh.path")
    assert not (command.folder / "run" / "jacobian.npz").exists()


def test_a_server_that_does_not_answer_loses_nothing(command):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = command(f"tracking.uri={uri}", *SMALL, status=1)
    assert f"tracking.uri must point to an MLflow server that answers; got {uri}" in done.stderr
    assert str(command.folder / "run") in done.stderr
    assert (command.folder / "run" / "jacobian.npz").exists()


def test_an_output_folder_that_cannot_be_made_is_refused(command):
    (command.folder / "file").write_text("in the way")
    done = command(f"hydra.run.dir={command.folder}/file/run", status=1)
    assert "hydra.run.dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_loop_gives_the_same_arrays(command):
    command("light=three_point", *SMALL)
    (command.folder / "run").rename(command.folder / "batched")
    command("light=three_point", *SMALL, "jacobian.method=loop")
    with (
        np.load(command.folder / "batched" / "jacobian.npz") as batched,
        np.load(command.folder / "run" / "jacobian.npz") as loop,
    ):
        assert loop["light.direction"].any()
        np.testing.assert_array_equal(batched["light.direction"], loop["light.direction"])


@pytest.mark.parametrize("limit", ["null", "500B"], ids=["whole", "in bands"])
def test_what_looks_empty_or_broken_is_said(command, limit):
    options = ("tracking.enabled=false", f"jacobian.memory_limit={limit}")
    done = command("camera.position=[0,0,30]", "camera.far=10", *SMALL, *options)
    assert "WARNING    nothing is visible" in done.stdout
    assert "zero everywhere: light.direction.0.z" in done.stdout


PRESETS = {
    "all_parameters": ([], [""]),
    "lesson": (["light=tilted,three_point"], ["light=tilted", "light=three_point"]),
    "light_ring": (["light.azimuth=range(0,270,90)"], [f"azimuth={azimuth}" for azimuth in (0, 90, 180)]),
    "light_hemisphere": (["light.azimuth=0,90", "light.elevation=-45"], ["azimuth=0", "azimuth=90"]),
    "shininess": (["shader.shininess=5,50"], ["shininess=5", "shininess=50"]),
    "resolution": (["image.width=8,12"], ["width=8", "width=12"]),
    "mesh_shader": (["mesh=cube"], ["shader=blinn_phong", "shader=lambertian"]),
}


@pytest.mark.parametrize("preset", [path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")])
def test_every_preset_runs_and_what_it_sweeps_may_be_overridden(command, preset):
    overrides, names = PRESETS[preset]
    small = [] if preset == "resolution" else SMALL
    done = command(f"experiment={preset}", *small, *overrides, "tracking.enabled=false")
    if overrides:
        assert f"{len(names)} of {len(names)} jobs finished" in done.stdout
    folders = sorted(path.parent for path in command.folder.glob("*/**/jacobian.npz"))
    records = [json.loads((folder / "record.json").read_text()) for folder in folders]
    assert [record["status"] for record in records] == ["FINISHED"] * len(names)
    assert all(name in record["name"] for name, record in zip(names, records, strict=True))
    if overrides:
        assert [folder.name.rpartition("-")[0] for folder in folders] == [f"{i}_{name}" for i, name in enumerate(names)]
    if preset == "light_hemisphere":
        assert [record["params"]["light.direction"] for record in records] == [
            "[[-0.7071,0,0.7071]]",
            "[[0,-0.7071,0.7071]]",
        ]


def test_help_names_the_options():
    done = subprocess.run(
        [sys.executable, str(ROOT / "experiments" / "jacobian.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "light:      frontal, three_point, tilted" in done.stdout
    assert "schema" not in done.stdout


WRONG = """
import taichi as ti
import taichi.math as tm

parameters = {"gain": 0.7}


@ti.func
def reflect(surface, light, constants):
    total = 0.0
    for i in range(3):
        total += constants.gain * tm.dot(surface.normal, light.to_light) * i
    return total * light.color
"""


def test_a_passed_check_is_in_the_files_and_in_mlflow(tilted):
    command, done = tilted
    assert "check      passed   quick: 4 columns" in done.stdout
    content = json.loads((command.folder / "run" / "check.json").read_text())
    assert (content["verdict"], content["mode"]) == ("passed", "quick")
    assert [column["column"] for column in content["columns"]] == [
        *(f"light.direction.0.{c}" for c in "xyz"),
        "shader.diffuse",
    ]
    assert {path.stem for path in (command.folder / "run" / "check").iterdir()} == {"error", "places", "steps"}
    (run,) = command.runs()
    assert run.data.tags["tdr.check"] == "passed"
    assert run.data.params["check"] == "quick"
    assert "Check passed" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics["check/shader.diffuse/max_error"] < 1e-9
    assert run.data.metrics["check/shader.diffuse/tolerance"] > 0.0


def test_a_failed_check_exits_with_2_after_everything_is_written(command):
    (command.folder / "wrong.py").write_text(WRONG)
    options = (*SMALL, "shader=custom", "shader.path=wrong.py", "jacobian.parameters=[shader.gain,light.direction]")
    done = command(*options, status=2)
    assert "check      FAILED" in done.stdout
    assert "wrong.py line 11: A run-time loop" in done.stdout
    folder = command.folder / "run"
    assert json.loads((folder / "check.json").read_text())["verdict"] == "failed"
    assert (folder / "shader.py").read_text() == WRONG
    assert (folder / "figure.png").exists()
    (run,) = command.runs()
    assert (run.info.status, run.data.tags["tdr.check"]) == ("FINISHED", "failed")
    shown = re.findall(r"!\[.*\]\(get-artifact\?path=(.*)&run_uuid=", run.data.tags["mlflow.note.content"])
    assert shown == ["check/error.png", "figure.png"]
    assert all((folder / name).exists() for name in shown)
    assert command(*options, "check.on_fail=warn").stdout.count("FAILED") == 1
    quiet = command(*options, "check=off", "tracking.enabled=false")
    assert "check      off" in quiet.stdout
    assert "FAILED" not in quiet.stdout


def test_a_sweep_counts_failed_checks(command):
    (command.folder / "wrong.py").write_text(WRONG)
    done = command("-m", *SMALL, "shader=custom", "shader.path=wrong.py", "check=quick,off", status=2)
    assert "2 of 2 jobs finished" in done.stdout
    assert "checks     1 failed" in done.stdout
    parent = next(run for run in command.runs() if "mlflow.parentRunId" not in run.data.tags)
    assert (parent.info.status, parent.data.metrics["jobs/check_failed"]) == ("FINISHED", 1)


@pytest.mark.parametrize("sweep", [False, True], ids=["run", "sweep"])
@pytest.mark.parametrize("reader", ["closes after a line", "has no room"])
def test_a_terminal_that_nobody_reads_is_no_error_of_the_run(command, reader, sweep):
    """``| head -1``, or a file on a full disk."""
    line = command.line(*SMALL, "light=tilted", *(("-m", "light.azimuth=0,10") if sweep else ()))
    options = {"stderr": subprocess.PIPE, "text": True, "cwd": command.folder, "env": command.environment()}
    with open("/dev/full", "w") as full:
        stdout = full if reader == "has no room" else subprocess.PIPE
        with subprocess.Popen(line, stdout=stdout, **options) as process:
            if process.stdout is not None:
                assert process.stdout.readline()
                process.stdout.close()
            said = process.stderr.read()
    assert process.returncode == 0, said
    assert ("No space left on device" in said) == (reader == "has no room")
    assert "error" not in said
    assert "Traceback" not in said
    assert {run.info.status for run in command.runs()} == {"FINISHED"}


def test_a_terminal_shows_what_is_said_and_what_goes_on(command):
    """Where rich stands in for stdout, Taichi speaks of a graphical shell."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command.line(*SMALL, "light=tilted"),
        stdout=theirs,
        stderr=theirs,
        cwd=command.folder,
        env=command.environment(),
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # what reading a terminal ends with whose other side is closed
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "Graphical" not in text
    assert " ..." in text  # beside the spinner
    lines = [line for line in text.replace("\r", "\n").splitlines() if line.startswith("check      passed")]
    assert len(lines) == 1
