"""Jacobian images of one scene: ``python experiments/jacobian.py light=tilted``; ``--help`` lists what can be set."""

from __future__ import annotations

import sys
from pathlib import Path

from tdr.command import job, launch
from tdr.config import CheckMode, Config
from tdr.results import naming
from tdr.terminal import phase, track
from tdr.timing import Stopwatch


def run(config: Config, folder: Path, stopwatch: Stopwatch) -> job.Outcome:
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
            from concurrent.futures import ThreadPoolExecutor

            from tdr import backend
            from tdr.check.check import check
            from tdr.derivatives import evaluation, streaming
            from tdr.derivatives.jacobian import compile_kernels, differentiate
            from tdr.patches.garbage_collector import freeze_what_stays
            from tdr.render.pipeline import Pipeline
            from tdr.reports import check_words, run_files, summary
            from tdr.results import statistics
            from tdr.results.array_files import write_arrays
            from tdr.shaders.custom import CustomShader
        with stopwatch.measure("taichi"):
            backend.start(config.runtime.precision, config.runtime.arch)
            pipeline = Pipeline.from_config(config, mesh)
    with phase("compiling"), stopwatch.measure("compile"):
        compile_kernels(pipeline, config.jacobian)
        if config.check.mode is not CheckMode.off:
            evaluation.compile_kernel(pipeline)
    freeze_what_stays()
    with phase("rendering"), stopwatch.measure("visibility"):
        pipeline.passes.find_visible()
    memory_limit = config.jacobian.memory_bytes()
    if streaming.whole_bytes(pipeline, config.jacobian) > memory_limit:
        config.refuse_what_needs_all_pixels()
        images = streaming.stream(pipeline, config.jacobian, folder, stopwatch, track)
    else:
        with phase("rendering"), stopwatch.measure("render"):
            pipeline.passes.render()
        with stopwatch.measure("jacobian"):
            images = differentiate(pipeline, config.jacobian, track)
    result = None
    # What needs the images alone is done beside the check: most of it lets other threads run.
    with ThreadPoolExecutor(1) as beside:
        survey = beside.submit(statistics.survey, images)
        written = [beside.submit(write, folder, images) for write in (run_files.write_pictures, write_arrays)]
        if config.check.mode is not CheckMode.off:
            with stopwatch.measure("check"):
                result = check(pipeline, images, config.check.mode, track)
        with phase("writing"), stopwatch.measure("pictures"):
            if result is not None:
                run_files.write_check(folder, result, images.image)
            if isinstance(pipeline.shader, CustomShader):
                run_files.write_shader(folder, pipeline.shader.file.source)
            if config.image.g_buffer:
                run_files.write_g_buffer(folder, pipeline.passes.compute_g_buffer())
            for file in written:
                file.result()
    surveyed = survey.result()
    normals = pipeline.passes.normals_estimator
    metrics = {
        naming.TRIANGLES: mesh.num_triangles,
        naming.DEGENERATE: mesh.num_degenerate,
        naming.REVERSED: normals.num_reversed,
        naming.REPEATED: normals.num_repeated,
        naming.UNDEFINED_NORMALS: normals.num_undefined,
        naming.COVERED: len(pipeline.passes.rasterizer.pixels) / images.triangle_id.size,
        naming.RENDER_NONFINITE: statistics.count_not_finite(images.image),
        naming.RENDER_CLIPPED: statistics.count_clipped(images.image),
        **surveyed.metrics(),
        **({} if result is None else check_words.check_metrics(result)),
    }
    return job.Outcome(
        metrics=metrics,
        verdict=None if result is None else result.verdict,
        lines=summary.terminal_lines(
            images, surveyed, metrics, stopwatch.seconds.get("jacobian", 0.0), result, memory_limit
        ),
        description=summary.page_text(images, result, memory_limit),
    )


if __name__ == "__main__":
    sys.exit(launch.launch(job.command(run, "jacobian")))
