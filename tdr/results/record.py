"""What is kept of a run besides its results: how it ended, its settings and metrics, and what it was computed with.

A run writes it beside its files as ``record.json``, so that it can be sent to a tracking store then or later.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import json
import math
import platform
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, TypeGuard, get_args

from tdr.errors import InputError
from tdr.results import naming

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass
class RunRecord:
    """What MLflow gets to know about one run, written when the run has ended.

    Attributes:
        name: the run's name in the UI.
        status: how the run ended.
        start_time: seconds since the epoch.
        end_time: seconds since the epoch.
        output_dir: the run's folder. Everything in it is uploaded under the same relative names, the composed config
            in ``.hydra/`` and the log included.
        params: numbers, strings and lists of them.
        metrics: ``None``, NaN and infinities, which MLflow cannot keep as metrics, go into the tag
            ``tdr.nonfinite_metrics``.
        tags: what the UI can also search for.
        images: pictures for the UI's image grid, relative to ``output_dir``, listed there by that name less its suffix.
        description: Markdown, shown on the run's page above ``figure.png``; pictures in it are named by their files,
            relative to ``output_dir``.
        files: the size in bytes of each file that the run has left, by its name relative to ``output_dir``.
        sweep: the uid of the sweep that the run belongs to, None if it belongs to none.
        exit_status: what a command that does nothing but this run exits with.
        uid: what the run is recognised by when it is uploaded again, or run again.
    """

    name: str
    status: Status
    start_time: float
    end_time: float
    output_dir: Path
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    description: str = ""
    files: dict[str, int] = field(default_factory=dict)
    sweep: str | None = None
    exit_status: int = 0
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def start_time_ms(self) -> int:
        """When the run began, as MLflow keeps it: milliseconds since the epoch."""
        return round(self.start_time * 1000)

    def write_json(self) -> Path:
        """Note the files in the run's folder, and write ``record.json`` beside them, whole or not at all.

        Returns:
            The file. The folder may be moved afterwards.
        """
        self.files = {name: size for name, size in self._found().items() if name != naming.RECORD}
        content = dataclasses.asdict(self)
        del content["output_dir"]
        # JSON has no NaN and no infinities.
        content["metrics"] = {k: float(v) if is_finite(v) else str(v) for k, v in self.metrics.items()}
        path = self.output_dir / naming.RECORD
        write_atomically(path, json.dumps(content, indent=2))
        return path

    def is_whole(self) -> bool:
        """Whether every file that the run left is still there in its full length, which a power cut may prevent."""
        found = self._found()
        return all(found.get(name) == size for name, size in self.files.items())

    def _found(self) -> dict[str, int]:
        paths = (path for path in sorted(self.output_dir.rglob("*")) if path.is_file())
        return {path.relative_to(self.output_dir).as_posix(): path.stat().st_size for path in paths}

    @classmethod
    def read_json(cls, path: Path) -> RunRecord:
        """Read what :meth:`write_json` wrote.

        Args:
            path: the file; the folder that it lies in is the run's folder.

        Raises:
            InputError: if it is not a run's record.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            metrics = {k: None if v == "None" else float(v) for k, v in content.pop("metrics").items()}
            record = cls(output_dir=path.parent, metrics=metrics, **content)
            if record.status not in get_args(Status):
                raise ValueError(f"its status is {record.status!r}")
            for name in (*record.images, *record.files):
                path_in = PurePath(name)
                if path_in.is_absolute() or ".." in path_in.parts:
                    raise ValueError(f"{name!r} is not in its folder")
            return record
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError(f"path must be a {naming.RECORD} that a run wrote; got {path} ({error}).") from None


def write_metrics(folder: Path, metrics: Mapping[str, float]) -> None:
    """Write ``metrics.json``; numbers that JSON does not have become the texts ``inf``, ``-inf`` and ``nan``."""
    content = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    (folder / naming.METRICS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all, whatever happens meanwhile."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def is_finite(value: float | None) -> TypeGuard[float]:
    """Whether a metric is a number that JSON and MLflow can keep: not ``None``, NaN or infinite."""
    return value is not None and math.isfinite(value)


def environment_tags(root: Path) -> dict[str, str]:
    """Describe what a run is computed with: commit, versions, machine and user. What cannot be found is ``unknown``.

    Args:
        root: the root of the repository.
    """
    command = ["git", "--no-optional-locks", "-C", str(root), "status", "--porcelain=v2", "--branch", "-unormal"]
    commit = dirty = user = "unknown"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        lines = subprocess.run(command, capture_output=True, check=True, text=True, timeout=5).stdout.splitlines()
        commit = lines[0].removeprefix("# branch.oid ").replace("(initial)", "unknown")
        dirty = str(any(not line.startswith("#") for line in lines)).lower()
    with contextlib.suppress(OSError, KeyError, ImportError):
        user = getpass.getuser()
    root, script = root.resolve(), Path(sys.argv[0]).resolve()
    return {
        "mlflow.source.git.commit": commit,
        "mlflow.source.name": str(script.relative_to(root) if script.is_relative_to(root) else script),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": user,
        naming.DIRTY_TAG: dirty,
        naming.PLATFORM_TAG: platform.platform(),
        naming.PYTHON_TAG: platform.python_version(),
        naming.TAICHI_TAG: _version("taichi"),
        naming.VERSION_TAG: _version("tdr"),
    }


def _version(distribution: str) -> str:
    import importlib.metadata  # brings the whole of email along

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
