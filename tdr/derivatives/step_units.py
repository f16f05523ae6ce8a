"""What the steps of finite differences are measured by, so that a scene's size and place and a number's unit are free.

A step must change what the image depends on by some part of it. Of a light's direction or a turn that part is an
angle; of a length it is a part of what the camera sees, wherever that lies; of other numbers it is a part of the number
itself. What turns or scales something about a far point moves it by more than the angle or the factor, and gets smaller
steps.

All units are powers of 2: a coordinate and a step add up exactly as long as the step is no less than what the
coordinate is rounded to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.config.parameters import Column
from tdr.derivatives.evaluation import PixelSample
from tdr.render.passes import Passes
from tdr.render.values import SceneValues

Array = npt.NDArray[np.float64]

# How many pixels show how large what is seen is.
_SAMPLE = 256
# Of numbers up to this size there are too few between them and 0.
_NOTHING = 2.0**-900


@dataclass(frozen=True)
class Extents:
    """How large what is seen is, and how far away; lengths in world units.

    Attributes:
        size: twice the median distance of the visible points from their middle, and the size of a pixel among them.
        from_mesh: their median distance from the mesh's origin, about which it turns and scales.
        from_camera: their median distance from the camera's position.
        coordinates: the largest coordinate of a corner that is seen, the mesh's origin or the camera.
        lens: by how much the camera's lens would have to grow for a view twice as high, to first order; radians or
            world units.
    """

    size: float
    from_mesh: float
    from_camera: float
    coordinates: float
    lens: float

    @classmethod
    def of(cls, passes: Passes) -> Extents:
        """Look at passes with the G-buffer of their covered pixels, at least one."""
        covered = len(passes.rasterizer.pixels)
        subset = np.unique(np.linspace(0, covered - 1, min(_SAMPLE, covered)).astype(np.intp))
        points = passes.interpolator.g_buffer[0][subset]
        camera, values = passes.scene.camera, SceneValues.of(passes.scene)
        origin, position = values["mesh.translation"][0], values["camera.position"][0]

        def median_distance(point: Array) -> float:
            return float(np.median(np.linalg.norm(points - point, axis=1)))

        from_camera = median_distance(position)
        lens = values[camera.lens][0, 0]
        view_height = 2.0 * float(camera.extent(lens))
        relative = lens
        if camera.lens == "camera.fov":
            view_height *= from_camera
            # tan(fov / 2) grows by the factor 1 + step / sin(fov).
            relative = float(np.sin(lens))
        corners = np.abs(PixelSample.of(passes, subset).vertices).max(initial=0.0) * values["mesh.scale"][0, 0]
        return cls(
            size=2.0 * median_distance(np.median(points, axis=0)) + view_height / passes.resolution[0],
            from_mesh=median_distance(origin),
            from_camera=from_camera,
            coordinates=float(max(corners, np.abs(origin).max(), np.abs(position).max(), from_camera)),
            lens=relative,
        )

    @property
    def remoteness(self) -> float:
        """How many times larger coordinates are than what is seen, at least 1: so much more their rounding matters."""
        return max(1.0, self.coordinates / self.size)

    def units(self, passes: Passes, columns: Sequence[Column]) -> Array:
        """The unit of each column's steps, (D,), in the unit of its derivative's denominator; powers of 2.

        Args:
            passes: the scene.
            columns: D columns.
        """
        values = SceneValues.of(passes.scene)
        turn_of_mesh = min(1.0, self.size / self.from_mesh) if self.from_mesh > 0.0 else 1.0
        fixed = {
            "light.direction": 1.0,
            "mesh.rotation": turn_of_mesh,
            "mesh.scale": turn_of_mesh * values["mesh.scale"][0, 0],
            "mesh.translation": self.size,
            "camera.position": self.size,
            "camera.rotation": min(1.0, self.size / self.from_camera),
            passes.scene.camera.lens: self.lens,
        }
        units = []
        for column in columns:
            unit = fixed.get(column.parameter.name)
            if unit is None:
                magnitudes = np.abs(values[column.parameter.name]).max(axis=1)
                # A black light, or a constant that is 0 or all but underflows, has no scale of its own.
                own = magnitudes[column.index[0]] if column.parameter.per_light else magnitudes[0]
                unit = next(size for size in (own, magnitudes.max(), 1.0) if size > _NOTHING)
            units.append(unit)
        return np.asarray(np.exp2(np.round(np.log2(units))))


def has_own_scale(column: Column) -> bool:
    """Whether the unit of a column's steps is the magnitude of the number itself, which says little if it is 0."""
    return column.parameter.name.startswith("shader.") or column.parameter.name in ("light.color", "mesh.albedo")
