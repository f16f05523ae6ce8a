"""Random scenes that are rendered and differentiated correctly."""

import dataclasses

import numpy as np
from hypothesis import strategies as st
from reference import rotation

import tdr
from tdr.config import Shading


def numbers(least, most):
    """Floats with few digits now and then, since ties and zeros are what goes wrong."""
    return st.one_of(st.floats(least, most), st.sampled_from([v for v in (-1.0, 0.0, 0.5, 1.0) if least <= v <= most]))


def vectors(least, most):
    return st.lists(numbers(least, most), min_size=3, max_size=3)


MESHES = st.one_of(
    st.builds(tdr.TriangleMesh.sphere, st.integers(0, 4)),
    st.builds(tdr.TriangleMesh.cube, st.integers(0, 2)),
    st.builds(tdr.TriangleMesh.torus, st.integers(0, 2)),
    st.builds(tdr.TriangleMesh.torus_knot, st.integers(0, 1)),
)
NONZERO = vectors(-1.0, 1.0).filter(lambda v: np.linalg.norm(v) > 0.01)
SHADERS = st.one_of(
    st.builds(
        tdr.BlinnPhongShader,
        ambient=numbers(0.0, 1.0),
        diffuse=numbers(0.0, 1.0),
        specular=numbers(0.0, 2.0),
        shininess=st.one_of(st.floats(1.0, 50.0), st.floats(50.0, 1000.0), st.sampled_from([1.0, 2.0, 30.0])),
    ),
    st.builds(tdr.LambertianShader, ambient=numbers(0.0, 1.0), diffuse=numbers(0.0, 1.0)),
)


@st.composite
def cameras(draw):
    distance = draw(st.floats(1.8, 6.0))
    sideways = draw(vectors(-1.0, 1.0))
    pose = {"position": [sideways[0], sideways[1], distance], "look_at": draw(st.sampled_from([None, [0.1, 0.0, 0.0]]))}
    pose["rotation"] = draw(st.one_of(st.just([0.0, 0.0, 0.0]), vectors(-0.2, 0.2)))
    if draw(st.booleans()):
        return tdr.PerspectiveCamera(fov=draw(st.floats(25.0, 100.0)), **pose)
    return tdr.OrthographicCamera(height=draw(st.floats(0.5, 5.0)), **pose)


@st.composite
def lights(draw):
    number = draw(st.integers(1, 4))
    directions = [draw(NONZERO) for _ in range(number)]
    return tdr.DirectionalLightArray(direction=directions, color=[draw(vectors(0.0, 3.0)) for _ in range(number)])


@st.composite
def pipelines(draw):
    """A pipeline of a random scene, not rendered yet."""
    mesh = draw(MESHES)
    if draw(st.booleans()):
        albedo = 0.6 + 0.4 * np.sin(draw(st.floats(1.0, 9.0)) * mesh.vertices + [0.0, 1.0, 2.0])
        mesh = tdr.TriangleMesh(mesh.vertices, mesh.triangles, albedo)
    placement = tdr.MeshConfig(
        albedo=draw(vectors(0.0, 1.0)),
        translation=draw(vectors(-0.5, 0.5)),
        rotation=draw(vectors(-2.0, 2.0)),
        scale=draw(st.floats(0.2, 1.5)),
        shading=draw(st.sampled_from(Shading)),
        cull_back_faces=draw(st.booleans()),
    )
    resolution = (draw(st.integers(8, 64)), draw(st.integers(8, 64)))
    return tdr.Pipeline(mesh, draw(cameras()), draw(lights()), draw(SHADERS), placement, resolution)


def placed(pipeline: tdr.Pipeline, scale: float, offset: np.ndarray, by_vertices: bool = False) -> tdr.Pipeline:
    """The same scene at another place and of another size: every length times ``scale``, and moved by ``offset``.

    Args:
        pipeline: the scene.
        scale: a factor.
        offset: (3,) world units.
        by_vertices: whether the mesh's vertices are moved and scaled, instead of the mesh's pose.
    """
    mesh, pose, camera = pipeline.mesh, pipeline.placement, pipeline.camera
    translation = scale * np.array(pose.translation) + offset
    size, vertices = scale * pose.scale, mesh.vertices
    if by_vertices:
        # The mesh still turns about its origin, which is the world's now.
        vertices = vertices * size + rotation(pose.rotation).real.T @ translation
        translation, size = np.zeros(3), 1.0
    lens = {"fov": camera.settings.fov} if camera.lens == "camera.fov" else {"height": scale * camera.settings.height}
    moved = type(camera)(
        position=(scale * np.array(camera.settings.position) + offset).tolist(),
        look_at=None
        if camera.settings.look_at is None
        else (scale * np.array(camera.settings.look_at) + offset).tolist(),
        rotation=camera.settings.rotation,
        near=scale * camera.settings.near,
        far=scale * camera.settings.far,
        **lens,
    )
    placement = dataclasses.replace(pose, translation=translation.tolist(), scale=size)
    return tdr.Pipeline(
        tdr.TriangleMesh(vertices, mesh.triangles, mesh.vertex_albedo),
        moved,
        pipeline.light_array,
        pipeline.shader,
        placement,
        pipeline.resolution,
    )


@st.composite
def places(draw):
    """A factor from 1e-9 to 1e9, a way of up to 1e7 lengths, and whether the vertices go there: see :func:`placed`."""
    scale = draw(st.one_of(st.just(1.0), st.floats(-9.0, 9.0).map(lambda power: 10.0**power)))
    way = draw(st.one_of(st.just(0.0), st.floats(0.0, 7.0).map(lambda power: 10.0**power)))
    direction = np.array(draw(NONZERO))
    return scale, scale * way * direction / np.linalg.norm(direction), draw(st.booleans())


@st.composite
def placed_pipelines(draw):
    """A pipeline of a random scene of any size, anywhere."""
    return placed(draw(pipelines()), *draw(places()))
