"""What a sweep looks like: contact sheet, grid and film."""

import itertools

import numpy as np
import pytest
from sweep_folders import constant, leave_run, sweep
from synthetic import every_parameter, jacobian_images

from tdr.reports.drawing import ColorScale
from tdr.results.array_files import read_arrays
from tdr.sweep_views.film import Film, frames_a_second
from tdr.sweep_views.images import SweepImages
from tdr.sweep_views.sheet import EMPTY, contact_sheet, grid_sheet
from tdr.sweep_views.swept import Swept, SweptRun

INK, WHITE = (34, 34, 34), (255, 255, 255)


def panels(picture):
    """The colours of the panels of one colour, row by row: what stands inside frames."""
    ink = (picture == INK).all(axis=2)
    rows = []
    for top, bottom in itertools.pairwise(np.flatnonzero(ink.sum(axis=1) > 60)):
        line = (3 * top + bottom) // 4  # above the text in an empty panel
        edges = itertools.pairwise(np.flatnonzero(ink[line]))
        inside = [tuple(picture[line, left + 5].tolist()) for left, right in edges if right - left > 60]
        colors = [color for color in inside if color != WHITE]
        if bottom - top > 60 and colors:
            rows.append(colors)
    return rows


def color(value, limit):
    return tuple(int(level) for level in ColorScale.diverging(limit, extended=False).colors(np.array([[value]]))[0, 0])


class TestContactSheet:
    def test_runs_stand_in_the_order_of_their_values_on_one_scale(self, tmp_path):
        images = sweep(tmp_path, (["200"], constant(4)), (["5"], constant(-2)), (["30"], constant(1)))
        grey, *rows = panels(contact_sheet(images))
        assert grey == [(188, 188, 188)] * 3
        assert rows == [[color(-2, 4), color(1, 4), color(4, 4)]]

    def test_values_scale_and_units_are_written(self, tmp_path, written):
        image = jacobian_images({"camera.fov": np.full((4, 4, 1), 0.5)})
        contact_sheet(sweep(tmp_path, (["5"], image), (["30"], image)))
        assert {"5", "30", "∂(R+G+B)/∂ camera.fov, per rad", "scale ±0.5 in all runs", "0.5"} <= set(written)
        assert "shader.shininess: 2 runs; one colour scale a parameter" in written
        assert "derivatives of pose hold visibility fixed" in written

    def test_a_run_without_images_keeps_its_place(self, tmp_path, written):
        images = sweep(tmp_path, (["5"], constant(1)), (["30"], None), (["200"], constant(1)))
        red = color(1, 1)
        assert panels(contact_sheet(images))[1:] == [[red, EMPTY, red]]
        assert written.count("failed") == 2
        assert "1 of 3 runs without images: the places say why" in written

    def test_a_column_that_a_run_does_not_have_is_empty(self, tmp_path, written):
        other = jacobian_images({"shader.specular": np.ones((6, 8, 1))})
        contact_sheet(sweep(tmp_path, (["5"], constant(1)), (["30"], other)))
        assert written.count("none") == 2

    def test_a_failed_check_and_what_is_not_finite_are_marked(self, tmp_path, written):
        run = leave_run(tmp_path / "a", {"a": "1"}, constant(1), check="failed")
        other = leave_run(tmp_path / "b", {"a": "2"}, constant(np.nan), check="passed")
        contact_sheet(SweepImages.collect(Swept.of(["a"], [run, other]), read_arrays))
        assert {"✗ 1", "2", "1 of 2 runs with a failed check: ✗"} <= set(written)
        assert "1 of 2 runs with entries that are not finite: lime" in written

    def test_many_runs_and_columns_stay_a_picture_and_nothing_is_left_out_silently(self, tmp_path, written):
        run = leave_run(tmp_path / "a", {"a": "0"}, every_parameter())
        runs = [SweptRun("run", {"a": str(i)}, run.folder) for i in range(500)]
        picture = contact_sheet(SweepImages.collect(Swept.of(["a"], runs), read_arrays))
        assert max(picture.shape) < 6000
        assert "a: 500 runs; one colour scale a parameter; 24 evenly chosen runs shown" in written
        assert sum(text.isdigit() and int(text) < 500 for text in written) >= 24
        assert "17 of 27 columns not shown, from ∂(R+G+B)/∂ mesh.albedo on" in written

    @pytest.mark.parametrize("sizes", [[(1, 1)], [(3, 500), (500, 3)], [(1, 2000)], [(64, 64), (7, 5)]])
    def test_images_of_any_size_fit(self, tmp_path, sizes):
        images = sweep(tmp_path, *(([str(i)], constant(1, size)) for i, size in enumerate(sizes)))
        picture = contact_sheet(images)
        assert max(picture.shape) < 3000
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (border == 255).all()

    def test_all_failed(self, tmp_path, written):
        contact_sheet(sweep(tmp_path, (["5"], None), (["30"], None)))
        assert written.count("failed") == 2


class TestGrid:
    def test_axis_one_runs_down_and_axis_two_across(self, tmp_path, written):
        values = {("1", "0.1"): 1, ("1", "0.2"): 2, ("5", "0.1"): -3, ("5", "0.2"): 4}
        images = sweep(tmp_path, *((k, constant(v)) for k, v in values.items()), keys=("a", "b"))
        rows = panels(grid_sheet(images))
        assert [row[2:] for row in rows if len(row) == 4] == [[color(1, 4), color(2, 4)], [color(-3, 4), color(4, 4)]]
        assert "down: a; across: b; one colour scale a grid" in written

    def test_pairs_of_values_without_a_run_are_empty(self, tmp_path, written):
        runs = [(("1", "0.1"), constant(1)), (("5", "0.2"), None)]
        grid_sheet(sweep(tmp_path, *runs, keys=("a", "b")))
        assert (written.count("no run"), written.count("failed")) == (4, 2)

    def test_it_shows_the_column_with_the_largest_entry(self, tmp_path, written):
        entries = np.ones((6, 8, 1, 3))
        entries[..., 1] = -5
        images = sweep(tmp_path, (("1", "1"), jacobian_images({"mesh.albedo": entries})), keys=("a", "b"))
        grid_sheet(images)
        assert "∂(R+G+B)/∂ mesh.albedo.g" in written
        assert "the column of each parameter that has the largest entry; 2 others not shown" in written

    def test_a_large_grid_is_thinned_out_and_says_so(self, tmp_path, written):
        run = leave_run(tmp_path / "run", {"a": "0", "b": "0"}, constant(1))
        runs = [SweptRun("run", {"a": str(i), "b": str(j)}, run.folder) for i in range(20) for j in range(30)]
        picture = grid_sheet(SweepImages.collect(Swept.of(["a", "b"], runs), read_arrays))
        assert max(picture.shape) < 3000
        assert any("16 x 16 evenly chosen values shown" in text for text in written)


class TestFilm:
    def test_a_frame_a_run_in_the_order_of_the_values(self, tmp_path, written):
        images = sweep(tmp_path, (["200"], constant(4)), (["5"], constant(-2)), (["30"], None))
        frames = list(Film(images).frames())
        assert [panels(frame)[0][1] for frame in frames] == [color(-2, 4), EMPTY, color(4, 4)]
        assert len({frame.shape for frame in frames}) == 1
        assert all(length % 2 == 0 for length in frames[0].shape[:2])
        captions = [text for text in written if text.startswith("shader.shininess")]
        assert captions == ["shader.shininess = 5", "shader.shininess = 30", "shader.shininess = 200"]

    def test_it_is_bounded_and_says_so(self, tmp_path, written):
        run = leave_run(tmp_path / "a", {"a": "0"}, every_parameter())
        runs = [SweptRun("run", {"a": str(i)}, run.folder) for i in range(500)]
        film = Film(SweepImages.collect(Swept.of(["a"], runs), read_arrays))
        assert len(film.chosen) == 200
        assert film.rate == 12
        assert film.pixels < 2_000_000
        next(film.frames())
        assert "each parameter has one colour scale in all runs; 200 of 500 runs shown, evenly chosen" in written
        assert "17 of 27 columns not shown, from ∂(R+G+B)/∂ mesh.albedo on" in written

    def test_its_speed_is_sensible(self):
        assert [frames_a_second(count) for count in (3, 64, 200)] == [2, 8, 12]

    def test_the_palette_has_what_must_not_be_confused(self, tmp_path):
        palette = {tuple(c) for c in Film(sweep(tmp_path, (["5"], constant(1)))).palette().tolist()}
        assert {(255, 255, 255), EMPTY, (200, 200, 200), (0, 255, 0), color(1, 1), color(0, 1)} <= palette
