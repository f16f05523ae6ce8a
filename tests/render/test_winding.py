"""Surfaces are two-sided: how a file winds its triangles does not show."""

import numpy as np
import pytest
from scenes import pipeline_of

import tdr
from tdr.config import Shading


def render(pipeline: tdr.Pipeline) -> np.ndarray:
    pipeline.forward()
    return pipeline.output_buffer.to_numpy()


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("shading", Shading)
@pytest.mark.parametrize("wound", ["every second the other way", "each the other way too"])
def test_how_triangles_are_wound_does_not_show(shading, wound):
    mesh = tdr.TriangleMesh.torus(0)
    triangles = mesh.triangles.copy()
    if wound == "every second the other way":
        triangles[::2] = triangles[::2, ::-1]
    else:
        triangles = np.concatenate([triangles, triangles[:, ::-1]])
    expected = pipeline_of(mesh=mesh, shading=shading)
    pipeline = pipeline_of(mesh=tdr.TriangleMesh(mesh.vertices, triangles), shading=shading)
    np.testing.assert_allclose(render(pipeline), render(expected), rtol=0, atol=1e-6)
    parameters = ["light.direction", "mesh.rotation"]
    images, right = (tdr.compute_jacobian(p, parameters) for p in (pipeline, expected))
    for name in parameters:
        np.testing.assert_allclose(images[name], right[name], rtol=0, atol=1e-5 * np.abs(right[name]).max())


def test_culling_keeps_the_files_winding():
    mesh = tdr.TriangleMesh.torus(0)
    triangles = mesh.triangles.copy()
    triangles[::2] = triangles[::2, ::-1]
    placement = tdr.MeshConfig(cull_back_faces=True)
    pipeline = tdr.Pipeline(tdr.TriangleMesh(mesh.vertices, triangles), placement=placement, resolution=(24, 24))
    render(pipeline)
    seen = np.unique(pipeline.passes.rasterizer.triangle_id_buffer)
    corners = (mesh.vertices[triangles] - pipeline.camera.settings.position)[seen[seen >= 0]]
    assert len(corners) > 20
    assert (np.linalg.det(corners) < 0.0).all()
