"""Start MLflow's UI on the runs of this repository, or on those of another store, from any directory."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from tdr.config import TrackingConfig
from tdr.errors import InputError
from tdr.tracking.store import LOCAL_UI, TrackingStore

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Create the store where there is none yet, say where the runs are shown, and become the server."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Further options go to `mlflow ui`.")
    parser.add_argument("--port", type=int, default=5000, help="default: 5000, as in the links that runs print")
    parser.add_argument("--uri", help="sqlite:///<file>, as in tracking.uri; default: mlflow.db of the repository")
    arguments, further = parser.parse_known_args()

    try:
        store = TrackingStore(TrackingConfig(uri=arguments.uri), ROOT)
    except InputError as error:
        parser.error(str(error))
    if store.ui_command is None:
        parser.error(f"--uri must be sqlite:///<file>; got {store.uri}, a server, which has a UI of its own.")
    database = Path(store.uri.removeprefix("sqlite:///"))
    if arguments.uri and not database.is_file():
        parser.error(f"--uri must name a database that exists; got {store.uri}.")
    address = f"http://127.0.0.1:{arguments.port}"
    page = address
    try:
        page = store.runs_url().replace(LOCAL_UI, address)
    except InputError as error:
        # The UI is also where one looks what is wrong with an experiment.
        print(f"warning: {error}", file=sys.stderr)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", arguments.port)) == 0:
            parser.error(f"--port must be one that nothing else uses; got {arguments.port}. Try another one.")
    print(f"In a few seconds the runs are at {page}")
    if address != LOCAL_UI:
        print(f"In the links that runs print, replace {LOCAL_UI} by {address}")
    print("Stop with Ctrl-C.", flush=True)

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.chdir(database.parent)
    # Whoever reaches the UI may change and delete runs: so nobody else does, whatever MLflow's default is.
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri, "--host", "127.0.0.1"]
    os.execv(sys.executable, [*command, "--workers", "1", "--port", str(arguments.port), *further])


if __name__ == "__main__":
    main()
