"""The files that a run leaves behind (README, "What a run leaves behind")."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr import check_pictures, check_report, report, sweep_page, sweep_plots, sweep_sheet
from tdr.check_result import CheckResult
from tdr.errors import InputError
from tdr.jacobian_images import JacobianImages
from tdr.sweep_animation import Film
from tdr.sweep_images import SweepImages
from tdr.sweep_report import describe_sweep
from tdr.swept import Swept

RENDER = "render.png"
FIGURE = "figure.png"
ARRAYS = "jacobian.npz"
DESCRIPTION = "jacobian.json"
CONTACT_SHEET = "contact_sheet.png"
GRID = "grid.png"
PAGE = "sweep.html"
FILM, GIF = "sweep.mp4", "sweep.gif"
PLOTS = "plots"

_GIF_PIXELS = 64_000_000  # of all frames together, which are in memory at once


def column_file(name: str) -> str:
    """The file of one column's picture, relative to the run's folder."""
    return f"jacobian/{name}.png"


def write_arrays(folder: Path, images: JacobianImages) -> None:
    """Write ``jacobian.npz``: the image, the triangle ids and one array a parameter; no pickles.

    ``jacobian.json`` beside it says what :func:`read_arrays` needs besides.
    """
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, **images.arrays())  # type: ignore[arg-type] # allow_pickle stands among the names
    content = json.dumps(images.description(), indent=2, allow_nan=False)
    (folder / DESCRIPTION).write_text(content + "\n", encoding="utf-8")


def read_arrays(folder: Path) -> JacobianImages:
    """Read what :func:`write_arrays` wrote.

    Args:
        folder: the run's folder.

    Raises:
        InputError: if the folder does not hold a run's arrays.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return JacobianImages.from_arrays(dict(arrays), description)
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"folder must hold the {ARRAYS} and {DESCRIPTION} of a run; got {folder} ({error}).") from None


def write_pictures(folder: Path, images: JacobianImages) -> list[str]:
    """Write the rendering, a picture of each column, and the figure that shows all of them.

    Returns:
        The rendering and the columns' pictures, relative to the folder.
    """
    (folder / "jacobian").mkdir(exist_ok=True)
    pictures = {RENDER: report.encode_srgb(images.image)}
    for column in images.columns:
        pictures[column_file(column.name)] = report.column_picture(images, column)
    _write_pictures(folder, {**pictures, FIGURE: report.figure(images)})
    return list(pictures)


def write_g_buffer(folder: Path, g_buffer: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write ``g_buffer.npz`` and a picture of each of its images."""
    (folder / "g_buffer").mkdir(exist_ok=True)
    with (folder / "g_buffer.npz").open("wb") as file:
        np.savez(file, **g_buffer)  # type: ignore[arg-type]
    pictures = report.g_buffer_pictures(g_buffer)
    _write_pictures(folder, {f"g_buffer/{name}.png": picture for name, picture in pictures.items()})


def write_shader(folder: Path, source: str) -> None:
    """Write ``shader.py``, the shader file that a run used."""
    (folder / "shader.py").write_text(source, encoding="utf-8")


def write_check(folder: Path, result: CheckResult, image: npt.NDArray[np.floating]) -> None:
    """Write ``check.json``, what a check found, and pictures of it under ``check/``.

    Args:
        folder: the run's folder.
        result: what the check found.
        image: (H, W, 3) the rendering, linear RGB.
    """
    (folder / "check").mkdir(exist_ok=True)
    content = json.dumps(check_report.check_json(result), indent=2, allow_nan=False)
    (folder / "check.json").write_text(content + "\n", encoding="utf-8")
    pictures = check_pictures.check_pictures(result, image)
    _write_pictures(folder, {f"check/{name}.png": picture for name, picture in pictures.items()})


def write_metrics(folder: Path, metrics: Mapping[str, float]) -> None:
    """Write ``metrics.json``; numbers that JSON does not have become the texts ``inf``, ``-inf`` and ``nan``."""
    content = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class SweepFiles:
    """What was written of a sweep.

    Attributes:
        names: the files, relative to the sweep's folder.
        picture: the one that shows the sweep best, one of ``names``.
        description: what a sweep's page says above that picture, Markdown.
    """

    names: list[str]
    picture: str
    description: str


def write_sweep(folder: Path, swept: Swept) -> SweepFiles:
    """Write what a sweep is looked at by: pictures of all its runs, with colour scales that the runs share.

    ``contact_sheet.png``; ``grid.png`` of a sweep over two axes; ``sweep.html``, the page to leaf through it;
    ``sweep.mp4`` and ``sweep.gif``; and ``plots/``, metrics against what was swept.

    Args:
        folder: the sweep's folder.
        swept: its runs; their arrays are read from their folders, one run at a time.
    """
    images = SweepImages.collect(swept, read_arrays)
    pictures = {CONTACT_SHEET: sweep_sheet.contact_sheet(images)}
    if swept.grid is not None:
        pictures = {GRID: sweep_sheet.grid_sheet(images), **pictures}
    picture = next(iter(pictures))
    pictures |= {f"{PLOTS}/{name}.png": plot for name, plot in sweep_plots.sweep_plots(swept).items()}
    (folder / PLOTS).mkdir(parents=True, exist_ok=True)
    _write_pictures(folder, pictures)
    (folder / PAGE).write_text(sweep_page.sweep_page(images), encoding="utf-8")
    _write_film(folder, Film(images))
    return SweepFiles([*pictures, PAGE, FILM, GIF], picture, describe_sweep(images))


def _write_film(folder: Path, film: Film) -> None:
    """Write a film as MP4 (H.264), and every so many of its frames as GIF."""
    import imageio.v2 as iio
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(film.palette().tobytes())
    step = -(-len(film.chosen) * film.pixels // _GIF_PIXELS)
    stills: list[Image.Image] = []
    options: dict[str, Any] = {
        "codec": "libx264",
        "quality": None,  # the rate factor is given below
        "output_params": ["-crf", "18", "-preset", "veryfast"],
        "pixelformat": "yuv420p",  # the one that every player knows
        "macro_block_size": 2,
        "ffmpeg_log_level": "error",
    }
    with iio.get_writer(folder / FILM, fps=film.rate, **options) as writer:
        for i, frame in enumerate(film.frames()):
            writer.append_data(frame)  # type: ignore[attr-defined] # it is a writer
            if i % step == 0:
                stills.append(Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE))
    duration = round(1000 * step / film.rate)  # milliseconds
    stills[0].save(folder / GIF, save_all=True, append_images=stills[1:], duration=duration, loop=0)


def _write_pictures(folder: Path, pictures: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    import imageio.v3 as iio

    for name, picture in pictures.items():
        # The least compression is twice as fast and costs a third more bytes.
        iio.imwrite(folder / name, picture, compress_level=1)
