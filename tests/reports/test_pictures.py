import math
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from synthetic import RGB, SUM, column, every_parameter, jacobian_images, one_column

from tdr.reports import jacobian_pictures
from tdr.reports.color_limit import color_limit

GREY = (200, 200, 200)
LIME = (0, 255, 0)
INK = (34, 34, 34)
RED, WHITE, BLUE = (
    tuple(matplotlib.colormaps["RdBu_r"].resampled(255)(share, bytes=True)[:3]) for share in (1.0, 0.5, 0.0)
)


def panels(picture):
    """The panels of a picture's first row: what stands inside the frames."""
    ink = (picture == INK).all(axis=2)
    top, bottom = np.flatnonzero(ink.sum(axis=1) > 0.5 * picture.shape[1])[:2]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ink[top], [False]]).astype(int)))
    return [picture[top + 1 : bottom, left + 1 : right - 1] for left, right in edges.reshape(-1, 2)]


def colors(panel, rows, columns):
    """The colours of a panel's image pixels; each must be a square of one colour."""
    zoom = panel.shape[0] // rows
    assert panel.shape == (rows * zoom, columns * zoom, 3)
    pixels = panel[::zoom, ::zoom]
    np.testing.assert_array_equal(panel, pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))
    return [[tuple(int(level) for level in pixel) for pixel in row] for row in pixels]


class TestColumnPicture:
    def draw(self, images, name="shader.diffuse"):
        return jacobian_pictures.column_picture(images, column(images, name))

    def test_positive_is_red_negative_blue_zero_white_background_grey(self):
        images = one_column([[1, -1], [0, 0]], triangle_id=[[0, 0], [0, -1]])
        (panel,) = panels(self.draw(images))
        assert colors(panel, 2, 2) == [[RED, BLUE], [WHITE, GREY]]
        assert RED[0] > RED[2] + 50
        assert BLUE[2] > BLUE[0] + 50
        assert min(WHITE) > 240

    def test_columns_of_a_parameter_share_their_scale(self):
        entries = np.zeros((1, 2, 1, 3))
        entries[0, :, 0, 0], entries[0, :, 0, 1] = (2, 1), (1, -2)
        images = jacobian_images({"mesh.albedo": entries})
        (x,), (y,) = (panels(self.draw(images, name)) for name in ("mesh.albedo.r", "mesh.albedo.g"))
        ((full, half),) = colors(x, 1, 2)
        assert colors(y, 1, 2) == [[half, BLUE]]
        assert full == RED != half

    def test_entries_that_are_not_finite_are_lime_and_named(self, written):
        (panel,) = panels(self.draw(one_column([[math.nan, 1, -math.inf]], triangle_id=[[0, 0, -1]])))
        assert colors(panel, 1, 3) == [[LIME, RED, LIME]]
        assert "2 entries not finite (lime)" in written

    def test_an_entry_of_the_background_is_not_hidden(self):
        (panel,) = panels(self.draw(one_column([[1, 0]], triangle_id=[[-1, -1]])))
        assert colors(panel, 1, 2) == [[RED, GREY]]

    def test_outliers_saturate_and_are_stated(self, written):
        entries = np.ones((20, 50))
        entries[0, :2] = 500, -500
        (panel,) = panels(self.draw(one_column(entries)))
        assert colors(panel, 20, 50)[0][:3] == [RED, BLUE, RED]
        assert "shader.diffuse: scale ±1, 2 entries beyond" in written

    def test_all_zero_is_stated(self, written):
        (panel,) = panels(self.draw(one_column(np.zeros((1, 1)))))
        assert colors(panel, 1, 1) == [[WHITE]]
        assert "shader.diffuse: all zero, scale ±1" in written

    def test_title_scale_and_ticks_are_written(self, written):
        self.draw(one_column([[0.421, -0.1]]))
        minus = "\N{MINUS SIGN}0.421"
        assert sorted(written) == sorted(
            ["∂(R+G+B)/∂ shader.diffuse", minus, "0", "0.421", "shader.diffuse: scale ±0.421"]
        )

    def test_three_channels_are_three_panels(self, written):
        r, g, b = panels(self.draw(one_column([[[2, 0, -1], [2, 1, 0]]])))
        assert colors(r, 1, 2) == [[RED, RED]]
        ((zero, positive),) = colors(g, 1, 2)
        ((negative, also_zero),) = colors(b, 1, 2)
        assert zero == also_zero == WHITE
        assert positive[0] > positive[2]
        assert negative[2] > negative[0]
        assert [text for text in written if text in "RGB"] == ["R", "G", "B"]

    def test_pose_says_what_is_held_fixed(self, written):
        images = every_parameter()
        for name, stated in (("mesh.translation.x", True), ("light.color.0.r", False)):
            written.clear()
            self.draw(images, name)
            assert ("derivatives of pose hold visibility fixed" in written) is stated

    @pytest.mark.parametrize("size", [(1, 1), (5, 7), (256, 256), (200, 300)])
    def test_small_images_are_enlarged_by_whole_numbers(self, size):
        picture = self.draw(one_column(np.random.default_rng(0).standard_normal(size)))
        (panel,) = panels(picture)
        colors(panel, *size)
        assert max(picture.shape) < 1000

    def test_a_large_image_is_thinned_out_and_says_so(self, written):
        entries = np.ones((1500, 1200))
        entries[::2, ::2] = -1
        picture = self.draw(one_column(entries))
        (panel,) = panels(picture)
        assert colors(panel, 750, 600) == [[BLUE] * 600] * 750
        assert "one of every 2 x 2 pixels shown" in written


class TestFigure:
    def test_the_rendering_comes_first(self):
        rng = np.random.default_rng(0)
        images = jacobian_images({"mesh.albedo": rng.standard_normal((4, 6, 1, 3))}, image=rng.random((4, 6, 3)))
        first, *columns = panels(jacobian_pictures.figure(images))
        assert colors(first, 4, 6) == [
            [tuple(pixel) for pixel in row] for row in jacobian_pictures.encode_srgb(images.image).tolist()
        ]
        for panel, one in zip(columns, images.columns, strict=True):
            (alone,) = panels(jacobian_pictures.column_picture(images, one))
            assert colors(panel, 4, 6) == colors(alone, 4, 6)

    def test_every_parameter_is_titled_and_scaled(self, written):
        images = every_parameter()
        jacobian_pictures.figure(images)
        assert sum(text in ("x", "y", "z", "r", "g", "b") for text in written) == 21
        for parameter in images.parameters:
            subject = f"{parameter.name}[0]" if parameter.per_light else parameter.name
            assert any(subject in text for text in written)
            assert str(color_limit(images, parameter)) in written
        assert "derivatives of pose hold visibility fixed" in written

    def test_nothing_is_left_out_silently(self, written):
        images = every_parameter(lights=10)
        picture = jacobian_pictures.figure(images)
        shown = sum(text in ("x", "y", "z", "r", "g", "b") for text in written)
        assert 0 < shown < len(images.columns) == 81
        assert f"{81 - shown} of 81 columns not shown, from light.color[2] on" in written
        assert max(picture.shape) < 6000

    def test_three_channels_are_three_rows(self, written):
        entries = np.zeros((5, 5, 3, 3))
        entries[:, :, 0], entries[:, :, 1] = 1, -1
        picture = jacobian_pictures.figure(jacobian_images({"mesh.albedo": entries}, cotangents=RGB))
        assert [text for text in written if text in "RGB"] == ["R", "G", "B"]
        rows = [np.flatnonzero((picture == color).all(axis=2).sum(axis=1) > 300) for color in (RED, BLUE, WHITE)]
        assert rows[0].max() < rows[1].min()
        assert rows[1].max() < rows[2].min()

    def test_clipped_components_are_stated(self, written):
        jacobian_pictures.figure(one_column([[1, 2]], image=np.array([[[2.0, 0.5, 0.5], [0.1, 0.1, -0.1]]])))
        assert "2 components clipped" in written


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (1, 8192), (2000, 1)])
@pytest.mark.parametrize("cotangents", [SUM, [[0.2126, 0.7152, 0.0722]], RGB])
def test_pictures_of_any_size_keep_everything_inside(size, cotangents):
    rng = np.random.default_rng(0)
    images = jacobian_images(
        {
            "light.direction": rng.standard_normal((*size, len(cotangents), 1, 3)),
            "shader.shininess": -1e-5 * rng.random((*size, len(cotangents))),
            "camera.fov": 1e6 * rng.random((*size, len(cotangents))),
        },
        cotangents=cotangents,
    )
    pictures = [
        (jacobian_pictures.figure(images), 4000),
        *((jacobian_pictures.column_picture(images, one), 2000) for one in images.columns),
    ]
    for picture, longest in pictures:
        assert picture.dtype == np.uint8
        assert max(picture.shape) < longest
        assert (picture < 255).any()
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (border == 255).all()


class TestGBufferPictures:
    def g_buffer(self):
        triangle_id = np.array([[0, 0, 1], [-1, 1, 2]], np.int32)
        covered = triangle_id[..., None] >= 0
        return {
            "triangle_id": triangle_id,
            "depth_ndc": np.array([[0.25, 0.5, 0.5], [1, 0.5, 0.75]]),
            "position_world": np.array([[[-2, 0, 1], [2, 0, 1], [0, 0, 3]], [[9, 9, 9], [0, 4, 2], [0, 0, 2]]], float),
            "normal_world": np.where(covered, [0.0, 0.0, 1.0], 0),
            "albedo": np.where(covered, [1.0, 0.5, 0.0], 0),
            "barycentrics": np.where(covered, [0.2, 0.8, 0.0], 0),
        }

    def drawn(self, g_buffer):
        return {
            name: colors(panels(picture)[0], 2, 3)
            for name, picture in jacobian_pictures.g_buffer_pictures(g_buffer).items()
        }

    def test_one_picture_each_with_the_background_grey(self):
        g_buffer = self.g_buffer()
        drawn = self.drawn(g_buffer)
        assert drawn.keys() == g_buffer.keys()
        assert all(pixels[1][0] == GREY for pixels in drawn.values())

    def test_what_the_colours_mean(self):
        drawn = self.drawn(self.g_buffer())
        near, far = (tuple(matplotlib.colormaps["cividis"](end, bytes=True)[:3]) for end in (0.0, 1.0))
        assert (drawn["depth_ndc"][0][0], drawn["depth_ndc"][1][2]) == (near, far)
        assert drawn["position_world"][0] == [(0, 0, 0), (255, 0, 0), (128, 0, 255)]
        assert drawn["position_world"][1][1:] == [(128, 255, 128), (128, 0, 128)]
        assert drawn["normal_world"][0][0] == (128, 128, 255)
        assert drawn["albedo"][0][0] == (255, 188, 0)
        assert drawn["barycentrics"][0][0] == (51, 204, 0)

    def test_a_triangle_has_one_colour_wherever_it_is_drawn(self):
        g_buffer = self.g_buffer()
        (first, second, third), (_, fourth, fifth) = self.drawn(g_buffer)["triangle_id"]
        assert first == second
        assert third == fourth
        assert len({first, third, fifth, GREY}) == 4
        g_buffer["triangle_id"] = np.full((2, 3), 2, np.int32)
        assert self.drawn(g_buffer)["triangle_id"][0][0] == fifth

    def test_ranges_and_defects_are_written(self, written):
        g_buffer = self.g_buffer()
        g_buffer["albedo"][0, 0] = 1.5
        g_buffer["normal_world"][0, 1] = math.nan
        assert self.drawn(g_buffer)["normal_world"][0][1] == LIME
        assert {"0.25", "0.5", "0.75"} <= set(written)
        assert "R, G, B: x \N{MINUS SIGN}2 to 2, y 0 to 4, z 1 to 3" in written
        assert "3 triangles seen" in written
        assert "3 components clipped" in written
        assert "3 entries not finite (lime)" in written

    def test_depths_that_differ_little_are_told_apart(self, written):
        g_buffer = self.g_buffer()
        g_buffer["depth_ndc"] = np.array([[0.99911, 0.99912, 0.99912], [1, 0.99912, 0.99913]])
        jacobian_pictures.g_buffer_pictures(g_buffer)
        assert {"0.99911", "0.99912", "0.99913"} <= set(written)

    def test_nothing_covered(self):
        g_buffer = {name: np.zeros_like(array) for name, array in self.g_buffer().items()}
        g_buffer["triangle_id"] -= 1
        assert all(pixels == [[GREY] * 3] * 2 for pixels in self.drawn(g_buffer).values())


def test_matplotlib_loads_with_the_first_picture_and_never_its_global_state():
    program = """
import sys
import numpy as np
from tdr.reports import jacobian_pictures as report
assert "matplotlib" not in sys.modules
report.encode_srgb(np.zeros((1, 1, 3)))
assert "matplotlib" not in sys.modules
g_buffer = {name: np.zeros((1, 1, 3)) for name in ("position_world", "normal_world", "albedo", "barycentrics")}
report.g_buffer_pictures({"triangle_id": np.zeros((1, 1), np.int32), "depth_ndc": np.zeros((1, 1)), **g_buffer})
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
