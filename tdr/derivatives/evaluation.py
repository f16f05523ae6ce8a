"""The image of many scenes at a few pixels, in float64: what derivatives are checked against.

Finite differences need the same pixels under hundreds of displaced settings. One launch evaluates them all; it renders
with the functions of :mod:`tdr.render.pixel`, and nothing in it is differentiated. It is compiled in float64 in every
run.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tdr.backend import ti
from tdr.config.parameters import Reads
from tdr.render.kernels import vec3
from tdr.render.layout import MATRIX, TRIANGLE, VECTOR, Layout
from tdr.render.passes import Passes
from tdr.render.pipeline import Pipeline
from tdr.render.pixel import PixelFunctions
from tdr.render.values import SceneValues
from tdr.shaders.custom import explained

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PixelSample:
    """Some pixels, each with a copy of the triangle that it sees, so that its corners can be moved for it alone.

    Attributes:
        pixels: (N,) int32, row by row.
        vertices: (N, 3, 3) the triangles' corners, object space.
        normals: (N, 3, 3) their normals.
        vertex_albedo: (N, 3, 3) their albedo.
        view: height and width of the image, near and far of the camera.
    """

    pixels: npt.NDArray[np.int32]
    vertices: Array
    normals: Array
    vertex_albedo: Array
    view: Array

    @classmethod
    def of(cls, passes: Passes, subset: npt.NDArray[np.integer]) -> "PixelSample":
        """Take pixels of what was rendered last, (N,) places in the list of covered pixels."""
        pixels = passes.rasterizer.pixels[subset]
        seen = passes.rasterizer.triangle_ids[subset]
        vertices, triangles, normals, normal_ids, albedo = passes.interpolator.attributes
        corners = triangles[seen]
        settings = passes.scene.camera.settings
        view = np.array([*passes.resolution, settings.near, settings.far], dtype=np.float64)
        return cls(pixels, vertices[corners], normals[normal_ids[seen]], albedo[corners], view)

    @classmethod
    def joined(cls, samples: Sequence["PixelSample"]) -> "PixelSample":
        """The pixels of several samples of one image, one after the other."""
        if len(samples) == 1:
            return samples[0]
        pixels = np.concatenate([sample.pixels for sample in samples])
        # In one piece of memory, because getting it takes longer than filling it.
        corners = np.empty((3, len(pixels), 3, 3))
        for name, out in zip(("vertices", "normals", "vertex_albedo"), corners, strict=True):
            np.concatenate([getattr(sample, name) for sample in samples], out=out)
        return cls(pixels, corners[0], corners[1], corners[2], samples[0].view)

    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """The sample as a mesh for :meth:`tdr.render.pixel.PixelFunctions.locate`; pixel k sees triangle k."""
        triangles = np.arange(3 * len(self.pixels), dtype=np.int32).reshape(-1, 3)
        vertices, normals, albedo = (a.reshape(-1, 3) for a in (self.vertices, self.normals, self.vertex_albedo))
        return vertices, triangles, normals, triangles, albedo, self.view

    def nudged(self, what: Reads, size: float, rng: np.random.Generator, coordinates: float = 0.0) -> "PixelSample":
        """Change every number by a random part of it: the corners' positions, or what is interpolated between them.

        Args:
            what: ``POSE`` for the positions, ``SHADING`` for normals and albedo.
            size: the largest relative change.
            rng: the source of randomness.
            coordinates: how large positions are where the mesh is placed, and rounded, in the mesh's units; besides
                their own size.
        """

        def nudge(array: Array, of: Array) -> Array:
            nudged = rng.uniform(-size, size, array.shape)
            nudged *= of
            nudged += array
            return nudged

        if what is Reads.POSE:
            return dataclasses.replace(self, vertices=nudge(self.vertices, np.abs(self.vertices) + coordinates))
        normals, albedo = nudge(self.normals, self.normals), nudge(self.vertex_albedo, self.vertex_albedo)
        return dataclasses.replace(self, normals=normals, vertex_albedo=albedo)


@ti.data_oriented
class Evaluation(PixelFunctions):
    """The kernel that evaluates samples."""

    @ti.kernel
    def evaluate(
        self,
        num_lights: ti.i32,
        pixels: ti.types.ndarray(dtype=ti.i32, ndim=1),
        vertices: ti.types.ndarray(dtype=VECTOR, ndim=1),
        triangles: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        normals: ti.types.ndarray(dtype=VECTOR, ndim=1),
        normal_ids: ti.types.ndarray(dtype=TRIANGLE, ndim=1),
        vertex_albedo: ti.types.ndarray(dtype=VECTOR, ndim=1),
        view: ti.types.ndarray(ndim=1),
        rotations: ti.types.ndarray(dtype=MATRIX, ndim=1),
        values: ti.types.ndarray(ndim=2),
        moves: ti.types.ndarray(dtype=ti.i32, ndim=1),
        stretches: ti.types.ndarray(dtype=ti.f64, ndim=1),
        layout: ti.template(),
        radiance: ti.types.ndarray(dtype=vec3, ndim=2),
    ):
        """Write the colour of every pixel in every scene of its group, (S, N, 3).

        The stretches are one a group, the scenes, lights and rotations group by group; ``moves``: 1 where a scene's
        pose is not that of the first of its group.
        """
        for k in range(radiance.shape[1]):
            group = k // (radiance.shape[1] // stretches.shape[0])
            first = group * radiance.shape[0]
            _weights, first_position, first_normal, first_albedo = self.locate(
                first * num_lights,
                first,
                pixels[k],
                k,
                vertices,
                triangles,
                normals,
                normal_ids,
                vertex_albedo,
                rotations,
                view,
                values,
                layout,
            )
            for i in range(radiance.shape[0]):
                scene = first + i
                position, normal, albedo = first_position, first_normal, first_albedo
                if moves[scene] == 1:
                    _weights_here, position, normal, albedo = self.locate(
                        scene * num_lights,
                        scene,
                        pixels[k],
                        k,
                        vertices,
                        triangles,
                        normals,
                        normal_ids,
                        vertex_albedo,
                        rotations,
                        view,
                        values,
                        layout,
                    )
                normal *= 1.0 + stretches[group]
                total = ti.Vector([0.0, 0.0, 0.0])
                for light in range(num_lights):
                    total += self.radiance_of(
                        light, k, scene * num_lights + light, scene, position, normal, albedo, rotations, values, layout
                    )
                radiance[i, k] = total


_evaluation = Evaluation()


def evaluate(
    sample: PixelSample, scenes: Sequence[SceneValues], layout: Layout, stretches: Sequence[float] = (0.0,)
) -> Array:
    """Render a sample's pixels in many scenes, each pixel seeing its own triangle in all of them.

    One launch can render several groups of pixels, each in scenes of its own: the sample is as many groups of equal
    size, one after the other, as there are stretches.

    Args:
        sample: the N pixels.
        scenes: numbers of the same scene, S for each group, group by group.
        layout: what the kernel is compiled for; nothing is perturbed.
        stretches: by how much, as a part of 1, each group's normals are longer than 1: what rounding does to a unit
            vector.

    Returns:
        (S, N, 3) linear RGB, float64.
    """
    groups = len(stretches)
    radiance = np.empty((len(scenes) // groups, len(sample.pixels), 3))
    values = np.stack([scene.values for scene in scenes])
    rotations = np.stack([scene.rotations for scene in scenes])
    pose = np.repeat([p.reads is Reads.POSE for p in layout.parameters], [p.size for p in layout.parameters])
    poses = np.concatenate([values[:, :, pose].reshape(len(scenes), -1), rotations.reshape(len(scenes), -1)], axis=1)
    poses = poses.reshape(groups, len(radiance), -1)
    moves = (poses != poses[:, :1]).any(axis=2).reshape(-1)
    with explained(layout.shader):
        _evaluation.evaluate(
            values.shape[1],
            sample.pixels,
            *sample.arrays(),
            rotations.reshape(-1, 3, 3),
            layout.rows(values.reshape(-1, values.shape[2])),
            moves.astype(np.int32),
            np.array(stretches, dtype=np.float64),
            layout,
            radiance,
        )
    return radiance


def compile_kernel(pipeline: Pipeline) -> None:
    """Compile what :func:`evaluate` needs for a scene; see :func:`tdr.derivatives.jacobian.compile_kernels`."""
    passes = pipeline.passes
    evaluate(PixelSample.of(passes, np.empty(0, dtype=np.intp)), [SceneValues.of(passes.scene)], passes.layout())
