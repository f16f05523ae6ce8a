"""Where a formula has a kink or a pole: the values and derivatives of one pixel, written out by hand."""

import numpy as np
import pytest

import tdr
from tdr import backend

HALF = np.sqrt(0.5)
# Triangles that fill the only pixel, whose ray runs along -z from (0, 0, 1): one faces the camera, one is tilted
# by 45 degrees about the y axis.
FRONTAL = [[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [0.0, 9.0, 0.0]]
TILTED = [[-9.0, -9.0, 9.0], [9.0, -9.0, -9.0], [0.0, 9.0, 0.0]]
AMBIENT, DIFFUSE, SPECULAR, SHININESS = 0.25, 0.5, 0.75, 4.0


def jacobian_of(corners, direction, color=1.0, albedo=1.0, shininess=SHININESS) -> tdr.JacobianImages:
    """The Jacobian of the red channel; every number in it must be finite."""
    pipeline = tdr.Pipeline(
        tdr.TriangleMesh(corners, [[0, 1, 2]]),
        tdr.PerspectiveCamera(position=[0.0, 0.0, 1.0]),
        tdr.DirectionalLightArray(direction=[direction], color=[[color] * 3]),
        tdr.BlinnPhongShader(ambient=AMBIENT, diffuse=DIFFUSE, specular=SPECULAR, shininess=shininess),
        tdr.MeshConfig(albedo=[albedo] * 3),
        resolution=(1, 1),
    )
    jacobian = tdr.compute_jacobian(pipeline, "all", cotangent=[1.0, 0.0, 0.0])
    assert (jacobian.triangle_id == 0).all()
    for name, array in jacobian.arrays().items():
        assert np.isfinite(array).all(), name
    return jacobian


def assert_shading(jacobian: tdr.JacobianImages, image: float, **expected: float | list[float]) -> None:
    """The derivatives by all that shading reads; what is not given is 0."""
    atol = 100 * np.finfo(backend.dtype()).eps  # fewer than a hundred roundings of numbers of about 1
    np.testing.assert_allclose(jacobian.image[0, 0], image, rtol=0, atol=atol)
    for name in ("direction", "color", "ambient", "diffuse", "specular", "shininess", "albedo"):
        values = next(values for key, values in jacobian.values.items() if key.endswith("." + name))[0, 0, 0].reshape(
            -1
        )
        wanted = np.zeros(len(values))
        wanted[: np.size(expected.get(name, 0.0))] = expected.get(name, 0.0)  # red comes first
        np.testing.assert_allclose(values, wanted, rtol=0, atol=atol, err_msg=name)


@pytest.mark.usefixtures("precision")
def test_light_at_a_grazing_angle():
    """n.l = 0: the diffuse term and its derivative are 0. h = (-1, 0, 1) / sqrt 2, so n.h = sqrt 1/2."""
    highlight = HALF**SHININESS
    # l = (-1, 0, 0). d(n.h)/dl = (n - (n.h) h) / |l + v| = (1/2, 0, 1/2) / sqrt 2; l may turn, not grow, and l = -d.
    slope = SPECULAR * SHININESS * HALF ** (SHININESS - 1) * np.array([0.0, 0.0, -0.5 * HALF])
    assert_shading(
        jacobian_of(FRONTAL, [1.0, 0.0, 0.0]),
        AMBIENT + SPECULAR * highlight,
        direction=slope,
        color=SPECULAR * highlight,
        ambient=1.0,
        specular=highlight,
        shininess=SPECULAR * highlight * np.log(HALF),
        albedo=AMBIENT,
    )


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("shininess", [SHININESS, 0.5, 0.0])
def test_halfway_vector_in_the_surface(shininess):
    """n.h = 0, where a power of 0 and its logarithm would be: no highlight, no derivative."""
    assert_shading(jacobian_of(TILTED, [1.0, 0.0, 0.0], shininess=shininess), AMBIENT, ambient=1.0, albedo=AMBIENT)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("corners", [FRONTAL, TILTED])
def test_light_along_the_view_from_behind(corners):
    """l = -v: the half-way vector does not exist."""
    assert_shading(jacobian_of(corners, [0.0, 0.0, 1.0]), AMBIENT, ambient=1.0, albedo=AMBIENT)


@pytest.mark.usefixtures("precision")
def test_light_along_the_view():
    """n.l = n.h = 1: the top of the highlight, where the logarithm is 0 and no turn of the light changes anything."""
    assert_shading(
        jacobian_of(FRONTAL, [0.0, 0.0, -1.0]),
        AMBIENT + DIFFUSE + SPECULAR,
        color=DIFFUSE + SPECULAR,
        ambient=1.0,
        diffuse=1.0,
        specular=1.0,
        albedo=AMBIENT + DIFFUSE,
    )


@pytest.mark.usefixtures("precision")
def test_a_highlight_without_shininess():
    """The power is 1 wherever n.h > 0. Here n.l = 1 and h is at 22.5 degrees from n = (1, 0, 1) / sqrt 2."""
    cosine_half = np.cos(np.pi / 8)
    assert_shading(
        jacobian_of(TILTED, [-1.0, 0.0, -1.0], shininess=0.0),
        AMBIENT + DIFFUSE + SPECULAR,
        color=DIFFUSE + SPECULAR,
        ambient=1.0,
        diffuse=1.0,
        specular=1.0,
        shininess=SPECULAR * np.log(cosine_half),
        albedo=AMBIENT + DIFFUSE,
    )


@pytest.mark.usefixtures("precision")
def test_a_black_light():
    assert_shading(
        jacobian_of(FRONTAL, [0.0, 0.0, -1.0], color=0.0),
        AMBIENT,
        color=DIFFUSE + SPECULAR,
        ambient=1.0,
        albedo=AMBIENT,
    )


@pytest.mark.usefixtures("precision")
def test_a_black_mesh():
    assert_shading(
        jacobian_of(FRONTAL, [0.0, 0.0, -1.0], albedo=0.0),
        SPECULAR,
        color=SPECULAR,
        specular=1.0,
        albedo=AMBIENT + DIFFUSE,
    )


@pytest.mark.usefixtures("precision")
def test_a_triangle_thinner_than_the_precision():
    """Visibility, in float64, finds it at the pixels of its left edge; in float32 its corners are on one line."""
    sliver = tdr.TriangleMesh([[1.0, -1.0, 0.0], [1.0 + 1e-9, 0.0, 0.0], [1.0, 1.0, 0.0]], [[0, 1, 2]])
    camera = tdr.PerspectiveCamera(position=[1.0, 0.0, 3.5])
    jacobian = tdr.compute_jacobian(tdr.Pipeline(sliver, camera, resolution=(5, 5)), "all")
    assert (jacobian.triangle_id[:, 2] == 0).any()
    for name, array in jacobian.arrays().items():
        assert np.isfinite(array).all(), name
