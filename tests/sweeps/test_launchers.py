"""Sweeps in several processes: the same runs with every launcher, and what is left when a process is killed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from command_line import Command, end, wait_for

TRACK_NOTHING = "tracking.enabled=false"
TINY = ("image.width=16", "image.height=16", "check=off", TRACK_NOTHING)
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")

# Notes which process runs it, and what Taichi makes of its share of the cores.
NOTING = """
import os
from pathlib import Path
from tdr.backend import ti

parameters = {"gain": 1.0}
with Path("processes.txt").open("a") as file:
    file.write(f"{os.getpid()} {ti.cfg.cpu_max_num_threads}\\n")


@ti.func
def reflect(surface, light, constants):
    return constants.gain * light.color
"""

# Ends its process as the kernel does for want of memory, unless a file is there.
DEADLY = """
import os
import signal
from pathlib import Path
from tdr.backend import ti

parameters = {}
if not Path("cured").exists():
    Path("begun").touch()
    CURE
    os.kill(os.getpid(), signal.SIGKILL)


@ti.func
def reflect(surface, light, constants):
    return light.color
"""

# A cluster of one node, which runs the jobs of an array one after the other.
SLURM = {
    "sbatch": """
cp "$1" job.sh
setsid slurmd > /dev/null 2>&1 &
echo $! > pid
echo "Submitted batch job 7"
""",
    "slurmd": """
for i in $(seq 0 $(grep -oP '(?<=--array=0-)[0-9]+' job.sh)); do
    SLURM_JOB_ID=10$i SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$i SLURM_CPUS_PER_TASK=1 bash job.sh
    echo "7_$i|COMPLETED|node" >> ended
done
""",
    "srun": 'while [ "${1#--}" != "$1" ]; do [ "$1" = --unbuffered ] || shift; shift; done; exec "$@"',
    "sacct": 'echo "JobID|State|NodeList"; cat ended',
    "scancel": 'echo "$1" >> cancelled; kill -- "-$(cat pid)"',
}


@pytest.fixture
def command(tmp_path, server_database):
    (tmp_path / "noting.py").write_text(NOTING)
    (tmp_path / "deadly.py").write_text(DEADLY.replace("CURE", "pass"))
    (tmp_path / "deadly_once.py").write_text(DEADLY.replace("CURE", 'Path("cured").touch()'))
    return Command(tmp_path, server_database)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Slurm's commands, in PATH."""
    (tmp_path / "ended").touch()
    for name, script in SLURM.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\ncd {tmp_path}\n{script}")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)


def statuses(command: Command) -> list[str]:
    """How the jobs of the sweep ended."""
    return [record["status"] for record in command.records().values()]


def processes(command: Command) -> dict[str, str]:
    """The processes that ran jobs, and the threads that Taichi used in them."""
    lines = (command.folder / "processes.txt").read_text().splitlines()
    return dict(line.split() for line in lines)


# Six jobs, of which two fail.
SWEEP = (
    "-m",
    "light.direction=[[0,0,-1]],[[0,0,0]],[[1,-1,-1]]",
    "shader.gain=1,2",
    "shader=custom",
    "shader.path=noting.py",
    *TINY[:-1],
)


def check_sweep(command: Command, done: subprocess.CompletedProcess[str]) -> None:
    """Check that the sweep came to what it must, with whatever launcher."""
    assert "4 of 6 jobs finished" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    directions = ("[[0,0,-1]]", "[[0,0,0]]", "[[1,-1,-1]]")
    parent, runs = command.sweep_runs()
    assert [(run.info.run_name, run.info.status) for run in runs] == [
        (f"direction={direction} gain={gain}", "FAILED" if direction == "[[0,0,0]]" else "FINISHED")
        for direction in directions
        for gain in (1, 2)
    ]
    assert parent.info.status == "FAILED"
    assert all("zero vector" in run.data.tags["tdr.error"] for run in runs[2:4])
    for run in runs:
        names = {item.path for item in command.client().list_artifacts(run.info.run_id)}
        assert {".hydra", "record.json"} <= names
        assert ("jacobian.npz" in names) == (run.info.status == "FINISHED")


def test_joblib_shares_the_cores_and_one_kernel_cache(command, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(command.folder / "cache"))
    check_sweep(command, command(*JOBLIB, *SWEEP, status=1))
    assert len(processes(command)) == 2
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert set(processes(command).values()) == {str(share)}
    kernels = sorted((command.folder / "cache").rglob("*.tic"))
    assert kernels
    (command.folder / "sweep").rename(command.folder / "before")
    command(*JOBLIB, *SWEEP, TRACK_NOTHING, status=1)
    assert sorted((command.folder / "cache").rglob("*.tic")) == kernels, "nothing is compiled again"


@pytest.mark.usefixtures("slurm")
def test_slurm_gets_one_array_and_its_jobs_leave_the_same_runs(command):
    settings = ("partition=short", "cpus_per_task=4", "timeout_min=7", "array_parallelism=3")
    keys = [f"hydra.launcher.{setting}" for setting in settings]
    check_sweep(command, command("hydra/launcher=submitit_slurm", *keys, *SWEEP, status=1))
    assert len(processes(command)) == 4
    assert set(processes(command).values()) == {"1"}, "SLURM_CPUS_PER_TASK"
    script = (command.folder / "job.sh").read_text()
    for option in ("--partition=short", "--cpus-per-task=4", "--time=7", "--array=0-5%3"):
        assert f"#SBATCH {option}\n" in script


@pytest.mark.ray
def test_ray_leaves_the_same_runs(command):
    check_sweep(command, command("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", *SWEEP, status=1))
    assert len(processes(command)) == 2
    assert set(processes(command).values()) == {"1"}


def test_what_cannot_be_submitted_is_said(command):
    done = command("hydra/launcher=submitit_slurm", "-m", "light=frontal,tilted", *TINY, status=1)
    assert done.stderr == (
        "error: hydra/launcher must be able to submit jobs; it is not: "
        'Could not detect "srun", are you indeed on a slurm cluster?\n'
    )


@pytest.mark.usefixtures("slurm")
def test_interrupted_sweeps_cancel_their_jobs_in_slurm(command):
    process = command.start("hydra/launcher=submitit_slurm", "-m", "light=frontal,tilted,three_point", *TINY)
    wait_for(lambda: any((command.folder / "sweep").glob("0_*")), process)
    assert end(process, signal.SIGTERM, group=False) == 143
    assert (command.folder / "cancelled").read_text().split() == ["7_0", "7_1", "7_2"]
    assert "Traceback" not in command.output()


def test_a_killed_worker_of_joblib_costs_nothing_but_time(command):
    shaders = ",".join(["noting.py", "deadly_once.py", *["noting.py"] * 2])
    done = command(*JOBLIB, "-m", f"shader.path={shaders}", "shader=custom", *TINY)
    assert "a worker process was killed" in done.stdout
    assert (command.folder / "begun").exists()
    assert statuses(command) == ["FINISHED"] * 4


def test_a_job_that_kills_its_workers_fails_alone(command):
    done = command(*JOBLIB, "-m", "shader.path=deadly.py,noting.py,noting.py", "shader=custom", *TINY, status=1)
    assert statuses(command) == ["FAILED", "FINISHED", "FINISHED"]
    assert "The process that ran the job was killed, twice." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "launcher",
    [
        ("hydra/launcher=submitit_local",),
        pytest.param(
            (
                "hydra/launcher=ray",
                "+hydra.launcher.ray.init.num_cpus=2",
                "+hydra.launcher.ray.remote.max_retries=0",
            ),
            marks=pytest.mark.ray,
        ),
    ],
    ids=["submitit", "ray"],
)
def test_a_killed_job_fails_alone_and_is_resumed_alone_with_another_launcher(command, launcher):
    shaders = "shader.path=deadly.py,noting.py,noting.py"
    done = command(*launcher, "-m", shaders, "shader=custom", *TINY, status=1)
    assert statuses(command) == ["FAILED", "FINISHED", "FINISHED"]
    assert "Traceback" not in done.stdout + done.stderr
    first, *others = command.records().values()
    assert "A job must run to its end; got none" in first["tags"]["tdr.error"]
    (command.folder / "cured").touch()
    done = command(f"resume={command.folder}/sweep", *JOBLIB)
    assert "2 of 3 jobs finished before, 1 left" in done.stdout
    assert statuses(command) == ["FINISHED"] * 3
    assert list(command.records().values())[1:] == others


@pytest.mark.slow
def test_two_hundred_jobs_in_one_process_do_not_make_it_grow(command):
    process = command.start(
        "-m", "light.azimuth=range(0,360,1.8)", "image.width=128", "image.height=128", "check=off", TRACK_NOTHING
    )
    megabytes = []
    for jobs in (50, 195):
        wait_for(lambda jobs=jobs: len([*command.folder.glob("sweep/*/record.json")]) >= jobs, process, seconds=300)
        status = Path(f"/proc/{process.pid}/status").read_text()
        megabytes.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
    assert process.wait(timeout=300) == 0
    # The image alone is 0.2 MB a job in float32, its Jacobian as much for each light's direction.
    assert megabytes[1] - megabytes[0] < 15, megabytes
