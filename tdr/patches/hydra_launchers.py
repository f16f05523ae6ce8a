"""Hands jobs to one of Hydra's launchers and waits until all of them have ended, also those whose process dies.

Hydra's launchers for submitit (Slurm) and for Ray stop waiting at the first job that has no result, while the others
run on unseen. Here each of those is a job that failed, and the rest are waited for. Being interrupted ends them all.
This buys no time: without it, the first job that is killed ends the sweep, which then has to be resumed.

Tried with Hydra's launcher for submitit 1.2.0 (and submitit 1.5.0 and 1.5.4) and with the one for Ray 1.2.2 (and Ray
2.60). What is changed is what the launchers see, so it is their versions that count; of submitit and Ray it
takes what these document. joblib's launcher, and the one that runs jobs in this process, are left as they are.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from tdr.errors import InputError
from tdr.patches.guard import applies

TRIED_SUBMITIT = ("1.2.0", "1.2.0")
TRIED_RAY = ("1.2.2", "1.2.2")


class JobLost(InputError):
    """A job ended without a result: its process was killed, ran out of time or memory, or could not begin."""


def dispatch(launcher: Launcher, overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
    """Run jobs.

    Args:
        launcher: Hydra's launcher.
        overrides: those of each job.
        first: the number of the first job.

    Returns:
        What each job has come to. That of a job without a result raises :class:`JobLost` when it is read.

    Raises:
        BrokenProcessPool: if a worker of joblib was killed; joblib ends all jobs then.
        InputError: if the launcher cannot start jobs.
    """
    package = type(launcher).__module__.rpartition(".")[0]
    if package == "hydra_plugins.hydra_submitit_launcher":
        waiting: contextlib.AbstractContextManager[None] = _submitit_waits(package)
    elif package == "hydra_plugins.hydra_ray_launcher":
        waiting = _ray_waits(package)
    else:
        waiting = contextlib.nullcontext()
    with waiting:
        returned: Sequence[JobReturn] = launcher.launch(overrides, initial_job_idx=first)
    for result, line in zip(returned, overrides, strict=True):
        result.overrides = result.overrides or line
    return returned


def runs_here(launcher: Launcher) -> bool:
    """Whether a launcher runs jobs in this process: Hydra's own, which has no public name."""
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    return isinstance(launcher, BasicLauncher)


@dataclass(frozen=True)
class _EndedJob:
    """What Hydra's launcher sees of a job of submitit."""

    outcome: JobReturn

    def results(self) -> list[JobReturn]:
        return [self.outcome]


@contextlib.contextmanager
def _submitit_waits(package: str) -> Iterator[None]:
    """Let submitit's executors wait for all jobs before Hydra's launcher, a package of plugins, sees them."""
    import submitit
    from submitit.core.utils import FailedSubmissionError, UncompletedJobError

    class PatientExecutor(submitit.AutoExecutor):  # type: ignore[misc]
        def map_array(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
            jobs = super().map_array(function, *arguments)
            try:
                return [_EndedJob(outcome(job)) for job in jobs]
            except BaseException:
                for job in jobs:
                    job.cancel(check=False)
                raise

    def outcome(job: Any) -> JobReturn:
        try:
            result: JobReturn = job.results()[0]
        except UncompletedJobError:
            log = os.path.relpath(job.paths.stderr)
            return _lost(
                f"A job must run to its end; got none (submitit: job {job.job_id}, {job.state}). Its log: {log}"
            )
        return result

    patient = applies(__name__, "hydra-submitit-launcher", import_module(package).__version__, TRIED_SUBMITIT)
    with _replaced(submitit, "AutoExecutor", PatientExecutor if patient else submitit.AutoExecutor):
        try:
            yield
        except UncompletedJobError as error:
            raise JobLost(f"A job must run to its end; got none. Others may still run. {error}") from error
        except (FailedSubmissionError, RuntimeError) as error:
            # A cluster that is not there, or sbatch's own words.
            raise InputError(f"hydra/launcher must be able to submit jobs; it is not: {error}") from error


@contextlib.contextmanager
def _ray_waits(package: str) -> Iterator[None]:
    """Let Hydra's launcher for Ray, a package of plugins, take the loss of a job for its result."""
    if not applies(__name__, "hydra-ray-launcher", import_module(package).__version__, TRIED_RAY):
        yield
        return
    import ray
    from hydra_plugins.hydra_ray_launcher import _core

    def get(reference: Any) -> JobReturn:
        try:
            result: JobReturn = ray.get(reference)
        except ray.exceptions.RayError as error:
            return _lost(f"A job must run to its end; got none (Ray: {str(error).strip().splitlines()[0]}).")
        return result

    with _replaced(_core, "ray", SimpleNamespace(get=get)):
        yield


def _lost(reason: str) -> JobReturn:
    result = JobReturn(status=JobStatus.FAILED)
    result.return_value = JobLost(reason)
    return result


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for the time of a ``with`` block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
