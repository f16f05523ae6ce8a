import math

import numpy as np
import pytest
from sweep_folders import constant, leave_run
from synthetic import RGB, column, every_parameter, jacobian_images, one_column

from tdr.reports import jacobian_pictures
from tdr.reports.color_limit import color_limit
from tdr.reports.drawing import BACKGROUND, NOT_FINITE
from tdr.results.array_files import read_arrays
from tdr.sweep_views.images import Derivative, SweepImages, choose_evenly, first_groups, group
from tdr.sweep_views.swept import Swept


def collect(tmp_path, *runs, key="a"):
    """The sampled images of runs that left these Jacobian images; None for one that failed."""
    left = [
        leave_run(tmp_path / str(i), {key: str(i)}, images, status="FAILED" if images is None else "FINISHED")
        for i, images in enumerate(runs)
    ]
    return SweepImages.collect(Swept.of([key], left), read_arrays)


class TestSamples:
    def test_entries_are_kept_to_the_step(self, tmp_path):
        rng = np.random.default_rng(0)
        values = rng.standard_normal((20, 30))
        images = collect(tmp_path, one_column(values))
        entries = images.runs[0].entries[images.derivatives[0]]
        assert images.runs[0].stride == 1
        np.testing.assert_allclose(entries.codes * entries.step, values, atol=np.abs(values).max() / 32766 / 2 * 1.001)
        assert entries.largest == pytest.approx(np.abs(values).max())

    def test_the_background_and_what_is_not_finite_are_told_apart_from_zero(self, tmp_path):
        one = one_column([[0, 0, math.nan], [3, -math.inf, 1]], triangle_id=[[0, -1, -1], [-1, 0, 0]])
        images = collect(tmp_path, one)
        derivative = images.derivatives[0]
        entries = images.runs[0].entries[derivative]
        panel = entries.panel(images.limit(derivative).scale, entries.codes)
        zero, background, nan = (tuple(int(c) for c in pixel) for pixel in panel[0])
        red, infinite = (tuple(int(c) for c in pixel) for pixel in panel[1, :2])
        assert (background, nan, infinite) == (BACKGROUND, NOT_FINITE, NOT_FINITE)
        assert min(zero) > 240
        assert red[0] > red[2] + 50  # an entry of the background that is not zero is not hidden
        assert images.runs[0].has_nonfinite

    def test_a_large_image_is_sampled_and_says_so(self, tmp_path):
        values = np.arange(600 * 20, dtype=float).reshape(600, 20)
        images = collect(tmp_path, one_column(values))
        run = images.runs[0]
        assert (run.shape, run.stride) == ((600, 20), 3)
        entries = run.entries[images.derivatives[0]]
        np.testing.assert_allclose(entries.codes * entries.step, values[::3, ::3], atol=0.2)
        assert images.sampling_note == ["one of every 3 x 3 pixels kept"]

    def test_channels_are_images_of_their_own(self, tmp_path):
        images = collect(tmp_path, jacobian_images({"mesh.albedo": np.ones((2, 2, 3, 3))}, cotangents=RGB))
        assert [derivative.title for derivative in images.derivatives] == [
            f"∂{channel}/∂ mesh.albedo.{component}" for channel in "RGB" for component in "rgb"
        ]
        assert [len(piece) for piece in group(images.derivatives)] == [3, 3, 3]

    def test_titles_are_those_of_a_runs_own_pictures(self, tmp_path):
        one = every_parameter()
        images = collect(tmp_path, one)
        assert [d.title for d in images.derivatives] == [jacobian_pictures.column_title(one, c) for c in one.columns]


class TestSharedScale:
    def test_it_ends_at_the_largest_entry_of_all_runs(self, tmp_path):
        images = collect(tmp_path, constant(1), None, constant(-3), constant(2))
        (limit,) = images.limits.values()
        assert (limit.value, limit.largest, str(limit)) == (3, 3, "scale ±3 in all runs")

    def test_a_run_alone_has_the_scale_of_its_own_pictures(self, tmp_path):
        rng = np.random.default_rng(0)
        one = one_column(rng.standard_normal((40, 50)) ** 9)
        images = collect(tmp_path, one)
        (limit,) = images.limits.values()
        alone = color_limit(one, one.parameters[0])
        assert alone.beyond
        assert limit.value == alone.value

    def test_outliers_do_not_wash_out_the_others_and_are_stated(self, tmp_path):
        values = np.ones((40, 50))
        values[0, 0] = -100
        images = collect(tmp_path, constant(1, (40, 50)), one_column(values))
        (limit,) = images.limits.values()
        assert str(limit) == "scale ±1 in all runs; entries go up to ±100"
        assert limit.scale.extended == (True, True)

    def test_zero_everywhere(self, tmp_path):
        images = collect(tmp_path, constant(0), constant(0))
        (limit,) = images.limits.values()
        assert (limit.value, str(limit)) == (1, "all zero, scale ±1")


class TestRunsThatDiffer:
    def test_no_run_is_dropped(self, tmp_path):
        images = collect(tmp_path, constant(1), None, constant(1))
        (tmp_path / "2" / "jacobian.npz").write_text("")
        images = SweepImages.collect(images.swept, read_arrays)
        assert [run.absent for run in images.runs] == ["", "failed", "unreadable"]
        assert "jacobian.npz" in images.runs[2].problem

    def test_columns_of_any_run_are_shown(self, tmp_path):
        other = jacobian_images({"shader.specular": np.ones((4, 4, 1))})
        images = collect(tmp_path, constant(1), other)
        assert [d.column.name for d in images.derivatives] == ["shader.diffuse", "shader.specular"]
        assert [len(run.entries) for run in images.runs] == [1, 1]

    def test_all_failed(self, tmp_path):
        images = collect(tmp_path, None, None)
        assert (images.derivatives, images.limits, images.crop_note) == ((), {}, [])


class TestWindow:
    def covered(self, rows, columns, size=(40, 40)):
        triangle_id = np.full(size, -1)
        triangle_id[rows, columns] = 0
        values = np.where(triangle_id < 0, 0.0, 1.0)
        return one_column(values, triangle_id=triangle_id)

    def test_it_holds_the_surface_of_every_run(self, tmp_path):
        images = collect(
            tmp_path, self.covered(slice(10, 12), slice(10, 20)), self.covered(slice(20, 25), slice(18, 30))
        )
        assert images.crop_note == ["cropped to rows 8 to 26 of 40 and columns 8 to 31 of 40"]
        rows, columns = (images.crop(np.broadcast_to(i, (40, 40))) for i in np.ogrid[:40, :40])
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 26, 8, 31)

    def test_an_image_that_is_mostly_surface_is_not_cropped(self, tmp_path):
        images = collect(tmp_path, self.covered(slice(2, 38), slice(2, 38)))
        assert images.crop_note == []
        assert images.crop(images.runs[0].render).shape == (40, 40, 3)

    def test_an_entry_outside_the_surface_is_not_cropped_away(self, tmp_path):
        values = np.zeros((40, 40))
        values[39, 0] = 1
        images = collect(tmp_path, one_column(values, triangle_id=np.full((40, 40), -1)))
        assert images.crop_note == ["cropped to rows 37 to 39 of 40 and columns 0 to 2 of 40"]


class TestChoosing:
    def test_evenly(self):
        assert choose_evenly(3, 5) == [0, 1, 2]
        assert choose_evenly(1, 5) == [0]
        chosen = choose_evenly(500, 24)
        assert (len(chosen), chosen[0], chosen[-1]) == (24, 0, 499)
        assert set(np.diff(chosen)) <= {21, 22}

    def test_groups_stay_whole(self, tmp_path):
        images = collect(tmp_path, every_parameter())
        groups, left_out = first_groups(images.derivatives, 12)
        assert [len(piece) for piece in groups] == [3, 3, 1, 1, 1, 1]
        assert left_out == ["17 of 27 columns not shown, from ∂(R+G+B)/∂ mesh.albedo on"]
        assert first_groups(images.derivatives, 27) == (group(images.derivatives), [])

    def test_the_first_group_is_shown_however_large(self, tmp_path):
        images = collect(tmp_path, every_parameter())
        groups, _ = first_groups(images.derivatives, 2)
        assert [d.component for d in groups[0]] == ["x", "y", "z"]


def test_the_largest_entry_of_a_column_is_found_in_any_run(tmp_path):
    images = collect(tmp_path, constant(1), None, constant(-4))
    assert images.largest_entry(images.derivatives[0]) == pytest.approx(4)


def test_a_derivative_is_the_same_in_every_run():
    first, second = constant(1), constant(2, size=(3, 3))
    assert Derivative(column(first, "shader.diffuse"), "∂R") == Derivative(column(second, "shader.diffuse"), "∂R")
