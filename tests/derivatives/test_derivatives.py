"""Jacobian images against other derivatives: complex steps, central differences, closed forms, and identities."""

import numpy as np
import pytest
import reference
from scenes import moved, pipeline_of

import tdr
from tdr import backend
from tdr.config import Shading

EPS = np.finfo(np.float64).eps
BOTH = [("perspective", "blinn_phong"), ("orthographic", "lambertian")]


def rounding(pipeline: tdr.Pipeline) -> float:
    """What rounding may do to a derivative, as a part of the largest one.

    About thirty roundings in the precision of the run, and as many of the geometry, in float64, times its worst
    condition number; both times the exponent of the highlight, which multiplies the relative error of its cosine.
    """
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    exponent = max(1.0, getattr(pipeline.shader.settings, "shininess", 1.0))
    geometry = reference.condition(reference.Scene.of(pipeline), ids).max()
    return float(30.0 * exponent * (np.finfo(backend.dtype()).eps + EPS * geometry))


def assert_as_complex_step(pipeline: tdr.Pipeline) -> None:
    jacobian = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    expected = reference.jacobian(reference.Scene.of(pipeline), jacobian.triangle_id)
    assert set(expected) == set(jacobian.values)
    assert (jacobian.triangle_id >= 0).sum() > 20
    for name, values in expected.items():
        largest = np.abs(values).max()
        assert largest > 0.0, name
        atol = rounding(pipeline) * largest
        np.testing.assert_allclose(jacobian[name], values, rtol=0, atol=atol, err_msg=name)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_every_parameter_against_complex_steps(camera, shader):
    assert_as_complex_step(pipeline_of(camera, shader))


@pytest.mark.usefixtures("f64")
def test_the_highlight_in_parallel_projection_against_complex_steps():
    assert_as_complex_step(pipeline_of("orthographic", "blinn_phong"))


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("shading", list(Shading))
@pytest.mark.parametrize("camera", ["perspective", "orthographic"])
def test_an_open_mesh_from_its_back_against_complex_steps(camera, shading, rng):
    """A crumpled sheet whose triangles run clockwise as the camera sees them: the shading normal is turned round."""
    rows, columns = np.indices((6, 6)).reshape(2, -1)
    vertices = np.column_stack([0.5 * columns - 1.2, 0.5 * rows - 1.2, 0.1 * rng.normal(size=36)])
    corner = np.flatnonzero((rows < 5) & (columns < 5))
    triangles = np.concatenate(
        [np.column_stack([corner, corner + 6, corner + 1]), np.column_stack([corner + 1, corner + 6, corner + 7])]
    )
    pipeline = pipeline_of(camera, "blinn_phong", tdr.TriangleMesh(vertices, triangles), shading=shading)
    pipeline.placement.rotation = [0.1, 0.2, 0.3]
    assert_as_complex_step(pipeline)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_every_parameter_against_central_differences_of_the_renderer(camera, shader):
    """What really happens to a pixel when a setting changes, as long as it goes on seeing the same triangle."""
    pipeline = pipeline_of(camera, shader, num_lights=2)
    jacobian = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    covered = jacobian.triangle_id >= 0
    error_of_image = rounding(pipeline)
    for column in jacobian.columns:

        def image(step, column=column):
            scene = moved(pipeline, column.parameter.name, column.index, step)
            scene.forward()
            same = scene.passes.rasterizer.triangle_id_buffer == jacobian.triangle_id
            return np.where(same[..., None], scene.output_buffer.values, np.nan)

        expected, error = reference.central_difference(image, 2.0 ** -np.arange(5, 15, 3), error_of_image)
        values = jacobian.column(column)
        known = np.isfinite(error)
        assert known[covered].mean() > 0.9, f"{column.name}: too many pixels change their triangle"
        # The bound is worth something only where it is far below the entries.
        assert np.median(error[known]) < 1e-6 * np.abs(values).max(), column.name
        assert (np.abs(values - expected) <= error)[known].all(), column.name


def closed_form(g_buffer: dict, pipeline: tdr.Pipeline) -> dict[str, np.ndarray]:
    """The derivatives of Blinn-Phong reflection, (N, 3 channels, *shape), by the chain rule on paper."""
    covered = g_buffer["triangle_id"] >= 0
    n, position = g_buffer["normal_world"][covered], g_buffer["position_world"][covered]
    shader, factor = pipeline.shader.settings, np.array(pipeline.placement.albedo)
    albedo = g_buffer["albedo"][covered]
    v = reference.normalized(np.array(pipeline.camera.settings.position) - position)
    channels = np.eye(3)
    zero = np.zeros((len(n), 3))
    derivatives = {name: zero.copy() for name in ("shader.diffuse", "shader.specular", "shader.shininess")}
    by_factor = shader.ambient * albedo / factor
    by_direction, by_color = [], []
    for d, color in zip(pipeline.light_array.directions(), pipeline.light_array.colors(), strict=True):
        cosine = np.maximum(0.0, -n @ d)[:, None]
        half = v - d
        length = np.sqrt(reference.dot(half, half))
        h = half / length
        cosine_half = reference.dot(n, h)
        lit = cosine_half > 0.0
        base = np.where(lit, cosine_half, 1.0)
        highlight = np.where(lit, base**shader.shininess, 0.0)
        derivatives["shader.diffuse"] += color * albedo * cosine
        derivatives["shader.specular"] += color * highlight
        derivatives["shader.shininess"] += color * shader.specular * highlight * np.log(base)
        by_factor = by_factor + color * shader.diffuse * cosine * albedo / factor
        by_color.append((shader.diffuse * cosine * albedo + shader.specular * highlight)[..., None] * channels)
        slope = np.where(lit, shader.specular * shader.shininess * base ** (shader.shininess - 1.0), 0.0)
        by_half = slope * (n - cosine_half * h) / length
        by_cosine = shader.diffuse * np.where(cosine > 0.0, 1.0, 0.0) * albedo
        by_light = by_cosine[..., None] * n[:, None, :] + by_half[:, None, :]
        by_direction.append(-color[:, None] * by_light @ (np.eye(3) - np.outer(d, d)))
    return derivatives | {
        "shader.ambient": albedo,
        "mesh.albedo": by_factor[..., None] * channels,
        "light.direction": np.stack(by_direction, axis=2),
        "light.color": np.stack(by_color, axis=2),
    }


@pytest.mark.usefixtures("f64")
def test_blinn_phong_in_closed_form():
    pipeline = pipeline_of(mesh=tdr.TriangleMesh.sphere(2))
    jacobian = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    expected = closed_form(pipeline.passes.compute_g_buffer(), pipeline)
    assert set(expected) == {name for name in jacobian.values if name.startswith(("light", "shader", "mesh.albedo"))}
    for name, values in expected.items():
        np.testing.assert_allclose(
            jacobian[name][jacobian.triangle_id >= 0], values, rtol=0, atol=1e-12 * np.abs(values).max(), err_msg=name
        )


# Identities: what moves nothing on the image has no derivative. They hold at every pixel, without any step.


@pytest.fixture(scope="module", params=[*BOTH, ("orthographic", "blinn_phong")], ids="-".join)
def jacobian_and_pipeline(f64, request):  # noqa: ARG001 (f64 starts Taichi)
    pipeline = pipeline_of(*request.param)
    return tdr.compute_jacobian(pipeline, "all", cotangent="rgb"), pipeline


def assert_cancels(terms: list[np.ndarray], pipeline: tdr.Pipeline) -> None:
    largest = max(np.abs(term).max() for term in terms)
    assert largest > 0.1
    np.testing.assert_allclose(sum(terms), 0.0, rtol=0, atol=rounding(pipeline) * largest)


def test_the_length_of_a_light_direction_does_not_matter(jacobian_and_pipeline):
    jacobian, pipeline = jacobian_and_pipeline
    along = jacobian["light.direction"] @ np.eye(3) * pipeline.light_array.directions()
    assert np.abs(along).max() > 0.1
    np.testing.assert_allclose(along.sum(axis=-1), 0.0, rtol=0, atol=30 * EPS * np.abs(along).max())


def test_moving_the_camera_is_moving_the_mesh_the_other_way(jacobian_and_pipeline):
    jacobian, pipeline = jacobian_and_pipeline
    assert_cancels([jacobian["camera.position"], jacobian["mesh.translation"]], pipeline)


def test_turning_everything_about_the_origin_changes_nothing(jacobian_and_pipeline):
    jacobian, pipeline = jacobian_and_pipeline
    for axis in np.eye(3):
        terms = [
            jacobian["mesh.rotation"] @ axis,
            jacobian["mesh.translation"] @ np.cross(axis, pipeline.placement.translation),
            jacobian["camera.rotation"] @ axis,
            jacobian["camera.position"] @ np.cross(axis, pipeline.camera.settings.position),
            np.sum(jacobian["light.direction"] * np.cross(axis, pipeline.light_array.directions()), axis=(-2, -1)),
        ]
        assert_cancels(terms, pipeline)


def test_scaling_everything_about_the_origin_changes_nothing(jacobian_and_pipeline):
    jacobian, pipeline = jacobian_and_pipeline
    settings = pipeline.camera.settings
    terms = [
        jacobian["mesh.scale"] * pipeline.placement.scale,
        jacobian["mesh.translation"] @ pipeline.placement.translation,
        jacobian["camera.position"] @ settings.position,
    ]
    if pipeline.camera.lens == "camera.height":
        terms.append(jacobian["camera.height"] * settings.height)
    assert_cancels(terms, pipeline)


@pytest.mark.usefixtures("f64")
def test_moving_a_parallel_projection_along_its_axis_changes_nothing():
    pipeline = pipeline_of("orthographic", "blinn_phong")
    jacobian = tdr.compute_jacobian(pipeline, "all", cotangent="rgb")
    along = jacobian["camera.position"] @ pipeline.camera.rotation()[:, 2]
    largest = np.abs(jacobian["camera.position"]).max()
    np.testing.assert_allclose(along, 0.0, rtol=0, atol=rounding(pipeline) * largest)


@pytest.mark.usefixtures("f64")
def test_the_frontal_sphere_has_mirrored_jacobian_images():
    """Under x -> -x the derivative by the direction's x changes its sign, those by y and z stay."""
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), resolution=(16, 16))
    values = tdr.compute_jacobian(pipeline, "all")["light.direction"][:, :, 0, 0]
    bound = rounding(pipeline) * np.abs(values).max()
    np.testing.assert_allclose(values[:, ::-1] * [-1.0, 1.0, 1.0], values, rtol=0, atol=bound)
    assert np.abs(values[..., :2]).max() > 0.1
