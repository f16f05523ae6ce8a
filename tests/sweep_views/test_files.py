import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from sweep_folders import constant, leave_run, sweep

from tdr.results.array_files import read_arrays
from tdr.sweep_views.files import describe_sweep, write_sweep
from tdr.sweep_views.film import Film
from tdr.sweep_views.images import SweepImages
from tdr.sweep_views.swept import Swept, SweptRun


def describe(*runs, keys=("a",)):
    return describe_sweep(SweepImages.collect(Swept.of(keys, runs), read_arrays))


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


class TestFiles:
    @pytest.fixture
    def swept(self, tmp_path):
        runs = [((a, b), constant(int(a) - 2)) for a in ("1", "2", "4") for b in ("1", "2")]
        return sweep(tmp_path, *runs, (("9", "1"), None), keys=("a", "b")).swept

    def test_everything_is_written_and_named(self, tmp_path, swept):
        files = write_sweep(tmp_path / "out", swept)
        written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
        assert written == set(files.names)
        assert {"grid.png", "contact_sheet.png", "sweep.html", "sweep.mp4", "sweep.gif"} <= written
        assert files.picture == "grid.png"
        assert files.description.startswith("Sweep over `a` (4 values from 1 to 9), `b` (1, 2): 7 runs, 6 finished")

    def test_over_one_axis_there_is_no_grid(self, tmp_path):
        runs = [leave_run(tmp_path / str(i), {"a": str(i)}, constant(i)) for i in range(3)]
        files = write_sweep(tmp_path / "out", Swept.of(["a"], runs))
        assert files.picture == "contact_sheet.png"
        assert "grid.png" not in files.names

    def test_the_films_show_every_run(self, tmp_path, swept):
        write_sweep(tmp_path / "out", swept)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / "out" / "sweep.mp4")]
        raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
        film = list(Film(SweepImages.collect(swept, read_arrays)).frames())
        frames = np.frombuffer(raw.stdout, np.uint8).reshape(-1, *film[0].shape)
        assert len(frames) == 7
        # H.264 keeps colours at half the resolution
        for frame, drawn in zip(frames, film, strict=True):
            assert np.abs(frame.astype(int) - drawn).mean() < 3
        with Image.open(tmp_path / "out" / "sweep.gif") as gif:
            assert gif.size == film[0].shape[1::-1]
            assert gif.n_frames == len({frame.tobytes() for frame in film})

    def test_a_sweep_of_which_nothing_is_left_is_shown_as_such(self, tmp_path):
        runs = [SweptRun("run", {"a": str(i)}, tmp_path / "none", "MISSING") for i in range(2)]
        files = write_sweep(tmp_path / "out", Swept.of(["a"], runs))
        assert "2 missing" in files.description
        assert (tmp_path / "out" / "sweep.html").is_file()
