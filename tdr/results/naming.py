"""What runs and sweeps are known by outside of this program: the names of files, of tags and of metrics, each once.

People's notebooks, saved searches and old folders rely on them, so none of them changes.
"""

from __future__ import annotations

from collections.abc import Iterable

# Files of a run, in its folder. A folder has the name of the file of data that its pictures are drawn from.
RENDER = "render.png"
FIGURE = "figure.png"
ARRAYS = "jacobian.npz"
ARRAY_FOLDER = "jacobian"  # a picture of each column; and arrays too large for memory, an NPY file each
ARRAYS_DESCRIPTION = "jacobian.json"  # what the arrays are
CHECK = "check.json"
CHECK_FOLDER = "check"
CHECK_ERRORS = f"{CHECK_FOLDER}/error.png"  # the picture that a run's page shows of a failed check
G_BUFFER = "g_buffer.npz"
G_BUFFER_FOLDER = "g_buffer"
SHADER = "shader.py"
METRICS = "metrics.json"
RECORD = "record.json"
ERROR = "error.txt"
HYDRA_FOLDER = ".hydra"
CONFIG = f"{HYDRA_FOLDER}/config.yaml"

# Arrays of a run, besides those that have a parameter's name.
IMAGE = "image"
TRIANGLE_ID = "triangle_id"

# Files of a sweep, in its folder.
SWEEP = "sweep.json"
SWEEP_LOCK = "sweep.lock"
CONTACT_SHEET = "contact_sheet.png"
GRID = "grid.png"
PAGE = "sweep.html"
FILM = "sweep.mp4"
GIF = "sweep.gif"
PLOTS_FOLDER = "plots"

# Tags of a run.
CHECK_TAG = "tdr.check"  # a verdict, or CHECK_OFF
CHECK_OFF = "off"
ERROR_TAG = "tdr.error"
NONFINITE_TAG = "tdr.nonfinite_metrics"
SWEEP_TAG = "tdr.sweep"
UID_TAG = "tdr.uid"
DIRTY_TAG = "tdr.git.dirty"
PLATFORM_TAG = "tdr.platform"
PYTHON_TAG = "tdr.python"
TAICHI_TAG = "tdr.taichi"
VERSION_TAG = "tdr.version"

# Metrics of a run.
TRIANGLES = "scene/triangles"
DEGENERATE = "scene/degenerate_triangles_skipped"
REVERSED = "scene/reversed_triangles"
REPEATED = "scene/repeated_triangles"
UNDEFINED_NORMALS = "scene/undefined_normals"
COVERED = "scene/covered"
RENDER_NONFINITE = "render/nonfinite"
RENDER_CLIPPED = "render/clipped"

# Metrics of a column are called <kind>/<column>/<key>.
OF_JACOBIAN = "jacobian"
MAX_ABS = "max_abs"
L2 = "l2"
NONFINITE = "nonfinite"
OF_CHECK = "check"
MAX_ERROR = "max_error"

# Metrics of a sweep.
JOBS_FINISHED = "jobs/finished"
JOBS_FAILED = "jobs/failed"
JOBS_MISSING = "jobs/missing"
JOBS_SKIPPED = "jobs/skipped"
JOBS_CHECK_FAILED = "jobs/check_failed"

TOTAL = "total"  # the time of a whole run or sweep, as a part of it


def time_metric(part: str) -> str:
    """The metric of the time that a part of a run takes, seconds."""
    return f"time_s/{part}"


def column_metric(kind: str, column: str, key: str) -> str:
    """The metric of a column.

    Args:
        kind: ``OF_JACOBIAN`` or ``OF_CHECK``.
        column: the column's name.
        key: what is measured: ``MAX_ABS`` for example.
    """
    return f"{kind}/{column}/{key}"


def columns_of_metrics(metrics: Iterable[str], kind: str, key: str) -> dict[str, str]:
    """The columns that have a metric.

    Args:
        metrics: the names of all metrics.
        kind: see :func:`column_metric`.
        key: likewise.

    Returns:
        Column -> its metric's name, in the order of the metrics.
    """
    parts = ((metric, metric.split("/")) for metric in metrics)
    return {part[1]: metric for metric, part in parts if len(part) == 3 and (part[0], part[2]) == (kind, key)}


def column_picture(column: str) -> str:
    """The file of the picture of a column's Jacobian image, relative to the run's folder."""
    return f"{ARRAY_FOLDER}/{column}.png"
