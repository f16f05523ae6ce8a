"""Measuring in other processes: workers that time a case, and commands as a user types them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.results import Case, CaseResult, StageResult, bytes_moved

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("visibility", "surface", "shade", "render", "jacobian")
# What fits into this many seconds is repeated more often than it must be, at most MOST_REPEATS times.
SECONDS = 1.0
MOST_REPEATS = 31


class MeasurementError(RuntimeError):
    """Something could not be measured; the message says what a process printed last."""


class Worker:
    """A process that has one case and times what it is asked to; a context manager.

    Args:
        case: the case.
        cache: Taichi's kernel cache, a folder; written when the worker ends.
    """

    def __init__(self, case: Case, cache: Path) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(dataclasses.asdict(case))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT / "scripts",
            env=environment(cache, TI_CPU_MAX_NUM_THREADS=str(case.threads)),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()
        self._errors.close()

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer of a method of :class:`benchmarks.worker.Session`.

        Raises:
            MeasurementError: if the process ends without one.
        """
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        try:
            print(json.dumps([name, *arguments]), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            status = self._process.wait()
            self._errors.seek(0)
            raise MeasurementError(f"exit status {status}: {_last_line(self._errors.read())}")
        return json.loads(answer)

    def timer(self, what: str, again: bool = False) -> Callable[[], float]:
        """A function that returns the seconds of one call of what is to be timed.

        Args:
            what: see :class:`benchmarks.worker.Session`.
            again: whether a call that does not count comes right before, so that caches hold what they would if no
                other process took its turn.
        """

        def call() -> float:
            if again:
                self.ask("time", what)
            return float(self.ask("time", what))

        return call


def environment(cache: Path, **variables: str) -> dict[str, str]:
    """This process's environment for one that runs the code that lies here, with a kernel cache of its own."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "TI_OFFLINE_CACHE_FILE_PATH": str(cache), **variables}


def interleave(timers: Sequence[Callable[[], float]], least: int) -> list[list[float]]:
    """Let timers take turns, so that what else the machine does slows all of them down alike.

    Args:
        timers: each returns the seconds of one call.
        least: how often at least; a first turn does not count.

    Returns:
        The seconds of each timer.
    """
    for timer in timers:
        timer()
    turns = [[timer() for timer in timers]]
    repeats = max(least, min(MOST_REPEATS, int(SECONDS / sum(turns[0]))))
    turns += [[timer() for timer in timers] for _ in range(repeats - 1)]
    return [list(times) for times in zip(*turns, strict=True)]


def measure_case(case: Case, cache: Path | None, least: int) -> CaseResult:
    """Time the stages of a case, each beside a copy of as many bytes.

    Args:
        case: the case.
        cache: a kernel cache to use; if None, compile times are measured too, with a cache of the case's own.
        least: repeats, at least.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Worker(case, cache or Path(folder)) as worker:
                cold = None if cache else worker.ask("compile")
                for stage in STAGES:
                    worker.ask("time", stage)
                peak = worker.ask("peak_bytes")
                sizes = worker.ask("sizes")
                moved = {stage: bytes_moved(stage, sizes) for stage in STAGES}
                timers = []
                for stage in STAGES:
                    timers += [worker.timer(stage), _copy_timer(worker, sum(moved[stage].values()))]
                *times, yardstick = interleave([*timers, worker.timer("yardstick")], least)
            if cache is None:
                with Worker(case, Path(folder)) as again:
                    cached = again.ask("compile")
            else:
                cached = None
        except MeasurementError as error:
            return CaseResult(case, error=str(error))
    stages = {
        stage: StageResult(seconds, copies, moved[stage])
        for stage, seconds, copies in zip(STAGES, times[::2], times[1::2], strict=True)
    }
    return CaseResult(case, stages, sizes["covered"], peak, cold, cached, yardstick)


def _copy_timer(worker: Worker, moved: int) -> Callable[[], float]:
    return lambda: float(worker.ask("copy", moved))


def command_timer(
    arguments: Sequence[str], variables: Mapping[str, str], folder: Path, status: int = 0
) -> Callable[[], float]:
    """A function that runs a command and returns the seconds that it took.

    Args:
        arguments: the command line.
        variables: its environment.
        folder: where it is started.
        status: the exit status that it must have.
    """

    def run() -> float:
        start = time.perf_counter()
        done = subprocess.run(arguments, env=variables, cwd=folder, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode != status:
            raise MeasurementError(f"exit status {done.returncode}: {_last_line(done.stderr or done.stdout)}")
        return seconds

    return run


def measure_memory(arguments: Sequence[str], variables: Mapping[str, str], folder: Path, most: int) -> tuple[int, str]:
    """Run a command once and watch its memory.

    Args:
        arguments: the command line.
        variables: its environment.
        folder: where it is started.
        most: bytes at which it is stopped, so that the machine lives.

    Returns:
        Its peak resident memory in bytes, and how long it took.

    Raises:
        MeasurementError: if it fails or is stopped.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(arguments, env=variables, cwd=folder, stdout=output, stderr=output)
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if _resident_bytes(process.pid) > most:
                    raise MeasurementError(
                        f"stopped at {most / 1e9:.3g} GB, after {time.perf_counter() - start:.0f} s, so that the "
                        "machine lives"
                    )
                time.sleep(0.05)
        finally:
            if not pid:
                process.kill()
                process.wait()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            raise MeasurementError(f"exit status {process.returncode}: {_last_line(output.read())}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak, f"{time.perf_counter() - start:.0f} s"


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process, 0 where the system does not tell (it is not Linux)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed nothing"
