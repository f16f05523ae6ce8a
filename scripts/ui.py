"""Start MLflow's UI on the runs of this repository, from any directory."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.tracking import LOCAL_UI, TrackingStore

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Create the store where there is none yet, say where the runs are shown, and become the server."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Further options go to `mlflow ui`.")
    parser.add_argument("--port", type=int, default=5000)
    arguments, further = parser.parse_known_args()

    store = TrackingStore(TrackingConfig(), ROOT)
    address = f"http://127.0.0.1:{arguments.port}"
    try:
        address = store.runs_url().replace(LOCAL_UI, address)
    except InputError as error:
        # The UI is also where one looks what is wrong with an experiment.
        print(f"warning: {error}", file=sys.stderr)
    print(f"In a few seconds the runs are at {address}\nStop with Ctrl-C.", flush=True)

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.chdir(ROOT)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri]
    os.execv(sys.executable, [*command, "--workers", "1", "--port", str(arguments.port), *further])


if __name__ == "__main__":
    main()
