import gc
from pathlib import Path

import numpy as np
import pytest
from sweep_folders import constant
from synthetic import RGB, every_parameter

from tdr.errors import InputError
from tdr.results.array_files import ArrayFiles, ArrayWriter, read_arrays, write_arrays


def write(path, shape, dtype, *pieces):
    with ArrayWriter(path, shape, dtype) as writer:
        for piece in pieces:
            writer.write(*piece)


@pytest.mark.parametrize("rest", [(), (3,), (1, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_pieces_are_where_they_were_put_and_the_rest_is_zero(tmp_path, rng, rest, dtype):
    expected = np.zeros((7, 9, *rest), dtype)
    pieces = []
    for row, column, height, width in ((0, 0, 2, 9), (3, 4, 3, 2), (6, 8, 1, 1)):
        part = expected[row : row + height, column : column + width]
        part[...] = rng.integers(1, 100, part.shape)
        pieces.append((row, column, part))
    write(tmp_path / "a.npy", expected.shape, dtype, *pieces)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert (mapped.dtype, mapped.flags.c_contiguous) == (dtype, True)


def test_a_disk_that_is_too_small_is_found_before_anything_is_written(tmp_path):
    with pytest.raises(OSError, match=r"File too large|No space left|Invalid argument"):
        ArrayWriter(tmp_path / "a.npy", (1 << 30, 1 << 30), np.float32)


def test_files_are_mapped_when_they_are_asked_for_and_given_back(tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.arange(12.0).reshape(3, 4))
    arrays = ArrayFiles(tmp_path, ["b", "a"])
    assert (list(arrays), len(arrays), arrays.nbytes) == (["b", "a"], 2, 192)

    def is_mapped():
        gc.collect()
        return str(tmp_path / "a.npy") in Path("/proc/self/maps").read_text()

    assert not is_mapped()
    row = arrays["a"][1]
    assert is_mapped()
    np.testing.assert_array_equal(row, [4, 5, 6, 7])
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 1
    del row
    assert not is_mapped()
    with pytest.raises(KeyError):
        arrays["c"]


@pytest.mark.parametrize("damage", ["missing", "no header", "cut off"])
def test_a_file_that_is_not_whole_is_an_error(tmp_path, damage):
    np.save(tmp_path / "a.npy", np.arange(1000.0))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-8] if damage == "cut off" else b"x" * len(content))
    if damage == "missing":
        (tmp_path / "a.npy").unlink()
    with pytest.raises((OSError, ValueError)):
        ArrayFiles(tmp_path, ["a"])


class TestReadingBack:
    @pytest.mark.parametrize("lights", [1, 2])
    def test_what_was_written_is_read(self, tmp_path, lights):
        written = every_parameter(lights=lights, cotangents=RGB)
        write_arrays(tmp_path, written)
        read = read_arrays(tmp_path)
        assert (read.parameters, read.num_lights) == (written.parameters, lights)
        assert (read.method, read.precision) == (written.method, written.precision)
        assert [c.name for c in read.columns] == [c.name for c in written.columns]
        np.testing.assert_array_equal(read.cotangents, written.cotangents)
        for name, array in written.arrays().items():
            np.testing.assert_array_equal(read.arrays()[name], array)

    @pytest.mark.parametrize("damage", ["no arrays", "no description", "not an archive", "other shape", "cut off"])
    def test_what_is_no_runs_folder_is_an_error(self, tmp_path, damage):
        write_arrays(tmp_path, constant(1))
        arrays, description = tmp_path / "jacobian.npz", tmp_path / "jacobian.json"
        if damage == "no arrays":
            arrays.unlink()
        elif damage == "no description":
            description.unlink()
        elif damage == "not an archive":
            arrays.write_text("PK")
        elif damage == "cut off":
            arrays.write_bytes(arrays.read_bytes()[:-100])
        else:
            description.write_text(description.read_text().replace('"num_lights": 1', '"num_lights": 2'))
            np.savez(arrays, image=np.zeros((6, 8, 3)), triangle_id=np.zeros((6, 8), int), **{"shader.diffuse": [1]})
        with pytest.raises(InputError, match=r"folder must hold the jacobian\.npz .* and jacobian\.json of a run; got"):
            read_arrays(tmp_path)
