"""A sweep as one HTML page: a slider for each axis, the images of the chosen run, and the numbers under the mouse.

The page (``sweep_page.html``) needs nothing but itself, so it works from a folder and inside MLflow's viewer.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.reports.jacobian_pictures import visibility_note
from tdr.sweep_views.film import frames_a_second
from tdr.sweep_views.images import RunImages, SweepImages, group
from tdr.sweep_views.sheet import empty_label
from tdr.sweep_views.swept import SweptRun, short
from tdr.words import counted

_LARGEST = 15_000_000  # bytes, of a page
_UNPACKED = 48_000_000  # bytes, of its images as a browser keeps them

_TEMPLATE = Path(__file__).with_suffix(".html")


def sweep_page(images: SweepImages) -> str:
    """Make the page of a sweep.

    Args:
        images: the sweep's images.

    Returns:
        HTML, at most about 15 MB: the more runs and columns, the more pixels are left out, and the page says so.
    """
    stride = 1
    while True:
        runs = _runs(images, stride) if _unpacked_size(images, stride) <= _UNPACKED else []
        size = sum(len(run.get("images", "")) for run in runs)
        smallest = max(run.render[::stride, ::stride].size for run in images.runs) <= 3
        if (runs and size <= _LARGEST) or smallest:
            break
        stride += 1
    content = json.dumps({**_frame(images, stride), "runs": runs or _runs(images, stride)}, ensure_ascii=False)
    # a value of the command line must not end the script
    return _TEMPLATE.read_text(encoding="utf-8").replace("{{DATA}}", content.replace("<", "\\u003c"))


def _frame(images: SweepImages, stride: int) -> dict[str, Any]:
    """What the page shows around the images."""
    swept, derivatives = images.swept, images.derivatives
    grid = swept.grid
    if grid is not None:
        sliders = [{"label": axis.label, "values": [short(value) for value in axis.values]} for axis in swept.axes]
        places = grid.ravel().tolist()
    else:
        sliders = [{"label": swept.heading, "values": list(images.titles)}]
        places = list(range(len(swept.runs)))
    shapes = [images.crop(run.render).shape[:2] for run in images.runs if not run.absent]
    kept = max(run.stride for run in images.runs) * stride
    notes = [
        *(f"{note[0].upper()}{note[1:]}." for note in images.crop_note),
        f"One of every {kept} x {kept} pixels is shown." if kept > 1 else "Every pixel is shown as it is.",
        "Entries are rounded to 1/32,766 of the largest magnitude in their image; their colours are not interpolated.",
        "Red: positive; blue: negative; grey: no surface; lime: not finite.",
        *(f"{note[0].upper()}{note[1:]}." for note in visibility_note(images.limits)),
        "Arrow keys move the sliders; a pixel is chosen with the mouse or by its row and column.",
    ]
    return {
        "title": f"Sweep over {swept.heading}",
        "about": f"{counted(len(swept.runs), 'run')}; each parameter has one colour scale in all of them.",
        "notes": notes,
        "sliders": sliders,
        "places": places,
        "rate": frames_a_second(len(swept.runs)),
        "aspect": max(shapes, default=(1, 1)),
        "palette": _base64(next(iter(images.limits.values())).scale.palette.tobytes()) if images.limits else "",
        "derivatives": [
            {"title": d.title, "component": d.component, "limit": images.limit(d).value} for d in derivatives
        ],
        "groups": [
            {
                "heading": piece[0].heading,
                "ticks": [label for _, label in images.limit(piece[0]).scale.ticks],
                "note": str(images.limit(piece[0])),
                "derivatives": [derivatives.index(derivative) for derivative in piece],
            }
            for piece in group(derivatives)
        ],
    }


def _runs(images: SweepImages, stride: int) -> list[dict[str, Any]]:
    return [_run(images, run, kept, stride) for run, kept in zip(images.swept.runs, images.runs, strict=True)]


def _run(images: SweepImages, run: SweptRun, kept: RunImages, stride: int) -> dict[str, Any]:
    """One run as the page reads it."""
    status = f"{images.swept.caption(run)}: {kept.absent or run.status.lower()}"
    if run.error or kept.problem:
        status += f" ({run.error or kept.problem})"
    if run.verdict:
        status += f", check {run.verdict}"
    if kept.absent:
        return {"status": status, "absent": empty_label(kept)}
    sample = images.crop(kept.render)[::stride, ::stride]
    height, width = kept.render.shape[:2]
    first = [
        int(images.crop(np.broadcast_to(index, (height, width))).min()) * kept.stride
        for index in np.ogrid[:height, :width]
    ]
    return {
        "status": status,
        "size": sample.shape[:2],
        "start": first,
        "stride": kept.stride * stride,
        "derivatives": [images.derivatives.index(derivative) for derivative in kept.entries],
        "steps": {images.derivatives.index(derivative): entries.step for derivative, entries in kept.entries.items()},
        "images": _base64(zlib.compress(_pack(images, kept, stride), 6)),
    }


def _pack(images: SweepImages, run: RunImages, stride: int) -> bytes:
    """The bytes of a run's images, differences along the rows, which are small and so compress well."""
    planes = list(np.moveaxis(images.crop(run.render)[::stride, ::stride], 2, 0))
    packed = [_differences(plane).tobytes() for plane in planes]
    for entries in run.entries.values():
        codes = _differences(images.crop(entries.codes)[::stride, ::stride].view(np.uint16))
        packed += [(codes >> 8).astype(np.uint8).tobytes(), codes.astype(np.uint8).tobytes()]
    return b"".join(packed)


def _differences(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each number less the one to its left, modulo the size of its type."""
    differences: npt.NDArray[Any] = plane.copy()
    differences[:, 1:] -= plane[:, :-1]
    return differences


def _unpacked_size(images: SweepImages, stride: int) -> int:
    return sum(images.crop(run.render)[::stride, ::stride, 0].size * (3 + 2 * len(run.entries)) for run in images.runs)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
