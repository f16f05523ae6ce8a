"""A sweep: the jobs that it consists of, where their results are, and which of them have finished.

A sweep is a folder. ``sweep.json`` in it says which jobs belong to the sweep; each job has a folder of its own there,
and has ended when that holds a ``record.json``. Whoever wants to know how a sweep stands, in whatever process and on
whatever machine that shares the folder, reads these files; so a sweep can be taken up again after any accident.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.results import naming
from tdr.results.record import RunRecord, write_atomically


class SweepRunsError(InputError):
    """Another process runs the sweep."""


@dataclass(frozen=True)
class SweepJob:
    """One job of a sweep.

    Attributes:
        name: what varies and the values that it has here; the run's name.
        folder: its folder's name in the sweep's folder.
        values: axis -> value, as on the command line.
        overrides: all its overrides, as on the command line.
    """

    name: str
    folder: str
    values: Mapping[str, str]
    overrides: Sequence[str]


@dataclass(frozen=True)
class Sweep:
    """The jobs of a sweep.

    Attributes:
        folder: where its jobs' folders are.
        name: its name in the UI, and the tag of its runs.
        axes: the keys that vary.
        jobs: in the order of the command line, the last axis fastest.
        command: the overrides that it was started with, those of Hydra included.
        directory: where it was started; relative paths in the overrides start there.
        tracking: where its runs are kept.
        start_time: seconds since the epoch, of its first start.
        uid: what it is recognised by.
    """

    folder: Path
    name: str
    axes: Sequence[str]
    jobs: Sequence[SweepJob]
    command: Sequence[str]
    directory: str
    tracking: TrackingConfig
    start_time: float
    uid: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)

    def write(self) -> None:
        """Write ``sweep.json``."""
        content = dataclasses.asdict(self)
        del content["folder"]
        write_atomically(self.folder / naming.SWEEP, json.dumps(content, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Sweep:
        """Read ``sweep.json`` of a sweep's folder, which may have been moved.

        Raises:
            InputError: if it is not the folder of a sweep.
        """
        try:
            content: dict[str, Any] = json.loads((folder / naming.SWEEP).read_text(encoding="utf-8"))
            jobs = tuple(SweepJob(**job) for job in content.pop("jobs"))
            for job in jobs:
                # What a job left is removed before it runs again.
                if (folder / job.folder).resolve().parent != folder.resolve():
                    raise ValueError(f"{job.folder!r} is no folder in it")
            return cls(folder=folder, jobs=jobs, tracking=TrackingConfig(**content.pop("tracking")), **content)
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError(
                f"A sweep's folder must hold a {naming.SWEEP} that can be read; got {folder} ({error})."
            ) from None

    def job_of(self, folder: Path) -> SweepJob:
        """The job that has a folder."""
        return next(job for job in self.jobs if job.folder == folder.name)

    def uid_of(self, job: SweepJob) -> str:
        """What the run of a job is recognised by, at every attempt."""
        return f"{self.uid}-{job.folder}"

    def record_of(self, job: SweepJob) -> RunRecord | None:
        """How a job has ended; None if it has not, or if its record did not get onto the disk."""
        path = self.folder / job.folder / naming.RECORD
        try:
            return RunRecord.read_json(path) if path.exists() else None
        except InputError:
            return None

    def unfinished(self) -> list[SweepJob]:
        """The jobs that have not ended, or have failed, or have lost files since."""
        records = ((job, self.record_of(job)) for job in self.jobs)
        return [job for job, r in records if r is None or r.status != "FINISHED" or not r.is_whole()]

    def clear(self, job: SweepJob) -> None:
        """Remove what an earlier attempt at a job has left, so that none of it is taken for the next one's."""
        folder = self.folder / job.folder
        if folder.exists():
            shutil.rmtree(folder)

    def fail(self, job: SweepJob, reason: str) -> None:
        """Record that a job has failed before it could say so itself.

        Args:
            job: the job.
            reason: in the user's words.
        """
        folder = self.folder / job.folder
        folder.mkdir(exist_ok=True)
        now = time.time()
        record = RunRecord(job.name, "FAILED", now, now, folder, sweep=self.uid, exit_status=1, uid=self.uid_of(job))
        record.params.update(job.values)
        record.tags.update({naming.SWEEP_TAG: self.name, naming.ERROR_TAG: reason})
        record.write_json()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Keep other processes from running the same sweep.

        The lock is a database: SQLite's locks work on every platform and end with the process.

        Raises:
            SweepRunsError: if one runs it already.
        """
        with contextlib.closing(
            sqlite3.connect(self.folder / naming.SWEEP_LOCK, timeout=0, isolation_level=None)
        ) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise SweepRunsError(
                    f"A sweep must not run twice at a time; got {self.folder}, which a process is running ({error})."
                ) from None
            yield


def run_name(axes: Sequence[str], values: Mapping[str, str], options: Sequence[str] = ()) -> str:
    """A name for a run, to be read by people: in a sweep what varies, and its value.

    Args:
        axes: the keys that vary, or that were set.
        values: what the run sets each of them to, as the command line would.
        options: the options of config groups that were chosen; they come first.

    Returns:
        ``azimuth=0.3 mesh=torus``: keys by their last part where that tells them apart, numbers without the rounding
        errors of ``range()``, long values with a hash in place of their middle; at most 250 characters, which is what
        MLflow's database keeps.
    """
    last = [axis.rpartition(".")[2] for axis in axes]
    keys = [short if last.count(short) == 1 else axis for axis, short in zip(axes, last, strict=True)]
    parts = [f"{k}={_shorten(without_rounding_errors(values[a]), 60)}" for k, a in zip(keys, axes, strict=True)]
    return _shorten(" ".join([*options, *parts]) or "job", 250)


# A number with a decimal point, alone or in a list.
_NUMBER = re.compile(r"(?<![^\[,(: ])-?\d+\.\d+(?:e[+-]?\d+)?(?![^\],) }])")


def without_rounding_errors(value: str) -> str:
    """A value as the command line takes it, with 0.3 for the 0.30000000000000004 of ``range()``."""
    return _NUMBER.sub(_without_rounding_error, value)


def _without_rounding_error(number: re.Match[str]) -> str:
    value = float(number[0])
    if len(number[0]) > 15:
        # Nobody types that many digits: 0.30000000000000004, or 5.551115123125783e-17 for 0.
        value = round(value, 12)
        return f"{value + 0.0:.12g}"
    return f"{value + 0.0:.15g}"


def _shorten(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    half = (length - 12) // 2
    return f"{text[:half]}...{_digest(text)}...{text[-half:]}"


def folder_name(name: str, overrides: Sequence[str]) -> str:
    """A folder's name for a job of a sweep: the job's name, and a hash that keeps it apart from others.

    Args:
        name: the job's name, see :func:`run_name`.
        overrides: all that the job sets, what varies and what does not.

    Returns:
        At most 107 characters, none of which a shell or a file system reads in a way of its own.
    """
    readable = re.sub(r"[^A-Za-z0-9.=,+-]+", "_", name).strip("_")[:100]
    return f"{readable}-{_digest(','.join(overrides))}"


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()[:6]
