"""A sweep in a tracking store: a run of its own, and the runs of its jobs below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdr.results import naming
from tdr.results.check_result import Verdict
from tdr.results.record import RunRecord, Status
from tdr.results.sweep import Sweep
from tdr.sweep_views.files import SweepFiles, write_sweep
from tdr.sweep_views.swept import Swept, SweptRun
from tdr.terminal import say
from tdr.tracking.mlflow_client import TrackingError
from tdr.tracking.process import TrackingProcess
from tdr.tracking.store import TrackingStore
from tdr.words import counted

Store = TrackingStore | TrackingProcess


@dataclass(frozen=True)
class Standing:
    """How many jobs of a sweep have come to what.

    Attributes:
        finished: jobs with results.
        failed: jobs that ended without.
        missing: jobs that have not ended.
        verdicts: how often the checks of those that finished came to each verdict.
        exit_status: what a command that ran them exits with.
    """

    finished: int
    failed: int
    missing: int
    verdicts: Mapping[Verdict, int]
    exit_status: int

    @classmethod
    def of(cls, sweep: Sweep) -> Standing:
        """How a sweep stands now."""
        records = [sweep.record_of(job) for job in sweep.jobs]
        ended = [record for record in records if record is not None]
        finished = [record for record in ended if record.status == "FINISHED"]
        words = Counter(record.tags.get(naming.CHECK_TAG) for record in finished)
        statuses = {record.exit_status for record in ended} | ({1} if len(ended) < len(records) else set())
        return cls(
            finished=len(finished),
            failed=len(ended) - len(finished),
            missing=len(records) - len(ended),
            verdicts={verdict: words[verdict.value] for verdict in Verdict if words[verdict.value]},
            exit_status=next((status for status in (1, 2) if status in statuses), 0),
        )

    @property
    def status(self) -> Status:
        """What a sweep that nobody runs any more has come to."""
        if self.missing:
            return "KILLED"
        return "FAILED" if self.failed else "FINISHED"


def open_sweep(store: Store, sweep: Sweep, tags: Mapping[str, str]) -> str:
    """Create a sweep's run in a store, or open it again.

    Args:
        store: the store.
        sweep: the sweep.
        tags: what the UI can also search for.

    Returns:
        The run's id.

    Raises:
        TrackingError: if the store does not take it.
    """
    values = {axis: dict.fromkeys(job.values[axis] for job in sweep.jobs) for axis in sweep.axes}
    axes = ", ".join(f"`{axis}`" for axis in sweep.axes)
    return store.open_sweep(
        sweep.uid,
        sweep.name,
        sweep.start_time,
        params={axis: ", ".join(listed) for axis, listed in values.items()},
        tags={**sweep.tracking.tags, **tags, naming.SWEEP_TAG: sweep.name},
        description=f"Sweep over {axes or 'nothing'}: {counted(len(sweep.jobs), 'run')}.",
    )


def draw(sweep: Sweep) -> SweepFiles:
    """Draw a sweep as it stands, into its folder; see :func:`tdr.sweep_views.files.write_sweep`."""
    runs = [SweptRun.read(job.name, job.values, sweep.folder / job.folder) for job in sweep.jobs]
    return write_sweep(sweep.folder, Swept.of(sweep.axes, runs))


def save_view(store: Store, run_id: str, sweep: Sweep) -> None:
    """Let a sweep's link show the values that vary, the verdicts, the largest entries and the pictures of its runs.

    A store that does not take it costs no more than that: the link then shows a list of the runs.

    Args:
        store: the store.
        run_id: from :func:`open_sweep`.
        sweep: the sweep.
    """
    records = [record for job in sweep.jobs if (record := sweep.record_of(job)) is not None]
    metrics = {name for record in records for name in record.metrics}
    images = {name for record in records for name in record.images if Path(name).parts[0] != naming.CHECK_FOLDER}
    try:
        store.save_view(
            run_id,
            sweep.axes,
            sorted(naming.columns_of_metrics(metrics, naming.OF_JACOBIAN, naming.MAX_ABS).values()),
            # The rendering, which is in no folder, comes first.
            sorted(images, key=lambda name: ("/" in name, name)),
        )
    except TrackingError as error:
        say(f"WARNING    The link to the sweep shows a list of its runs only. {error}")


def close_sweep(
    store: Store, run_id: str, sweep: Sweep, files: SweepFiles | None, status: Status, further: Mapping[str, float]
) -> None:
    """End a sweep's run, and put onto its page what shows the sweep as a whole.

    Args:
        store: the store.
        run_id: from :func:`open_sweep`.
        sweep: the sweep.
        files: what was drawn of it, None if nothing was.
        status: how it ended.
        further: metrics.

    Raises:
        TrackingError: if the store does not take it.
    """
    standing = Standing.of(sweep)
    counts = {
        naming.JOBS_FINISHED: standing.finished,
        naming.JOBS_FAILED: standing.failed,
        naming.JOBS_MISSING: standing.missing,
        naming.JOBS_CHECK_FAILED: standing.verdicts.get(Verdict.failed, 0),
    }
    save_view(store, run_id, sweep)
    names, description = [naming.SWEEP], f"{standing.finished} of {counted(len(sweep.jobs), 'run')} finished."
    if files is not None:
        names += files.names
        description = f"{files.description}\n\n![{files.picture}]({files.picture})"
    store.close_sweep(run_id, status, {**counts, **further}, description, sweep.folder, names)


def unsent(store: Store, run_id: str, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Those of a sweep's runs that a store does not have yet.

    Raises:
        TrackingError: if the store cannot be used.
    """
    known = store.runs_of(run_id) if records else {}
    return [record for record in records if known.get(record.uid) != record.start_time_ms]
