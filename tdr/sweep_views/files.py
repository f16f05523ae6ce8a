"""What shows a sweep as a whole: the files, and the text on the page of its run in MLflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdr.reports.run_files import write_picture_files
from tdr.results import naming
from tdr.results.array_files import read_arrays
from tdr.sweep_views import page, plots, sheet
from tdr.sweep_views.film import Film
from tdr.sweep_views.images import RunImages, SweepImages
from tdr.sweep_views.swept import Swept, SweptAxis, SweptRun, short
from tdr.words import counted, format_number, without_links

_GIF_PIXELS = 64_000_000  # of all frames together, which are in memory at once
_LISTED = 20  # findings, on the page of a sweep's run


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
    pictures = {naming.CONTACT_SHEET: sheet.contact_sheet(images)}
    if swept.grid is not None:
        pictures = {naming.GRID: sheet.grid_sheet(images), **pictures}
    picture = next(iter(pictures))
    pictures |= {f"{naming.PLOTS_FOLDER}/{name}.png": plot for name, plot in plots.sweep_plots(swept).items()}
    (folder / naming.PLOTS_FOLDER).mkdir(parents=True, exist_ok=True)
    write_picture_files(folder, pictures)
    (folder / naming.PAGE).write_text(page.sweep_page(images), encoding="utf-8")
    _write_film(folder, Film(images))
    return SweepFiles([*pictures, naming.PAGE, naming.FILM, naming.GIF], picture, describe_sweep(images))


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
    with iio.get_writer(folder / naming.FILM, fps=film.rate, **options) as writer:
        for i, frame in enumerate(film.frames()):
            writer.append_data(frame)  # type: ignore[attr-defined] # it is a writer
            if i % step == 0:
                stills.append(Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE))
    duration = round(1000 * step / film.rate)  # milliseconds
    stills[0].save(folder / naming.GIF, save_all=True, append_images=stills[1:], duration=duration, loop=0)


def describe_sweep(images: SweepImages) -> str:
    """What a sweep's page says: what varies, how the runs ended, the colour scales, and what is wrong.

    Args:
        images: the sweep's images.

    Returns:
        Markdown.
    """
    runs = images.swept.runs
    axes = ", ".join(map(_axis, images.swept.axes)) or "nothing"
    statuses = Counter(run.status.lower() for run in runs)
    verdicts = Counter(run.verdict for run in runs if run.finished and run.verdict)
    lines = [f"Sweep over {axes}: {counted(len(runs), 'run')}, {_counts(statuses)}."]
    if verdicts:
        lines[0] += f" Checks: {_counts(verdicts)}."
    if images.limits:
        scales = ", ".join(f"`{p.name}` ±{format_number(limit.value)}" for p, limit in images.limits.items())
        lines.append(f"Each parameter has one colour scale in all runs of the sweep's pictures: {scales}.")
    findings = [
        finding for run, kept in zip(runs, images.runs, strict=True) for finding in _findings(images, run, kept)
    ]
    if len(findings) > _LISTED:
        findings[_LISTED:] = [f"and {len(findings) - _LISTED} more"]
    return "\n\n".join(
        [*lines, *(["\n".join(f"- {without_links(finding)}" for finding in findings)] if findings else [])]
    )


def _axis(axis: SweptAxis) -> str:
    values: Sequence[str] = [without_links(short(value)) for value in axis.values]
    if axis.numbers is not None and len(values) > 3:
        return f"`{axis.key}` ({len(values)} values from {values[0]} to {values[-1]})"
    listed = ", ".join(values[:6]) + (", …" if len(values) > 6 else "")
    return f"`{axis.key}` ({listed})"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common())


def _findings(images: SweepImages, run: SweptRun, kept: RunImages) -> list[str]:
    """What is wrong with a run, in sentences."""
    caption, findings = images.swept.caption(run), []
    if not run.finished:
        findings.append(f"**{run.status.lower()}**: {caption}" + (f": {_one_line(run.error)}" if run.error else ""))
    elif kept.problem:
        findings.append(f"**{kept.absent}**: {caption}: {_one_line(kept.problem)}")
    if run.verdict in ("failed", "not comparable"):
        findings.append(f"**check {run.verdict}**: {caption}")
    return findings


def _one_line(text: str) -> str:
    """A message without line breaks."""
    return " ".join(text.split())
