"""One case of the benchmark in a process of its own, which does what :class:`benchmarks.process.Worker` asks it.

A process of its own has its own peak memory, threads and compile times. Each line of the standard input is a request as
JSON, ``[name, *arguments]``, and is answered by one line of JSON.
"""

from __future__ import annotations

import itertools
import json
import resource
import runpy
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tdr
from benchmarks.plain import PlainRasterizer
from benchmarks.results import Case
from benchmarks.scenes import build_pipeline, jacobian_settings, primary_rays, run_settings
from benchmarks.yardstick import Yardstick
from tdr.config import CheckConfig, CheckMode, Method, select_parameters
from tdr.config.parameters import Reads, columns_of
from tdr.derivatives.jacobian import differentiate
from tdr.timing import Stopwatch

ROOT = Path(__file__).resolve().parents[2]


class Session:
    """A case, and what can be timed in it: each method of :attr:`TIMED`."""

    TIMED = (
        *("visibility", "surface", "shade", "render", "jacobian", "loop"),
        *("plain", "embree", "run", "checked_run", "yardstick"),
    )

    def __init__(self, case: Case) -> None:
        self.case = case
        self._pool = ThreadPoolExecutor(case.threads)
        tdr.start(case.precision)

    @cached_property
    def pipeline(self) -> tdr.Pipeline:
        """The scene, rendered once."""
        pipeline = build_pipeline(self.case)
        pipeline.forward()
        return pipeline

    def visibility(self) -> None:
        """Find the triangle that each pixel sees."""
        self.pipeline.passes.find_visible()

    def surface(self) -> None:
        """Compute the G-buffer."""
        self.pipeline.passes.compute_surface()

    def shade(self) -> None:
        """Shade it."""
        self.pipeline.passes.shade()

    def render(self) -> None:
        """Compute the G-buffer and shade it."""
        self.pipeline.passes.render()

    def jacobian(self) -> None:
        """Compute the Jacobian images."""
        differentiate(self.pipeline, jacobian_settings(self.case))

    def loop(self) -> None:
        """Compute the Jacobian images pixel by pixel."""
        differentiate(self.pipeline, replace(jacobian_settings(self.case), method=Method.loop))

    def plain(self) -> None:
        """Find the visible triangles the plain way."""
        self._plain.forward()

    def embree(self) -> None:
        """Trace the primary rays with Embree, in one thread."""
        self._embree_ids = self._embree_scene.run(*self._rays)

    def run(self) -> None:
        """What the main command does, with everything that it writes, without a check."""
        self._run(CheckMode.off)

    def checked_run(self) -> None:
        """The same with a quick check."""
        self._run(CheckMode.quick)

    def yardstick(self) -> None:
        """Compute what says how fast the machine is."""
        self._yardstick.compute()

    def time(self, name: str) -> float:
        """Seconds of one call."""
        if name not in self.TIMED:
            raise tdr.InputError(f"what is timed must be one of {', '.join(self.TIMED)}; got {name!r}.")
        action = getattr(self, name)
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    def copy(self, moved: int) -> float:
        """Seconds that a copy takes in which so many bytes are moved, half of them read, half written."""
        source, target = self._buffers(moved // 2)
        bounds = [moved // 2 * part // self.case.threads for part in range(self.case.threads + 1)]
        parts = [slice(*ends) for ends in itertools.pairwise(bounds)]
        start = time.perf_counter()
        list(self._pool.map(lambda part: np.copyto(target[part], source[part]), parts))
        return time.perf_counter() - start

    def compile(self) -> float:
        """Seconds from here to the first Jacobian, of an image of one pixel: compiling, and little else."""
        start = time.perf_counter()
        small = Session(replace(self.case, resolution=(1, 1), scene="sphere", triangles=20))
        small.jacobian()
        return time.perf_counter() - start

    def sizes(self) -> dict[str, int]:
        """What :func:`benchmarks.results.bytes_moved` asks for."""
        pipeline = self.pipeline
        chosen = select_parameters(pipeline.parameters, jacobian_settings(self.case).parameters)
        return {
            "pixels": pipeline.resolution[0] * pipeline.resolution[1],
            "covered": len(pipeline.passes.rasterizer.pixels),
            "vertices": pipeline.mesh.num_vertices,
            "triangles": pipeline.mesh.num_triangles,
            "normals": len(pipeline.passes.normals_estimator.normals),
            "columns": len(columns_of(chosen, pipeline.light_array.num_lights)),
            "moves": int(any(parameter.reads is Reads.POSE for parameter in chosen)),
            "real": pipeline.output_buffer.values.itemsize,
        }

    def peak_bytes(self) -> int:
        """The largest resident memory of this process so far."""
        # Linux counts in kilobytes, macOS in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    def ids_differ(self, other: str) -> int:
        """At how many pixels another way, ``embree`` or ``plain``, sees another triangle; both were timed before."""
        ids = self._embree_ids if other == "embree" else self._plain.triangle_id
        return int((ids.reshape(self.case.resolution) != self.pipeline.passes.rasterizer.triangle_id_buffer).sum())

    @cached_property
    def _yardstick(self) -> Yardstick:
        return Yardstick()

    @cached_property
    def _plain(self) -> PlainRasterizer:
        return PlainRasterizer(self.pipeline)

    @cached_property
    def _rays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return primary_rays(self.pipeline)

    @cached_property
    def _embree_scene(self) -> Any:
        try:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError as error:
            raise tdr.InputError('embreex must be installed; it is not. Run: pip install -e ".[bench]"') from error

        scene = EmbreeScene()
        TriangleMesh(scene, self.pipeline.mesh.vertices.astype(np.float32), self.pipeline.mesh.triangles.copy())
        return scene

    def _buffers(self, size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        if len(self._copied[0]) < size:
            # Written, so that no page is mapped while the clock runs.
            self._copied = (np.full(size, 1, dtype=np.uint8), np.full(size, 2, dtype=np.uint8))
        return self._copied

    _copied = (np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.uint8))

    @cached_property
    def _experiment(self) -> Any:
        return runpy.run_path(str(ROOT / "experiments" / "jacobian.py"))["run"]

    def _run(self, mode: CheckMode) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self._experiment(replace(run_settings(self.case), check=CheckConfig(mode)), Path(folder), Stopwatch())


ANSWERS = ("time", "copy", "compile", "sizes", "peak_bytes", "ids_differ")


def main() -> None:
    """Answer requests until there are no more."""
    settings = json.loads(sys.argv[1])
    parameters = settings["parameters"]
    settings["parameters"] = parameters if isinstance(parameters, str) else tuple(parameters)
    session = Session(Case(**{**settings, "resolution": tuple(settings["resolution"])}))
    # What else prints must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        assert name in ANSWERS  # noqa: S101
        print(json.dumps(getattr(session, name)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
