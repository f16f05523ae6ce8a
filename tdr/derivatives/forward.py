"""Forward-mode derivatives: one pass a column carries the derivative along with the value, as dual numbers.

Forward and reverse mode are different transformations of the same functions (:mod:`tdr.render.pixel`), so a function
that one of them gets wrong is unlikely to come out equally wrong of the other.

Taichi's forward mode cannot load from arrays that are a kernel's arguments, so a band's triangles and the parameters
are copied into fields first. Only the perturbation, shared by all pixels, and the radiance have duals.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tdr import backend
from tdr.backend import ti
from tdr.config.parameters import Column
from tdr.derivatives.evaluation import PixelSample
from tdr.render.layout import MATRIX, TRIANGLE, VECTOR, Layout
from tdr.render.pixel import PixelFunctions
from tdr.render.values import SceneValues
from tdr.shaders.custom import explained

# Pixels a launch.
BAND = 1 << 14


@ti.data_oriented
class ForwardKernels(PixelFunctions):
    """The kernel, and the fields that it reads; one instance for each start of Taichi (:func:`current_kernels`).

    Attributes:
        radiance: (BAND,) linear RGB of the band's pixels.
        perturbations: parameter name -> () perturbation.
    """

    def __init__(self) -> None:
        self.radiance = ti.Vector.field(3, float, BAND, needs_dual=True)
        self.perturbations: dict[str, ti.MatrixField] = {}
        self.slots: dict[str, ti.MatrixField] = {}
        self._pixels = ti.field(ti.i32, BAND)
        self._triangles = TRIANGLE.field(shape=BAND)
        self._vertices = VECTOR.field(shape=3 * BAND)
        self._normals = VECTOR.field(shape=3 * BAND)
        self._vertex_albedo = VECTOR.field(shape=3 * BAND)
        self._view = ti.field(ti.f64, 4)
        self._rotations = MATRIX.field(shape=2)
        self._values: dict[int, ti.Field] = {}
        # What Taichi wants to be named as input and output; it is neither.
        self._unused = ti.field(float, (), needs_dual=True)

    def allocate(self, layout: Layout) -> None:
        """Make the fields that a layout needs and that are not there yet."""
        if layout.num_numbers not in self._values:
            self._values[layout.num_numbers] = ti.field(ti.f64, (1, layout.num_numbers))
        for parameter in layout.parameters:
            if parameter.name in layout.perturbed and parameter.name not in self.perturbations:
                self.perturbations[parameter.name] = ti.Vector.field(parameter.size, ti.f64, (), needs_dual=True)

    def load(self, sample: PixelSample, scene: SceneValues) -> None:
        """Copy a band's triangles, and what is the same for all lights, into the fields."""
        vertices, triangles, normals, _, albedo, view = sample.arrays()
        self._load(
            sample.pixels,
            vertices,
            triangles,
            normals,
            albedo,
            view,
            scene.rotations,
        )

    @ti.kernel
    def _load(
        self,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(dtype=VECTOR, ndim=1),
        triangles: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        vertex_albedo: ti.types.ndarray(dtype=VECTOR, ndim=1),
        view: ti.types.ndarray(ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
    ):
        for k in range(pixels.shape[0]):
            self._pixels[k] = pixels[k]
            self._triangles[k] = triangles[k]
            for corner in range(3):
                self._vertices[3 * k + corner] = vertices[3 * k + corner]
                self._normals[3 * k + corner] = normals[3 * k + corner]
                self._vertex_albedo[3 * k + corner] = vertex_albedo[3 * k + corner]
        for i in range(4):
            self._view[i] = view[i]
        for which in range(2):
            self._rotations[which] = rotations[which]

    @ti.kernel
    def _load_values(self, values: ti.types.ndarray(ndim=2), light: ti.i32, layout: ti.template()):
        for i in range(values.shape[1]):
            self._values[layout.num_numbers][0, i] = values[light, i]

    @ti.kernel
    def _clear(self, count: ti.i32):
        for k in range(count):
            self.radiance[k] = ti.Vector([0.0, 0.0, 0.0])
            self.radiance.dual[k] = ti.Vector([0.0, 0.0, 0.0])

    @ti.kernel
    def _locate_and_shade(self, count: ti.i32, light: ti.i32, layout: ti.template()):
        for k in range(count):
            _weights, position, normal, albedo = self.locate(
                0,
                0,
                self._pixels[k],
                k,
                self._vertices,
                self._triangles,
                self._normals,
                self._triangles,
                self._vertex_albedo,
                self._rotations,
                self._view,
                self._values[layout.num_numbers],
                layout,
            )
            self.radiance[k] += self.radiance_of(
                light,
                k,
                0,
                0,
                position,
                normal,
                albedo,
                self._rotations,
                self._values[layout.num_numbers],
                layout,
            )

    @ti.kernel
    def _write_duals(self, count: ti.i32, cotangents: ti.types.ndarray(ndim=2), derivatives: ti.types.ndarray(ndim=2)):
        for k in range(count):
            for c in range(cotangents.shape[0]):
                total = 0.0
                for i in ti.static(range(3)):
                    total += cotangents[c, i] * self.radiance.dual[k][i]
                derivatives[k, c] = total

    def differentiate(
        self,
        count: int,
        column: Column,
        scene: SceneValues,
        cotangents: npt.NDArray[np.floating],
        layout: Layout,
        shader: Any,
    ) -> npt.NDArray[np.floating]:
        """One forward pass over the band that was loaded.

        Args:
            count: the band's pixels.
            column: what is differentiated with respect to; its parameter is perturbed in the layout.
            scene: the scene's numbers.
            cotangents: (C, 3).
            layout: what the kernel is compiled for, with perturbations.
            shader: the shader, for an explanation if Taichi refuses to differentiate it.

        Returns:
            (count, C) the derivatives of cotangents . radiance.
        """
        name, index = column.parameter.name, column.index
        component = index[-1] if column.parameter.components else 0
        # One light's numbers do not change what the others contribute.
        lights = [index[0]] if column.parameter.per_light else range(len(scene.values))
        self._clear(count)
        self.perturbations[name].dual[None][component] = 1.0
        try:
            for light in lights:
                self._load_values(layout.rows(scene.values), light, layout)
                with (
                    explained(shader),
                    ti.ad.FwdMode(loss=self._unused, param=self._unused, clear_gradients=False),
                ):
                    self._locate_and_shade(count, light, layout)
        finally:
            # A pass that is broken off must not leave its seed to the next.
            self.perturbations[name].dual[None][component] = 0.0
        derivatives = np.empty((count, len(cotangents)), dtype=backend.dtype())
        self._write_duals(count, backend.array(cotangents), derivatives)
        return derivatives


_current: tuple[int, ForwardKernels] | None = None


def current_kernels() -> ForwardKernels:
    """The forward-mode kernels of the running Taichi."""
    global _current
    if _current is None or _current[0] != backend.epoch():
        _current = (backend.epoch(), ForwardKernels())
    return _current[1]
