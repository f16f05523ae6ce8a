import itertools
import math

import matplotlib
import numpy as np
import pytest
from check_results import check_result, column_check, step_curve

from tdr.reports.check_pictures import PLACE_COLORS, check_pictures
from tdr.reports.plotting import Axis, Line, Plot, draw_plot
from tdr.results.check_result import COMPARED, Place, Verdict

INK = (34, 34, 34)
GREY, WHITE, LIME = (200, 200, 200), (255, 255, 255), (0, 255, 0)
VERMILION, PURPLE, BLUE = (213, 94, 0), (204, 121, 167), (0, 114, 178)
LOW, HIGH = (tuple(matplotlib.colormaps["cividis"](share, bytes=True)[:3]) for share in (0.0, 1.0))
MINUS = "\N{MINUS SIGN}"


def panel(picture):
    """What stands inside the picture's first frame."""
    ink = np.pad((picture == INK).all(axis=2), 1).astype(np.int8)
    for row in ink:
        start, stop = (np.flatnonzero(np.diff(row) == step) for step in (1, -1))
        if (stop - start).max(initial=0) > 30:
            break
    longest = (stop - start).argmax()
    left, right = start[longest], stop[longest]
    top, bottom = np.flatnonzero(ink[1:-1, left + 1 : right + 1].all(axis=1))[:2]
    return picture[top + 1 : bottom, left + 1 : right - 1]


def colors(picture, rows, columns):
    """The colour in the middle of each image pixel."""
    shown = panel(picture)
    zoom = shown.shape[0] // rows
    assert shown.shape == (rows * zoom, columns * zoom, 3)
    return [[tuple(map(int, pixel)) for pixel in row] for row in shown[zoom // 2 :: zoom, zoom // 2 :: zoom]]


def count(picture, color):
    return int((panel(picture) == color).all(axis=2).sum())


def twice(image):
    """Each pixel as a block of 2 x 2."""
    return np.kron(image, np.ones((2, 2), int))


def draw(result, image=None):
    image = np.zeros((*result.place.shape, 3)) if image is None else image
    image.flags.writeable = False
    return check_pictures(result, image)


def sphere(height, width, mode="full", seed=0, samples=16384):
    """A sphere with a line where the surface is parallel to a light, and errors about 1e-9."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] + 0.5
    radius = 0.27 * min(height, width)
    covered = (x - width / 2) ** 2 + (y - height / 2) ** 2 < radius**2
    looked_at = covered.copy()
    if mode == "quick":
        looked_at[:] = False
        looked_at.ravel()[rng.permutation(np.flatnonzero(covered))[:samples]] = True
    place = np.where(covered, Place.unsampled, Place.background)
    place[looked_at] = Place.interior
    place[looked_at & (np.abs(x - width / 2) < 1)] = Place.light_edge
    error = np.where(np.isin(place, COMPARED), 1e-9 * rng.uniform(0.2, 1, place.shape), math.nan)
    return place, error


class TestErrors:
    def test_decades_and_what_has_no_error(self, written):
        result = check_result(
            [column_check(value=-0.5, reference=-0.75)],
            twice([[2, 3, 0], [1, 4, 7]]),  # one pixel in five is not sampled: blocks of 2 x 2
            twice([[1e-8, 1e-2, math.nan], [math.nan] * 3]),
        )
        drawn = colors(draw(result)["error"], 4, 6)
        assert [row[::2] for row in drawn[::2]] == [[LOW, HIGH, GREY], [WHITE, PURPLE, PURPLE]]
        assert {"10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²"} <= set(written)
        assert {"background", "not sampled", "excluded"} <= set(written)
        assert {
            "check failed (quick, f32): largest error",
            "farthest beyond its limit: mesh.rotation.x, row 3, column 5",
            f"{MINUS}0.5, reference {MINUS}0.75",
            f"0.12 of the largest entry (allowed 5e{MINUS}07)",
        } <= set(written)

    def test_equal_ratios_are_equal_steps_of_colour(self):
        error = [[1e-7, 1e-6, 1e-5, 1e-4, 0.0]]
        drawn = colors(draw(check_result(place=[[2] * 5], error=error))["error"], 1, 5)[0]
        colormap = matplotlib.colormaps["cividis"]
        assert drawn[:4] == [tuple(colormap(share, bytes=True)[:3]) for share in (0, 85, 170, 255)]
        assert drawn[4] == LOW

    def test_both_ends_of_the_colour_bar_are_labelled(self, written):
        draw(check_result(place=[[2, 2]], error=[[5e-12, 5e-2]]))
        assert [text for text in written if text.startswith("10")] == ["10⁻¹³", "10⁻¹⁰", "10⁻⁷", "10⁻⁴", "10⁻¹"]

    def test_the_colour_bar_points_to_errors_that_are_smaller(self):
        def low_pixels_below_the_panel(smallest):
            error = np.full((10, 10), 1e-3)
            error[0, :9], error[0, 9] = 1.01e-6, smallest
            picture = draw(check_result(place=np.full((10, 10), 2), error=error))["error"]
            return (picture[-200:] == LOW).all(axis=2).sum()

        assert low_pixels_below_the_panel(0.0) > low_pixels_below_the_panel(1.01e-6) + 20

    def test_an_error_that_is_not_finite_is_lime(self, written):
        error = [[math.inf, math.nan, 1e-3]]
        drawn = colors(draw(check_result(place=[[2, 2, 2]], error=error))["error"], 1, 3)
        assert drawn[0][:2] == [LIME, LIME]
        assert "not finite" in written

    def test_an_error_of_the_background_is_not_hidden(self):
        drawn = colors(draw(check_result(place=[[0, 0]], error=[[1.0, math.nan]]))["error"], 1, 2)
        assert drawn == [[HIGH, GREY]]

    def test_exact_agreement(self):
        assert colors(draw(check_result(place=[[2, 2]]))["error"], 1, 2) == [[LOW, LOW]]

    @pytest.mark.parametrize("mode", ["quick", "full"])
    @pytest.mark.parametrize("size", [(1024, 1024), (2500, 1300), (40, 60)])
    def test_a_single_wrong_pixel_is_seen(self, mode, size, written):
        place, error = sphere(*size, mode)
        row, column = size[0] // 2 + 3, size[1] // 2 - 5
        place[row, column], error[row, column] = Place.interior, 0.02
        fine = draw(check_result(place=place, error=error))["error"]
        assert count(fine, VERMILION) == 0
        excess = np.where(error == 0.02, 1.5, error)
        written.clear()
        picture = draw(check_result(place=place, error=error, excess=excess))["error"]
        shown = panel(picture)
        ys, xs = np.nonzero((shown == VERMILION).all(axis=2))
        # it is in the middle of a ring of at least 2 % of the picture
        scale = shown.shape[0] / size[0]
        assert np.allclose(
            [ys.min() + ys.max(), xs.min() + xs.max()], 2 * scale * np.array([row, column]), atol=2 + 2 * scale
        )
        assert np.ptp(xs) > 0.02 * shown.shape[1]
        assert tuple(shown[int((row + 0.5) * scale), int((column + 0.5) * scale)]) != GREY
        assert len(ys) < 0.02 * shown[:, :, 0].size
        assert "around 1 pixel out of tolerance" in written

    def test_a_ring_at_the_border_stays_inside(self):
        for row, column in [(0, 0), (299, 199), (0, 199)]:
            excess = np.zeros((300, 200))
            excess[row, column] = 2
            picture = draw(check_result(place=np.full((300, 200), 2), excess=excess))["error"]
            ys, xs = np.nonzero((panel(picture) == VERMILION).all(axis=2))
            assert len(ys) > 5
            assert (abs(ys - row) <= 8).all()
            assert (abs(xs - column) <= 8).all()

    def test_samples_fill_the_surface_and_nothing_else(self, written):
        place, error = sphere(512, 512, "quick")
        picture = draw(check_result(place=place, error=error))["error"]
        shown = panel(picture)
        grey = (shown == GREY).all(axis=2)
        np.testing.assert_array_equal(grey, place == Place.background)
        holes = (shown == WHITE).all(axis=2).sum() / (~grey).sum()
        assert 0 < holes < 0.05
        assert any(text.startswith("each block of ") for text in written)

    def test_a_block_shows_its_worst_sample(self):
        place, error = sphere(512, 512, "quick", samples=3000)
        error[np.isfinite(error)] = 1e-9
        row, column = np.argwhere(np.isfinite(error))[1500]
        error[row, column] = 1e-3
        shown = panel(draw(check_result(place=place, error=error))["error"])
        assert tuple(shown[row, column]) == HIGH
        assert (shown == HIGH).all(axis=2).sum() > 10

    def test_nothing_compared(self, written):
        place = np.where(sphere(64, 64)[0] > 0, 4, 0)
        result = check_result(place=place, verdict=Verdict.not_comparable)
        assert {*itertools.chain(*colors(draw(result)["error"], 64, 64))} == {GREY, PURPLE}
        assert {"check not comparable (quick, f32): largest error", "nothing was compared"} <= set(written)
        assert not any("10" in text for text in written)


class TestPlaces:
    def test_a_colour_and_a_label_each(self, written):
        drawn = colors(draw(check_result(place=twice(np.arange(10).reshape(2, 5))))["places"], 4, 10)
        assert [*itertools.chain(*(row[::2] for row in drawn[::2]))] == [PLACE_COLORS[p] for p in Place]
        assert len(set(PLACE_COLORS.values())) == len(Place)
        assert {"background: 4", "compared, interior: 4", "visible triangle changes: 4"} <= set(written)
        assert "surface parallel to a light (n.l = 0): 4" in written

    def test_only_what_occurs_is_listed_and_counted(self, written):
        draw(check_result(place=[[0, 0, 2, 7]]))
        listed = [text for text in written if text[-1].isdigit() and ": " in text]
        assert listed == ["background: 2", "compared, interior: 1", "kink of another cause: 1"]

    @pytest.mark.parametrize("size", [(1500, 1100), (3000, 400)])
    def test_a_rare_place_is_not_lost(self, size):
        place = np.full(size, Place.interior)
        place[777, 333] = Place.undefined
        assert count(draw(check_result(place=place))["places"], PLACE_COLORS[Place.undefined]) > 0

    def test_single_excluded_pixels_are_seen_and_counted(self, written):
        place, _ = sphere(512, 512)
        row, column = 260, 330
        place[row, column] = place[row, column + 3] = Place.kink
        edge = np.flatnonzero(place[row])[0]
        place[row, edge] = Place.undefined
        shown = panel(draw(check_result(place=place))["places"])
        # five pixels wide with an edge, where one would be lost
        green = PLACE_COLORS[Place.kink]
        assert (shown[row - 2 : row + 3, column - 2 : column + 3] == green).all()
        assert (shown[row - 3, column - 3 : column + 4] == INK).all()
        assert (shown == green).all(axis=2).sum() == 5 * 8
        assert (shown[row - 2 : row + 3, edge] == PLACE_COLORS[Place.undefined]).all(axis=1).sum() >= 3
        np.testing.assert_array_equal((shown == GREY).all(axis=2), place == Place.background)
        # the line where the surface is parallel to the light is as wide as it is
        light_edge = (shown == PLACE_COLORS[Place.light_edge]).all(axis=2)
        np.testing.assert_array_equal(light_edge, place == Place.light_edge)
        assert {"kink of another cause: 2", "image not finite: 1", "single excluded pixels are drawn larger"} <= {
            *written
        }

    def test_no_excluded_pixel_is_hidden_by_another(self):
        place = np.full((512, 512), Place.interior)
        place[100, 100], place[101, 102] = Place.imprecise, Place.kink
        shown = panel(draw(check_result(place=place))["places"])
        assert tuple(shown[100, 100]) == PLACE_COLORS[Place.imprecise]
        assert tuple(shown[101, 102]) == PLACE_COLORS[Place.kink]

    def test_pixels_that_are_large_anyway_or_many_are_left_as_they_are(self, written):
        place = np.full((64, 64), Place.interior)
        place[10, 10] = Place.kink
        many = np.full((512, 512), Place.interior)
        many[::3, ::3] = Place.kink
        for which in (place, many):
            picture = draw(check_result(place=which))["places"]
            share = count(picture, PLACE_COLORS[Place.kink]) / panel(picture)[:, :, 0].size
            assert share == pytest.approx((which == Place.kink).mean())
        assert not any("larger" in text for text in written)

    @pytest.mark.parametrize("samples", [1000, 4096, 16384])
    def test_most_of_a_surface_that_was_only_sampled_is_left_white(self, samples, written):
        place, _ = sphere(512, 512, "quick", samples=samples)
        shown = panel(draw(check_result(place=place))["places"])
        surface = np.count_nonzero(place != Place.background)
        assert 0.6 < (shown == WHITE).all(axis=2).sum() / surface < 0.8
        assert f"{samples:,} of {surface:,} pixels of the surface were looked at" in written

    def test_where_all_was_looked_at_nothing_is_said_of_a_sample(self, written):
        draw(check_result(place=sphere(64, 64)[0]))
        assert not any("looked at" in text for text in written)

    @pytest.mark.parametrize("samples", [3000, 16384])
    def test_a_rare_place_of_a_sample_is_seen(self, samples, written):
        place, _ = sphere(512, 512, "quick", samples=samples)
        place[place == Place.light_edge] = Place.interior
        row, column = np.argwhere(place == Place.interior)[samples // 2]
        place[row, column] = Place.undefined
        picture = draw(check_result(place=place))["places"]
        color = PLACE_COLORS[Place.undefined]
        assert tuple(panel(picture)[row, column]) == color
        assert 25 <= count(picture, color) <= 64
        assert "single excluded pixels are drawn larger" in written

    def test_the_rendering_shines_through(self):
        image = np.array([[[0.0] * 3, [0.2] * 3, [1.0] * 3, [7.0] * 3, [math.nan] * 3, [-1.0] * 3]])
        place = [[2] * 6]
        dark, grey, bright, beyond, *others = colors(draw(check_result(place=place), image)["places"], 1, 6)[0]
        assert dark == PLACE_COLORS[Place.interior]
        assert sum(dark) < sum(grey) < sum(bright) < 3 * 255
        assert beyond == bright
        assert others == [dark, dark]


class TestSteps:
    def test_the_curve_and_its_subject(self, written):
        picture = draw(check_result(curve=step_curve()))["steps"]
        assert {"mesh.rotation.x at row 3, column 5, G", "0.5, reference 0.5000001", "step h in rad"} <= set(written)
        assert "tolerance, 0.0001" in written
        assert {"10⁻¹", "10⁻²", "10⁻³", "10⁻⁴", "10⁻⁵"} <= set(written)
        assert (picture == BLUE).all(axis=2).sum() > 300
        assert (picture == VERMILION).all(axis=2).sum() > 300

    def test_without_a_curve_there_is_no_picture(self):
        assert draw(check_result()).keys() == {"error", "places"}

    def test_the_errors_are_those_of_the_entry(self, written):
        draw(check_result(curve=step_curve(differences=np.full(4, 0.5))))
        assert "0" in written

    def test_differences_that_are_exact_missing_or_not_finite(self):
        for differences in ([0.5] * 4, [math.nan] * 4, [0.6, math.nan, math.inf, 0.5]):
            picture = draw(check_result(curve=step_curve(differences=np.array(differences))))["steps"]
            assert (picture == VERMILION).all(axis=2).any()


class TestPlots:
    def marks(self, x, y, line):
        """The centres of a line's dots, from the lower left, in shares of the axes."""
        picture = draw_plot(Plot(["heading"], x, y, [line]))
        ink = (picture == INK).all(axis=2)
        left, bottom = ink.sum(axis=0).argmax(), ink.sum(axis=1).argmax()
        width, height = ink.sum(axis=1).max() - 1, ink[: bottom + 1, left].sum() - 1
        blue = np.abs(picture.astype(int) - BLUE).max(axis=2) < 30
        blue[bottom + 10 :] = False  # the legend

        def at(u, v):
            y, x = round(bottom - v * height), round(left + u * width)
            return blue[y - 8 : y + 9, x - 8 : x + 9].any()  # a dot's size, as dots hide the ends of the axes

        return blue, at

    def test_linear_axes(self, written):
        line = Line("a", np.array([0.0, 2.0, 4.0]), np.array([-10.0, 20.0, 5.0]))
        _, at = self.marks(Axis("size"), Axis("seconds"), line)
        assert {"0", "1", "2", "3", "4", f"{MINUS}10", "20", "size", "seconds", "a", "heading"} <= set(written)
        assert all(at(u, v) for u, v in [(0, 0), (0.5, 1), (1, 0.5), (0.25, 0.5)])
        assert not at(0.5, 0.5)

    def test_logarithmic_axes(self, written):
        line = Line("a", np.array([1e-4, 1e-2, 1e0]), np.array([1e2, 1e4, 1e3]))
        _, at = self.marks(Axis("h", logarithmic=True), Axis("e", logarithmic=True), line)
        assert {"10⁻⁴", "10⁻²", "10⁰", "10²", "10³", "10⁴"} <= set(written)
        assert all(at(u, v) for u, v in [(0, 0), (0.5, 1), (1, 0.5), (0.25, 0.5)])

    @pytest.mark.parametrize(
        ("angles", "ticks"),
        [
            ((0, 345), [0, 90, 180, 270, 360]),
            ((-180, 180), [-180, -90, 0, 90, 180]),
            ((-90, 90), [-90, -45, 0, 45, 90]),
            ((0, 75), [0, 15, 30, 45, 60, 75]),
            ((40, 45), [40, 41, 42, 43, 44, 45]),
            ((0, 3600), [0, 1000, 2000, 3000, 4000]),
        ],
    )
    def test_angles_have_ticks_at_parts_of_a_right_angle(self, angles, ticks, written):
        line = Line("a", np.array(angles, float), np.array([0.5, 0.7]))
        draw_plot(Plot([], Axis("angle", degrees=True), Axis("e"), [line]))
        assert [float(text.replace(MINUS, "-")) for text in written[: len(ticks)]] == ticks

    def test_zero_stands_below_the_decades(self, written):
        line = Line("a", np.array([1.0, 2.0, 3.0]), np.array([1e-2, 0.0, 1e-1]))
        _, at = self.marks(Axis("n"), Axis("e", logarithmic=True), line)
        assert "0" in written
        assert all(at(u, v) for u, v in [(0, 0.5), (0.5, 0), (1, 1)])

    def test_a_line_is_interrupted_where_a_value_is_missing(self):
        whole = Line("a", np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 1, 0]))
        broken = Line("a", np.array([0.0, 1, 2, 3]), np.array([0.0, 1, math.nan, 0]))
        (full, _), (part, at) = (self.marks(Axis("n"), Axis("e"), line) for line in (whole, broken))
        assert 0 < part.sum() < 0.6 * full.sum()
        assert at(0, 0)
        assert at(1, 0)
        assert not at(0.5, 1)

    @pytest.mark.parametrize("logarithmic", [False, True])
    @pytest.mark.parametrize(
        "values", [[5.0], [0.0], [math.nan], [3.0, 3.0], [1e-300, 1e300], [-1e9, 1e-9], [7e5, 7.00001e5]]
    )
    def test_any_numbers_stay_inside(self, logarithmic, values):
        x, y = np.arange(1.0, 1 + len(values)), np.array(values)
        axis = Axis("a" * 200, logarithmic)
        lines = [Line("l" * 200, x, y), Line("limit", x, y, dashed=True)]
        picture = draw_plot(Plot(["heading " * 30], axis, axis, lines, ["note " * 50]))
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (border == 255).all()
        assert max(picture.shape) < 900

    def test_ticks_that_differ_little_are_told_apart(self, written):
        line = Line("a", np.array([1.0, 2.0]), np.array([7e5, 7.00001e5]))
        draw_plot(Plot([], Axis("n"), Axis("e"), [line]))
        ticks = [text for text in written if text.startswith("7")]
        assert len(ticks) == len(set(ticks)) > 3


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (400, 100), (100, 400), (1, 3000), (3000, 1), (1025, 7)])
@pytest.mark.parametrize("mode", ["quick", "full"])
def test_pictures_of_any_size_keep_everything_inside(size, mode):
    rng = np.random.default_rng(0)
    place = rng.integers(0, 10, size)
    error = np.where(np.isin(place, COMPARED), 10.0 ** rng.uniform(-18, 1, size), math.nan)
    failed = column_check("light.direction.11.x", -1.23456789e-5, 1.23456789e10)
    result = check_result([failed], place, error, 1e3 * error, mode=mode, curve=step_curve())
    pictures = draw(result, rng.random((*size, 3), np.float32))
    assert pictures.keys() == {"error", "places", "steps"}
    for picture in pictures.values():
        assert picture.dtype == np.uint8
        assert max(picture.shape) < 2200
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (border == 255).all()
        assert (picture < 255).any()
