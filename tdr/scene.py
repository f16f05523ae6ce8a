"""From settings to the data that only files or computation can give."""

from __future__ import annotations

from tdr.config import CubeConfig, FileMeshConfig, MeshConfig, SphereConfig, TorusConfig, TorusKnotConfig
from tdr.errors import InputError
from tdr.mesh import TriangleMesh


def build_mesh(config: MeshConfig) -> TriangleMesh:
    """Make or load the mesh that a config describes.

    Args:
        config: one of the mesh schemas.

    Raises:
        InputError: if the file cannot be used, or the config is of no known kind.
    """
    match config:
        case SphereConfig():
            return TriangleMesh.sphere(config.subdivisions)
        case CubeConfig():
            return TriangleMesh.cube(config.subdivisions)
        case TorusConfig():
            return TriangleMesh.torus(config.subdivisions, config.tube_radius)
        case TorusKnotConfig():
            return TriangleMesh.torus_knot(config.subdivisions, config.p, config.q, config.tube_radius)
        case FileMeshConfig():
            return TriangleMesh.load(config.path, config.normalize)
    raise InputError(f"mesh must be one of the schemas of tdr.config; got {type(config).__name__}.")
