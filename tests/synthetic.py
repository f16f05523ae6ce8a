"""Jacobian images of given numbers, for the tests of what is shown of them."""

import numpy as np

from tdr.config import Config
from tdr.results.jacobian_images import JacobianImages

SUM = [[1.0, 1.0, 1.0]]
RGB = np.eye(3)


def jacobian_images(values, cotangents=SUM, lights=1, triangle_id=None, image=None):
    """JacobianImages of the given arrays, all read-only: nothing may be drawn by changing them."""
    parameters = tuple(p for p in Config().known_parameters() if p.name in values)
    size = next(iter(values.values())).shape[:2]
    triangle_id = np.zeros(size, np.int32) if triangle_id is None else np.asarray(triangle_id, np.int32)
    image = np.zeros((*size, 3)) if image is None else image
    for array in (image, triangle_id, *values.values()):
        array.flags.writeable = False
    return JacobianImages(image, triangle_id, parameters, values, np.array(cotangents), lights, "batched", "f64")


def one_column(entries, **arguments):
    """A Jacobian with respect to shader.diffuse, (H, W) or with channels (H, W, 3)."""
    entries = np.asarray(entries, float)
    if entries.ndim == 2:
        return jacobian_images({"shader.diffuse": entries[:, :, None]}, **arguments)
    return jacobian_images({"shader.diffuse": entries}, cotangents=RGB, **arguments)


def every_parameter(lights=1, cotangents=SUM, size=(6, 8)):
    rng = np.random.default_rng(0)
    return jacobian_images(
        {p.name: rng.standard_normal((*size, len(cotangents), *p.shape(lights))) for p in Config().known_parameters()},
        cotangents=cotangents,
        lights=lights,
        image=rng.random((*size, 3)),
    )


def column(images, name):
    return next(c for c in images.columns if c.name == name)
