"""Visibility: against every triangle at every pixel, and where the planes, the depth and the order decide."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import Scene, find_visible

import tdr
from tdr.errors import InputError

pytestmark = pytest.mark.usefixtures("f64")

CROSSING = (
    [[-1, -1, -1], [1, -1, 1], [1, 1, 1], [-1, 1, -1], [-1, -1, 1], [1, -1, -1], [1, 1, -1], [-1, 1, 1]],
    [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]],
)
MESHES = {
    "sphere": tdr.TriangleMesh.sphere(2),
    "cube": tdr.TriangleMesh.cube(),
    "torus": tdr.TriangleMesh.torus(0),
    "crossing": tdr.TriangleMesh(*CROSSING),
}
TILTED = {"translation": [0.1, -0.2, 0.3], "rotation": [0.4, -0.5, 0.3], "scale": 1.2}


def pipeline_of(vertices, triangles=((0, 1, 2),), resolution=(9, 7), camera=None, **placement) -> tdr.Pipeline:
    mesh = tdr.TriangleMesh(vertices, np.asarray(triangles))
    return tdr.Pipeline(mesh, camera, placement=tdr.MeshConfig(**placement), resolution=resolution)


def visible(pipeline: tdr.Pipeline) -> np.ndarray:
    pipeline.passes.find_visible()
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    np.testing.assert_array_equal(pipeline.passes.rasterizer.pixels, np.flatnonzero(ids >= 0))
    np.testing.assert_array_equal(pipeline.passes.rasterizer.triangle_ids, ids[ids >= 0])
    return ids


def assert_as_reference(pipeline: tdr.Pipeline) -> np.ndarray:
    """Ids are those of the reference; where rounding decides, they are those of a triangle that is there."""
    ids = visible(pipeline)
    expected = find_visible(Scene.of(pipeline))
    np.testing.assert_array_equal(ids[expected.certain], expected.triangle_id[expected.certain])
    return expected.certain


def orthographic(height: float, **settings) -> tdr.OrthographicCamera:
    return tdr.OrthographicCamera(position=[0.0, 0.0, 10.0], height=height, **settings)


@pytest.mark.parametrize("resolution", [(1, 1), (1, 9), (9, 1), (7, 5), (64, 48), (129, 131)])
@pytest.mark.parametrize("name", MESHES)
def test_ids_are_those_of_the_reference(name, resolution):
    pipeline = tdr.Pipeline(MESHES[name], placement=tdr.MeshConfig(**TILTED), resolution=resolution)
    certain = assert_as_reference(pipeline)
    assert certain.all(), "the pose was chosen so that no pixel centre is on an edge"


@pytest.mark.parametrize("camera", [orthographic(3.0, rotation=[0.2, -0.1, 0.3]), tdr.PerspectiveCamera(fov=150.0)])
def test_ids_are_those_of_the_reference_for_other_cameras(camera):
    pipeline = tdr.Pipeline(MESHES["torus"], camera, placement=tdr.MeshConfig(**TILTED), resolution=(33, 40))
    assert assert_as_reference(pipeline).all()


def test_the_nearer_of_two_crossing_surfaces_is_seen():
    """Planes z = x and z = -x: the first is nearer where x > 0, the second where x < 0."""
    ids = visible(pipeline_of(*CROSSING, resolution=(6, 6)))
    np.testing.assert_array_equal(np.isin(ids, [0, 1]), np.isin(ids, [0, 1, 2, 3]) & (np.arange(6) >= 3))
    assert (ids[2:4, 2:4] >= 0).all()


@pytest.mark.parametrize("row", [0, 4])
@pytest.mark.parametrize("column", [0, 6])
def test_a_pixel_is_covered_where_its_centre_is(row, column):
    camera = orthographic(5.0)  # one world unit a pixel, the origin in the middle of 5 x 7
    x, y = column + 0.5 - 3.5, 2.5 - (row + 0.5)
    tiny = np.array([[-0.01, -0.01, 0.0], [0.01, -0.01, 0.0], [0.0, 0.01, 0.0]])
    expected = np.full((5, 7), -1)
    expected[row, column] = 0
    at_centre, beside_it = (
        visible(pipeline_of(np.add(tiny, [x + offset, y, 0.0]), resolution=(5, 7), camera=camera))
        for offset in (0.0, 0.02)
    )
    np.testing.assert_array_equal(at_centre, expected)
    assert (beside_it == -1).all()


# The planes that bound depth


@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
def test_a_ground_plane_through_the_camera(size):
    camera = tdr.PerspectiveCamera(position=[0.1, 0.0, 0.2], rotation=[0.1, 0.4, 0.2])
    corners = np.array([[-1, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]]) * [size, 0.0, size] + [0.0, -0.6, 0.0]
    pipeline = pipeline_of(corners, [[0, 1, 2], [0, 2, 3]], resolution=(64, 48), camera=camera)
    assert assert_as_reference(pipeline).all()
    assert len(np.unique(pipeline.passes.rasterizer.triangle_id_buffer)) > 1


@pytest.mark.parametrize("turn", [0, 1, 2])
@pytest.mark.parametrize("behind", [1, 2])
@pytest.mark.parametrize("winding", [1, -1])
@pytest.mark.parametrize("camera", [tdr.PerspectiveCamera(), orthographic(4.0, near=6.5)])
def test_corners_behind_the_near_plane(camera, behind, turn, winding):
    z = [4.2, 5.0, -1.0] if behind == 2 else [4.2, -0.5, -1.0]
    corners = np.roll([[-1.0, 0.4, z[0]], [1.1, 0.3, z[1]], [0.2, -0.9, z[2]]], turn, axis=0)
    pipeline = pipeline_of(corners[::winding], resolution=(32, 40), camera=camera)
    assert assert_as_reference(pipeline).all()
    assert (pipeline.passes.rasterizer.triangle_id_buffer == 0).any()


def test_the_far_plane_cuts_pixel_by_pixel():
    camera = tdr.PerspectiveCamera(far=3.5)
    pipeline = pipeline_of([[-9, -9, -9], [9, -9, 9], [0, 9, 0]], resolution=(24, 24), camera=camera)
    assert assert_as_reference(pipeline).all()
    ids = pipeline.passes.rasterizer.triangle_id_buffer
    assert (ids[:, :12] == -1).all(), "left of the middle z < 0, which is beyond 3.5"
    assert (ids[12, 13:] == 0).all()


@pytest.mark.parametrize("z", [3.45, 3.5, 4.0, 1e6])
def test_what_is_not_in_front_of_the_near_plane_is_not_seen(z):
    assert (visible(pipeline_of([[-9, -9, z], [9, -9, z], [0, 9, z]])) == -1).all()


@pytest.mark.parametrize("size", [2.0**10, 2.0**20, 2.0**40, 2.0**45])
def test_corners_far_outside_the_image(size):
    """All coordinates are sums of few powers of two, so the edges are exact."""
    camera = orthographic(16.0)  # pixel (row, column) has its centre at x = column - 7.5, y = 7.5 - row
    row, column = np.indices((16, 16))

    def covered(*corners: tuple[float, float]) -> np.ndarray:
        vertices = [(x, y, 0.0) for x, y in corners]
        return visible(pipeline_of(vertices, resolution=(16, 16), camera=camera)) == 0

    np.testing.assert_array_equal(covered((3.25, -size), (size, 0), (3.25, size)), column >= 11)
    np.testing.assert_array_equal(covered((-size, 3.25), (size, 3.25), (0, size)), row <= 4)
    # The line y = x + 1/4; two of its sides meet far away.
    diagonal = (-size, 0.25 - size), (size, 0.25 + size)
    np.testing.assert_array_equal(covered(*diagonal, (size, -size)), 7.5 - row < column - 7.25)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        beyond = np.array([[size * x, size * y]]) + size / 2 * np.array([[x, y], [y, -x], [-y, x]])
        assert not covered(*beyond.tolist()).any()


# Which of several triangles


def test_back_faces_are_culled_where_asked():
    quad = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    triangles = [[0, 1, 2], [0, 3, 2]]  # the second is clockwise
    both, culled = (visible(pipeline_of(quad, triangles, cull_back_faces=cull)) for cull in (False, True))
    assert set(np.unique(both)) == {-1, 0, 1}
    np.testing.assert_array_equal(culled, np.where(both == 1, -1, both))


@pytest.mark.parametrize("name", ["sphere", "cube", "torus"])
def test_culling_does_not_change_a_closed_mesh(name):
    placements = [tdr.MeshConfig(cull_back_faces=cull, **TILTED) for cull in (False, True)]
    seen, culled = (visible(tdr.Pipeline(MESHES[name], placement=p, resolution=(40, 40))) for p in placements)
    np.testing.assert_array_equal(seen, culled)


def test_culling_of_triangles_that_cross_the_near_plane():
    corners = [[-2.0, -0.5, 0.0], [2.0, -0.5, 0.0], [0.0, -0.5, 5.0]]
    for triangle, front in (([0, 2, 1], True), ([0, 1, 2], False)):
        pipeline = pipeline_of(corners, [triangle], resolution=(20, 20), cull_back_faces=True)
        assert assert_as_reference(pipeline).all()
        assert (pipeline.passes.rasterizer.triangle_id_buffer == 0).any() == front


@pytest.mark.parametrize("triangle", [[0, 1, 2], [0, 2, 1]])
def test_of_coincident_triangles_the_last_is_seen(triangle, rng):
    for corners in rng.uniform(-1.5, 1.5, (20, 3, 3)):
        ids = visible(pipeline_of(corners, [[0, 1, 2], [0, 1, 2], triangle], resolution=(16, 16)))
        assert set(np.unique(ids)) <= {-1, 2}


def test_slivers(rng):
    """A fan of triangles a hundredth of a pixel wide."""
    angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, 300))
    rim = 1.7 * np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], axis=1) + [0.0, 0.0, 0.2]
    i = np.arange(1, 300)
    fan = np.stack([0 * i, i, i + 1], axis=1)
    pipeline = pipeline_of([[0.013, 0.017, 0.1], *rim], fan, resolution=(48, 48))
    assert assert_as_reference(pipeline).all()
    assert len(np.unique(pipeline.passes.rasterizer.triangle_id_buffer)) > 100


@pytest.mark.parametrize("resolution", [(64, 64), (64, 65), (65, 65), (16, 400), (400, 16)])
def test_large_and_small_bounding_boxes(resolution):
    """On both sides of 4096 pixels, where another kernel takes over, in front of each other."""
    corners = np.array([[-9, -7, 0], [8, -9, 0.5], [1, 9, -0.3], [-0.3, -0.2, 1], [0.3, -0.1, 1.2], [0, 0.3, 0.4]])
    pipeline = pipeline_of(corners, [[0, 1, 2], [3, 4, 5]], resolution=resolution)
    assert assert_as_reference(pipeline).all()
    assert set(np.unique(pipeline.passes.rasterizer.triangle_id_buffer)) >= {0, 1}


def test_the_order_of_vertices_and_triangles_changes_nothing_but_ids(rng):
    mesh = MESHES["torus"]
    vertex_order, triangle_order = rng.permutation(mesh.num_vertices), rng.permutation(mesh.num_triangles)
    new_vertex = np.argsort(vertex_order)
    shuffled = tdr.TriangleMesh(mesh.vertices[vertex_order], new_vertex[mesh.triangles[triangle_order]])
    ids, shuffled_ids = (
        visible(tdr.Pipeline(m, placement=tdr.MeshConfig(**TILTED), resolution=(64, 64))) for m in (mesh, shuffled)
    )
    np.testing.assert_array_equal(np.where(shuffled_ids < 0, -1, triangle_order[shuffled_ids]), ids)


coordinate = st.floats(-4.0, 4.0, width=32, allow_subnormal=False) | st.integers(-4, 4).map(float)
corner = st.tuples(coordinate, coordinate, coordinate)


@settings(max_examples=150)
@given(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_any_triangles(triangles, is_perspective, cull_back_faces):
    """In front of, across and behind the near plane, with edges and corners at pixel centres."""
    vertices = np.array(triangles).reshape(-1, 3)
    camera = tdr.PerspectiveCamera(near=0.25, far=7.0) if is_perspective else orthographic(8.0, near=7.5, far=13.0)
    try:
        pipeline = pipeline_of(
            vertices,
            np.arange(len(vertices)).reshape(-1, 3),
            resolution=(8, 9),
            camera=camera,
            cull_back_faces=cull_back_faces,
        )
    except InputError:
        assume(False)  # no triangle has an area
    assert_as_reference(pipeline)
