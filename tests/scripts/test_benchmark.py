"""The benchmark: what counts as slower, what counts as met, and one small case from end to end."""

import json
import sys

import numpy as np
import pytest

import benchmark
import tdr
from benchmarks.plain import PlainRasterizer
from benchmarks.process import STAGES, interleave, measure_case
from benchmarks.results import Case, CaseResult, Figure, StageResult, bytes_moved, changes, noise, spread
from benchmarks.scenes import build_pipeline, primary_rays


def figure(*values, target=1.0, sign="<="):
    return Figure("ratio", list(values), target, sign)


def result(seconds, figures=(), peak=100, case=None, yardstick=()):
    """What a result file holds of one case."""
    stage = StageResult(list(seconds), [1e-3] * len(seconds), {"image": 8})
    measured = CaseResult(
        case or Case(), {"render": stage}, covered=4, peak_bytes=peak, yardstick_seconds=list(yardstick)
    )
    return {"cases": [measured.as_json()], "figures": [f.as_json() for f in figures]}


@pytest.mark.parametrize(
    ("values", "target", "sign", "verdict"),
    [
        ([1.0], 1.0, "<=", "pass"),
        ([1.01], 1.0, "<=", "FALL SHORT"),
        ([0.5, 0.6, 9.0], 1.0, "<=", "pass"),  # the median
        ([1200.0], 1000.0, ">=", "pass"),
        ([999.0], 1000.0, ">=", "FALL SHORT"),
        ([], 1.0, "<=", "FALL SHORT"),
        ([float("nan")], 1.0, "<=", "FALL SHORT"),
    ],
)
def test_verdicts(values, target, sign, verdict):
    assert figure(*values, target=target, sign=sign).verdict == verdict


def test_the_spread_is_a_standard_deviation_that_one_outlier_leaves_alone(rng):
    values = 5.0 * (1.0 + 0.1 * rng.standard_normal(2000))
    assert spread(values.tolist()) == pytest.approx(0.1, rel=0.1)
    assert spread([1.0, 1.0, 1.0, 50.0, 1.0]) == 0.0


@pytest.mark.parametrize(
    ("before", "after", "limit"),
    [
        ([1.0] * 9, [1.0] * 9, 0.05),  # quiet repeats do not make a change of 1 % real
        ([0.9, 1.0, 1.1], [1.0] * 3, 3 * 1.4826 * 0.1),
        ([0.9, 1.0, 1.1], [1.8, 2.0, 2.2], 3 * 1.4826 * 0.1 * np.sqrt(2)),
        ([1.0], [1.0] * 9, 0.25),
    ],
)
def test_noise_comes_from_the_repeats_of_both(before, after, limit):
    assert noise(before, after) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("factor", "worse", "better"), [(1.04, False, False), (1.1, True, False), (0.96, False, False), (0.9, False, True)]
)
def test_a_change_counts_beyond_noise(factor, worse, better):
    (change,) = [c for c in changes(result([1.0] * 9), result([factor] * 9)) if "render" in c.name]
    assert (change.is_worse, change.is_better) == (worse, better)
    assert (change.before, change.after) == (1.0, factor)


@pytest.mark.parametrize(
    ("time", "machine", "worse", "better"),
    [
        (1.5, 1.5, False, False),  # as much slower as the machine
        (1.0, 1.5, False, False),  # other work is not slowed down as much as this arithmetic
        (1.5, 1.0, True, False),
        (2.0, 1.5, True, False),
        (0.6, 0.6, False, False),
        (0.6, 1.0, False, True),
        (0.4, 0.6, False, True),
    ],
)
def test_the_machines_own_change_is_none_of_the_codes(time, machine, worse, better):
    before = result([1.0] * 9, [figure(1.0)], yardstick=[0.005] * 9)
    after = result([time] * 9, [figure(1.0)], yardstick=[0.005 * machine] * 9)
    found = {change.name: change for change in changes(before, after)}
    change = found["base: render, s"]
    assert (change.is_worse, change.is_better, change.machine) == (worse, better, pytest.approx(machine))
    # Neither memory nor a ratio depends on it.
    assert [found[name].machine for name in ("base: peak memory, bytes", "ratio")] == [None, None]


def test_memory_and_figures_are_compared_too_and_the_worst_comes_first():
    fast = Figure("loop / batched", [2000.0] * 9, 1000.0, ">=")
    slow = Figure("loop / batched", [1000.0] * 9, 1000.0, ">=")
    found = changes(result([1.0] * 9, [fast]), result([1.0] * 9, [slow], peak=300))
    assert [change.name for change in found if change.is_worse] == ["base: peak memory, bytes", "loop / batched"]
    assert found[1].ratio == 2.0


def test_only_what_both_files_have_is_compared():
    other = result([1.0] * 9, case=Case(lights=4))
    assert changes(result([1.0] * 9, [figure(1.0)]), other) == []
    assert changes(result([1.0] * 9, [figure()]), result([1.0] * 9, [figure(1.0)], peak=0))[0].name == "base: render, s"


def test_labels_tell_cases_apart():
    assert Case().label == "base"
    assert Case(resolution=(256, 512), lights=4, parameters="all", threads=1).label == (
        "512 x 256, 4 lights, by all, 1 thread"
    )


def test_the_bytes_of_a_stage_are_those_of_the_arrays_that_it_reads_and_writes():
    sizes = {"pixels": 100, "covered": 10, "vertices": 4, "triangles": 2, "normals": 4, "columns": 3, "moves": 0}
    single, double = ({**sizes, "real": real} for real in (4, 8))
    assert bytes_moved("visibility", single) == {"mesh": 4 * 24 + 2 * 12, "depths": 1600, "ids": 400, "list": 40}
    assert bytes_moved("visibility", double) == bytes_moved("visibility", single)
    assert bytes_moved("surface", double)["G-buffer"] == 10 * 9 * 8
    render = sum(bytes_moved("render", double).values())
    assert render == sum(sum(bytes_moved(stage, double).values()) for stage in ("surface", "shade"))
    assert bytes_moved("jacobian", single) == {"G-buffer": 720, "columns": 120}
    assert bytes_moved("jacobian", {**single, "moves": 1}).keys() == {"mesh", "seen", "G-buffer", "columns"}


def test_timers_take_turns():
    called = []

    def timer(name, seconds):
        return lambda: called.append(name) or seconds

    assert interleave([timer("a", 0.3), timer("b", 0.4)], 9) == [[0.3] * 9, [0.4] * 9]
    assert called == ["a", "b"] * 10


@pytest.mark.parametrize(("scene", "triangles"), [("layers", 2), ("layers", 100), ("fan", 2000)])
def test_hard_scenes_cover_the_screen(scene, triangles):
    pipeline = build_pipeline(Case(resolution=(48, 48), scene=scene, triangles=triangles))
    pipeline.passes.find_visible()
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    assert pipeline.mesh.num_triangles == triangles
    assert ids.min() >= 0
    if scene == "layers":
        assert ids.min() >= triangles - 2  # the nearest layer is the last


@pytest.mark.usefixtures("precision")
def test_the_plain_rasterizer_sees_the_same_triangles():
    pipeline = build_pipeline(Case(resolution=(64, 96), triangles=1280))
    pipeline.passes.find_visible()
    plain = PlainRasterizer(pipeline)
    plain.forward()
    # It has no fill rule and computes in float32, so centres on an edge may fall to either side.
    assert (plain.triangle_id != pipeline.passes.rasterizer.triangle_id_buffer).mean() < 0.01


def test_rays_go_through_the_centres_of_pixels():
    camera = tdr.PerspectiveCamera(position=[1.0, 2.0, 3.0], look_at=[0.0, 0.0, 0.0], fov=50.0)
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(3), camera=camera, resolution=(32, 48))
    pipeline.passes.find_visible()
    origins, rays = (values.astype(np.float64) for values in primary_rays(pipeline))
    # A ray meets the unit sphere where it comes closer than 1 to the origin.
    along = -np.einsum("ij,ij->i", origins, rays) / np.einsum("ij,ij->i", rays, rays)
    distance = np.linalg.norm(origins + along[:, None] * rays, axis=1).reshape(32, 48)
    seen = pipeline.passes.rasterizer.triangle_id_buffer >= 0
    # The polyhedron lies between the spheres of radius 0.99 and 1.
    assert seen[distance < 0.99].all()
    assert not seen[distance > 1.0].any()


def test_a_case_is_measured_in_a_process_of_its_own():
    case = Case(resolution=(8, 16), triangles=20, parameters=("light.direction", "mesh.scale"), threads=1)
    found = measure_case(case, None, 3)
    assert found.error is None
    assert set(found.stages) == set(STAGES)
    assert 0 < found.covered < 8 * 16
    assert found.peak_bytes > 10_000_000
    assert 0.0 < found.compile_cached < found.compile_cold
    for stage in found.stages.values():
        assert len(stage.seconds) == len(stage.copy_seconds) == len(found.yardstick_seconds) >= 3
        assert min(stage.seconds) > 0.0
    json.dumps(found.as_json())


def test_a_case_that_fails_says_why(tmp_path):
    assert "triangles must be 20 times a power of 4" in measure_case(Case(triangles=21), tmp_path, 3).error


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs the command on made-up measurements; returns its exit status and what it printed."""
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "benchmarks")

    def run(seconds, ratio, *arguments, yardstick=1e-3):
        stage = StageResult([seconds] * 9, [1e-3] * 9, {"image": 8})
        case = CaseResult(Case(), {"render": stage}, covered=4, peak_bytes=100, yardstick_seconds=[yardstick] * 9)
        measured = [case, figure(ratio)]
        monkeypatch.setattr(benchmark, "GROUPS", {"group": lambda _: iter(measured)})
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
        status = 0
        try:
            benchmark.main()
        except SystemExit as exit:
            status = exit.code
        return status, capsys.readouterr()

    return run


def test_the_command_compares_with_the_previous_result(command, tmp_path):
    status, printed = command(1.0, 0.5)
    assert status == 0
    assert "against" not in printed.out
    (first,) = (tmp_path / "benchmarks").glob("*.json")
    kept = json.loads(first.read_text())
    assert kept["figures"][0]["verdict"] == "pass"
    assert kept["tree"]["commit"] in first.name
    assert bool(kept["tree"]["dirty"]) == first.stem.endswith("-dirty")
    assert {"cpu", "cores", "python", "taichi", "numpy"} <= kept["machine"].keys()

    status, printed = command(2.0, 1.5, "--out", str(tmp_path / "second.json"))
    assert status == 1
    slower, faster = printed.out.split("got slower")[1].split("nothing got faster")
    assert "base: render, s" in slower
    assert "FALL SHORT" in printed.out
    assert "1 fall short: ratio" in faster

    status, printed = command(1.0, 0.5, "--against", str(tmp_path / "second.json"))
    assert status == 0
    assert "base: render, s" in printed.out.split("got faster")[1]


def test_the_command_says_how_fast_the_machine_was(command, tmp_path):
    command(1.0, 0.5, "--out", str(tmp_path / "first.json"))
    _, printed = command(2.0, 0.5, "--against", str(tmp_path / "first.json"), yardstick=2e-3)
    assert "the machine takes 2.00 times as long for the same arithmetic" in printed.out
    assert "nothing got slower" in printed.out

    old = json.loads((tmp_path / "first.json").read_text())
    del old["cases"][0]["yardstick_seconds"]
    (tmp_path / "first.json").write_text(json.dumps(old))
    _, printed = command(2.0, 0.5, "--against", str(tmp_path / "first.json"), yardstick=2e-3)
    assert "how fast the machine was then is not known" in printed.out
    assert "base: render, s" in printed.out.split("got slower")[1]


def test_a_wrong_file_is_refused_before_anything_is_measured(command, tmp_path):
    (tmp_path / "other.json").write_text("[]")
    status, printed = command(1.0, 0.5, "--against", str(tmp_path / "other.json"))
    assert status == 2
    assert "--against must name a result file" in printed.err
