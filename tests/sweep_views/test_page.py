"""The page of a sweep, in Chromium."""

import json
import re

import numpy as np
import pytest
from sweep_folders import constant, leave_run
from synthetic import RGB, jacobian_images, one_column

from tdr.reports import jacobian_pictures
from tdr.reports.drawing import ColorScale
from tdr.results.array_files import read_arrays
from tdr.sweep_views.images import SweepImages
from tdr.sweep_views.page import sweep_page
from tdr.sweep_views.swept import Swept, SweptRun


def make_page(folder, *runs, keys=("a",)):
    """The page of runs that are pairs of values and Jacobian images, None for one that failed; as it is written."""
    left = []
    for i, (values, images) in enumerate(runs):
        values = dict(zip(keys, values, strict=True))
        error = {} if images else {"error": "mesh.path must be a file; got <b>x</b>."}
        left.append(leave_run(folder / str(i), values, images, status="FINISHED" if images else "FAILED", **error))
    page = folder / "sweep.html"
    page.write_text(sweep_page(SweepImages.collect(Swept.of(keys, left), read_arrays)), encoding="utf-8")
    return page


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])


class TestSize:
    def test_a_page_needs_nothing_from_elsewhere(self, tmp_path):
        text = make_page(tmp_path, (["1"], constant(1))).read_text(encoding="utf-8")
        assert not re.search(r"""(src|href)=|url\(|import |https?://|@import""", text)

    def test_it_is_bounded_and_says_what_is_left_out(self, tmp_path):
        noise = np.random.default_rng(0).standard_normal((256, 256, 1, 3))
        run = leave_run(tmp_path / "a", {"a": "0"}, jacobian_images({"mesh.albedo": noise}))
        runs = [SweptRun("run", {"a": str(i)}, run.folder) for i in range(80)]
        page = sweep_page(SweepImages.collect(Swept.of(["a"], runs), read_arrays))
        assert 1e6 < len(page) < 15.2e6
        assert re.search(r"One of every (2 x 2|3 x 3|4 x 4) pixels is shown", page)

    def test_what_the_user_typed_is_no_markup(self, tmp_path):
        page = make_page(tmp_path, (["</script><script>alert(1)</script>"], constant(1)))
        assert "</script><script>alert" not in page.read_text(encoding="utf-8")
        assert data_of(page)["sliders"][0]["values"][0].endswith("</script>")


@pytest.fixture
def visit(browser):
    """Opens a page; an error in its scripts fails the test."""
    errors = []
    context = browser.new_context(viewport={"width": 1200, "height": 900})

    def visit(path):
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        page.wait_for_selector("#groups[data-shown]")
        return page

    yield visit
    context.close()
    assert not errors


def shown(page, position):
    """Wait until the page shows a position of its sliders."""
    page.wait_for_selector(f'#groups[data-shown="{position}"]')


def pixel(page, panel, row, column):
    """The colour of a pixel of a panel's canvas."""
    script = f"canvas => [...canvas.getContext('2d').getImageData({column}, {row}, 1, 1).data]"
    red, green, blue, alpha = page.locator(".image canvas").nth(panel).evaluate(script)
    assert alpha == 255
    return red, green, blue


def captions(page):
    return [text.replace("\N{MINUS SIGN}", "-") for text in page.locator("figcaption").all_inner_texts()]


def decimals(text):
    return len(text.partition(".")[2])


def hover(page, panel, row, column, size):
    box = page.locator(".image").nth(panel).bounding_box()
    page.mouse.move(
        box["x"] + 1 + (box["width"] - 2) * (column + 0.5) / size[1],
        box["y"] + 1 + (box["height"] - 2) * (row + 0.5) / size[0],
    )


@pytest.mark.browser
class TestPage:
    def test_it_shows_what_the_arrays_hold(self, tmp_path, visit):
        rng = np.random.default_rng(0)
        entries = rng.standard_normal((6, 9, 1, 3))
        image = rng.random((6, 9, 3))
        page = visit(make_page(tmp_path, (["1"], jacobian_images({"mesh.albedo": entries}, image=image))))
        levels, largest = jacobian_pictures.encode_srgb(image), np.abs(entries).max()
        colors = ColorScale.diverging(largest, extended=False).colors
        assert page.locator("h2").all_inner_texts() == ["rendering", "∂(R+G+B)/∂ mesh.albedo"]
        assert page.locator(".bar span").all_inner_texts()[1:] == [
            f"\N{MINUS SIGN}{largest:.3g}",
            "0",
            f"{largest:.3g}",
        ]
        for row, column in ((0, 0), (5, 8), (2, 7)):
            assert pixel(page, 0, row, column) == tuple(levels[row, column])
            hover(page, 2, row, column, (6, 9))
            assert page.input_value("#row") == str(row)
            assert page.input_value("#column") == str(column)
            found = captions(page)
            assert found[0] == "sRGB  " + ", ".join(map(str, levels[row, column]))
            for k, name in enumerate("rgb"):
                entry = entries[row, column, 0, k]
                label, value = found[1 + k].split()
                assert label == name
                assert float(value) == pytest.approx(entry, abs=largest / 32766 / 2 + 10.0 ** -decimals(value) / 2)
                near = {tuple(c) for c in colors(entry + np.array([[-1, 0, 1]]) * largest / 32766)[0].tolist()}
                assert pixel(page, 1 + k, row, column) in near

    def test_the_slider_chooses_the_run_by_mouse_and_keys(self, tmp_path, visit):
        page = visit(make_page(tmp_path, (["20"], constant(2)), (["3"], constant(-1)), (["100"], constant(4))))
        values = []
        for position in (0, 1, 2):
            shown(page, position)
            values.append((page.locator("output").inner_text(), float(captions(page)[1].split()[1])))
            page.keyboard.press("ArrowRight")
        assert values == [("3", -1), ("20", 2), ("100", 4)]
        shown(page, 0)  # round about
        page.locator("input[type=range]").focus()
        page.keyboard.press("End")
        shown(page, 2)
        assert page.locator("input[type=range]").get_attribute("aria-valuetext") == "100"

    def test_all_runs_have_one_scale(self, tmp_path, visit):
        page = visit(make_page(tmp_path, (["1"], constant(1)), (["2"], constant(-4))))
        quarter, full = ColorScale.diverging(4, extended=False).colors(np.array([[1, -4]]))[0].tolist()
        assert pixel(page, 1, 0, 0) == tuple(quarter)
        page.keyboard.press("ArrowRight")
        shown(page, 1)
        assert pixel(page, 1, 0, 0) == tuple(full)

    def test_two_axes_have_two_sliders(self, tmp_path, visit):
        runs = [((a, b), constant(float(a) * float(b))) for a, b in (("1", "1"), ("1", "5"), ("2", "1"))]
        page = visit(make_page(tmp_path, *runs, (("3", "5"), None), keys=("a", "b")))
        page.keyboard.press("ArrowUp")
        shown(page, 1)
        assert captions(page)[1] == "value  5.000"
        page.keyboard.press("ArrowRight")
        shown(page, 3)
        assert page.locator(".image span").all_inner_texts() == ["no run", "no run"]
        page.keyboard.press("ArrowRight")
        shown(page, 5)
        assert page.locator(".image span").all_inner_texts() == ["failed", "failed"]
        assert "failed (mesh.path must be a file; got <b>x</b>.)" in page.locator("#status").inner_text()

    def test_three_axes_have_one(self, tmp_path, visit):
        page = visit(make_page(tmp_path, (("1", "2", "x"), constant(1)), keys=("a", "b", "c")))
        assert page.locator("input[type=range]").count() == 1
        assert page.locator("output").inner_text() == "1, 2, x"

    def test_background_and_what_is_not_finite_are_named(self, tmp_path, visit):
        one = one_column([[0, np.nan], [1, -np.inf]], triangle_id=[[-1, 0], [0, 0]])
        page = visit(make_page(tmp_path, (["1"], one)))
        expected = {(0, 0): "0 (background)", (0, 1): "not finite", (1, 0): "1.0000", (1, 1): "not finite"}
        for (row, column), text in expected.items():
            hover(page, 1, row, column, (2, 2))
            assert captions(page)[1] == f"value  {text}"
        assert pixel(page, 1, 0, 0) == (200, 200, 200)
        assert pixel(page, 1, 0, 1) == pixel(page, 1, 1, 1) == (0, 255, 0)

    def test_rows_and_columns_are_those_of_the_whole_image(self, tmp_path, visit):
        values, triangle_id = np.zeros((600, 600)), np.full((600, 600), -1)
        values[300:420, 60:150] = np.arange(60, 150)
        triangle_id[300:420, 60:150] = 0
        page = visit(make_page(tmp_path, (["1"], one_column(values, triangle_id=triangle_id))))
        assert "One of every 3 x 3 pixels is shown." in page.locator("#notes").inner_text()
        page.fill("#row", "330")
        page.fill("#column", "91")  # not one of those that are shown
        page.keyboard.press("Tab")
        assert (page.input_value("#row"), page.input_value("#column")) == ("330", "90")
        assert captions(page)[1] == "value  90.00"

    def test_channels_are_panels_of_their_own(self, tmp_path, visit):
        values = np.stack([np.full((4, 4), v) for v in (1.0, 2.0, -3.0)], axis=-1)
        page = visit(make_page(tmp_path, (["1"], jacobian_images({"shader.diffuse": values}, cotangents=RGB))))
        assert page.locator("h2").all_inner_texts()[1:] == [f"∂{c}/∂ shader.diffuse" for c in "RGB"]
        assert captions(page)[1:] == ["value  1.0000", "value  2.0000", "value  -3.0000"]

    def test_runs_of_other_sizes_and_columns(self, tmp_path, visit):
        other = jacobian_images({"shader.specular": np.ones((3, 12, 1))})
        page = visit(make_page(tmp_path, (["1"], constant(1)), (["2"], other)))
        assert page.locator(".image span").all_inner_texts() == ["", "", "none"]
        page.keyboard.press("ArrowRight")
        shown(page, 1)
        assert page.locator(".image span").all_inner_texts() == ["", "none", ""]

    def test_play_goes_through_the_runs(self, tmp_path, visit):
        page = visit(make_page(tmp_path, (["1"], constant(1)), (["2"], constant(2))))
        page.get_by_role("button", name="Play").click()
        shown(page, 1)
        shown(page, 0)
        page.get_by_role("button", name="Pause").click()

    def test_a_sweep_without_any_images(self, tmp_path, visit):
        page = visit(make_page(tmp_path, (["1"], None), (["2"], None)))
        assert page.locator(".image span").all_inner_texts() == ["failed"]

    def test_it_works_where_mlflow_shows_it(self, tmp_path, visit):
        """In a frame without an origin, which may do nothing but run scripts."""
        content = json.dumps(make_page(tmp_path, (["1"], constant(1))).read_text(encoding="utf-8"))
        viewer = tmp_path / "viewer.html"
        viewer.write_text(
            '<div id="groups" data-shown>viewer</div><iframe sandbox="allow-scripts" width="900" height="700"></iframe>'
            f"<script>const content = {content.replace('<', chr(92) + 'u003c')};"
            'document.querySelector("iframe").src = URL.createObjectURL(new Blob([content], {type: "text/html"}))'
            "</script>",
            encoding="utf-8",
        )
        frame = visit(viewer).frame_locator("iframe")
        frame.locator("#groups[data-shown='0']").wait_for()
        assert frame.locator("figcaption").all_inner_texts()[1] == "value  1.0000"
