"""A store's database while it is made: there whole, or not at all."""

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time

import mlflow
import pytest

from tdr.config import TrackingConfig
from tdr.tracking.mlflow_client import TrackingError
from tdr.tracking.store import TrackingStore


def in_a_child(work, seconds=None) -> int:
    """Do some work in a forked process, which is killed after so many seconds; how it ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            # 1 with an exception under way, and none of pytest's own work after it.
            os._exit(int(sys.exc_info()[0] is not None))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begin(root):
    """What a first run does."""
    assert TrackingStore(TrackingConfig(), root).runs_url()


@pytest.mark.parametrize("moments", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_first_run_may_be_cut_off_at_any_moment(tmp_path, moments):
    assert mlflow.MlflowClient  # imported here, so that no child has to
    timed = tmp_path / "timed"
    timed.mkdir()
    start = time.monotonic()
    assert in_a_child(lambda: begin(timed)) == 0
    whole = time.monotonic() - start
    for i in range(moments):
        root = tmp_path / str(i)
        root.mkdir()
        in_a_child(lambda root=root: begin(root), (i + 1) / (moments + 1) * whole)
        assert in_a_child(lambda root=root: begin(root)) == 0
        assert {path.name for path in root.iterdir()} <= {"mlflow.db", "mlflow.db.lock", "mlruns"}


@pytest.mark.parametrize("lost", ["webhooks", "registered_models"])
def test_a_database_that_was_left_half_made_is_named_and_how_to_go_on(tmp_path, server_database, lost):
    shutil.copy(server_database, tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute(f"DROP TABLE {lost}")
        connection.execute("DELETE FROM alembic_version")
        connection.commit()
    with pytest.raises(TrackingError, match=r"tracking.uri must name a whole database; .* cut off .*mv .*\.broken"):
        begin(tmp_path)
