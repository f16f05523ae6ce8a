"""Small scenes in which nothing is zero, axis-aligned or white, and their settings moved one number at a time."""

import copy

import numpy as np
import reference

import tdr
from tdr.config import Shading

RESOLUTION = (11, 14)
DIRECTIONS = [[1.0, -1.0, -1.0], [-0.5, -0.3, -1.0], [0.2, 1.0, 0.3]]
COLORS = [[1.0, 0.9, 0.8], [0.3, 0.4, 0.5], [0.5, 0.2, 0.1]]
CAMERAS = {
    "perspective": lambda: tdr.PerspectiveCamera(position=[0.4, 0.3, 2.6], rotation=[0.08, 0.1, -0.2], fov=50.0),
    "orthographic": lambda: tdr.OrthographicCamera(position=[0.4, 0.3, 2.6], rotation=[0.08, 0.1, -0.2], height=2.3),
}
SHADERS = {
    "blinn_phong": lambda: tdr.BlinnPhongShader(ambient=0.15, diffuse=0.5, specular=0.7, shininess=8.0),
    "lambertian": lambda: tdr.LambertianShader(ambient=0.15, diffuse=0.8),
}


def pipeline_of(
    camera: str = "perspective",
    shader: str = "blinn_phong",
    mesh: tdr.TriangleMesh | None = None,
    num_lights: int = 3,
    resolution: tuple[int, int] = RESOLUTION,
    shading: Shading = Shading.smooth,
) -> tdr.Pipeline:
    """A turned, moved and scaled mesh with coloured vertices before a turned camera."""
    mesh = mesh or tdr.TriangleMesh.torus(0)
    # tdr has no say in the colours, so that they are the same for the same vertices.
    albedo = 0.6 + 0.4 * np.sin(7.0 * mesh.vertices + [0.0, 1.0, 2.0])
    return tdr.Pipeline(
        tdr.TriangleMesh(mesh.vertices, mesh.triangles, albedo),
        CAMERAS[camera](),
        tdr.DirectionalLightArray(
            **copy.deepcopy({"direction": DIRECTIONS[:num_lights], "color": COLORS[:num_lights]})
        ),
        SHADERS[shader](),
        tdr.MeshConfig(
            albedo=[0.9, 0.7, 0.5],
            translation=[0.1, -0.2, 0.15],
            rotation=[0.9, -0.5, 0.4],
            scale=1.1,
            shading=shading,
        ),
        resolution,
    )


def moved(pipeline: tdr.Pipeline, name: str, index: tuple[int, ...], step: float) -> tdr.Pipeline:
    """The same scene with one number of a parameter changed by a step, in the unit of the derivative."""
    camera, lights, shader, placement = copy.deepcopy(
        (pipeline.camera, pipeline.light_array, pipeline.shader, pipeline.placement)
    )
    group, field = name.split(".")
    settings = {"light": lights.settings, "shader": shader.settings, "mesh": placement, "camera": camera.settings}[
        group
    ]
    value = np.array(getattr(settings, field), dtype=np.float64)
    if field == "rotation":
        turn = np.zeros(3)
        turn[index] = step
        value = reference.axis_angle(reference.rotation(turn) @ reference.rotation(value))
    elif name == "light.direction":
        value = reference.normalized(value)
        value[index] += step
    else:
        value[index] += np.degrees(step) if field == "fov" else step
    setattr(settings, field, value.tolist())
    return tdr.Pipeline(pipeline.mesh, camera, lights, shader, placement, pipeline.resolution)
