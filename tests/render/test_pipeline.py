"""Images: against the reference, and what must hold for any renderer."""

import numpy as np
import pytest
import reference
from scenes import moved, pipeline_of

import tdr
from tdr import backend
from tdr.config import Config, Shading
from tdr.errors import InputError

BOTH = [("perspective", "blinn_phong"), ("orthographic", "lambertian")]


def render(pipeline: tdr.Pipeline) -> np.ndarray:
    pipeline.forward()
    return pipeline.output_buffer.to_numpy()


def rounding(pipeline: tdr.Pipeline) -> np.ndarray:
    """What rounding may do to each pixel's colour, (H, W, 1).

    About thirty roundings in the precision of the run, and as many of the geometry, in float64, times its condition
    number; both times the exponent of the highlight, which multiplies the relative error of its cosine.
    """
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    exponent = max(1.0, getattr(pipeline.shader.settings, "shininess", 1.0))
    bound = np.zeros((*ids.shape, 1))
    geometry = reference.condition(reference.Scene.of(pipeline), ids)
    bound[ids >= 0, 0] = np.finfo(backend.dtype()).eps + np.finfo(np.float64).eps * geometry
    return 30.0 * exponent * bound


def assert_as_reference(pipeline: tdr.Pipeline) -> None:
    image = render(pipeline)
    scene = reference.Scene.of(pipeline)
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    np.testing.assert_array_equal(ids, reference.find_visible(scene).triangle_id)
    assert (ids >= 0).sum() > 20
    assert image.dtype == backend.dtype()
    error = np.abs(image - reference.render(scene, ids))
    assert (error <= rounding(pipeline)).all(), f"{error.max()} somewhere, {rounding(pipeline).max()} allowed"


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_images_are_those_of_the_reference(camera, shader):
    assert_as_reference(pipeline_of(camera, shader))


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("mesh", [tdr.TriangleMesh.sphere(1), tdr.TriangleMesh.cube()], ids=["sphere", "cube"])
@pytest.mark.parametrize("shading", Shading)
def test_kinds_of_normals(mesh, shading):
    assert_as_reference(pipeline_of("orthographic", "blinn_phong", mesh, shading=shading))


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("start", [0, 1])
def test_an_open_mesh_is_shaded_on_the_side_that_the_camera_sees(start):
    """Every second triangle of a torus: both sides of its wall are in sight."""
    torus = tdr.TriangleMesh.torus(0)
    pipeline = pipeline_of("perspective", "lambertian", tdr.TriangleMesh(torus.vertices, torus.triangles[start::2]))
    assert_as_reference(pipeline)
    scene = reference.Scene.of(pipeline)
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    surface = reference.intersect(scene, ids)
    corners = scene.corners_world()[ids[ids >= 0]]
    winding = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.sum(winding * surface.to_eye, axis=1) > 0.0
    assert facing.any()
    assert not facing.all()


@pytest.mark.usefixtures("f64")
def test_a_sheet_looks_the_same_from_both_sides():
    """Turned by half a turn about the vertical axis and mirrored, with the light from the camera."""
    corners = np.array([[-0.7, -0.6, 0.0], [0.8, -0.5, 0.0], [0.1, 0.9, 0.0]])
    images = [
        render(tdr.Pipeline(tdr.TriangleMesh(corners * [mirror, 1, 1], [[0, 1, 2]]), resolution=(16, 16)))
        for mirror in (1, -1)
    ]
    assert (images[0] > 0.0).any()
    np.testing.assert_allclose(images[1], images[0][:, ::-1], rtol=0, atol=1e3 * np.finfo(np.float64).eps)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_g_buffer(camera, shader):
    pipeline = pipeline_of(camera, shader)
    pipeline.forward()
    images = pipeline.passes.compute_g_buffer()
    scene = reference.Scene.of(pipeline)
    ids = images["triangle_id"]
    np.testing.assert_array_equal(ids, pipeline.passes.rasterizer.triangle_id_buffer)
    surface = reference.intersect(scene, ids)
    expected = {
        "barycentrics": surface.barycentrics,
        "position_world": surface.position,
        "normal_world": surface.normal,
        "albedo": scene.values["mesh.albedo"] * surface.albedo,
        "depth_ndc": surface.depth_ndc[:, None],
    }
    covered = ids >= 0
    bound = rounding(pipeline)[covered] * 4.0  # coordinates are up to 4 in size
    for name, values in expected.items():
        image = images[name].reshape(*ids.shape, -1)
        assert np.isnan(image[~covered]).all()
        assert (np.abs(image[covered] - values) <= bound).all(), name


# Laws of light


@pytest.mark.usefixtures("f64")
def test_images_are_linear_in_colors_and_constants():
    """Doubling is exact in floating point, so these are equalities."""
    pipeline = pipeline_of(num_lights=1)
    pipeline.shader.settings.ambient = 0.0
    image = render(pipeline)
    pipeline.light_array.set_light_color(0, 2.0 * pipeline.light_array.colors()[0])
    np.testing.assert_array_equal(render(pipeline), 2.0 * image)
    settings = pipeline.shader.settings
    settings.diffuse, settings.specular = 0.5 * settings.diffuse, 0.5 * settings.specular
    np.testing.assert_array_equal(render(pipeline), image)
    settings.specular = 0.0
    diffuse = render(pipeline)
    pipeline.placement.albedo = [2.0 * a for a in pipeline.placement.albedo]
    np.testing.assert_array_equal(render(pipeline), 2.0 * diffuse)


@pytest.mark.usefixtures("f64")
def test_lights_add_up():
    together = pipeline_of(num_lights=3)
    image = render(together)
    light_array = together.light_array
    lone = pipeline_of(num_lights=1)
    total = np.zeros_like(image)
    for direction, color in zip(light_array.directions(), light_array.colors(), strict=True):
        lone.light_array.set_light_direction(0, direction)
        lone.light_array.set_light_color(0, color)
        total += render(lone)
        lone.shader.settings.ambient = 0.0
    np.testing.assert_allclose(total, image, rtol=16 * np.finfo(np.float64).eps, atol=0)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("resolution", [(16, 16), (15, 15)])
def test_the_frontal_sphere_is_its_own_mirror_image(resolution):
    """Mesh, light and camera are symmetric; in odd widths the middle column lies on edges, where shading is smooth."""
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), resolution=resolution)
    image = render(pipeline)
    bound = np.maximum(rounding(pipeline), rounding(pipeline)[:, ::-1])
    assert (np.abs(image - image[:, ::-1]) <= bound).all()
    assert len(np.unique(image)) > 20


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_turning_and_moving_everything_changes_nothing(camera, shader, rng):
    pipeline = pipeline_of(camera, shader)
    image, ids = render(pipeline), pipeline.passes.rasterizer.triangle_id_buffer.copy()
    for axis_angle, shift in rng.normal(size=(5, 2, 3)):
        turn = reference.rotation(axis_angle)
        other = pipeline_of(camera, shader)
        placement, settings = other.placement, other.camera.settings
        for pose in (placement, settings):
            pose.rotation = reference.axis_angle(turn @ reference.rotation(pose.rotation)).tolist()
        placement.translation = (turn @ placement.translation + shift).tolist()
        settings.position = (turn @ settings.position + shift).tolist()
        for i, direction in enumerate(other.light_array.directions()):
            other.light_array.set_light_direction(i, turn @ direction)
        # Coordinates become up to three times as large, and their rounding with them.
        assert (np.abs(render(other) - image) <= 3.0 * rounding(pipeline)).all()
        np.testing.assert_array_equal(other.passes.rasterizer.triangle_id_buffer, ids)


# State


@pytest.mark.usefixtures("f64")
def test_the_background_is_black_also_after_the_mesh_has_moved():
    pipeline = pipeline_of()
    for x in (0.1, -0.5, 0.6, 50.0):
        pipeline.placement.translation = [x, 0.0, 0.0]
        image = render(pipeline)
        background = pipeline.passes.rasterizer.triangle_id_buffer < 0
        assert background.any()
        assert (image[background] == 0.0).all()
        assert (image[~background] > 0.0).all()
    assert background.all(), "at last it is out of sight"


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("camera", "shader"), BOTH)
def test_every_setting_takes_effect_at_the_next_forward(camera, shader):
    """And the image is that of a new pipeline with the same settings, to the bit."""
    pipeline = pipeline_of(camera, shader)
    image = render(pipeline)
    for parameter in pipeline.parameters:
        index = {0: (), 1: (1,), 2: (2, 0)}[len(parameter.shape(3))]
        fresh = moved(pipeline, parameter.name, index, 0.03)
        pipeline.camera.settings, pipeline.placement = fresh.camera.settings, fresh.placement
        pipeline.light_array.settings, pipeline.shader.settings = fresh.light_array.settings, fresh.shader.settings
        last, image = image, render(pipeline)
        assert (image != last).any(), parameter.name
        np.testing.assert_array_equal(image, render(fresh), err_msg=parameter.name)


@pytest.mark.usefixtures("f64")
def test_pipelines_do_not_disturb_each_other():
    pipelines = [pipeline_of(num_lights=n, resolution=r) for n, r in ((1, (9, 7)), (3, (12, 16)), (2, (1, 1)))]
    images = [render(p) for p in pipelines]
    gradients = []
    for pipeline in pipelines:
        pipeline.output_buffer.grad.fill(1.0)
        pipeline.backward()
        gradients.append({name: value.copy() for name, value in pipeline.gradients.items()})
    for pipeline in pipelines:
        pipeline.forward()
        pipeline.output_buffer.grad.fill(1.0)
    for pipeline, image, gradient in zip(pipelines, images, gradients, strict=True):
        np.testing.assert_array_equal(pipeline.output_buffer.values, image)
        pipeline.backward()
        for name, value in gradient.items():
            np.testing.assert_array_equal(pipeline.gradients[name], value)


@pytest.mark.usefixtures("f64")
def test_gradients_add_up_until_they_are_cleared():
    pipeline = pipeline_of(resolution=(1, 1))
    pipeline.forward()
    assert not any(gradient.any() for gradient in pipeline.gradients.values())
    pipeline.output_buffer.grad[0, 0] = [1.0, 2.0, 3.0]
    pipeline.backward()
    once = {name: gradient.copy() for name, gradient in pipeline.gradients.items()}
    assert all(gradient.any() for gradient in once.values()), "by default nothing is left out"
    pipeline.backward()
    for name, gradient in pipeline.gradients.items():
        np.testing.assert_array_equal(gradient, 2.0 * once[name])
    light_array = pipeline.light_array
    assert light_array.light_directions.grad[1].y == pipeline.gradients["light.direction"][1, 1]
    assert light_array.light_colors.grad[2].z == pipeline.gradients["light.color"][2, 2]
    pipeline.forward()
    assert not any(gradient.any() for gradient in pipeline.gradients.values())
    assert not pipeline.output_buffer.grad.any()


@pytest.mark.usefixtures("f64")
def test_pipelines_with_one_light_array_share_its_settings_and_no_gradients():
    lights = tdr.DirectionalLightArray(direction=[[1, -1, -1], [0, 0, -1]])
    one, other = (tdr.Pipeline(tdr.TriangleMesh.sphere(n), light_array=lights, resolution=(9, 9)) for n in (1, 2))
    gradients = []
    for pipeline in (one, other):
        pipeline.forward()
        pipeline.output_buffer.grad.fill(1.0)
        pipeline.backward()
        gradients.append({name: gradient.copy() for name, gradient in pipeline.gradients.items()})
    assert (gradients[0]["light.direction"] != gradients[1]["light.direction"]).any()
    for pipeline, expected in zip((one, other), gradients, strict=True):
        assert all((pipeline.gradients[name] == expected[name]).all() for name in expected)
        assert pipeline.light_array.light_directions.grad[1].x == expected["light.direction"][1, 0]
        assert pipeline.light_array.light_colors.grad[0].z == expected["light.color"][0, 2]
    other.forward()
    assert (one.gradients["light.direction"] == gradients[0]["light.direction"]).all()
    assert not other.gradients["light.direction"].any()
    lights.set_light_direction(0, [0, -1, 0])
    one.light_array.set_light_color(1, [3, 2, 1])
    for array in (lights, one.light_array, other.light_array):
        np.testing.assert_array_equal(array.directions()[0], [0, -1, 0])
        np.testing.assert_array_equal(array.colors()[1], [3, 2, 1])


@pytest.mark.usefixtures("f64")
def test_a_light_array_of_several_pipelines_does_not_say_whose_gradient_it_has():
    lights = tdr.DirectionalLightArray()
    assert lights.light_directions.grad[0].x == 0.0, "no pipeline has added anything"
    pipelines = [tdr.Pipeline(tdr.TriangleMesh.sphere(1), light_array=lights, resolution=(4, 4)) for _ in range(2)]
    with pytest.raises(InputError, match=r"an array that 2 pipelines have\. Read it of pipeline\.light_array"):
        _ = lights.light_directions
    pipelines.pop()
    pipelines[0].gradients["light.direction"][0] = [1.0, 2.0, 3.0]
    assert lights.light_directions.grad[0].y == 2.0


@pytest.mark.usefixtures("f64")
def test_parts_may_be_exchanged_for_others_with_the_same_parameters():
    pipeline = pipeline_of(num_lights=2)
    fresh = pipeline_of("perspective", "blinn_phong", num_lights=2)
    fresh.camera.settings.fov, fresh.shader.settings.diffuse, fresh.placement.scale = 50.0, 0.3, 1.2
    fresh.light_array.set_light_direction(1, [0, -1, -1])
    for name in ("camera", "light_array", "shader", "placement"):
        setattr(pipeline, name, getattr(fresh, name))
    np.testing.assert_array_equal(render(pipeline), render(fresh))
    pipeline.output_buffer.grad.fill(1.0)
    pipeline.backward()
    assert pipeline.light_array.light_directions.grad[1].y == pipeline.gradients["light.direction"][1, 1] != 0.0
    assert not fresh.gradients["light.direction"].any()
    for name, part in (
        ("camera", tdr.OrthographicCamera()),
        ("light_array", tdr.DirectionalLightArray()),
        ("shader", tdr.LambertianShader()),
    ):
        with pytest.raises(InputError, match=rf"pipeline\.{name} must have .* another {type(part).__name__}"):
            setattr(pipeline, name, part)
    with pytest.raises(AttributeError, match="mesh"):
        pipeline.mesh = tdr.TriangleMesh.cube()


def test_what_a_pipeline_shows():
    names = {name for name in dir(tdr.Pipeline) if not name.startswith("_")}
    parts = {"mesh", "camera", "light_array", "shader", "placement", "resolution", "parameters", "output_buffer"}
    assert names == parts | {"from_config", "forward", "backward", "clear_gradients"}


@pytest.mark.usefixtures("f64")
def test_nothing_is_pulled_back_before_it_was_rendered():
    pipeline = pipeline_of(resolution=(1, 1))
    pipeline.output_buffer.grad.fill(1.0)
    with pytest.raises(InputError, match=r"pipeline\.forward\(\) must come before pipeline\.backward\(\); got none\."):
        pipeline.backward()


@pytest.mark.usefixtures("f64")
def test_an_image_keeps_its_size():
    pipeline = pipeline_of()
    with pytest.raises(AttributeError, match="resolution"):
        pipeline.resolution = (2, 2)


@pytest.mark.usefixtures("f64")
def test_a_config_describes_the_same_scene():
    pipeline = pipeline_of()
    config = Config(
        mesh=pipeline.placement,
        camera=pipeline.camera.settings,
        light=pipeline.light_array.settings,
        shader=pipeline.shader.settings,
    )
    config.image.height, config.image.width = pipeline.resolution
    built = tdr.Pipeline.from_config(config, pipeline.mesh)
    assert built.parameters == config.known_parameters()
    np.testing.assert_array_equal(render(built), render(pipeline))


@pytest.mark.parametrize("resolution", [(0, 4), (4, -1), (2.5, 4)])
def test_the_resolution_is_checked(resolution):
    with pytest.raises(InputError, match=r"image\.(height|width) must"):
        tdr.Pipeline(tdr.TriangleMesh.sphere(0), resolution=resolution)


def test_a_pipeline_ends_with_its_taichi(restart):
    """And nothing of the precision is left behind: neither in what is seen nor in the numbers."""
    old = [pipeline_of(*names, resolution=(40, 40)) for names in BOTH]
    symmetric = tdr.Pipeline(tdr.TriangleMesh.sphere(2), resolution=(33, 33))  # many pixel centres on edges
    ids = []
    for pipeline in (*old, symmetric):
        pipeline.passes.find_visible()
        ids.append(pipeline.passes.rasterizer.triangle_id_buffer.copy())
    restart()
    first, passes = old[0], old[0].passes
    for use in (first.forward, first.backward, passes.find_visible, passes.render, passes.compute_g_buffer):
        with pytest.raises(InputError, match=r"pipeline must be used in the Taichi that it was made in; .* again"):
            use()
    for pipeline, expected in zip((*old, symmetric), ids, strict=True):
        again = tdr.Pipeline(
            pipeline.mesh, pipeline.camera, placement=pipeline.placement, resolution=pipeline.resolution
        )
        again.passes.find_visible()
        np.testing.assert_array_equal(again.passes.rasterizer.triangle_id_buffer, expected)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda p: setattr(p.placement, "scale", -1.0), "mesh.scale"),
        (lambda p: setattr(p.camera.settings, "fov", 400.0), "camera.fov"),
        (lambda p: setattr(p.light_array.settings, "direction", [[0, 0, 0]]), "light.direction"),
        (lambda p: setattr(p.shader.settings, "shininess", float("nan")), "shader.shininess"),
    ],
)
def test_a_setting_that_is_changed_is_checked(change, key):
    pipeline = tdr.Pipeline(tdr.TriangleMesh.cube(), resolution=(4, 4))
    change(pipeline)
    with pytest.raises(tdr.InputError, match=key):
        pipeline.forward()


def test_the_kind_of_normals_can_be_changed():
    mesh = tdr.TriangleMesh.sphere(1)
    pipeline = tdr.Pipeline(mesh, placement=tdr.MeshConfig(), resolution=(16, 16))
    smooth = render(pipeline)
    pipeline.placement.shading = Shading.flat
    flat = tdr.Pipeline(mesh, placement=tdr.MeshConfig(shading=Shading.flat), resolution=(16, 16))
    np.testing.assert_array_equal(render(pipeline), render(flat))
    assert not np.array_equal(smooth, render(flat))
