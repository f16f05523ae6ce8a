"""``hydra.sweep.subdir``: obeyed, or refused before the first job, and resumed as it was started."""

import pytest
from command_line import SMALL


@pytest.mark.parametrize(
    ("subdir", "folders"),
    [
        ("${hydra.job.num}", ["0", "1"]),
        ("run-${hydra.job.num}", ["run-0", "run-1"]),
        ("${hydra.job.override_dirname}", ["mesh.path=a.obj,mesh=file", "mesh.path=b.obj,mesh=file"]),
    ],
)
def test_jobs_lie_where_it_says_and_can_be_resumed_there(command, subdir, folders):
    (command.folder / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    kept = "hydra.job.config.override_dirname.exclude_keys=[tracking.uri,image.width,image.height]"
    line = ("-m", f"hydra.sweep.subdir={subdir}", kept, "mesh=file", "mesh.path=a.obj,b.obj", *SMALL)
    done = command(*line, status=1)
    assert "1 of 2 jobs finished" in done.stdout
    assert list(command.records()) == folders
    (command.folder / "b.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert "resume     python experiments/jacobian.py resume=sweep" in done.stdout
    assert "1 of 2 jobs finished before, 1 left" in command("resume=sweep").stdout
    assert {folder: record["status"] for folder, record in command.records().items()} == dict.fromkeys(
        folders, "FINISHED"
    )


@pytest.mark.parametrize("subdir", ["fixed", "a/${hydra.job.num}", "..", "../${hydra.job.num}"])
def test_what_no_folder_of_each_job_can_be_is_refused_before_the_first(command, subdir):
    done = command("-m", f"hydra.sweep.subdir={subdir}", "light.elevation=20,40", *SMALL, status=1)
    assert "hydra.sweep.subdir must name a folder in the sweep's own, another one for each job; got" in done.stderr
    assert not (command.folder / "sweep").exists()
