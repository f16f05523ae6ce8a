import math

import numpy as np
import pytest
from sweep_folders import leave_run

from tdr.errors import InputError
from tdr.sweep_views.swept import Swept, SweptAxis, SweptRun, short


def run(tmp_path, **values):
    return SweptRun("run", {key.replace("__", "."): value for key, value in values.items()}, tmp_path)


def sweep(tmp_path, *texts, key="shader.shininess"):
    return Swept.of([key], [SweptRun("run", {key: text}, tmp_path) for text in texts])


class TestOrder:
    def test_numbers_ascend_whatever_their_notation(self, tmp_path):
        swept = sweep(tmp_path, "200", "5", "1e1", "-3", "0.5")
        assert [r.values["shader.shininess"] for r in swept.runs] == ["-3", "0.5", "5", "1e1", "200"]
        assert swept.axes[0].numbers.tolist() == [-3, 0.5, 5, 10, 200]

    @pytest.mark.parametrize("texts", [("sphere", "cube", "torus"), ("3", "nan", "1"), ("[[1,-1,-1]]", "[[0,-1,-1]]")])
    def test_words_and_lists_keep_the_order_given(self, tmp_path, texts):
        swept = sweep(tmp_path, *texts)
        assert [r.values["shader.shininess"] for r in swept.runs] == list(texts)
        assert swept.axes[0].numbers is None

    def test_the_last_axis_varies_first(self, tmp_path):
        runs = [run(tmp_path, mesh=mesh, a=a) for a in ("2", "1") for mesh in ("torus", "cube")]
        swept = Swept.of(["mesh", "a"], runs)
        assert [(r.values["mesh"], r.values["a"]) for r in swept.runs] == [
            ("torus", "1"),
            ("torus", "2"),
            ("cube", "1"),
            ("cube", "2"),
        ]


class TestGrid:
    def test_every_run_stands_at_its_values(self, tmp_path):
        runs = [run(tmp_path, a=a, b=b) for a, b in (("1", "x"), ("2", "x"), ("2", "y"))]
        swept = Swept.of(["a", "b"], runs)
        assert swept.grid.tolist() == [[0, -1], [1, 2]]

    def test_there_is_none_where_a_run_would_be_hidden(self, tmp_path):
        twice = [run(tmp_path, a="1", b="1"), run(tmp_path, a="1", b="1")]
        assert Swept.of(["a", "b"], twice).grid is None
        assert sweep(tmp_path, "1", "2").grid is None


class TestDirections:
    def test_of_one_light(self, tmp_path):
        swept = sweep(tmp_path, "[[0,0,-2]]", "[[1, -.5, -1]]", key="light.direction")
        expected = np.array([[0, 0, 1], [-1, 0.5, 1] / np.sqrt(2.25)])
        np.testing.assert_allclose(swept.to_light(), expected)

    def test_of_azimuth_and_elevation(self, tmp_path):
        angles = (("0", "0"), ("90", "0"), ("45", "90"), ("180", "60"))
        runs = [run(tmp_path, light__azimuth=a, light__elevation=e) for a, e in angles]
        swept = Swept.of(["light.azimuth", "light.elevation"], runs)
        found = {
            (r.values["light.azimuth"], r.values["light.elevation"]): v
            for r, v in zip(swept.runs, swept.to_light(), strict=True)
        }
        expected = ([1, 0, 0], [0, 1, 0], [0, 0, 1], [-0.5, 0, np.sqrt(0.75)])
        for angle, vector in zip(angles, expected, strict=True):
            np.testing.assert_allclose(found[angle], vector, atol=1e-15)

    @pytest.mark.parametrize("text", ["[[1,0,0],[0,1,0]]", "[1,0,0]", "[[0,0,0]]", "[[1,0]]", "x", "[[a,b,c]]"])
    def test_what_is_no_single_direction_has_none(self, tmp_path, text):
        assert sweep(tmp_path, "[[0,0,-1]]", text, key="light.direction").to_light() is None

    def test_a_sweep_over_something_else_has_none(self, tmp_path):
        assert sweep(tmp_path, "1", "2").to_light() is None
        runs = [run(tmp_path, light__direction="[[0,0,-1]]", mesh="cube")]
        assert Swept.of(["light.direction", "mesh"], runs).to_light() is None


class TestReading:
    def test_a_run_is_read_from_its_record(self, tmp_path):
        found = leave_run(tmp_path / "a", {"a": "1"}, metrics={"x": 2.0, "y": None}, check="failed")
        assert (found.finished, found.status, found.verdict, found.error) == (True, "FINISHED", "failed", "")
        assert found.metric("x") == 2
        assert math.isnan(found.metric("y"))
        assert math.isnan(found.metric("z"))

    def test_a_failed_run_says_why(self, tmp_path):
        found = leave_run(tmp_path / "a", {"a": "1"}, status="FAILED", error="mesh.path must be a file; got x.")
        assert (found.finished, found.status, found.error) == (False, "FAILED", "mesh.path must be a file; got x.")

    def test_a_run_without_a_record_is_missing(self, tmp_path):
        assert SweptRun.read("run", {}, tmp_path / "nowhere").status == "MISSING"

    def test_a_broken_record_is_an_error(self, tmp_path):
        (tmp_path / "record.json").write_text("{}")
        with pytest.raises(InputError, match=r"record\.json"):
            SweptRun.read("run", {}, tmp_path)


class TestText:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("[[1,-1,-1]]", "[1,\N{MINUS SIGN}1,\N{MINUS SIGN}1]"),
            ("[[1,0,0],[0,1,0]]", "[[1,0,0],[0,1,0]]"),
            ("-1e-3", "\N{MINUS SIGN}1e\N{MINUS SIGN}3"),
            ("torus-knot", "torus-knot"),
            ("/data/meshes/of/someone/else/bunny.obj", "/data/mes…one/else/bunny.obj"),
        ],
    )
    def test_of_a_value(self, text, shown):
        assert short(text) == shown

    def test_of_an_axis(self):
        assert SweptAxis.of("light.azimuth", ["10", "20"]).label == "light.azimuth in degrees"
        assert SweptAxis.of("shader.diffuse", ["1"]).label == "shader.diffuse"

    def test_a_sweep_over_nothing_has_its_runs_name(self, tmp_path):
        swept = Swept.of([], [SweptRun("the job", {}, tmp_path)])
        assert (swept.title(swept.runs[0]), swept.heading) == ("the job", "one job")
