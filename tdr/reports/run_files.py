"""The files that a run leaves for people: pictures, what its check found, its G-buffer and its shader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.reports import check_pictures, check_words, jacobian_pictures
from tdr.reports.color_limit import color_limit
from tdr.results import naming
from tdr.results.check_result import CheckResult
from tdr.results.jacobian_images import JacobianImages


def write_pictures(folder: Path, images: JacobianImages) -> None:
    """Write the rendering, a picture of each column, and the figure that shows all of them."""
    (folder / naming.ARRAY_FOLDER).mkdir(exist_ok=True)
    pictures = {
        naming.RENDER: jacobian_pictures.encode_srgb(jacobian_pictures.render_zoom(images.image).sample(images.image))
    }
    limits = {parameter: color_limit(images, parameter) for parameter in images.parameters}
    for column in images.columns:
        pictures[naming.column_picture(column.name)] = jacobian_pictures.column_picture(
            images, column, limits[column.parameter]
        )
    write_picture_files(folder, {**pictures, naming.FIGURE: jacobian_pictures.figure(images, limits)})


def write_g_buffer(folder: Path, g_buffer: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write ``g_buffer.npz`` and a picture of each of its images."""
    (folder / naming.G_BUFFER_FOLDER).mkdir(exist_ok=True)
    with (folder / naming.G_BUFFER).open("wb") as file:
        np.savez(file, **g_buffer)  # type: ignore[arg-type]
    pictures = jacobian_pictures.g_buffer_pictures(g_buffer)
    write_picture_files(folder, {f"{naming.G_BUFFER_FOLDER}/{name}.png": picture for name, picture in pictures.items()})


def write_shader(folder: Path, source: str) -> None:
    """Write ``shader.py``, the shader file that a run used."""
    (folder / naming.SHADER).write_text(source, encoding="utf-8")


def write_check(folder: Path, result: CheckResult, image: npt.NDArray[np.floating]) -> None:
    """Write ``check.json``, what a check found, and pictures of it under ``check/``.

    Args:
        folder: the run's folder.
        result: what the check found.
        image: (H, W, 3) the rendering, linear RGB.
    """
    (folder / naming.CHECK_FOLDER).mkdir(exist_ok=True)
    content = json.dumps(check_words.check_json(result), indent=2, allow_nan=False)
    (folder / naming.CHECK).write_text(content + "\n", encoding="utf-8")
    pictures = check_pictures.check_pictures(result, image)
    write_picture_files(folder, {f"{naming.CHECK_FOLDER}/{name}.png": picture for name, picture in pictures.items()})


def write_picture_files(folder: Path, pictures: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    """Write pictures as PNG: name relative to the folder -> picture."""
    import imageio.v3 as iio

    for name, picture in pictures.items():
        # The least compression is twice as fast and costs a third more bytes.
        encoded = iio.imwrite("<bytes>", picture, extension=".png", compress_level=1)
        (folder / name).write_bytes(encoded)
