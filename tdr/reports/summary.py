"""What came out of a run, in words: lines for the terminal, and a text for its page in MLflow."""

from __future__ import annotations

from collections.abc import Mapping

from tdr.config.memory import format_bytes
from tdr.config.parameters import Reads
from tdr.reports import check_words
from tdr.reports.jacobian_pictures import CHANNELS, render_zoom
from tdr.results import naming
from tdr.results.array_files import ArrayFiles
from tdr.results.check_result import CheckResult
from tdr.results.jacobian_images import JacobianImages
from tdr.results.statistics import Survey
from tdr.words import counted

# How many of the largest entries the terminal shows.
_LISTED = 5


# What is worth knowing of the normals that a mesh is shaded with.
_NORMALS = (
    (
        naming.REVERSED,
        "triangle is wound against its neighbours, and taken to be wound like them",
        "triangles are wound against their neighbours, and taken to be wound like them",
    ),
    (naming.REPEATED, "triangle repeats another one, and does not count", "triangles repeat others, and do not count"),
    (
        naming.UNDEFINED_NORMALS,
        "vertex has none, because those of its triangles cancel; it is shaded flat",
        "vertices have none, because those of their triangles cancel; they are shaded flat",
    ),
)


def terminal_lines(
    images: JacobianImages,
    surveyed: Survey,
    metrics: Mapping[str, float],
    seconds: float,
    result: CheckResult | None,
    memory_limit: int,
) -> list[str]:
    """What the terminal shows of a run that computed Jacobian images.

    Args:
        images: the Jacobian images.
        surveyed: their largest entries, and how many are not finite.
        metrics: those of the scene and the rendering.
        seconds: how long the Jacobian images took.
        result: what the check found, None if it is off.
        memory_limit: how much memory they may take, bytes.
    """
    height, width = images.triangle_id.shape
    lines = [
        f"rendered   {width} x {height} pixels, {metrics[naming.COVERED]:.1%} covered, "
        f"{counted(int(metrics[naming.TRIANGLES]), 'triangle')}, {images.precision}"
    ]
    if metrics[naming.DEGENERATE]:
        lines.append(f"skipped    {counted(int(metrics[naming.DEGENERATE]), 'degenerate triangle')}")
    for name, singular, plural in _NORMALS:
        if metrics[name]:
            lines.append(f"normals    {counted(int(metrics[name]), singular, plural)}")
    clipped = int(metrics[naming.RENDER_CLIPPED] - metrics[naming.RENDER_NONFINITE])
    if clipped:
        lines.append(f"clipped    {counted(clipped, 'colour component')} above 1 in {naming.RENDER} (not in the data)")
    lines += [f"{subject:<11}{note}" for subject, note in _size_notes(images, memory_limit)]
    lines.append(f"computed   {counted(len(images.columns), 'Jacobian image')} in {seconds:.3f} s; largest entries:")
    for entry in surveyed.largest[:_LISTED]:
        if entry.value == 0.0:
            lines.append(f"             zero everywhere: {entry.name}")
            continue
        channel = "" if entry.channel is None else f" {CHANNELS[entry.channel]}"
        lines.append(
            f"             {entry.value:+.6g}  {entry.name}{channel} at row {entry.row}, column {entry.column}"
        )
    posed = [parameter.name for parameter in images.parameters if parameter.reads is Reads.POSE]
    if posed:
        what = "any of these" if len(posed) > 3 else ", ".join(posed)
        lines.append(f"note       that silhouettes move is not part of derivatives by {what} (docs/trust.md)")
    if not metrics[naming.COVERED]:
        lines.append("WARNING    nothing is visible; check the camera's pose, camera.near and camera.far")
    nonfinite = int(metrics[naming.RENDER_NONFINITE])
    if nonfinite:
        lines.append(f"WARNING    not finite: {counted(nonfinite, 'colour component')} of the rendering")
    nonfinite += surveyed.nonfinite
    if nonfinite:
        entries = counted(nonfinite, "entry", "entries")
        lines.append(f"WARNING    not finite: {entries}; {naming.METRICS} counts them by column")
    return lines + (["check      off"] if result is None else check_words.terminal_lines(result))


def page_text(images: JacobianImages, result: CheckResult | None, memory_limit: int) -> str:
    """What a run's page says of its Jacobian images.

    Args:
        images: the Jacobian images.
        result: what the check found, None if it is off.
        memory_limit: how much memory they may take, bytes.

    Returns:
        Markdown; pictures are named by their files, relative to the run's folder.
    """
    text = "" if result is None else check_words.page_text(result)
    return text + "".join(f"\n{subject}: {note}\n" for subject, note in _size_notes(images, memory_limit))


def _size_notes(images: JacobianImages, memory_limit: int) -> list[tuple[str, str]]:
    """What is otherwise with images of this size than with small ones: what it is about, and a line on it."""
    notes = [("sampled", f"{note} in {naming.RENDER} (not in the data)") for note in render_zoom(images.image).note]
    if isinstance(images.values, ArrayFiles):
        size, limit = format_bytes(images.values.nbytes), format_bytes(memory_limit)
        more = f"with the G-buffer more than jacobian.memory_limit, {limit}"
        notes.append(("arrays", f"{naming.ARRAY_FOLDER}/*.npy, {size}: {more}"))
    return notes


def time_lines(seconds: Mapping[str, float]) -> list[str]:
    """Where the time of a run went.

    Args:
        seconds: the parts, and the whole.
    """
    return [f"{'' if i else 'time':<11}{time:8.3f} s  {part}" for i, (part, time) in enumerate(seconds.items())]
