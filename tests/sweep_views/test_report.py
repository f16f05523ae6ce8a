from sweep_folders import constant, leave_run

from tdr.reports import run_files
from tdr.sweep_views.images import SweepImages
from tdr.sweep_views.report import describe_sweep
from tdr.sweep_views.swept import Swept, SweptRun


def describe(*runs, keys=("a",)):
    return describe_sweep(SweepImages.collect(Swept.of(keys, runs), run_files.read_arrays))


def test_it_says_what_varies_how_it_ended_and_the_scales(tmp_path):
    runs = [leave_run(tmp_path / str(i), {"a": str(i)}, constant(i), check="passed") for i in range(5)]
    assert describe(*runs) == (
        "Sweep over `a` (5 values from 0 to 4): 5 runs, 5 finished. Checks: 5 passed.\n\n"
        "Each parameter has one colour scale in all runs of the sweep's pictures: `shader.diffuse` ±4."
    )


def test_what_is_wrong_is_listed_by_value(tmp_path):
    runs = [
        leave_run(tmp_path / "0", {"a": "x"}, constant(1), check="failed"),
        leave_run(tmp_path / "1", {"a": "y"}, status="FAILED", error="mesh.path must be a file;\ngot z."),
        SweptRun.read("run", {"a": "z"}, tmp_path / "2"),
        leave_run(tmp_path / "3", {"a": "w"}, constant(1), check="not comparable"),
        leave_run(tmp_path / "4", {"a": "v"}, check="off"),
    ]
    text = describe(*runs)
    first, *_, findings = text.split("\n\n")
    assert "5 runs, 3 finished, 1 failed, 1 missing. Checks: 1 failed, 1 not comparable, 1 off." in first
    assert findings.splitlines()[:4] == [
        "- **check failed**: a = x",
        "- **failed**: a = y: mesh.path must be a file; got z.",
        "- **missing**: a = z",
        "- **check not comparable**: a = w",
    ]
    assert findings.splitlines()[4].startswith("- **unreadable**: a = v: folder must hold the jacobian.npz")


def test_a_long_list_is_cut_with_a_word(tmp_path):
    runs = [SweptRun("run", {"a": str(i)}, tmp_path, "MISSING") for i in range(60)]
    lines = describe(*runs).splitlines()
    assert len(lines) < 30
    assert lines[-1] == "- and 40 more"
