"""What is said of a run, on the terminal and on its page."""

import math

import numpy as np
from check_results import check_result, column_check
from synthetic import RGB, jacobian_images

from tdr.reports.summary import page_text, terminal_lines, time_lines
from tdr.results.array_files import read_arrays, write_arrays
from tdr.results.statistics import survey

SCENE = {
    "scene/triangles": 1200,
    "scene/degenerate_triangles_skipped": 0,
    "scene/reversed_triangles": 0,
    "scene/repeated_triangles": 0,
    "scene/undefined_normals": 0,
    "scene/covered": 0.25,
    "render/nonfinite": 0,
    "render/clipped": 0,
}
LIMIT = 1 << 30


def lines(values, *, result=None, cotangents=((1.0, 1.0, 1.0),), **metrics):
    metrics = {name.replace("__", "/"): value for name, value in metrics.items()}
    images = jacobian_images(values, cotangents=cotangents)
    return terminal_lines(images, survey(images), {**SCENE, **metrics}, 0.0125, result, LIMIT)


def diffuse(*entries):
    return {"shader.diffuse": np.array(entries, float)[None, :, None]}


def test_what_was_rendered_and_computed_and_its_largest_entries():
    assert lines({**diffuse(0.5, -2, 0), "shader.specular": np.zeros((1, 3, 1))}) == [
        "rendered   3 x 1 pixels, 25.0% covered, 1,200 triangles, f64",
        "computed   2 Jacobian images in 0.013 s; largest entries:",
        "             -2  shader.diffuse at row 0, column 1",
        "             zero everywhere: shader.specular",
        "check      off",
    ]
    channels = lines({"shader.diffuse": np.array([[[0, 0, 1.5]]])}, cotangents=RGB)
    assert "             +1.5  shader.diffuse B at row 0, column 0" in channels


def test_what_was_skipped_clipped_or_is_not_finite_is_said():
    metrics = {"scene__degenerate_triangles_skipped": 1, "scene__covered": 0, "render__nonfinite": 2}
    said = lines(diffuse(1, math.nan, math.inf), render__clipped=5, **metrics)
    assert said[1:3] == [
        "skipped    1 degenerate triangle",
        "clipped    3 colour components above 1 in render.png (not in the data)",
    ]
    assert said[-4:] == [
        "WARNING    nothing is visible; check the camera's pose, camera.near and camera.far",
        "WARNING    not finite: 2 colour components of the rendering",
        "WARNING    not finite: 4 entries; metrics.json counts them by column",
        "check      off",
    ]


def test_what_is_odd_about_the_normals_is_said():
    metrics = {"scene__reversed_triangles": 1, "scene__repeated_triangles": 1200, "scene__undefined_normals": 2}
    assert lines(diffuse(1, 2), **metrics)[1:4] == [
        "normals    1 triangle is wound against its neighbours, and taken to be wound like them",
        "normals    1,200 triangles repeat others, and do not count",
        "normals    2 vertices have none, because those of their triangles cancel; they are shaded flat",
    ]


def test_that_silhouettes_are_held_fixed_is_said_where_it_matters():
    said = lines({"mesh.scale": np.ones((1, 2, 1)), "shader.diffuse": np.ones((1, 2, 1))})
    assert said[4] == "note       that silhouettes move is not part of derivatives by mesh.scale (docs/trust.md)"
    assert not any(line.startswith("note") for line in lines(diffuse(1, 2)))


def test_what_the_check_found_comes_last():
    said = lines(diffuse(1, 2), result=check_result([column_check("shader.diffuse")]))
    assert [i for i, line in enumerate(said) if line.startswith("check      passed")] == [3]


def test_arrays_that_are_too_large_for_memory_are_named_on_the_terminal_and_on_the_page(tmp_path):
    images = jacobian_images(diffuse(1, 2))
    write_arrays(tmp_path, images)
    (tmp_path / "jacobian").mkdir()
    for name, array in images.arrays().items():
        np.save(tmp_path / "jacobian" / f"{name}.npy", array)
    (tmp_path / "jacobian.npz").unlink()
    images = read_arrays(tmp_path)
    note = "jacobian/*.npy, 16 bytes: with the G-buffer more than jacobian.memory_limit, 8 bytes"
    assert f"arrays     {note}" in terminal_lines(images, survey(images), SCENE, 0.0, None, 8)
    assert page_text(images, None, 8) == f"\narrays: {note}\n"


def test_the_page_says_what_the_check_found():
    images = jacobian_images(diffuse(1, 2))
    assert page_text(images, None, LIMIT) == ""
    assert page_text(images, check_result([column_check("shader.diffuse")]), LIMIT).startswith("**Check passed.**")


def test_times_are_one_list():
    assert time_lines({"imports": 0.5, "total": 12.25}) == [
        "time          0.500 s  imports",
        "             12.250 s  total",
    ]
