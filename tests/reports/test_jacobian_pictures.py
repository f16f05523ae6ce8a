import math

import numpy as np
import pytest
from synthetic import RGB, column, every_parameter, jacobian_images

from tdr.reports import jacobian_pictures


class TestEncodeSrgb:
    def test_known_values(self):
        linear = np.array([[[0, 1, 0.5], [0.0031308, 0.18, 0.002]]])
        assert jacobian_pictures.encode_srgb(linear).tolist() == [[[0, 255, 188], [10, 118, 7]]]

    def test_single_precision_gives_the_same_levels(self):
        linear = np.linspace(0, 1, 300).reshape(10, 10, 3)
        np.testing.assert_array_equal(
            jacobian_pictures.encode_srgb(linear), jacobian_pictures.encode_srgb(linear.astype(np.float32))
        )

    def test_what_cannot_be_encoded_is_clipped(self):
        linear = np.array([[[-0.5, 1.5, math.nan], [math.inf, 0, 1]]])
        assert jacobian_pictures.encode_srgb(linear).tolist() == [[[0, 255, 0], [255, 0, 255]]]


class TestColumnTitle:
    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("light.direction.0.x", "∂(R+G+B)/∂ light.direction[0].x"),
            ("light.color.1.b", "∂(R+G+B)/∂ light.color[1].b"),
            ("shader.diffuse", "∂(R+G+B)/∂ shader.diffuse"),
            ("mesh.translation.y", "∂(R+G+B)/∂ mesh.translation.y"),
            ("camera.rotation.z", "∂(R+G+B)/∂ camera.rotation.z, per rad"),
            ("camera.fov", "∂(R+G+B)/∂ camera.fov, per rad"),
        ],
    )
    def test_the_parameter(self, name, title):
        images = every_parameter(lights=2)
        assert jacobian_pictures.column_title(images, column(images, name)) == title

    @pytest.mark.parametrize(
        ("cotangents", "title"),
        [
            (RGB, "∂(R, G, B)/∂ shader.diffuse"),
            ([[0.2, 0.7, 0.1]], "∂(0.2R+0.7G+0.1B)/∂ shader.diffuse"),
            ([[0, 1, 0]], "∂G/∂ shader.diffuse"),
            ([[1, 0, -2]], "∂(R\N{MINUS SIGN}2B)/∂ shader.diffuse"),
            ([[-1, 0, 0]], "∂(\N{MINUS SIGN}R)/∂ shader.diffuse"),
        ],
    )
    def test_the_cotangent(self, cotangents, title):
        images = jacobian_images({"shader.diffuse": np.zeros((1, 1, len(cotangents)))}, cotangents=cotangents)
        assert jacobian_pictures.column_title(images, images.columns[0]) == title
