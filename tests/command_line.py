"""The commands that users type, run as they type them, each with a store and folders of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow

from tdr.command.settings import ROOT

SMALL = ("image.width=8", "image.height=8")


class Command:
    """Runs an experiment in a scratch folder.

    Args:
        folder: where it is started, and where everything that it writes goes.
        database: what its store begins with, because making a new one takes seconds; None for none.
    """

    def __init__(self, folder: Path, database: Path | None = None) -> None:
        self.folder = folder
        if database is not None:
            shutil.copy(database, folder / "mlflow.db")

    def __call__(self, *overrides: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Start it with overrides; the exit status must be the expected one."""
        arguments, variables = self.line(*overrides), self.environment(**environment)
        done = subprocess.run(arguments, capture_output=True, text=True, cwd=self.folder, env=variables, timeout=600)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def script(self, name: str, *arguments: str, status: int = 0) -> str:
        """What a script prints, ``scripts/<name>.py``; the exit status must be the expected one."""
        line = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
        done = subprocess.run(line, capture_output=True, text=True, cwd=self.folder, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, *overrides: str) -> subprocess.Popen[str]:
        """Start it in a process group of its own, and go on; what it prints goes to ``output.txt``."""
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                self.line(*overrides),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
                # What starts the tests in the background may ignore Ctrl-C, and so would all that they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def line(self, *overrides: str) -> list[str]:
        """The command line with overrides."""
        elsewhere = any(override.startswith(("tracking.", "resume=")) for override in overrides)
        resumed = any(override.startswith("resume=") for override in overrides)
        return [
            sys.executable,
            str(ROOT / "experiments" / "jacobian.py"),
            *[option for option in overrides if option == "-m"],
            *([] if resumed else [f"hydra.run.dir={self.folder}/run", f"hydra.sweep.dir={self.folder}/sweep"]),
            *([] if elsewhere else [f"tracking.uri=sqlite:///{self.folder}/mlflow.db"]),
            *[override for override in overrides if override != "-m"],
        ]

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a command."""
        kept = {key: value for key, value in os.environ.items() if key not in ("TDR_FULL_ERROR", "HYDRA_FULL_ERROR")}
        return {**kept, **changes}

    def output(self) -> str:
        """What the command that was started last has printed."""
        return (self.folder / "output.txt").read_text()

    def records(self) -> dict[str, dict]:
        """The records of a sweep's jobs that have ended, by the names of their folders."""
        found = sorted((self.folder / "sweep").glob("*/record.json"))
        return {path.parent.name: json.loads(path.read_text()) for path in found}

    def runs(self) -> list[mlflow.entities.Run]:
        """The runs in the store, oldest first."""
        client = self.client()
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(reversed(client.search_runs(experiments)))

    def sweep_runs(self) -> tuple[mlflow.entities.Run, list[mlflow.entities.Run]]:
        """The one sweep's own run, and those of its jobs by name."""
        (parent,) = [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]
        children = [run for run in self.runs() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        return parent, sorted(children, key=lambda run: run.data.tags["tdr.uid"])

    def client(self) -> mlflow.MlflowClient:
        """MLflow's own client for the store."""
        return mlflow.MlflowClient(f"sqlite:///{self.folder}/mlflow.db")


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 90.0) -> None:
    """Wait until something is so, while a process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the process has ended before"
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.02)


def end(process: subprocess.Popen[str], number: signal.Signals, *, group: bool = True) -> int:
    """Send a signal to a process, or to its whole group as a terminal does; returns its exit status."""
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    return process.wait(timeout=180)
