"""The files that a run leaves behind (README, "What a run leaves behind")."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.errors import InputError
from tdr.reports import check_pictures, check_words, jacobian_pictures
from tdr.reports.color_limit import color_limit
from tdr.results.array_files import ARRAY_FILES, IMAGE, TRIANGLE_ID, ArrayFiles, reserve
from tdr.results.check_result import CheckResult
from tdr.results.jacobian_images import JacobianImages

RENDER = "render.png"
FIGURE = "figure.png"
ARRAYS = "jacobian.npz"
DESCRIPTION = "jacobian.json"


def column_file(name: str) -> str:
    """The file of one column's picture, relative to the run's folder."""
    return f"jacobian/{name}.png"


def write_arrays(folder: Path, images: JacobianImages) -> None:
    """Write the image, the triangle ids and one array a parameter; no pickles.

    Into ``jacobian.npz``, except for arrays that are on disk already, as ``jacobian/<name>.npy`` each
    (:func:`tdr.derivatives.streaming.stream`). ``jacobian.json`` says what :func:`read_arrays` needs besides.
    """
    # A folder that a job is run in again may have the other form.
    if isinstance(images.values, ArrayFiles):
        (folder / ARRAYS).unlink(missing_ok=True)
    else:
        for path in (folder / ARRAY_FILES).glob("*.npy"):
            path.unlink()
        arrays = images.arrays()
        with (folder / ARRAYS).open("wb") as file:
            # A full disk is found before NumPy has begun, which would complain twice.
            reserve(file, sum(array.nbytes + 1024 for array in arrays.values()))
            np.savez(file, **arrays)  # type: ignore[arg-type] # allow_pickle stands among the names
            file.truncate()
    content = json.dumps(images.description(), indent=2, allow_nan=False)
    (folder / DESCRIPTION).write_text(content + "\n", encoding="utf-8")


def read_arrays(folder: Path | str) -> JacobianImages:
    """Read what :func:`write_arrays` wrote; arrays in files of their own are mapped, not read.

    Args:
        folder: the run's folder.

    Raises:
        InputError: if the folder does not hold a run's arrays.
    """
    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        names = [parameter["name"] for parameter in description["parameters"]]
        arrays: Mapping[str, npt.NDArray[Any]]
        if (folder / ARRAYS).exists():
            with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = dict(archive)
                values: Mapping[str, npt.NDArray[Any]] = {name: arrays[name] for name in names}
        else:
            arrays = ArrayFiles(folder / ARRAY_FILES, [IMAGE, TRIANGLE_ID])
            values = ArrayFiles(folder / ARRAY_FILES, names)
        return JacobianImages.from_arrays(arrays[IMAGE], arrays[TRIANGLE_ID], values, description)
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"folder must hold the {ARRAYS} (or {ARRAY_FILES}/*.npy) and {DESCRIPTION} of a run; "
            f"got {folder} ({error})."
        ) from None


def write_pictures(folder: Path, images: JacobianImages) -> list[str]:
    """Write the rendering, a picture of each column, and the figure that shows all of them.

    Returns:
        The rendering and the columns' pictures, relative to the folder.
    """
    (folder / "jacobian").mkdir(exist_ok=True)
    pictures = {RENDER: jacobian_pictures.encode_srgb(jacobian_pictures.render_zoom(images.image).sample(images.image))}
    limits = {parameter: color_limit(images, parameter) for parameter in images.parameters}
    for column in images.columns:
        pictures[column_file(column.name)] = jacobian_pictures.column_picture(images, column, limits[column.parameter])
    write_picture_files(folder, {**pictures, FIGURE: jacobian_pictures.figure(images, limits)})
    return list(pictures)


def write_g_buffer(folder: Path, g_buffer: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write ``g_buffer.npz`` and a picture of each of its images."""
    (folder / "g_buffer").mkdir(exist_ok=True)
    with (folder / "g_buffer.npz").open("wb") as file:
        np.savez(file, **g_buffer)  # type: ignore[arg-type]
    pictures = jacobian_pictures.g_buffer_pictures(g_buffer)
    write_picture_files(folder, {f"g_buffer/{name}.png": picture for name, picture in pictures.items()})


def write_shader(folder: Path, source: str) -> None:
    """Write ``shader.py``, the shader file that a run used."""
    (folder / "shader.py").write_text(source, encoding="utf-8")


def write_check(folder: Path, result: CheckResult, image: npt.NDArray[np.floating]) -> None:
    """Write ``check.json``, what a check found, and pictures of it under ``check/``.

    Args:
        folder: the run's folder.
        result: what the check found.
        image: (H, W, 3) the rendering, linear RGB.
    """
    (folder / "check").mkdir(exist_ok=True)
    content = json.dumps(check_words.check_json(result), indent=2, allow_nan=False)
    (folder / "check.json").write_text(content + "\n", encoding="utf-8")
    pictures = check_pictures.check_pictures(result, image)
    write_picture_files(folder, {f"check/{name}.png": picture for name, picture in pictures.items()})


def write_metrics(folder: Path, metrics: Mapping[str, float]) -> None:
    """Write ``metrics.json``; numbers that JSON does not have become the texts ``inf``, ``-inf`` and ``nan``."""
    content = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_picture_files(folder: Path, pictures: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    """Write pictures as PNG: name relative to the folder -> picture."""
    import imageio.v3 as iio

    for name, picture in pictures.items():
        # The least compression is twice as fast and costs a third more bytes.
        encoded = iio.imwrite("<bytes>", picture, extension=".png", compress_level=1)
        (folder / name).write_bytes(encoded)
