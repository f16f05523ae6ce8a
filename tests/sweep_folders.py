"""Sweeps of given numbers, in folders as runs leave them, for the tests of what is shown of sweeps."""

import numpy as np
from synthetic import jacobian_images

from tdr.results.array_files import read_arrays, write_arrays
from tdr.results.record import RunRecord
from tdr.sweep_views.images import SweepImages
from tdr.sweep_views.swept import Swept, SweptRun

COVERED = np.zeros((6, 8), np.int32)


def leave_run(folder, values, images=None, *, status="FINISHED", metrics=(), **tags):
    """A run's folder with its record and, if there are any, its images; tags are ``check="failed"`` and the like."""
    folder.mkdir(parents=True)
    if images is not None:
        write_arrays(folder, images)
    tags = {f"tdr.{name}": text for name, text in tags.items()}
    RunRecord("run", status, 0.0, 1.0, folder, metrics=dict(metrics), tags=tags).write_json()
    return SweptRun.read("run", values, folder)


def constant(entry, size=(6, 8), **arguments):
    """The derivative by shader.diffuse, the same number at every pixel; the rendering is grey."""
    image = np.full((*size, 3), 0.5)
    return jacobian_images({"shader.diffuse": np.full((*size, 1), float(entry))}, image=image, **arguments)


def sweep(tmp_path, *runs, keys=("shader.shininess",)):
    """The images of a sweep whose runs are pairs of values and Jacobian images, None for one that failed."""
    left = []
    for i, (values, images) in enumerate(runs):
        values = dict(zip(keys, values, strict=True))
        left.append(leave_run(tmp_path / str(i), values, images, status="FINISHED" if images else "FAILED"))
    return SweepImages.collect(Swept.of(keys, left), read_arrays)
