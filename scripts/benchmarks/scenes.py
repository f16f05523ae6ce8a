"""The scenes of the benchmark, all seen by the default camera from 3.5 in front of the origin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import tdr
from benchmarks.results import Case
from tdr.config import Config, ImageConfig, JacobianConfig, LightConfig, SphereConfig

# Half the side of a square that covers the screen at every depth from -1 to 1.
BEYOND = 3.0


def subdivisions_of(triangles: int) -> int:
    """How often an icosahedron is subdivided to have so many triangles.

    Raises:
        InputError: if no subdivision has as many.
    """
    for subdivisions in range(10):
        if 20 * 4**subdivisions == triangles:
            return subdivisions
    raise tdr.InputError(f"triangles must be 20 times a power of 4, at most 5242880; got {triangles}.")


def layers(triangles: int) -> tdr.TriangleMesh:
    """Squares that cover the screen, two triangles each, one behind the other; the farthest is drawn first."""
    squares = triangles // 2
    corners = np.array([[-BEYOND, -BEYOND], [BEYOND, -BEYOND], [BEYOND, BEYOND], [-BEYOND, BEYOND]])
    depths = np.linspace(-1.0, 1.0, squares + 1)[1:]
    vertices = np.concatenate([np.column_stack([corners, np.full(4, z)]) for z in depths])
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    return tdr.TriangleMesh(vertices, (4 * np.arange(squares)[:, None, None] + halves).reshape(-1, 3))


def fan(triangles: int) -> tdr.TriangleMesh:
    """Slivers around the middle of the screen, which reach beyond its corners."""
    angles = 2.0 * np.pi / triangles * np.arange(triangles)
    rim = np.column_stack([BEYOND * np.cos(angles), BEYOND * np.sin(angles), np.zeros(triangles)])
    here = np.arange(triangles)
    slivers = np.column_stack([np.full(triangles, triangles), here, (here + 1) % triangles])
    return tdr.TriangleMesh(np.concatenate([rim, np.zeros((1, 3))]), slivers)


SCENES = {
    "sphere": lambda triangles: tdr.TriangleMesh.sphere(subdivisions_of(triangles)),
    "layers": layers,
    "fan": fan,
}


def directions(lights: int) -> list[list[float]]:
    """Directions of lights: the first from the upper left, the others on a ring around the viewing axis."""
    angles = 0.75 * np.pi + 2.0 * np.pi / lights * np.arange(lights)
    return [[-float(np.cos(a)), -float(np.sin(a)), -np.sqrt(0.5)] for a in angles]


def build_pipeline(case: Case) -> tdr.Pipeline:
    """The pipeline of a case; Taichi runs in its precision."""
    return tdr.Pipeline(
        SCENES[case.scene](case.triangles),
        light_array=tdr.DirectionalLightArray(direction=directions(case.lights), color=[[1.0 / case.lights] * 3]),
        resolution=case.resolution,
    )


def jacobian_settings(case: Case) -> JacobianConfig:
    """What the Jacobian of a case is asked for."""
    return JacobianConfig(parameters=case.parameters if case.parameters == "all" else list(case.parameters))


def run_settings(case: Case) -> Config:
    """The settings of the main command for a case of the sphere."""
    height, width = case.resolution
    return Config(
        mesh=SphereConfig(subdivisions=subdivisions_of(case.triangles)),
        light=LightConfig(direction=directions(case.lights), color=[[1.0 / case.lights] * 3]),
        image=ImageConfig(width=width, height=height),
        jacobian=jacobian_settings(case),
    )


def primary_rays(pipeline: tdr.Pipeline) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Origins and directions, (H * W, 3) each, of the rays from a perspective camera through the pixels' centres."""
    height, width = pipeline.resolution
    tangent = np.tan(0.5 * pipeline.camera.lens_value())
    x = (2.0 * (np.arange(width) + 0.5) / width - 1.0) * tangent * width / height
    y = (1.0 - 2.0 * (np.arange(height) + 0.5) / height) * tangent
    rays = np.stack([*np.meshgrid(x, y), np.full((height, width), -1.0)], axis=-1).reshape(-1, 3)
    rays = rays @ pipeline.camera.rotation().T
    origins = np.broadcast_to(pipeline.camera.settings.position, rays.shape)
    return np.ascontiguousarray(origins, dtype=np.float32), np.ascontiguousarray(rays, dtype=np.float32)
