"""The passes of a pipeline: what is visible, the G-buffer, shading, and back from the image to the parameters."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config import ImageConfig
from tdr.config.parameters import Parameter, columns_of
from tdr.errors import InputError
from tdr.render.interpolator import TriangleAttributeInterpolator
from tdr.render.kernels import BAND, current_kernels
from tdr.render.layout import Layout
from tdr.render.values import Scene, SceneValues
from tdr.scene.normals import NormalsEstimator
from tdr.shaders.custom import explained
from tdr.visibility.rasterizer import TriangleRasterizer

# Pixels times numbers whose derivatives :meth:`Passes.gradient` sums at a time: 8 bytes each.
_SUMMED = 1 << 23


class ImageBuffer:
    """An image and the cotangent to be pulled back from it.

    Args:
        height: rows.
        width: columns.

    Attributes:
        values: (H, W, 3) linear RGB, row 0 at the top, background 0.
    """

    def __init__(self, height: int, width: int) -> None:
        self.values = np.zeros((height, width, 3), dtype=backend.dtype())

    @functools.cached_property
    def grad(self) -> npt.NDArray[np.floating]:
        """(H, W, 3) cotangent; fill it, in whole or pixel by pixel, before :meth:`tdr.Pipeline.backward`."""
        return np.zeros_like(self.values)

    def clear_grad(self) -> None:
        """Set the cotangent to zero; where nobody has asked for it yet, it takes no memory."""
        if "grad" in vars(self):
            self.grad.fill(0.0)

    def to_numpy(self) -> npt.NDArray[np.floating]:
        """A copy of the image, (H, W, 3) linear RGB."""
        return np.array(self.values)


class Passes:
    """Renders a scene step by step, and pulls cotangents of the image back to its parameters.

    Args:
        scene: what is rendered, with its current settings.
        resolution: (height, width) in pixels, each at least 1.

    Attributes:
        scene: as given.
        resolution: as given; another one takes other passes.
        parameters: every parameter that the scene can be differentiated with respect to.
        kernels: what runs on the covered pixels.
        rasterizer: finds the visible triangles; ``rasterizer.triangle_id_buffer`` is (H, W) int32, -1 for background.
        normals_estimator: the mesh's normals.
        interpolator: holds the G-buffer of the covered pixels.
        output_buffer: the image and its cotangent.

    Raises:
        InputError: if the resolution is out of range.
    """

    def __init__(self, scene: Scene, resolution: tuple[int, int]) -> None:
        height, width = resolution
        ImageConfig(width, height)
        self.scene = scene
        self.resolution = (height, width)
        self.parameters = scene.parameters
        self.kernels = current_kernels()
        self._epoch = backend.epoch()
        self._is_rendered = False
        self._handed_over: tuple[npt.NDArray[np.generic], ...] = ()
        self.rasterizer = TriangleRasterizer(height, width)
        self.normals_estimator = NormalsEstimator(scene.mesh, scene.placement.shading)
        self.interpolator = TriangleAttributeInterpolator(scene.mesh, self.normals_estimator)
        self.output_buffer = ImageBuffer(height, width)

    def find_visible(self) -> None:
        """Find the triangle that each pixel sees.

        Raises:
            InputError: if a setting was changed to a value out of range.
        """
        self._check_alive()
        scene, placement, camera = self.scene, self.scene.placement, self.scene.camera
        scene.check_settings()
        if placement.shading is not self.normals_estimator.shading:
            self.normals_estimator = NormalsEstimator(scene.mesh, placement.shading)
            self.interpolator = TriangleAttributeInterpolator(scene.mesh, self.normals_estimator)
        height, width = self.resolution
        if self._is_handed_over(self.rasterizer.triangle_id_buffer):
            self.rasterizer.triangle_id_buffer = np.full_like(self.rasterizer.triangle_id_buffer, -1)
        self.rasterizer.forward(
            scene.mesh,
            model=np.array([placement.scale, *placement.translation], dtype=np.float64),
            rotations=scene.rotations(),
            view=camera.view(camera.settings.position, camera.lens_value(), width / height),
            camera=type(camera),
            cull_back_faces=placement.cull_back_faces,
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
        with explained(self.scene.shader):
            for start, count in self.bands():
                self.kernels.clear_radiance(count)
                for light in range(self.num_lights):
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

    def gradient(self, parameters: Sequence[Parameter]) -> npt.NDArray[np.float64]:
        """Pull ``output_buffer.grad`` back; the triangle that each pixel sees is held fixed.

        Args:
            parameters: what to pull back to.

        Returns:
            (D,) float64: the gradient of the sum of image and cotangent, entry times entry, column by column.

        Raises:
            InputError: if nothing has been rendered.
        """
        self._check_alive()
        if not self._is_rendered:
            raise InputError(
                "pipeline.forward() must come before pipeline.backward(); got none. "
                "It also sets the cotangent to zero, so fill output_buffer.grad after it."
            )
        layout = self.layout(pulled_back=parameters)
        num_columns = len(columns_of(parameters, self.num_lights))
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
        return gradient

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
        num_lights = self.num_lights
        shading = self._shading_arguments(layout)
        targets = (places, num_lights, stride, columns)
        # Not where one is broken off: a kernel that was being compiled lets no other run.
        if self.kernels.has_leftovers:
            self.kernels.clear_slots()
        self.kernels.has_leftovers = True
        for light in range(num_lights):
            with explained(self.scene.shader):
                self.kernels.shade.grad(start, count, light, *shading)
            if layout.leads_to(per_light=True):
                self.kernels.write_light(count, light, *targets, *shading[-2:])
        if layout.leads_to(per_light=False):
            surface = (self.rasterizer.triangle_ids, *self.interpolator.attributes)
            self.kernels.write_common(start, count, *targets, *surface, *shading)
        self.kernels.has_leftovers = False

    @property
    def num_lights(self) -> int:
        """How many lights there are."""
        return self.scene.light_array.num_lights

    def bands(self, most: int = BAND) -> list[tuple[int, int]]:
        """The bands that the list of covered pixels is worked off in, at least one: (first entry, entries).

        Args:
            most: how many entries a band may have, if fewer than ``BAND``.
        """
        covered, size = len(self.rasterizer.pixels), min(BAND, most)
        return [(start, min(size, covered - start)) for start in range(0, max(covered, 1), size)]

    def restricted(self, subset: npt.NDArray[np.integer] | slice) -> Passes:
        """These passes with some of the covered pixels only and a G-buffer of these; all else is shared.

        Args:
            subset: (N,) where the pixels stand in the list of covered pixels.
        """
        self._check_alive()
        part = copy.copy(self)
        part.rasterizer = copy.copy(self.rasterizer)
        part.rasterizer.pixels = self.rasterizer.pixels[subset]
        part.rasterizer.triangle_ids = self.rasterizer.triangle_ids[subset]
        part.interpolator = copy.copy(self.interpolator)
        part.interpolator.allocate(len(part.rasterizer.pixels))
        part.compute_surface()
        return part

    def layout(self, *, perturbed: Sequence[Parameter] = (), pulled_back: Sequence[Parameter] = ()) -> Layout:
        """What kernels are compiled for; the slots of reverse passes are allocated.

        Args:
            perturbed: what forward mode perturbs.
            pulled_back: what reverse passes lead to.
        """
        layout = Layout(
            camera=type(self.scene.camera),
            shader=type(self.scene.shader),
            parameters=self.parameters,
            perturbed=frozenset(p.name for p in perturbed),
            pulled_back=frozenset(p.name for p in pulled_back),
        )
        self.kernels.allocate(layout)
        return layout

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
            "albedo": albedos * self.scene.placement.albedo,
            "barycentrics": barycentrics,
        }.items():
            image = np.full((self.resolution[0] * self.resolution[1], *values.shape[1:]), np.nan, backend.dtype())
            image[pixels] = values
            images[name] = image.reshape(*self.resolution, *values.shape[1:])
        return images

    def _surface_arguments(self, layout: Layout) -> tuple[npt.NDArray[np.generic], ...]:
        settings, numbers = self.scene.camera.settings, SceneValues.of(self.scene)
        return (
            self.rasterizer.pixels,
            self.rasterizer.triangle_ids,
            *self.interpolator.attributes,
            numbers.rotations,
            np.array([*self.resolution, settings.near, settings.far], dtype=np.float64),
            layout.rows(numbers.values),
        )

    def _shading_arguments(self, layout: Layout) -> tuple[Any, ...]:
        numbers = SceneValues.of(self.scene)
        return (*self.interpolator.g_buffer, numbers.rotations, layout.rows(numbers.values), layout)

    def _check_alive(self) -> None:
        if self._epoch != backend.epoch():
            raise InputError(
                "pipeline must be used in the Taichi that it was made in; got one that was restarted since. "
                "Make the pipeline again after tdr.start()."
            )
