import json
import math
from dataclasses import replace

import numpy as np
import pytest
from check_results import check_result, column_check, every_column, step_curve

from tdr.reports.check_words import (
    PLACE_LABELS,
    both_values,
    check_json,
    check_metrics,
    page_text,
    terminal_lines,
)
from tdr.results.check_result import ComparedEntry, DirectionCheck, Place, Verdict

FINDING = "The entries are 2.000 times the references. Usual causes: a gradient is not cleared between two passes."
LONG = "word " * 60


class TestEntries:
    @pytest.mark.parametrize(
        ("value", "reference", "text"),
        [
            (0.5, 0.25, "0.5, reference 0.25"),
            (-0.123456789, -0.123456999, "-0.12345679, reference -0.123457"),
            (1000.0, 1000.5, "1000, reference 1000.5"),
            (0.0, 0.0, "0, reference 0"),
            (math.nan, 1.0, "nan, reference 1"),
            (math.inf, 1.0, "inf, reference 1"),
        ],
    )
    def test_values_that_differ_are_written_differently(self, value, reference, text):
        assert both_values(ComparedEntry(0, 0, None, value, reference, 1)) == text


class TestSummary:
    def test_a_passed_quick_check(self):
        result = check_result([column_check(), column_check("camera.fov", 0.5, 0.5000005)])
        lines = terminal_lines(result)
        assert lines[0].startswith(
            "check      passed   quick: 2 columns at 512 pixels and a random direction at 16,384; "
        )
        assert " ".join(line.strip() for line in lines).endswith(
            "nearest its limit: 2.5e-07 of the largest entry (allowed 5e-07), camera.fov at row 3, column 5"
        )
        assert all(line.startswith(" " * 11) for line in lines[1:])

    def test_each_failed_column_has_its_worst_entry_and_findings(self):
        failed = column_check("shader.diffuse", 1.0, 0.5, findings=(FINDING,), out_of_tolerance=1234)
        lines = terminal_lines(check_result([column_check(), failed]))
        assert lines[0].startswith("check      FAILED   quick: 2 columns at 512 pixels")
        assert "1 column failed" in lines[0]
        at = lines.index(
            "             shader.diffuse  row 3, column 5: 1, reference 0.5 +/- 1e-06; 1,234 out of tolerance"
        )
        assert lines[at + 1].startswith("               The entries are 2.000 times")
        assert not any("mesh.rotation.x" in line for line in lines)

    def test_the_worst_column_comes_first(self):
        checks = [
            column_check("shader.diffuse", 0.5, 0.6),
            column_check("shader.ambient", math.nan, 0.6, verdict=Verdict.failed, max_error=math.inf),
            column_check("shader.specular", 0.5, 0.7),
        ]
        text = "\n".join(terminal_lines(check_result(checks)))
        names = ("shader.ambient  ", "shader.specular  ", "shader.diffuse  ")
        assert sorted(names, key=text.index) == list(names)

    def test_the_channel_is_named(self):
        worst = ComparedEntry(3, 5, 2, 1.0, 0.5, 1e-6)
        lines = terminal_lines(check_result([column_check(worst=worst, verdict=Verdict.failed)]))
        assert any("mesh.rotation.x  row 3, column 5, B: 1, reference 0.5" in line for line in lines)

    def test_findings_of_passed_columns_are_shared(self):
        names = [column.name for column in every_column()[:6]]
        lines = terminal_lines(
            check_result([column_check(name, findings=("Nothing depends on it.",)) for name in names])
        )
        text = " ".join(line.strip() for line in lines)
        assert text.count("Nothing depends on it.") == 1
        assert f"{', '.join(names[:4])} and 2 more (passed): Nothing depends on it." in text

    def test_failed_columns_share_what_is_said_of_them(self):
        names = [column.name for column in every_column()[:8]]
        checks = [column_check(name, 0.5, 0.6, findings=(FINDING,)) for name in names]
        checks[0] = column_check(names[0], 0.5, 0.6, findings=("This one alone. Usual causes: unknown.",))
        lines = terminal_lines(check_result(checks))
        text = " ".join(line.strip() for line in lines)
        assert text.count("The entries are 2.000 times") == 1
        assert f"{', '.join(names[1:5])} and 3 more: The entries are 2.000 times the references." in text
        assert f"usual causes of {', '.join(names[1:5])} and 1 more: a gradient is not cleared" in text
        assert f"usual causes of {names[0]}: unknown." in text
        own = next(i for i, line in enumerate(lines) if line.startswith(f"             {names[0]}  row 3"))
        assert lines[own + 1] == "               This one alone."

    def test_columns_that_could_not_be_compared_share_why(self):
        names = [column.name for column in every_column()[:3]]
        checks = [
            column_check(name, verdict=Verdict.not_comparable, places={Place.undefined: 57 + i})
            for i, name in enumerate(names)
        ]
        lines = terminal_lines(check_result(checks, verdict=Verdict.not_comparable))
        why = "not comparable: 0 compared, 57 to 59 excluded, most of them: image not finite"
        assert f"{', '.join(names)} {why}" in " ".join(" ".join(lines).split())

    def test_what_could_not_be_compared_says_why(self):
        places = {Place.boundary: 3, Place.light_edge: 2, Place.undefined: 40}
        check = column_check(verdict=Verdict.not_comparable, places=places)
        lines = terminal_lines(check_result([check], verdict=Verdict.not_comparable))
        assert lines[0].startswith("check      NOT COMPARABLE quick: 1 column at ")
        why = "not comparable: 3 compared, 42 excluded, most of them: image not finite"
        assert f"             mesh.rotation.x  {why}" in lines

    def test_the_random_direction_is_mentioned_where_it_disagrees(self):
        direction = DirectionCheck(1.25, 1.5, 1e-6, 100, 7)
        text = "\n".join(terminal_lines(check_result([column_check()], direction=direction)))
        assert "<w, Jv> is 1.25 and <J^T w, v> is 1.5 (allowed 1e-06); 7 of Jv out of tolerance" in text
        assert "<w, Jv>" not in "\n".join(terminal_lines(check_result([column_check()])))
        for changes in ({"tangent": math.nan}, {"out_of_tolerance": 1}):
            wrong = replace(DirectionCheck(1.25, 1.25, 1e-6, 100, 0), **changes)
            assert "<w, Jv>" in "\n".join(terminal_lines(check_result([column_check()], direction=wrong)))

    def test_a_full_check_has_a_line_for_every_column(self):
        checks = [column_check(column.name, scale=1.0) for column in every_column(lights=2)]
        checks[3] = column_check(checks[3].column.name, 0.5, 0.6, scale=1.0)
        lines = terminal_lines(check_result(checks, mode="full", direction=None, sampled=1246))
        assert "random direction" not in lines[0]
        assert "full: 33 columns at 1,246 pixels; 1 column failed; " in lines[0]
        for check in checks:
            (row,) = (line.split() for line in lines if line.split()[0] == check.column.name and "row" not in line)
            failed = check.verdict is Verdict.failed
            numbers = ["0.1" if failed else "0", "1e+05" if failed else "0", "0.750000", "1,234", "12"]
            assert row[1:] == numbers + ["FAILED"] * failed

    def test_lines_are_of_bounded_width(self):
        failed = column_check("light.direction.11.x", 1.23456789, 1.23456999, findings=(LONG,), tolerance=1e-12)
        passed = column_check("light.direction.10.x", findings=(LONG + "passed",))
        for mode in ("quick", "full"):
            result = check_result(
                [failed, passed], mode=mode, findings=(LONG,), direction=DirectionCheck(1, 2, 1, 1, 1)
            )
            lines = terminal_lines(result)
            assert max(map(len, lines)) <= 110
            assert sum("word" in line for line in lines) > 6

    def test_nothing_at_all(self):
        result = check_result([], [[0]], verdict=Verdict.not_comparable, mode="full", sampled=0, direction=None)
        assert terminal_lines(result)[0] == "check      NOT COMPARABLE full: 0 columns at 0 pixels"

    def test_a_column_of_zeros_has_no_relative_error(self):
        check = column_check(value=0.0, reference=0.5, scale=1.0)
        text = " ".join(terminal_lines(check_result([replace(check, scale=0.0, max_error=math.inf)])))
        assert "farthest beyond its limit: 0.5 (allowed 1e-06), mesh.rotation.x" in " ".join(text.split())


class TestDescription:
    def rows(self, text):
        return [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]

    def test_verdict_subject_and_numbers(self):
        text = page_text(check_result([column_check(value=0.5, reference=0.6)]))
        assert text.startswith("**Check failed.** Quick: 1 column at 512 pixels and a random direction at 16,384. ")
        assert "`batched` in f32 with central differences in f64" in text
        header, row = self.rows(text)
        assert len(header) == len(row)
        numbers = ["0.05", "5e-07", "1e-09", "0.750000", "1,234", "12"]
        assert [cell.strip() for cell in row] == ["mesh.rotation.x", "**failed**", *numbers]
        assert "- `mesh.rotation.x` failed: row 3, column 5: 0.5, reference 0.6 +/- 1e-06" in text.splitlines()

    def test_many_columns_are_cut_worst_first(self):
        columns = every_column(lights=10)
        checks = [column_check(column.name, 0.5, 0.5 + i * 1e-9) for i, column in enumerate(columns)]
        checks[0] = column_check(columns[0].name, 0.5, 0.6)
        text = page_text(check_result(checks))
        names = [row[0].strip() for row in self.rows(text)[1:]]
        assert names == [columns[0].name, *(column.name for column in columns[:-30:-1])]
        assert f"The 30 worst of {len(columns)} columns; {len(columns) - 30} are left out." in text

    def test_findings_are_listed_and_cut(self):
        columns = every_column()[:25]
        checks = [column_check(c.name, findings=(f"Finding {'i' * i}.",)) for i, c in enumerate(columns, 1)]
        text = page_text(check_result(checks, findings=("Two runs differ.",), direction=DirectionCheck(1, 2, 0, 1, 1)))
        items = [line for line in text.splitlines() if line.startswith("- ")]
        assert items[0] == "- Two runs differ."
        assert items[1].startswith("- random direction: ")
        assert f"- {columns[0].name}: Finding i." in items
        assert len(items) == 21
        assert items[-1] == "- 7 more in `check.json`"

    def test_what_is_wrong_comes_before_the_table(self):
        text = page_text(check_result([column_check(value=0.5, reference=0.6, findings=(FINDING,))]))
        parts = [
            "**Check failed.**",
            "The entries are",
            "- usual causes: a grad",
            "`mesh.rotation.x` failed",
            "![",
            "|",
        ]
        assert sorted(parts, key=text.index) == parts
        assert "![check/error.png](check/error.png)" in text.splitlines()
        assert "![" not in page_text(check_result([column_check()]))

    def test_columns_share_what_is_said_of_them(self):
        names = [column.name for column in every_column()[:8]]
        checks = [column_check(name, 0.5, 0.6, findings=(FINDING,)) for name in names]
        text = page_text(check_result(checks))
        assert text.count("The entries are") == text.count("a gradient is not cleared") == 1
        assert text.count("reference 0.6") == 6
        assert "- 2 more columns failed" in text.splitlines()


class TestMetrics:
    def test_every_number_of_a_column(self):
        check = column_check("shader.diffuse", 0.5, 0.6, forward_error=3e-9, out_of_tolerance=5)
        assert check_metrics(check_result([check])) == pytest.approx(
            {
                "check/shader.diffuse/max_error": 0.05,
                "check/shader.diffuse/median_error": 1e-9,
                "check/shader.diffuse/l2_error": 2e-9,
                "check/shader.diffuse/cosine": 0.75,
                "check/shader.diffuse/tolerance": 5e-7,
                "check/shader.diffuse/out_of_tolerance": 5,
                "check/shader.diffuse/compared": 1234,
                "check/shader.diffuse/excluded": 12,
                "check/shader.diffuse/forward_error": 3e-9,
            }
        )

    def test_without_forward_mode_there_is_no_such_error(self):
        assert not any("forward" in key for key in check_metrics(check_result([column_check()])))


class TestJson:
    def test_what_was_found_survives(self):
        checks = [column_check(value=0.5, reference=0.6, findings=(FINDING,)), column_check("camera.fov", worst=None)]
        result = check_result(checks, [[0, 2], [2, 5]], curve=step_curve(), findings=("Two runs differ.",))
        content = json.loads(json.dumps(check_json(result), allow_nan=False))
        assert (content["verdict"], content["mode"], content["sampled"]) == ("failed", "quick", 512)
        assert content["findings"] == ["Two runs differ."]
        assert content["places"] == {"background": 1, "interior": 2, "light_edge": 1}
        assert content["direction"] == vars(result.direction)
        first, second = content["columns"]
        assert first["column"] == "mesh.rotation.x"
        assert first["worst"] == vars(checks[0].worst)
        assert first["places"] == {"background": 7, "interior": 1000, "boundary": 234, "light_edge": 12}
        assert first["max_errors"] == checks[0].max_errors
        assert first["findings"] == [FINDING]
        assert second["worst"] is None
        assert content["curve"]["entry"]["channel"] == 1
        assert content["curve"]["steps"] == step_curve().steps.tolist()
        assert content["nonfinite"] == {}
        named = {field for field in vars(checks[0])}
        assert first.keys() == named
        assert content.keys() == vars(result).keys() - {"place", "pixels", "errors", "excesses"} | {
            "places",
            "nonfinite",
        }

    def test_what_is_not_finite_is_told_apart(self):
        check = column_check(
            value=math.nan, max_error=np.float64(math.inf), scale=np.float32(2), verdict=Verdict.failed
        )
        curve = step_curve(differences=np.array([0.5, math.nan, -math.inf, 0.5]))
        content = check_json(check_result([check], curve=curve))
        json.dumps(content, allow_nan=False)
        assert content["columns"][0]["worst"]["value"] is None
        assert content["columns"][0]["scale"] == 2
        assert content["nonfinite"] == {
            "columns/0/worst/value": "nan",
            "columns/0/max_error": "inf",
            "columns/0/max_errors/interior": "nan",
            "curve/differences/1": "nan",
            "curve/differences/2": "-inf",
        }

    def test_a_check_of_nothing(self):
        json.dumps(check_json(check_result([], [[0]], direction=None)), allow_nan=False)


def test_every_place_has_a_label_of_its_own():
    assert set(PLACE_LABELS) == set(Place)
    assert len(set(PLACE_LABELS.values())) == len(Place)
