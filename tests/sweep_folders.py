"""Sweeps of given numbers, in folders as runs leave them, for the tests of what is shown of sweeps."""

import numpy as np
from synthetic import jacobian_images

from tdr.reports import run_files
from tdr.results.record import RunRecord
from tdr.sweep_views.swept import SweptRun

COVERED = np.zeros((6, 8), np.int32)


def leave_run(folder, values, images=None, *, status="FINISHED", metrics=(), **tags):
    """A run's folder with its record and, if there are any, its images; tags are ``check="failed"`` and the like."""
    folder.mkdir(parents=True)
    if images is not None:
        run_files.write_arrays(folder, images)
    tags = {f"tdr.{name}": text for name, text in tags.items()}
    RunRecord("run", status, 0.0, 1.0, folder, metrics=dict(metrics), tags=tags).write_json()
    return SweptRun.read("run", values, folder)


def constant(entry, size=(6, 8), **arguments):
    """The derivative by shader.diffuse, the same number at every pixel; the rendering is grey."""
    image = np.full((*size, 3), 0.5)
    return jacobian_images({"shader.diffuse": np.full((*size, 1), float(entry))}, image=image, **arguments)
