import math
import subprocess
import sys

import numpy as np
import pytest

from tdr.reports.canvas import Canvas
from tdr.reports.drawing import ColorScale
from tdr.sweep_views.plots import measures, sweep_plots
from tdr.sweep_views.swept import Swept, SweptRun

NORMS = [f"jacobian/light.direction.0.{c}/l2" for c in "xyz"]


def swept(tmp_path, keys, *runs):
    """A sweep whose runs are pairs of values and metrics."""
    return Swept.of(
        keys, [SweptRun("run", dict(zip(keys, values, strict=True)), tmp_path, metrics=m) for values, m in runs]
    )


@pytest.fixture
def lines(monkeypatch):
    """The points of every line that is drawn, in pixels."""
    drawn = []
    line = Canvas.line

    def record(self, points, color, width, *, dashed):
        drawn.append(points)
        line(self, points, color, width, dashed=dashed)

    monkeypatch.setattr(Canvas, "line", record)
    return drawn


class TestMeasures:
    def test_the_columns_of_a_parameter_are_drawn_together(self, tmp_path):
        names = [*NORMS, "jacobian/shader.diffuse/l2", "jacobian/shader.diffuse/max", "time_s/total", "scene/covered"]
        names += [f"check/{name}/max_error" for name in ("light.direction.0.x", "shader.diffuse")]
        found = {m.name: m for m in measures(swept(tmp_path, ["a"], (["1"], dict.fromkeys(names, 1.0))))}
        assert {name: list(m.keys) for name, m in found.items()} == {
            "light.direction.0": ["x", "y", "z"],
            "shader.diffuse": ["shader.diffuse"],
            "check": ["light.direction.0.x", "shader.diffuse"],
            "time": ["total"],
        }
        assert list(found["light.direction.0"].keys.values()) == NORMS

    def test_metrics_of_any_run_count(self, tmp_path):
        found = measures(swept(tmp_path, ["a"], (["1"], {}), (["2"], {"jacobian/shader.diffuse/l2": 1.0})))
        assert [m.name for m in found] == ["shader.diffuse"]

    def test_no_plot_has_more_lines_than_colours(self, tmp_path):
        errors = {f"check/column{i}/max_error": 1e-7 for i in range(20)}
        found = measures(swept(tmp_path, ["a"], (["1"], errors)))
        assert [(m.name, len(m.keys)) for m in found] == [("check_1", 7), ("check_2", 7), ("check_3", 6)]


class TestLines:
    def test_numbers_stand_at_their_values_with_a_gap_where_a_run_failed(self, tmp_path, lines, written):
        key = "jacobian/shader.diffuse/l2"
        runs = [(["1"], {key: 1.0}), (["2"], {}), (["4"], {key: 3.0}), (["5"], {key: 5.0})]
        plots = sweep_plots(swept(tmp_path, ["a"], *runs))
        assert list(plots) == ["shader.diffuse"]
        ((x, y),) = (points.T for points in lines)
        assert np.isnan(y).tolist() == [False, True, False, False]
        steps = np.diff(x)
        np.testing.assert_allclose(steps / steps[2], [1, 2, 1])
        assert (y[0] - y[2]) / (y[2] - y[3]) == pytest.approx(1)
        assert {"a", "gaps: 1 run without finite numbers"} <= set(written)

    def test_powers_are_spread_evenly(self, tmp_path, lines, written):
        runs = [([text], {"jacobian/shader.diffuse/l2": 1.0}) for text in ("1", "10", "100", "1000")]
        sweep_plots(swept(tmp_path, ["a"], *runs))
        np.testing.assert_allclose(np.diff(np.diff(lines[0][:, 0])), 0, atol=1e-9)
        assert "10²" in written

    def test_words_are_labelled_in_their_order(self, tmp_path, lines, written):
        runs = [([text], {"jacobian/shader.diffuse/l2": 1.0}) for text in ("sphere", "cube", "torus")]
        sweep_plots(swept(tmp_path, ["mesh"], *runs))
        np.testing.assert_allclose(np.diff(np.diff(lines[0][:, 0])), 0, atol=1e-9)
        assert [text for text in written if text in ("sphere", "cube", "torus")] == ["sphere", "cube", "torus"]

    def test_azimuths_are_angles(self, tmp_path, written):
        runs = [([str(azimuth)], {"jacobian/shader.diffuse/l2": 1.0}) for azimuth in range(0, 360, 15)]
        sweep_plots(swept(tmp_path, ["light.azimuth"], *runs))
        assert {"0", "90", "180", "270", "360", "light.azimuth in degrees"} <= set(written)

    def test_over_three_axes_the_runs_stand_side_by_side(self, tmp_path, lines, written):
        runs = [((a, "1", "x"), {"jacobian/shader.diffuse/l2": 1.0}) for a in ("1", "2")]
        sweep_plots(swept(tmp_path, ["a", "b", "c"], *runs))
        assert len(lines) == 1
        assert {"1, 1, x", "2, 1, x", "a, b, c"} <= set(written)


class TestHeatMaps:
    def test_a_cell_a_run_and_grey_where_there_is_none(self, tmp_path, written):
        key = "jacobian/shader.diffuse/l2"
        runs = [(("1", "1"), {key: 1.0}), (("1", "2"), {key: 3.0}), (("2", "2"), {key: 2.0}), (("2", "1"), {})]
        (picture,) = sweep_plots(swept(tmp_path, ["a", "b"], *runs)).values()
        grey = (picture == (238, 238, 238)).all(axis=2)
        rows, columns = (np.flatnonzero(grey.sum(axis=axis) >= 150) for axis in (1, 0))
        (top, bottom), (left, right) = rows[[0, -1]], columns[[0, -1]]
        assert (bottom - top + 1, right - left + 1) == (150, 150)
        scale = ColorScale.sequential(1, 3).colors(np.array([[1, 3, 2]]))[0]
        for (row, column), color in zip(((top - 9, left), (top - 9, right + 9), (top, right + 9)), scale, strict=True):
            assert tuple(picture[row, column]) == tuple(color)
        assert {"→ b", "↓ a", "grey: 1 run without finite numbers", "1", "2", "3"} <= set(written)


class TestDiscs:
    def draw(self, tmp_path, *directions, value=1.0):
        runs = [([f"[[{x},{y},{z}]]"], {"jacobian/shader.diffuse/l2": value}) for x, y, z in directions]
        return sweep_plots(swept(tmp_path, ["light.direction"], *runs))["shader.diffuse_directions"]

    def place(self, picture):
        """Where the one point of a picture is, in radii of the disc to the right and upwards."""
        color = tuple(ColorScale.sequential(1, 1).colors(np.array([[1.0]]))[0, 0].tolist())
        points = np.argwhere((picture[:380] == color).all(axis=2))
        row, column = points.mean(axis=0)
        ring = np.argwhere((picture[75:375] == (190, 190, 190)).all(axis=2))  # two thirds of the way to the edge
        top, bottom = ring[:, 0].min(), ring[:, 0].max()
        middle = ((top + bottom) / 2 + 75, ring[ring[:, 0] == top, 1].mean())
        return np.array([column - middle[1], middle[0] - row]) / ((bottom - top) / 2) * 2 / 3

    @pytest.mark.parametrize(
        ("direction", "place"),
        [
            ((0, 0, -1), (0, 0)),
            ((-1, 0, 0), (1, 0)),  # light from the right
            ((0, -1, 0), (0, 1)),  # from above
            ((1, 0, -1), (-0.5, 0)),
            ((0, 0.5, -math.sqrt(0.75)), (0, -1 / 3)),
            ((1, 0, 1), (-0.75, 0)),  # from behind: the disc then ends opposite to the camera
        ],
    )
    def test_a_light_stands_where_the_camera_sees_it(self, tmp_path, direction, place):
        # the circle that it is measured by has a radius of 91 pixels and is drawn 1.5 pixels wide
        np.testing.assert_allclose(self.place(self.draw(tmp_path, direction)), place, atol=1.5 / 91)

    def test_azimuth_and_elevation_have_discs_in_place_of_maps(self, tmp_path, written):
        keys = ["light.azimuth", "light.elevation"]
        runs = [((a, e), {"jacobian/shader.diffuse/l2": 1.0}) for a in ("0", "90") for e in ("30", "60")]
        runs.append((("0", "90"), {}))
        assert list(sweep_plots(swept(tmp_path, keys, *runs))) == ["shader.diffuse"]
        assert "hollow: 1 run without finite numbers" in written
        assert any("30°, 60°, 90° from the z axis" in text for text in written)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e-300, 5.0])
@pytest.mark.parametrize("keys", [["a"], ["a", "b"], ["light.azimuth", "light.elevation"]])
def test_any_numbers_can_be_drawn(tmp_path, keys, value):
    names = ("jacobian/shader.diffuse/l2", "check/shader.diffuse/max_error", "time_s/total")
    runs = [([str(i)] * len(keys), dict.fromkeys(names, value)) for i in range(3)]
    for picture in sweep_plots(swept(tmp_path, keys, *runs)).values():
        assert (picture < 255).any()
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (border == 255).all()


def test_a_sweep_is_shown_without_taichi_hydra_or_mlflow():
    program = """
import sys
import tdr.reports.run_files
assert not {"taichi", "hydra", "omegaconf", "mlflow"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
