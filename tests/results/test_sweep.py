"""A sweep's plan, its names, and how it stands."""

import json

import pytest

from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.results.record import RunRecord
from tdr.results.sweep import Sweep, SweepJob, SweepRunsError, folder_name, run_name


@pytest.mark.parametrize(
    ("axes", "values", "name"),
    [
        (["light.azimuth"], {"light.azimuth": "15", "image.width": "8"}, "azimuth=15"),
        (["light.azimuth"], {"light.azimuth": "0.30000000000000004"}, "azimuth=0.3"),
        (["light.azimuth"], {"light.azimuth": "337.5"}, "azimuth=337.5"),
        (["light.azimuth"], {"light.azimuth": "315.0"}, "azimuth=315"),
        (["light.azimuth"], {"light.azimuth": "-0.0"}, "azimuth=0"),
        (["light.azimuth"], {"light.azimuth": "-5.551115123125783e-17"}, "azimuth=0"),
        (["shader.eps"], {"shader.eps": "1.5e-13"}, "eps=1.5e-13"),
        (["shader.eps"], {"shader.eps": "1e-05"}, "eps=1e-05"),
        (["shader.gain"], {"shader.gain": "12345678901.5"}, "gain=12345678901.5"),
        (["camera.position"], {"camera.position": "[0.1,-0.6000000000000001,2.0]"}, "position=[0.1,-0.6,2]"),
        (["light.direction"], {"light.direction": "[[1,-1,-1],[0,0.5,-1]]"}, "direction=[[1,-1,-1],[0,0.5,-1]]"),
        (["mesh.path"], {"mesh.path": "v1.0/2.0/a_3.0.obj"}, "path=v1.0/2.0/a_3.0.obj"),
        (["mesh", "shader.diffuse"], {"shader.diffuse": "0.5", "mesh": "torus"}, "mesh=torus diffuse=0.5"),
        (["mesh.scale", "a.scale"], {"mesh.scale": "2", "a.scale": "3"}, "mesh.scale=2 a.scale=3"),
        ([], {"mesh": "torus"}, "job"),
    ],
)
def test_a_job_is_named_by_what_varies(axes, values, name):
    assert run_name(axes, values) == name


def test_options_come_first():
    assert run_name(["light.direction"], {"light.direction": "[[0,-1,-1]]"}, ["sphere", "frontal"]) == (
        "sphere frontal direction=[[0,-1,-1]]"
    )
    assert run_name([], {}, ["sphere", "frontal"]) == "sphere frontal"


def test_long_names_show_both_ends_and_differ_where_values_do():
    vectors = [[[x, 0, -1] if i == 5 else [i, -1, -1] for i in range(12)] for x in range(20)]
    texts = [str(directions).replace(" ", "") for directions in vectors]
    names = [run_name(["light.direction"], {"light.direction": text}) for text in texts]
    assert len(set(names)) == 20
    assert all(name.startswith("direction=[[0,-1,-1],[1,") for name in names)
    assert all(name.endswith("[11,-1,-1]]") for name in names)
    assert max(map(len, names)) <= len("direction=") + 60
    many = {f"light.direction{i}": texts[0] for i in range(6)}
    assert len(run_name([*many], many)) <= 250


def test_folders_are_named_by_what_varies_and_differ_where_any_override_does():
    names = [folder_name(f"light.direction=[[{x},0,-1]] " * 20, [f"x={x}"]) for x in range(50)]
    assert len(set(names)) == 50
    assert all(len(name) <= 107 for name in names)
    assert folder_name("mesh.path=a/b/../c d.obj", []).startswith("mesh.path=a_b_.._c_d.obj-")
    assert folder_name("a=1", ["a=1"]) == folder_name("a=1", ["a=1"])
    assert folder_name("a=1", ["a=1"]) != folder_name("a=1", ["a=1", "b=2"])


@pytest.fixture
def sweep(tmp_path):
    """A sweep of three jobs, of which the first two have finished."""
    jobs = [SweepJob(f"mesh={m}", f"{i}_mesh={m}", {"mesh": m}, [f"mesh={m}"]) for i, m in enumerate(("a", "b", "c"))]
    sweep = Sweep(tmp_path, "meshes", ["mesh"], jobs, ["mesh=a,b,c"], str(tmp_path), TrackingConfig(uri="x"), 1.5)
    sweep.write()
    for job in jobs[:2]:
        folder = tmp_path / job.folder
        (folder / "jacobian").mkdir(parents=True)
        (folder / "jacobian" / "x.png").write_bytes(b"12345")
        RunRecord(job.name, "FINISHED", 1.0, 2.0, folder, uid=sweep.uid_of(job)).write_json()
    return sweep


def test_a_sweep_is_read_as_it_was_written_wherever_its_folder_is(sweep, tmp_path):
    again = Sweep.read(tmp_path)
    assert (again.uid, again.axes, again.tracking) == (sweep.uid, ["mesh"], TrackingConfig(uri="x"))
    assert list(again.jobs) == list(sweep.jobs)
    assert [job.name for job in again.unfinished()] == ["mesh=c"]
    moved = tmp_path.parent / "moved"
    tmp_path.rename(moved)
    assert [job.name for job in Sweep.read(moved).unfinished()] == ["mesh=c"]


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", "null", "3", '{"jobs": null, "tracking": {}}', '{"jobs": [{"name": 1}], "tracking": {}}']
)
def test_other_folders_are_no_sweeps(tmp_path, text):
    with pytest.raises(InputError, match=r"A sweep's folder must hold a sweep\.json that can be read; got"):
        Sweep.read(tmp_path)
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(InputError, match=r"A sweep's folder must hold a sweep\.json that can be read; got"):
        Sweep.read(tmp_path)


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize("folder", ["../elsewhere", "..", ".", "", "a/b", "/tmp/elsewhere", "link"])
def test_a_plan_with_folders_outside_its_own_is_refused(tmp_path, folder):
    """A job's folder is cleared before the job runs again."""
    elsewhere = tmp_path.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(elsewhere)
    plan = tmp_path / "sweep.json"
    content = json.loads(plan.read_text())
    content["jobs"][1]["folder"] = folder
    plan.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"sweep\.json that can be read; got .* is no folder in it"):
        Sweep.read(tmp_path)


def test_jobs_that_failed_or_lost_files_are_unfinished(sweep):
    first, second, third = sweep.jobs
    sweep.fail(third, "The disk is full.")
    record = sweep.record_of(third)
    assert (record.status, record.tags["tdr.error"], record.exit_status) == ("FAILED", "The disk is full.", 1)
    assert (record.sweep, record.uid) == (sweep.uid, sweep.uid_of(third))
    assert sweep.unfinished() == [third]
    # What a power cut leaves of files that were not yet on the disk.
    (sweep.folder / first.folder / "jacobian" / "x.png").write_bytes(b"")
    (sweep.folder / second.folder / "record.json").write_bytes(b"")
    assert sweep.unfinished() == [first, second, third]
    sweep.clear(first)
    assert not (sweep.folder / first.folder).exists()
    sweep.clear(first)


def test_a_sweep_is_run_by_one_process_at_a_time(sweep):
    with sweep.running(), pytest.raises(SweepRunsError, match="must not run twice at a time"), sweep.running():
        pass
    with sweep.running():
        pass
