"""What is compared with what: the surroundings of pixels, references, tolerances, and what is left out."""

import dataclasses

import numpy as np
import pytest
import reference
from scenes import moved, pipeline_of

import tdr
from tdr.check.comparison import Comparison, compare, compare_direction
from tdr.check.surroundings import Surroundings, visibility_changes
from tdr.config.parameters import Reads, columns_of
from tdr.derivatives.finite_difference import STEPS
from tdr.derivatives.step_units import Extents
from tdr.results.check_result import Place

KINDS = [("perspective", "blinn_phong"), ("orthographic", "lambertian"), ("orthographic", "blinn_phong")]
WALL = tdr.TriangleMesh([[-9, -9, 0], [9, -9, 0], [0, 9, 0]], [[0, 1, 2]])


def computed(pipeline: tdr.Pipeline, subset=None, **arguments) -> tuple[tdr.JacobianImages, Surroundings]:
    jacobian = tdr.compute_jacobian(pipeline, "all", **{"cotangent": "rgb", **arguments})
    subset = np.arange(len(pipeline.passes.rasterizer.pixels)) if subset is None else subset
    return jacobian, Surroundings(pipeline.passes, subset)


def exact(pipeline: tdr.Pipeline, jacobian: tdr.JacobianImages) -> np.ndarray:
    """The derivatives of the covered pixels by complex steps, (D, N, C)."""
    images = reference.jacobian(reference.Scene.of(pipeline), jacobian.triangle_id)
    columns = [images[c.parameter.name][(..., *c.index)] for c in jacobian.columns]
    return np.stack([c[jacobian.triangle_id >= 0] @ jacobian.cotangents.T for c in columns])


# Surroundings


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(
    "pipeline",
    [
        lambda: pipeline_of(resolution=(19, 16)),
        lambda: pipeline_of(mesh=tdr.TriangleMesh.cube()),
        lambda: pipeline_of(mesh=tdr.TriangleMesh.torus_knot(1), resolution=(24, 31)),
        lambda: tdr.Pipeline(WALL, resolution=(3, 4)),
    ],
)
def test_the_neighbours_of_every_pixel(pipeline, rng):
    """The edge of the image is no neighbour. A neighbour that sees an adjacent triangle belongs to the surface."""
    pipeline = pipeline()
    pipeline.forward()
    subset = rng.permutation(len(pipeline.passes.rasterizer.pixels))
    surroundings = Surroundings(pipeline.passes, subset)
    ids, triangles = pipeline.passes.rasterizer.triangle_id_buffer, pipeline.mesh.triangles
    height, width = ids.shape
    for n, pixel in enumerate(surroundings.pixels):
        row, column = divmod(int(pixel), width)
        around = {
            int(ids[r, c])
            for r in range(max(row - 1, 0), min(row + 2, height))
            for c in range(max(column - 1, 0), min(column + 2, width))
        } - {int(ids[row, column])}
        own = set(triangles[ids[row, column]].tolist())
        silhouette = any(i < 0 or not own & set(triangles[i].tolist()) for i in around)
        assert surroundings.place[n] == (Place.boundary if silhouette else Place.interior)
        assert surroundings.beside_another[n] == bool(around)
    np.testing.assert_array_equal(surroundings.pixels, pipeline.passes.rasterizer.pixels[subset])
    image = rng.normal(size=(height, width, 2)).astype(np.float32)
    values = surroundings.of_image(image)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, image[surroundings.pixels // width, surroundings.pixels % width])


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("camera", ["perspective", "orthographic"])
def test_the_way_to_the_eye(camera):
    pipeline = pipeline_of(camera)
    _, surroundings = computed(pipeline)
    expected = reference.intersect(reference.Scene.of(pipeline), pipeline.passes.rasterizer.triangle_id_buffer).to_eye
    eps = 16 * np.finfo(pipeline.output_buffer.values.dtype).eps
    np.testing.assert_allclose(surroundings.to_eye(), expected, rtol=0, atol=eps)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(
    ("direction", "edge"),
    [
        ([1.0, 0.0, 0.0], Place.light_edge),  # n.l = 0
        ([1e-5, 0.0, 1.0], Place.highlight_edge),  # n.h nearly 0: l nearly opposite to v
        ([1.0, -1.0, -1.0], 0),
        ([0.0, -1.0, 1e-2], 0),
    ],
)
def test_edges_of_lights_and_highlights(direction, edge):
    lights = tdr.DirectionalLightArray(direction=[[0.3, 0.2, -1.0], direction])
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, 2.0])
    pipeline = tdr.Pipeline(WALL, camera, lights, resolution=(3, 4))
    _, surroundings = computed(pipeline)
    np.testing.assert_array_equal(surroundings.edges(), edge)
    np.testing.assert_array_equal(surroundings.opposite, edge == Place.highlight_edge)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("camera", ["perspective", "orthographic"])
def test_visibility_changes_are_those_of_a_moved_scene(camera):
    pipeline = pipeline_of(camera, resolution=(21, 24))
    pipeline.forward()
    steps, seen = np.array([0.1, 0.02, 0.001]), pipeline.passes.rasterizer.triangle_id_buffer
    changing = 0
    for column in columns_of(pipeline.parameters, 3):
        if column.parameter.reads is Reads.POSE:
            changes = visibility_changes(pipeline.passes, [column], np.array([2.0]), steps)
            expected = np.zeros_like(changes)
            for j, step in enumerate(steps):
                for signed in (2.0 * step, -2.0 * step):
                    other = moved(pipeline, column.parameter.name, column.index, signed)
                    other.passes.find_visible()
                    expected[j] |= (other.passes.rasterizer.triangle_id_buffer != seen)[seen >= 0]
            np.testing.assert_array_equal(changes, expected, err_msg=column.name)
            changing += changes.any(axis=1)
    assert (changing[:2] > 8).all()
    light = [column for column in columns_of(pipeline.parameters, 3) if column.name == "light.direction.0.x"]
    assert not visibility_changes(pipeline.passes, light, np.array([1.0])).any()


# Comparisons


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("cotangent", ["rgb", [0.5, -2.0, 1.0]])
def test_references_are_right_within_tolerances_that_are_narrow(precision, kind, moving, cotangent):
    pipeline = pipeline_of(*kind)
    jacobian, surroundings = computed(pipeline, cotangent=cotangent)
    comparison = compare(
        pipeline.passes, jacobian, jacobian.columns, surroundings, Extents.of(pipeline.passes), moving=moving
    )
    expected = exact(pipeline, jacobian)
    assert comparison.tested.shape == comparison.reference.shape == comparison.tolerance.shape == expected.shape
    for column, tested in zip(jacobian.columns, comparison.tested, strict=True):
        np.testing.assert_array_equal(tested, surroundings.of_image(jacobian.column(column)))
    known = comparison.comparable
    assert known.all(axis=2).mean() > 0.97
    np.testing.assert_array_equal(comparison.places[known.all(axis=2)], np.broadcast_to(
        surroundings.place, comparison.places.shape)[known.all(axis=2)])  # fmt: skip
    off = np.abs(comparison.reference - expected)
    assert (off <= comparison.tolerance)[known].all()
    assert (np.abs(comparison.tested - expected) <= comparison.tolerance)[known].all()
    assert (comparison.rounding <= comparison.tolerance).all()
    largest = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert np.median(comparison.tolerance / largest) < {"f64": 1e-8, "f32": 1e-4}[precision.value]
    assert (comparison.excess[known] <= 1.0).all()


@pytest.mark.usefixtures("f64")
def test_differences_and_multiples_of_the_tolerance():
    pipeline = pipeline_of()
    jacobian, surroundings = computed(pipeline)
    comparison = compare(
        pipeline.passes, jacobian, jacobian.columns, surroundings, Extents.of(pipeline.passes), moving=False
    )
    tested, places = comparison.reference.copy(), comparison.places.copy()
    tested[3, 4, 1] += 2.5 * comparison.tolerance[3, 4, 1]
    tested[3, 5, 1], tested[3, 6, 1] = np.nan, -np.inf
    places[3, 7] = Place.kink
    changed: Comparison = dataclasses.replace(comparison, tested=tested, places=places)
    assert changed.difference[3, 4, 1] == pytest.approx(2.5 * comparison.tolerance[3, 4, 1], rel=1e-3)
    assert changed.excess[3, 4, 1] == pytest.approx(2.5, rel=1e-3)
    assert changed.difference[3, 5, 1] == changed.difference[3, 6, 1] == np.inf
    assert changed.excess[3, 5, 1] == changed.excess[3, 6, 1] == np.inf
    assert np.isnan(changed.difference[3, 7]).all()
    assert np.isnan(changed.excess[3, 7]).all()
    assert not changed.comparable[3, 7].any()
    changed.excess[3, 4:8] = 0.0
    others = np.delete(changed.excess, 3, axis=0)
    assert not others.any()


@pytest.mark.usefixtures("f64")
def test_a_direction_is_the_sum_of_the_columns(rng):
    pipeline = pipeline_of()
    pipeline.forward()
    subset = rng.permutation(len(pipeline.passes.rasterizer.pixels))[:20]
    jacobian, surroundings = computed(pipeline, subset)
    direction = rng.normal(size=len(jacobian.columns))
    comparison = compare_direction(
        pipeline.passes, jacobian, direction, surroundings, Extents.of(pipeline.passes), STEPS[5:]
    )
    expected = np.tensordot(direction, exact(pipeline, jacobian)[:, subset], axes=1)
    assert comparison.tested.shape == (1, 20, 3)
    assert comparison.comparable.all()
    for values in (comparison.tested[0], comparison.reference[0]):
        assert (np.abs(values - expected) <= comparison.tolerance[0]).all()
    assert (comparison.tolerance < 1e-5 * np.abs(expected).max()).all()


# What is left out


@pytest.mark.usefixtures("precision")
def test_kinks_at_the_edge_of_a_light_are_named_so():
    lights = tdr.DirectionalLightArray(direction=[[1.0, 0.0, 0.0]])
    pipeline = tdr.Pipeline(WALL, None, lights, tdr.LambertianShader(), resolution=(4, 4))
    jacobian, surroundings = computed(pipeline)
    comparison = compare(
        pipeline.passes, jacobian, jacobian.columns, surroundings, Extents.of(pipeline.passes), moving=False
    )
    for column, places in zip(jacobian.columns, comparison.places, strict=True):
        kink = column.name in ("light.direction.0.z", "mesh.rotation.y")
        np.testing.assert_array_equal(places, Place.light_edge if kink else Place.interior, err_msg=column.name)


@pytest.mark.usefixtures("precision")
def test_a_light_straight_from_behind_is_left_out_where_there_is_no_half_vector():
    shader = tdr.BlinnPhongShader(shininess=2.0)
    lights = tdr.DirectionalLightArray(direction=[[0.0, 0.0, 1.0]])
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, 3.5])
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), camera, lights, shader, resolution=(12, 12))
    jacobian, surroundings = computed(pipeline)
    assert surroundings.opposite.all()
    comparison = compare(
        pipeline.passes, jacobian, jacobian.columns, surroundings, Extents.of(pipeline.passes), moving=False
    )
    for column, places in zip(jacobian.columns, comparison.places, strict=True):
        if column.name in ("light.direction.0.x", "light.direction.0.y", "camera.rotation.x", "camera.rotation.y"):
            assert np.isin(places, (Place.highlight_edge, Place.imprecise)).all(), column.name
            assert np.mean(places == Place.highlight_edge) > 0.9
    assert not (comparison.excess > 1.0).any()


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("mesh", [WALL, tdr.TriangleMesh.sphere(3)], ids=["wall", "sphere"])
def test_a_sharp_highlight_is_compared_rightly(mesh):
    """Rounding of a unit vector's length counts 1e5 times in its power, also where the normal's components are 0."""
    lights = tdr.DirectionalLightArray(direction=[[0.0, -0.001, -1.0]])
    camera, shader = tdr.PerspectiveCamera(fov=0.72), tdr.BlinnPhongShader(shininess=1e5)
    pipeline = tdr.Pipeline(mesh, camera, lights, shader, resolution=(12, 12))
    jacobian, surroundings = computed(pipeline)
    comparison = compare(
        pipeline.passes, jacobian, jacobian.columns, surroundings, Extents.of(pipeline.passes), moving=False
    )
    assert comparison.comparable.mean() > 0.9
    assert not (comparison.excess > 1.0).any()
