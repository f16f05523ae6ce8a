"""The pipeline: from a mesh, a camera, lights and a shader to an image, and back to gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tdr.config import Config, MeshConfig, select_parameters
from tdr.config.parameters import Parameter
from tdr.errors import InputError, is_list
from tdr.render.passes import ImageBuffer, Passes
from tdr.render.values import Scene
from tdr.scene.camera import CAMERAS, Camera, PerspectiveCamera
from tdr.scene.lights import DirectionalLightArray
from tdr.scene.mesh import TriangleMesh
from tdr.shaders.built_in import BlinnPhongShader
from tdr.shaders.custom import build_shader


class Pipeline:
    """Renders a mesh and pulls cotangents of the image back to the parameters.

    A pipeline lives as long as the Taichi that it was made in (:func:`tdr.start`).

    Args:
        mesh: the mesh, object space.
        camera: the camera; by default 3.5 in front of the origin, 60 degrees.
        light_array: the lights; by default one white light that travels along -z. Several pipelines may have the same.
        shader: an object whose class is a shader (:mod:`tdr.shaders.built_in`); by default Blinn-Phong.
        placement: the mesh's pose, colour factor, kind of normals and back-face culling.
        resolution: (height, width) in pixels, each at least 1.

    Attributes:
        passes: the steps of rendering and of pulling back, for those who need them one by one.
        gradients: parameter name -> float64 array of the parameter's shape, what :meth:`backward` adds up.

    Raises:
        InputError: if an argument is of another kind, or the resolution is out of range.
    """

    def __init__(
        self,
        mesh: TriangleMesh,
        camera: Camera | None = None,
        light_array: DirectionalLightArray | None = None,
        shader: Any = None,
        placement: MeshConfig | None = None,
        resolution: tuple[int, int] = (512, 512),
    ) -> None:
        scene = Scene(
            mesh=mesh,
            camera=camera or PerspectiveCamera(),
            light_array=light_array or DirectionalLightArray(),
            shader=shader or BlinnPhongShader(),
            placement=placement or MeshConfig(),
        )
        for name, value, kind in (
            ("mesh", scene.mesh, TriangleMesh),
            ("camera", scene.camera, Camera),
            ("light_array", scene.light_array, DirectionalLightArray),
            ("placement", scene.placement, MeshConfig),
        ):
            if not isinstance(value, kind):
                raise InputError(f"{name} must be a {kind.__name__}; got {type(value).__name__}.")
        if not hasattr(scene.shader, "settings"):
            raise InputError(f"shader must be a shader such as BlinnPhongShader(); got {type(scene.shader).__name__}.")
        if not is_list(resolution) or len(resolution) != 2:
            raise InputError(f"resolution must be (height, width) in pixels; got {resolution!r}.")
        self.passes = Passes(scene, resolution)
        num_lights = scene.light_array.num_lights
        self.gradients = {p.name: np.zeros(p.shape(num_lights)) for p in self.parameters}
        scene.light_array = scene.light_array.shown_with(self.gradients)

    @classmethod
    def from_config(cls, config: Config, mesh: TriangleMesh) -> Pipeline:
        """Build the pipeline that a config describes.

        Args:
            config: the config.
            mesh: the mesh that ``config.mesh`` describes.
        """
        return cls(
            mesh,
            camera=CAMERAS[type(config.camera)](**vars(config.camera)),
            light_array=DirectionalLightArray(**vars(config.light)),
            shader=build_shader(config.shader),
            placement=config.mesh,
            resolution=(config.image.height, config.image.width),
        )

    @property
    def mesh(self) -> TriangleMesh:
        """The mesh; another one takes another pipeline."""
        return self.passes.scene.mesh

    @property
    def camera(self) -> Camera:
        """The camera; its settings may change, and it may be exchanged for another of its kind."""
        return self.passes.scene.camera

    @camera.setter
    def camera(self, camera: Camera) -> None:
        self._exchange(camera=camera)

    @property
    def light_array(self) -> DirectionalLightArray:
        """The lights, with this pipeline's gradients; they may change, and be exchanged for as many others."""
        return self.passes.scene.light_array

    @light_array.setter
    def light_array(self, light_array: DirectionalLightArray) -> None:
        self._exchange(light_array=light_array)

    @property
    def shader(self) -> Any:
        """The shader; its settings may change, and it may be exchanged for another with the same constants."""
        return self.passes.scene.shader

    @shader.setter
    def shader(self, shader: Any) -> None:
        self._exchange(shader=shader)

    @property
    def placement(self) -> MeshConfig:
        """Where the mesh stands and what it looks like; its fields may change."""
        return self.passes.scene.placement

    @placement.setter
    def placement(self, placement: MeshConfig) -> None:
        self._exchange(placement=placement)

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) in pixels; another one takes another pipeline."""
        return self.passes.resolution

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that the scene can be differentiated with respect to."""
        return self.passes.parameters

    @property
    def output_buffer(self) -> ImageBuffer:
        """The image that was rendered last, and its cotangent ``grad``, which :meth:`backward` starts from."""
        return self.passes.output_buffer

    def _exchange(self, **part: Any) -> None:
        """Exchange a part of the scene; parameters and gradients stay what they are.

        Raises:
            InputError: if the scene would have other parameters with it, or another number of lights.
        """
        scene = dataclasses.replace(self.passes.scene, **part)
        if scene.parameters != self.parameters or scene.light_array.num_lights != self.light_array.num_lights:
            ((name, new),) = part.items()
            raise InputError(
                f"pipeline.{name} must have the same parameters as the one before, and as many lights; "
                f"got another {type(new).__name__}. Make another pipeline."
            )
        scene.light_array = scene.light_array.shown_with(self.gradients)
        self.passes.scene = scene

    def forward(self) -> None:
        """Render into ``output_buffer`` with the current settings; set every gradient and the cotangent to zero.

        Raises:
            InputError: if a setting was changed to a value out of range.
        """
        self.passes.find_visible()
        self.passes.render()
        self.clear_gradients()

    def backward(self, parameters: Sequence[str] | None = None) -> None:
        """Pull ``output_buffer.grad`` back and add the result to the parameters' ``gradients``.

        The triangle that each pixel sees is held fixed.

        Args:
            parameters: names; by default all. The gradients of others stay as they are.

        Raises:
            InputError: if a name is not known, or nothing has been rendered.
        """
        chosen = self.parameters if parameters is None else select_parameters(self.parameters, parameters)
        gradient = self.passes.gradient(chosen)
        totals = [self.gradients[parameter.name] for parameter in chosen]
        ends = np.cumsum([total.size for total in totals])
        for total, part in zip(totals, np.split(gradient, ends[:-1]), strict=True):
            total += part.reshape(total.shape)

    def clear_gradients(self) -> None:
        """Set every gradient and the cotangent to zero."""
        self.output_buffer.clear_grad()
        for gradient in self.gradients.values():
            gradient.fill(0.0)
