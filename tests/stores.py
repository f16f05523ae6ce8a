"""Runs to upload and addresses to upload them to, for the tests of what is kept in MLflow."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from tdr.results.record import RunRecord
from tdr.tracking.store import TrackingStore


def make_record(output_dir: Path, **changes: Any) -> RunRecord:
    """A run with the files that a real one leaves behind."""
    (output_dir / ".hydra").mkdir(parents=True, exist_ok=True)
    (output_dir / ".hydra" / "config.yaml").write_text("light:\n  direction: [[1.0, -1.0, -1.0]]\n")
    (output_dir / "jacobian").mkdir(exist_ok=True)
    for name in ("render.png", "figure.png", "jacobian/light.direction.0.x.png"):
        iio.imwrite(output_dir / name, np.full((4, 6, 3), 200, np.uint8))
    record = RunRecord(
        name="tilted",
        status="FINISHED",
        start_time=1_700_000_000.25,
        end_time=1_700_000_003.5,
        output_dir=output_dir,
        params={"light.direction": [[1.0, -1.0, -1.0]], "shader.shininess": 30.0, "mesh": "sphere", "version": "1.0"},
        metrics={"jacobian_ms": 3.25, "coverage": 0.5},
        tags={"paper": "fig3"},
        images=["render.png", "jacobian/light.direction.0.x.png"],
        description="Three columns.",
    )
    record = dataclasses.replace(record, **changes)
    record.write_json()
    return record


def open_client(store: TrackingStore) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri)


def list_runs(store: TrackingStore, query: str = "") -> list[Any]:
    client = open_client(store)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, query))


@contextlib.contextmanager
def listening_socket() -> Iterator[tuple[socket.socket, str]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"
