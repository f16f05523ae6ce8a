"""The files that show a sweep as a whole (README, "Sweeps")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdr.reports.run_files import read_arrays, write_picture_files
from tdr.sweep_views import page, plots, sheet
from tdr.sweep_views.film import Film
from tdr.sweep_views.images import SweepImages
from tdr.sweep_views.report import describe_sweep
from tdr.sweep_views.swept import Swept

CONTACT_SHEET = "contact_sheet.png"
GRID = "grid.png"
PAGE = "sweep.html"
FILM, GIF = "sweep.mp4", "sweep.gif"
PLOTS = "plots"

_GIF_PIXELS = 64_000_000  # of all frames together, which are in memory at once


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
    pictures = {CONTACT_SHEET: sheet.contact_sheet(images)}
    if swept.grid is not None:
        pictures = {GRID: sheet.grid_sheet(images), **pictures}
    picture = next(iter(pictures))
    pictures |= {f"{PLOTS}/{name}.png": plot for name, plot in plots.sweep_plots(swept).items()}
    (folder / PLOTS).mkdir(parents=True, exist_ok=True)
    write_picture_files(folder, pictures)
    (folder / PAGE).write_text(page.sweep_page(images), encoding="utf-8")
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
