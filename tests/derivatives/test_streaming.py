"""Jacobian images that are computed in bands of rows are those that are computed as a whole, to the last bit."""

import contextlib
import errno
import os
from dataclasses import replace

import numpy as np
import pytest
from scenes import pipeline_of

import tdr
from tdr.config import JacobianConfig, Method
from tdr.derivatives import streaming
from tdr.derivatives.jacobian import differentiate
from tdr.errors import InputError
from tdr.reports import jacobian_pictures
from tdr.reports.color_limit import color_limit
from tdr.results.array_files import ArrayFiles, read_arrays, write_arrays
from tdr.results.statistics import survey
from tdr.timing import Stopwatch


def settings(limit=None, **changes):
    return JacobianConfig(**{"parameters": "all", "memory_limit": limit, **changes})


def least_limit(pipeline, chosen):
    """The lowest limit that is allowed: one row a band."""
    with pytest.raises(InputError) as error:
        streaming.stream(pipeline, replace(chosen, memory_limit=1), None, Stopwatch())
    return int(str(error.value).split("must be at least ")[1].split()[0])


def both(pipeline, folder, chosen, bands=None):
    """The Jacobian images as a whole, and in bands; the limit is that of one row a band unless it is given."""
    pipeline.forward()
    whole = differentiate(pipeline, chosen)
    pipeline.passes.find_visible()
    limit = chosen.memory_limit or least_limit(pipeline, chosen)
    seen = []

    def track(items, name):
        seen.append((name, len(items)))
        return items

    streamed = streaming.stream(pipeline, replace(chosen, memory_limit=limit), folder, Stopwatch(), track)
    assert seen[0][0] == "bands"
    if bands is not None:
        assert seen[0][1] == bands
    return whole, streamed


def assert_same(whole, streamed):
    assert whole.description() == streamed.description()
    arrays = streamed.arrays()
    assert arrays.keys() == whole.arrays().keys()
    for name, array in whole.arrays().items():
        assert (arrays[name].shape, arrays[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def rows_covered(images):
    return np.count_nonzero((images.triangle_id >= 0).any(axis=1))


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("cotangent", ["rgb", [0.5, -2.0, 1.0]])
@pytest.mark.parametrize("lights", [1, 3])
def test_the_numbers_are_the_same_to_the_last_bit(tmp_path, cotangent, lights):
    pipeline = pipeline_of(num_lights=lights, resolution=(23, 17))
    whole, streamed = both(pipeline, tmp_path, settings(cotangent=cotangent))
    assert all(values.any() for values in whole.values.values())
    assert_same(whole, streamed)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("method", [Method.batched, Method.loop, Method.forward])
def test_by_every_exact_method(tmp_path, method):
    chosen = settings(method=method, parameters=["light.direction", "shader.ambient", "camera.rotation"])
    whole, streamed = both(pipeline_of(num_lights=2, resolution=(9, 8)), tmp_path, chosen)
    assert_same(whole, streamed)


@pytest.mark.usefixtures("f64")
def test_finite_differences_agree_within_their_error(tmp_path):
    """Which step is the best one is decided by what a band shows of the noise, so it may be another one."""
    chosen = settings(method=Method.finite_difference, parameters=["light.direction", "camera.rotation"])
    whole, streamed = both(pipeline_of(num_lights=2, resolution=(9, 8)), tmp_path, chosen)
    for name, values in whole.values.items():
        np.testing.assert_allclose(streamed[name], values, rtol=0.0, atol=1e-9 * np.abs(values).max())


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("factor", [1.0, 1.9, 5.0, 1e3])
def test_with_any_limit(tmp_path, factor):
    pipeline = pipeline_of(resolution=(30, 20))
    pipeline.passes.find_visible()
    limit = int(factor * least_limit(pipeline, settings()))
    whole, streamed = both(pipeline, tmp_path, settings(limit))
    assert_same(whole, streamed)


@pytest.mark.usefixtures("f64")
def test_bands_are_as_large_as_the_limit_allows(tmp_path):
    pipeline = pipeline_of(resolution=(30, 20))
    pipeline.passes.find_visible()
    assert both(pipeline, tmp_path, settings(10**6), bands=1)
    least = least_limit(pipeline, settings())
    bands = streaming._Task(pipeline, settings(2 * least)).bands()
    assert 1 < len(bands) < rows_covered(differentiate(pipeline, settings()))
    covered = [pixel for band in bands for pixel in range(band.subset.start, band.subset.stop)]
    assert covered == [*range(len(pipeline.passes.rasterizer.pixels))]


@pytest.mark.usefixtures("precision")
def test_rows_without_a_surface_and_images_without_one(tmp_path):
    far = pipeline_of(resolution=(12, 10))
    far.placement.translation = [50.0, 0.0, 0.0]
    for folder, pipeline, is_visible in (("far", far, False), ("near", pipeline_of(resolution=(40, 10)), True)):
        (tmp_path / folder).mkdir()
        pipeline.forward()
        whole = differentiate(pipeline, settings())
        assert is_visible <= rows_covered(whole) < len(whole.triangle_id)
        assert_same(whole, streaming.stream(*visible(pipeline), tmp_path / folder, Stopwatch()))


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("resolution", [(1, 1), (1, 3), (30, 1)])
def test_images_of_one_row_or_column(tmp_path, resolution):
    pipeline = pipeline_of(mesh=tdr.TriangleMesh.sphere(1), resolution=resolution)
    whole, streamed = both(pipeline, tmp_path, settings())
    assert whole.values["shader.diffuse"].any()
    assert_same(whole, streamed)


@pytest.mark.usefixtures("f64")
def test_the_next_rendering_leaves_what_was_handed_out_alone(tmp_path):
    pipeline = pipeline_of()
    first = streaming.stream(*visible(pipeline), tmp_path, Stopwatch())
    assert first.image is pipeline.output_buffer.values
    image, triangle_id = first.image.copy(), first.triangle_id.copy()
    pipeline.placement.translation = [0.4, 0.3, 0.0]
    second = tdr.compute_jacobian(pipeline)
    assert (second.triangle_id != triangle_id).any()
    np.testing.assert_array_equal(first.image, image)
    np.testing.assert_array_equal(first.triangle_id, triangle_id)
    pipeline.shader.settings.ambient = 0.9
    pipeline.passes.render()
    assert (pipeline.output_buffer.values != second.image).any()
    np.testing.assert_array_equal(pipeline.passes.rasterizer.triangle_id_buffer, second.triangle_id)


def visible(pipeline, limit="1MB"):
    pipeline.passes.find_visible()
    return pipeline, settings(limit)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_check_finds_the_same(tmp_path, mode):
    pipeline = pipeline_of(num_lights=2, resolution=(40, 35))
    whole, streamed = both(pipeline, tmp_path, settings())
    pipeline.forward()
    expected, found = (tdr.check_jacobian(pipeline, images, mode) for images in (whole, streamed))
    assert expected.columns == found.columns
    for name in ("place", "pixels", "errors", "excesses"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.usefixtures("f64")
def test_numbers_and_pictures_are_the_same(tmp_path):
    pipeline = pipeline_of(num_lights=2, resolution=(300, 280))
    whole, streamed = both(pipeline, tmp_path, settings("2MB", cotangent="rgb"))
    assert isinstance(streamed.values, ArrayFiles)
    assert survey(streamed) == survey(whole)
    for parameter in whole.parameters:
        assert color_limit(streamed, parameter) == color_limit(whole, parameter)
    for column in whole.columns[::5]:
        picture = jacobian_pictures.column_picture(whole, column)
        np.testing.assert_array_equal(jacobian_pictures.column_picture(streamed, column), picture)
    np.testing.assert_array_equal(jacobian_pictures.figure(streamed), jacobian_pictures.figure(whole))
    for stride in (1, 3, 7, 500):
        for column in whole.columns[::9]:
            expected = whole.column(column)[::stride, ::stride]
            np.testing.assert_array_equal(streamed.sampled(column, stride), expected)
            np.testing.assert_array_equal(whole.sampled(column, stride), expected)


@pytest.mark.usefixtures("f64")
def test_what_was_written_is_read_without_being_copied(tmp_path):
    whole, streamed = both(pipeline_of(), tmp_path, settings())
    write_arrays(tmp_path, streamed)
    assert not (tmp_path / "jacobian.npz").exists()
    read = read_arrays(tmp_path)
    assert isinstance(read.image, np.memmap)
    assert_same(whole, read)
    (tmp_path / "jacobian" / "camera.fov.npy").unlink()
    with pytest.raises(InputError, match=r"folder must hold the jacobian\.npz \(or jacobian/\*\.npy\)"):
        read_arrays(tmp_path)


@pytest.mark.usefixtures("f64")
def test_a_limit_below_one_row_is_an_error_that_says_how_much_is_needed(tmp_path):
    pipeline, chosen = visible(pipeline_of(), limit=100)
    with pytest.raises(
        InputError, match=r"^jacobian.memory_limit must be at least \d+ bytes, .* one row .*; got 100\."
    ):
        streaming.stream(pipeline, chosen, tmp_path, Stopwatch())
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("call", [0, 7])
def test_a_full_disk_is_found_before_the_computation_and_leaves_nothing(tmp_path, monkeypatch, call):
    allocate = os.posix_fallocate
    calls = []

    def full(descriptor, offset, length):
        calls.append(length)
        if len(calls) > call:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(streaming, "compute_covered", None)
    with pytest.raises(OSError, match="No space left"):
        streaming.stream(*visible(pipeline_of()), tmp_path, Stopwatch())
    assert not [*tmp_path.glob("jacobian/*")]


@pytest.mark.usefixtures("f64")
def test_what_was_broken_off_leaves_no_arrays(tmp_path):
    def broken_off(items, name):  # noqa: ARG001
        yield items[0]
        raise KeyboardInterrupt

    pipeline, chosen = visible(pipeline_of())
    chosen = replace(chosen, memory_limit=least_limit(pipeline, chosen))
    with contextlib.suppress(KeyboardInterrupt):
        streaming.stream(pipeline, chosen, tmp_path, Stopwatch(), broken_off)
    assert not [*tmp_path.glob("jacobian/*")]
