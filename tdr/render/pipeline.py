"""The renderer: from a mesh, a camera, lights and a shader to an image, and back to gradients."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config import Config, ImageConfig, MeshConfig, select_parameters
from tdr.config.parameters import Parameter, columns_of, parameters_of
from tdr.errors import InputError
from tdr.render.image_buffer import ImageBuffer
from tdr.render.interpolator import TriangleAttributeInterpolator
from tdr.render.kept_memory import KeptMemory
from tdr.render.kernels import BAND, current_kernels
from tdr.render.pixel import Layout
from tdr.scene.camera import CAMERAS, Camera, PerspectiveCamera
from tdr.scene.lights import DirectionalLightArray
from tdr.scene.mesh import TriangleMesh
from tdr.scene.normals import NormalsEstimator
from tdr.scene.transforms import rotation_matrix
from tdr.shaders.built_in import BlinnPhongShader, build_shader, explained
from tdr.visibility.rasterizer import TriangleRasterizer

# Pixels times numbers whose derivatives :meth:`Pipeline.backward` sums at a time: 8 bytes each.
_SUMMED = 1 << 23


class Pipeline:
    """Renders a mesh and pulls cotangents of the image back to the parameters.

    A pipeline lives as long as the Taichi that it was made in (:func:`tdr.start`).

    Args:
        mesh: the mesh, object space.
        camera: the camera; by default 3.5 in front of the origin, 60 degrees.
        light_array: the lights; by default one white light that travels along -z.
        shader: an object whose class is a shader (:mod:`tdr.shaders.built_in`); by default Blinn-Phong.
        placement: the mesh's pose, colour factor, kind of normals and back-face culling.
        resolution: (height, width) in pixels, each at least 1.

    Attributes:
        rasterizer: finds the visible triangles; ``rasterizer.triangle_id_buffer`` is (H, W) int32, -1 for background.
        interpolator: holds the G-buffer of the covered pixels.
        normals_estimator: the mesh's normals.
        output_buffer: the image and its cotangent.
        jacobian_memory: where Jacobian images are written to.
        parameters: every parameter that the scene can be differentiated with respect to.
        gradients: parameter name -> float64 array of the parameter's shape, what :meth:`backward` adds up.

    Raises:
        InputError: if the resolution is out of range.
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
        height, width = resolution
        ImageConfig(width, height)
        self.mesh = mesh
        self.camera = camera or PerspectiveCamera()
        self.light_array = light_array or DirectionalLightArray()
        self.shader = shader or BlinnPhongShader()
        self.placement = placement or MeshConfig()
        self._resolution = (height, width)

        self.kernels = current_kernels()
        self._epoch = backend.epoch()
        self._is_rendered = False
        self._handed_over: tuple[npt.NDArray[np.generic], ...] = ()
        self.rasterizer = TriangleRasterizer(height, width)
        self.normals_estimator = NormalsEstimator(mesh, self.placement.shading)
        self.interpolator = TriangleAttributeInterpolator(mesh, self.normals_estimator)
        self.output_buffer = ImageBuffer(height, width)
        self.jacobian_memory = KeptMemory()
        self.parameters: tuple[Parameter, ...] = (
            *parameters_of("light", self.light_array.settings),
            *parameters_of("shader", self.shader.settings),
            *parameters_of("mesh", self.placement),
            *parameters_of("camera", self.camera.settings),
        )
        num_lights = self.light_array.num_lights
        self.gradients = {p.name: np.zeros(p.shape(num_lights)) for p in self.parameters}
        self.gradients["light.direction"] = self.light_array.light_directions.array
        self.gradients["light.color"] = self.light_array.light_colors.array

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) in pixels; another one takes another pipeline."""
        return self._resolution

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

    def values(self) -> npt.NDArray[np.float64]:
        """The current value of every parameter: one row a light, columns in the order of ``parameters``.

        Directions are unit vectors, angles radians, and turns (``mesh.rotation``, ``camera.rotation``) zero, because
        they are counted from the current pose.
        """
        directions = self.light_array.directions()
        colors = self.light_array.colors()
        current: dict[str, npt.ArrayLike] = {
            **{f"shader.{name}": value for name, value in vars(self.shader.settings).items()},
            "mesh.albedo": self.placement.albedo,
            "mesh.translation": self.placement.translation,
            "mesh.rotation": [0.0, 0.0, 0.0],
            "mesh.scale": self.placement.scale,
            "camera.position": self.camera.settings.position,
            "camera.rotation": [0.0, 0.0, 0.0],
            self.camera.lens: self.camera.lens_value(),
        }
        rows = []
        for direction, color in zip(directions, colors, strict=True):
            current |= {"light.direction": direction, "light.color": color}
            rows.append(np.concatenate([np.atleast_1d(current[p.name]) for p in self.parameters]))
        return np.array(rows, dtype=np.float64)

    def rotations(self) -> npt.NDArray[np.float64]:
        """The current orientations of the mesh and of the camera, (2, 3, 3)."""
        return np.stack([rotation_matrix(self.placement.rotation), self.camera.rotation()])

    def layout(self, *, perturbed: Sequence[Parameter] = (), pulled_back: Sequence[Parameter] = ()) -> Layout:
        """What kernels are compiled for; the slots of reverse passes are allocated.

        Args:
            perturbed: what forward mode perturbs.
            pulled_back: what reverse passes lead to.
        """
        layout = Layout(
            camera=type(self.camera),
            shader=type(self.shader),
            parameters=self.parameters,
            perturbed=frozenset(p.name for p in perturbed),
            pulled_back=frozenset(p.name for p in pulled_back),
        )
        self.kernels.allocate(layout)
        return layout

    def forward(self) -> None:
        """Render into ``output_buffer`` with the current settings; set every gradient and the cotangent to zero."""
        self.find_visible()
        self.render()
        self.clear_gradients()

    def find_visible(self) -> None:
        """Find the triangle that each pixel sees.

        Raises:
            InputError: if a setting was changed to a value out of range.
        """
        self._check_alive()
        self._check_settings()
        settings = self.camera.settings
        height, width = self.resolution
        if self._is_handed_over(self.rasterizer.triangle_id_buffer):
            self.rasterizer.triangle_id_buffer = np.full_like(self.rasterizer.triangle_id_buffer, -1)
        self.rasterizer.forward(
            self.mesh,
            model=np.array([self.placement.scale, *self.placement.translation], dtype=np.float64),
            rotations=self.rotations(),
            view=self.camera.view(settings.position, self.camera.lens_value(), width / height),
            camera=type(self.camera),
            cull_back_faces=self.placement.cull_back_faces,
        )
        ti.sync()

    def render(self) -> None:
        """Compute the G-buffer of the visible triangles and shade it; :meth:`find_visible` comes first."""
        self.compute_surface()
        self.shade()

    def compute_surface(self) -> None:
        """Compute the G-buffer of the visible triangles, the first half of :meth:`render`."""
        self._check_alive()
        layout = self.layout()
        self.interpolator.resize(len(self.rasterizer.pixels))
        self.kernels.fill_g_buffer(*self._surface_arguments(layout), layout, *self.interpolator.g_buffer)
        ti.sync()

    def shade(self) -> None:
        """Shade the G-buffer into ``output_buffer``, the second half of :meth:`render`."""
        self.clear_image()
        self.shade_covered()

    def clear_image(self) -> None:
        """Make the image black."""
        if self._is_handed_over(self.output_buffer.values):
            self.output_buffer.values = np.zeros_like(self.output_buffer.values)
        else:
            self.output_buffer.values.fill(0.0)

    def shade_covered(self) -> None:
        """Shade the covered pixels from the G-buffer; the others stay as they are."""
        self._check_alive()
        pixels = self.rasterizer.pixels
        image = self.output_buffer.values.reshape(-1, 3)
        arguments = self._shading_arguments(self.layout())
        with explained(self.shader):
            for start, count in self.bands():
                self.kernels.clear_radiance(count)
                for light in range(self.light_array.num_lights):
                    self.kernels.shade(start, count, light, *arguments)
                self.kernels.write_image(start, count, pixels, image)
        ti.sync()
        self._is_rendered = True

    def hand_over(self) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.int32]]:
        """The image (H, W, 3) and the triangle ids (H, W) that were rendered last, which nothing changes from now on.

        They are no copies: the next rendering goes to new arrays.
        """
        self._handed_over = (self.output_buffer.values, self.rasterizer.triangle_id_buffer)
        return self.output_buffer.values, self.rasterizer.triangle_id_buffer

    def _is_handed_over(self, array: npt.NDArray[np.generic]) -> bool:
        return any(array is other for other in self._handed_over)

    def backward(self, parameters: Sequence[str] | None = None) -> None:
        """Pull ``output_buffer.grad`` back and add the result to the parameters' ``gradients``.

        The triangle that each pixel sees is held fixed.

        Args:
            parameters: names; by default all. The gradients of others stay as they are.

        Raises:
            InputError: if a name is not known, or nothing has been rendered.
        """
        self._check_alive()
        if not self._is_rendered:
            raise InputError(
                "pipeline.forward() must come before pipeline.backward(); got none. "
                "It also sets the cotangent to zero, so fill output_buffer.grad after it."
            )
        chosen = self.parameters if parameters is None else select_parameters(self.parameters, parameters)
        layout = self.layout(pulled_back=chosen)
        num_columns = len(columns_of(chosen, self.light_array.num_lights))
        bands = self.bands(max(1, _SUMMED // num_columns))
        longest = bands[0][1]
        places = np.arange(longest, dtype=np.int32)
        columns = np.empty((num_columns, longest))
        gradient = np.zeros(num_columns)
        cotangents = self.output_buffer.grad.reshape(-1, 3)
        for start, count in bands:
            self.kernels.seed_from(start, count, self.rasterizer.pixels, cotangents)
            self.pull_back(start, count, layout, places[:count], longest, columns.reshape(-1))
            gradient += columns[:, :count].sum(axis=1)
        totals = [self.gradients[parameter.name] for parameter in chosen]
        ends = np.cumsum([total.size for total in totals])
        for total, part in zip(totals, np.split(gradient, ends[:-1]), strict=True):
            total += part.reshape(total.shape)

    def clear_gradients(self) -> None:
        """Set every gradient and the cotangent to zero."""
        self.output_buffer.clear_grad()
        for gradient in self.gradients.values():
            gradient.fill(0.0)

    def pull_back(
        self,
        start: int,
        count: int,
        layout: Layout,
        places: npt.NDArray[np.int32],
        stride: int,
        columns: npt.NDArray[np.floating],
    ) -> None:
        """Reverse passes over a band: from the seeded radiance and the G-buffer that :meth:`render` left to columns.

        Args:
            start: the band's first entry in the list of covered pixels.
            count: its length.
            layout: what the passes lead to.
            places: (count,) where in the first column the band's derivatives go.
            stride: how far it is from a column to the next; they are in the order of ``parameters``.
            columns: written.
        """
        num_lights = self.light_array.num_lights
        shading = self._shading_arguments(layout)
        targets = (places, num_lights, stride, columns)
        # Not where one is broken off: a kernel that was being compiled lets no other run.
        if self.kernels.has_leftovers:
            self.kernels.clear_slots()
        self.kernels.has_leftovers = True
        for light in range(num_lights):
            with explained(self.shader):
                self.kernels.shade.grad(start, count, light, *shading)
            if layout.leads_to(per_light=True):
                self.kernels.write_light(count, light, *targets, *shading[-2:])
        if layout.leads_to(per_light=False):
            surface = (self.rasterizer.triangle_ids, *self.interpolator.attributes)
            self.kernels.write_common(start, count, *targets, *surface, *shading)
        self.kernels.has_leftovers = False

    def bands(self, most: int = BAND) -> list[tuple[int, int]]:
        """The bands that the list of covered pixels is worked off in, at least one: (first entry, entries).

        Args:
            most: how many entries a band may have, if fewer than ``BAND``.
        """
        covered, size = len(self.rasterizer.pixels), min(BAND, most)
        return [(start, min(size, covered - start)) for start in range(0, max(covered, 1), size)]

    def restricted(self, entries: npt.NDArray[np.integer] | slice) -> Pipeline:
        """This pipeline with some of its covered pixels only and a G-buffer of these; all else is shared with it.

        Args:
            entries: (N,) entries of the list of covered pixels.
        """
        self._check_alive()
        part = copy.copy(self)
        part.rasterizer = copy.copy(self.rasterizer)
        part.rasterizer.pixels = self.rasterizer.pixels[entries]
        part.rasterizer.triangle_ids = self.rasterizer.triangle_ids[entries]
        part.interpolator = copy.copy(self.interpolator)
        part.interpolator.allocate(len(part.rasterizer.pixels))
        part.compute_surface()
        return part

    def compute_g_buffer(self) -> dict[str, npt.NDArray[np.generic]]:
        """What each pixel sees, as images to look at.

        Returns:
            ``triangle_id`` (H, W) int32, -1 for background; ``depth_ndc`` (H, W) from -1 to 1; ``position_world``,
            ``normal_world``, ``albedo`` and ``barycentrics`` (H, W, 3). Background is NaN in all but the first.
        """
        self._check_alive()
        pixels = self.rasterizer.pixels
        barycentrics = np.empty((len(pixels), 3), dtype=backend.dtype())
        depths = np.empty(len(pixels), dtype=backend.dtype())
        self.kernels.fill_coordinates(*self._surface_arguments(self.layout()), self.layout(), barycentrics, depths)
        positions, normals, albedos = self.interpolator.g_buffer
        images: dict[str, npt.NDArray[np.generic]] = {"triangle_id": self.rasterizer.triangle_id_buffer.copy()}
        for name, values in {
            "depth_ndc": depths,
            "position_world": positions,
            "normal_world": normals,
            "albedo": albedos * self.placement.albedo,
            "barycentrics": barycentrics,
        }.items():
            image = np.full((self.resolution[0] * self.resolution[1], *values.shape[1:]), np.nan, backend.dtype())
            image[pixels] = values
            images[name] = image.reshape(*self.resolution, *values.shape[1:])
        return images

    def _surface_arguments(self, layout: Layout) -> tuple[npt.NDArray[np.generic], ...]:
        settings = self.camera.settings
        return (
            self.rasterizer.pixels,
            self.rasterizer.triangle_ids,
            *self.interpolator.attributes,
            self.rotations(),
            np.array([*self.resolution, settings.near, settings.far], dtype=np.float64),
            layout.rows(self.values()),
        )

    def _shading_arguments(self, layout: Layout) -> tuple[Any, ...]:
        return (*self.interpolator.g_buffer, self.rotations(), layout.rows(self.values()), layout)

    def _check_settings(self) -> None:
        for settings in (self.camera.settings, self.light_array.settings, self.shader.settings, self.placement):
            # A change of a field is not checked when it is made.
            dataclasses.replace(settings)
        if self.placement.shading is not self.normals_estimator.shading:
            self.normals_estimator = NormalsEstimator(self.mesh, self.placement.shading)
            self.interpolator = TriangleAttributeInterpolator(self.mesh, self.normals_estimator)

    def _check_alive(self) -> None:
        if self._epoch != backend.epoch():
            raise InputError(
                "pipeline must be used in the Taichi that it was made in; got one that was restarted since. "
                "Make the pipeline again after tdr.start()."
            )
