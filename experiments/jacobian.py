"""Jacobian images of one scene: ``python experiments/jacobian.py light=tilted``; ``--help`` lists what can be set."""

from __future__ import annotations

from tdr.timing import Stopwatch

# Made before anything else is imported, so that a run's total is the time since the start.
_since_start = Stopwatch()
with _since_start.measure("imports"):
    from tdr.patches import garbage_collector

    garbage_collector.collect_rarely()

    import os
    import shutil
    import sys
    import time
    from collections.abc import Sequence
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import dataclass
    from pathlib import Path
    from typing import TYPE_CHECKING

    import hydra
    from omegaconf import DictConfig

    from tdr.command import launch
    from tdr.command.launch import CONF, Job
    from tdr.command.mistakes import explain
    from tdr.config import CheckMode, Config, OnFail
    from tdr.config.memory import format_bytes
    from tdr.errors import InputError
    from tdr.results.record import RECORD, RunRecord
    from tdr.terminal import hide_progress, phase, say, say_where, track
    from tdr.words import counted

if TYPE_CHECKING:
    from tdr.results.check_result import CheckResult
    from tdr.results.jacobian_images import JacobianImages
    from tdr.results.statistics import Entry


# How many of the largest entries the terminal shows.
LISTED = 5


@dataclass(frozen=True)
class Outcome:
    """What came out of a run.

    Attributes:
        images: the Jacobian images.
        largest: the largest entries of their columns.
        metrics: the metrics.
        result: what the check found, None if it is off.
    """

    images: JacobianImages
    largest: list[Entry]
    metrics: dict[str, float]
    result: CheckResult | None


def run(config: Config, folder: Path, stopwatch: Stopwatch) -> Outcome:
    """Render a scene, compute its Jacobian images, check them, and leave everything in a folder.

    Args:
        config: the settings.
        folder: where the outputs go.
        stopwatch: gets the times of the parts.

    Raises:
        InputError: if the mesh or the backend cannot be used.
    """
    with stopwatch.measure("mesh"):
        from tdr.scene.mesh import build_mesh

        mesh = build_mesh(config.mesh)
    with phase("starting"):
        with stopwatch.measure("imports"):
            from tdr import backend
            from tdr.check.check import check
            from tdr.derivatives import evaluation, streaming
            from tdr.derivatives.jacobian import compile_kernels, differentiate
            from tdr.render.pipeline import Pipeline
            from tdr.reports import check_words, jacobian_pictures, run_files
            from tdr.results.statistics import survey
            from tdr.shaders.built_in import CustomShader
        with stopwatch.measure("taichi"):
            backend.start(config.runtime.precision, config.runtime.arch)
            pipeline = Pipeline.from_config(config, mesh)
    with phase("compiling"), stopwatch.measure("compile"):
        compile_kernels(pipeline, config.jacobian)
        if config.check.mode is not CheckMode.off:
            evaluation.compile_kernel(pipeline)
    garbage_collector.freeze_what_stays()
    with phase("rendering"), stopwatch.measure("visibility"):
        pipeline.find_visible()
    if streaming.whole_bytes(pipeline, config.jacobian) > config.jacobian.memory_bytes():
        config.refuse_what_needs_all_pixels()
        images = streaming.stream(pipeline, config.jacobian, folder, stopwatch, track)
    else:
        with phase("rendering"), stopwatch.measure("render"):
            pipeline.render()
        with stopwatch.measure("jacobian"):
            images = differentiate(pipeline, config.jacobian, track)
    result = None
    # What needs the images alone is done beside the check: most of it lets other threads run.
    with ThreadPoolExecutor(1) as beside:
        surveyed = beside.submit(survey, images)
        written = [beside.submit(write, folder, images) for write in (run_files.write_pictures, run_files.write_arrays)]
        if config.check.mode is not CheckMode.off:
            with stopwatch.measure("check"):
                result = check(pipeline, images, config.check.mode, track)
        with phase("writing"), stopwatch.measure("pictures"):
            if result is not None:
                run_files.write_check(folder, result, images.image)
            if isinstance(pipeline.shader, CustomShader):
                run_files.write_shader(folder, pipeline.shader.file.source)
            if config.image.g_buffer:
                run_files.write_g_buffer(folder, pipeline.compute_g_buffer())
            for file in written:
                file.result()
    metrics = {
        "scene/triangles": mesh.num_triangles,
        "scene/degenerate_triangles_skipped": mesh.num_degenerate,
        "scene/undefined_normals": pipeline.normals_estimator.num_undefined,
        "scene/covered": len(pipeline.rasterizer.pixels) / images.triangle_id.size,
        "render/nonfinite": jacobian_pictures.count_not_finite(images.image),
        "render/clipped": jacobian_pictures.count_clipped(images.image),
        **{f"jacobian/{name}": value for name, value in surveyed.result().statistics.items()},
        **({} if result is None else check_words.check_metrics(result)),
    }
    metrics |= {f"time_s/{part}": seconds for part, seconds in stopwatch.seconds.items()}
    metrics["time_s/total"] = stopwatch.total
    run_files.write_metrics(folder, metrics)
    return Outcome(images, surveyed.result().largest, metrics, result)


def size_notes(images: JacobianImages, config: Config) -> list[tuple[str, str]]:
    """What is otherwise with images of this size than with small ones: what it is about, and a line on it."""
    from tdr.reports.jacobian_pictures import render_zoom
    from tdr.results.array_files import ARRAY_FILES, ArrayFiles

    notes = [("sampled", f"{note} in render.png (not in the data)") for note in render_zoom(images.image).note]
    if isinstance(images.values, ArrayFiles):
        size, limit = format_bytes(images.values.nbytes), format_bytes(config.jacobian.memory_bytes())
        notes.append(
            ("arrays", f"{ARRAY_FILES}/*.npy, {size}: with the G-buffer more than jacobian.memory_limit, {limit}")
        )
    return notes


def summarize(outcome: Outcome, folder: Path, config: Config) -> None:
    """Print what came out.

    Args:
        outcome: what came out.
        folder: where the outputs are.
        config: the settings.
    """
    from tdr.reports.check_words import summary_lines

    images, metrics, result = outcome.images, outcome.metrics, outcome.result
    height, width = images.triangle_id.shape
    say(
        f"rendered   {width} x {height} pixels, {metrics['scene/covered']:.1%} covered, "
        f"{counted(int(metrics['scene/triangles']), 'triangle')}, {images.precision}"
    )
    if metrics["scene/degenerate_triangles_skipped"]:
        say(f"skipped    {counted(int(metrics['scene/degenerate_triangles_skipped']), 'degenerate triangle')}")
    clipped = int(metrics["render/clipped"] - metrics["render/nonfinite"])
    if clipped:
        say(f"clipped    {counted(clipped, 'colour component')} above 1 in render.png (not in the data)")
    for subject, note in size_notes(images, config):
        say(f"{subject:<11}{note}")
    computed = counted(len(images.columns), "Jacobian image")
    say(f"computed   {computed} in {metrics['time_s/jacobian']:.3f} s; largest entries:")
    for entry in outcome.largest[:LISTED]:
        if entry.value == 0.0:
            say(f"             zero everywhere: {entry.name}")
            continue
        channel = "" if entry.channel is None else f" {'RGB'[entry.channel]}"
        say(f"             {entry.value:+.6g}  {entry.name}{channel} at row {entry.row}, column {entry.column}")
    if not metrics["scene/covered"]:
        say("WARNING    nothing is visible; check the camera's pose, camera.near and camera.far")
    if metrics["render/nonfinite"]:
        say(f"WARNING    not finite: {counted(int(metrics['render/nonfinite']), 'colour component')} of the rendering")
    nonfinite = int(sum(value for name, value in metrics.items() if name.endswith("/nonfinite")))
    if nonfinite:
        say(f"WARNING    not finite: {counted(nonfinite, 'entry', 'entries')}; metrics.json counts them by column")
    for line in ["check      off"] if result is None else summary_lines(result):
        say(line)
    if config.runtime.timings:
        say(
            "time       "
            + "\n           ".join(f"{v:8.3f} s  {k[7:]}" for k, v in metrics.items() if k[:7] == "time_s/")
        )
    say(f"output     {os.path.relpath(folder)}")


def describe(
    job: Job,
    composed: DictConfig,
    config: Config | None,
    start: float,
    outcome: Outcome | None,
    error: Exception | None,
) -> RunRecord:
    """What MLflow gets to know about a run.

    Args:
        job: the run.
        composed: its settings, as Hydra composed them.
        config: the checked settings, None if they are not valid.
        start: when it began, seconds since the epoch.
        outcome: what came out, None if it failed.
        error: what ended it, if it failed.
    """
    from tdr.reports import check_words
    from tdr.results.check_result import Verdict

    result = None if outcome is None else outcome.result
    exit_status = 0 if error is None else 1
    if result is not None and result.verdict is Verdict.failed and composed.check.on_fail is OnFail.fail:
        exit_status = 2
    tags = {**composed.tracking.tags, **launch.environment()}
    params = {
        "image.width": composed.image.width,
        "image.height": composed.image.height,
        "runtime.precision": composed.runtime.precision.value,
        # Where runs are kept is none of the run's own settings.
        **{key: value for key, value in job.overrides.items() if not key.startswith("tracking.")},
        **job.choices,
    }
    if config is not None and (composed.light.azimuth is not None or composed.light.elevation is not None):
        params["light.direction"] = _to_four_digits(config.light.direction)
    if job.sweep is not None:
        tags["tdr.sweep"] = job.sweep.name
    description = "" if result is None else check_words.describe(result)
    if error is None:
        tags["tdr.check"] = "off" if result is None else result.verdict.value
    else:
        tags["tdr.error"] = explain(error)
        description = f"**Failed.** {tags['tdr.error']}"
    if outcome is not None and config is not None:
        description += "".join(f"\n{subject}: {note}\n" for subject, note in size_notes(outcome.images, config))
    return RunRecord(
        name=job.name,
        status="FINISHED" if error is None else "FAILED",
        start_time=start,
        end_time=time.time(),
        output_dir=job.folder,
        params=params,
        metrics={} if outcome is None else {**outcome.metrics},
        tags=tags,
        images=[
            str(path.relative_to(job.folder))
            for path in [
                *job.folder.glob("render.png"),
                *sorted(job.folder.glob("jacobian/*.png")),
                *sorted(job.folder.glob("check/*.png")),
            ]
        ],
        description=description,
        exit_status=exit_status,
        sweep=None if job.sweep is None else job.sweep.uid,
        uid=job.uid,
    )


def _to_four_digits(vectors: Sequence[Sequence[float]]) -> str:
    """Vectors as the command line takes them."""
    return "[" + ",".join(f"[{','.join(f'{component:.4g}' for component in vector)}]" for vector in vectors) + "]"


@hydra.main(version_base="1.3", config_path=CONF, config_name="jacobian")
def main(composed: DictConfig) -> None:
    """Run one job. One that is alone also says what came out, and goes to MLflow from here."""
    job = Job.current()
    # A sweep's jobs run in whatever processes, which get a copy of the stopwatch of the one that started the sweep.
    start, stopwatch = time.time(), _since_start if job.sweep is None else Stopwatch()
    if job.sweep is not None:
        hide_progress()
        run_job(job, composed, start, stopwatch)
        return
    say(f"tdr        {job.name}")
    try:
        launch.check(composed)
        store = launch.open_store(launch.tracking_settings(composed))
    except InputError as error:
        # A mistake on the command line is answered, not kept; among the jobs of a sweep it is one that failed.
        launch.report(error)
        launch.exit_with(1)
        forget(job.folder)
        return
    try:
        record = run_job(job, composed, start, stopwatch)
        launch.exit_with(record.exit_status)
        if store is not None:
            with phase("sending to MLflow"):
                link = store.log(record)
            say_where("this run", link.url, store.ui_command)
    except (InputError, OSError) as error:
        launch.report(error)
        launch.exit_with(1)
        if (job.folder / RECORD).exists():
            say(f"MLflow     to send it later: python scripts/sync.py {os.path.relpath(job.folder)}")


def forget(folder: Path) -> None:
    """Remove the folder of a run that did not begin, if there is nothing in it but what Hydra wrote."""
    if [path.name for path in folder.iterdir()] == [".hydra"] and folder != Path.cwd():
        shutil.rmtree(folder)


def run_job(job: Job, composed: DictConfig, start: float, stopwatch: Stopwatch) -> RunRecord:
    """Compute what a job asks for, and leave the results and the record in its folder, also if it fails.

    Args:
        job: the job.
        composed: its settings.
        start: when it began, seconds since the epoch.
        stopwatch: gets the times of its parts.

    Returns:
        What MLflow gets to know about it.
    """
    config: Config | None = None
    outcome: Outcome | None = None
    failure: Exception | None = None
    try:
        config = launch.check(composed)
        outcome = run(config, job.folder, stopwatch)
        if job.sweep is None:
            summarize(outcome, job.folder, config)
    except Exception as error:  # noqa: BLE001 (kept; the other jobs of a sweep go on)
        failure = error
        (job.folder / "error.txt").write_text(launch.trace_of(error) + explain(error) + "\n", encoding="utf-8")
        if job.sweep is None:
            launch.report(error)
    record = describe(job, composed, config, start, outcome, failure)
    record.write_json()
    return record


if __name__ == "__main__":
    sys.exit(launch.launch(main))
