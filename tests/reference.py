"""A renderer in NumPy float64, written from the formulas, to compare with.

It shares the conventions with tdr and none of its methods: a pixel's ray is cut with triangles in world space
(Möller & Trumbore 1997) instead of projecting corners for interpolation; triangles that cross the near plane are
decided pixel by pixel in homogeneous coordinates instead of being clipped; rotations go through quaternions; and
derivatives are complex steps, which have no truncation and no cancellation (Squire & Trapp 1998). For that every
function of a parameter is analytic: no absolute value, no norm of a complex vector.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

COMPLEX_STEP = 1e-30


def dot(a: Array, b: Array) -> Array:
    """The sum of products over the last axis, kept, without conjugation."""
    return np.asarray(np.sum(a * b, axis=-1, keepdims=True))


def normalized(a: Array) -> Array:
    """Vectors (..., 3) over their length."""
    return np.asarray(a / np.sqrt(dot(a, a)))


def rotation(axis_angle: npt.ArrayLike) -> Array:
    """The rotation (3, 3) by an axis-angle vector, through the unit quaternion (w, u)."""
    vector = np.asarray(axis_angle)
    angle = np.sqrt(dot(vector, vector)[0] + 0j)
    u = 0.5 * vector if angle == 0 else np.sin(angle / 2) / angle * vector
    w = np.cos(angle / 2)
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    matrix = (w * w - u @ u) * np.eye(3) + 2 * np.outer(u, u) + 2 * w * cross
    return np.asarray(matrix if np.iscomplexobj(vector) else matrix.real)


def axis_angle(matrix: Array) -> Array:
    """The axis-angle vector (3,) of a rotation by less than half a turn."""
    sine = 0.5 * np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    length = np.linalg.norm(sine)
    return np.zeros(3) if length == 0 else np.arctan2(length, 0.5 * (np.trace(matrix) - 1)) / length * sine


@dataclasses.dataclass(frozen=True)
class Scene:
    """A scene as plain arrays.

    Attributes:
        corners: (F, 3, 3) positions of the triangles' corners, object space; likewise their normals and albedos.
        mesh_rotation: (3, 3) the current pose; camera_rotation likewise.
        values: parameter name -> value: directions are unit vectors, the field of view is in radians, and the
            rotations are further turns, zero at the current pose.
    """

    corners: Array
    corner_normals: Array
    corner_albedo: Array
    mesh_rotation: Array
    camera_rotation: Array
    near: float
    far: float
    cull_back_faces: bool
    resolution: tuple[int, int]
    values: dict[str, Array]

    @classmethod
    def of(cls, pipeline: Any) -> Scene:
        """The scene that a pipeline's settings describe."""
        mesh, placement, camera = pipeline.mesh, pipeline.placement, pipeline.camera.settings
        lights, normals = pipeline.light_array.settings, pipeline.passes.normals_estimator
        orientation = np.eye(3)
        if camera.look_at is not None:
            backward = normalized(np.subtract(camera.position, camera.look_at))
            right = normalized(np.cross([0.0, 1.0, 0.0], backward))
            orientation = np.stack([right, np.cross(backward, right), backward], axis=1)
        values: dict[str, Any] = {
            "light.direction": normalized(np.array(lights.direction, dtype=np.float64)),
            "light.color": np.array(lights.color, dtype=np.float64) * np.ones((len(lights.direction), 1)),
            **{f"shader.{name}": value for name, value in vars(pipeline.shader.settings).items()},
            "mesh.albedo": placement.albedo,
            "mesh.translation": placement.translation,
            "mesh.rotation": np.zeros(3),
            "mesh.scale": placement.scale,
            "camera.position": camera.position,
            "camera.rotation": np.zeros(3),
        }
        if hasattr(camera, "fov"):
            values["camera.fov"] = np.pi * camera.fov / 180.0
        else:
            values["camera.height"] = camera.height
        return cls(
            mesh.vertices[mesh.triangles],
            normals.normals[normals.triangle_normal_ids],
            mesh.vertex_albedo[mesh.triangles],
            rotation(placement.rotation),
            rotation(camera.rotation) @ orientation,
            camera.near,
            camera.far,
            placement.cull_back_faces,
            pipeline.resolution,
            {name: np.array(value, dtype=np.float64) for name, value in values.items()},
        )

    def camera_axes(self) -> Array:
        """The camera's axes in world space, the columns of (3, 3)."""
        return np.asarray(rotation(self.values["camera.rotation"]) @ self.camera_rotation)

    def corners_world(self) -> Array:
        """The triangles' corners (F, 3, 3) in world space."""
        turn = rotation(self.values["mesh.rotation"]) @ self.mesh_rotation
        return np.asarray(self.values["mesh.translation"] + self.values["mesh.scale"] * self.corners @ turn.T)

    def screen_points(self) -> Array:
        """Pixel centres (H, W, 2) in the plane of the view where the image is 2 high, y up."""
        height, width = self.resolution
        row, column = np.indices(self.resolution)
        return np.stack([(2 * column + 1 - width) / height, (height - 1 - 2 * row) / height], axis=-1)

    def rays(self) -> tuple[Array, Array]:
        """Origins and directions (H, W, 3), world space; a direction is as long as it advances 1 in depth."""
        points = self.screen_points()
        axes = self.camera_axes()
        ahead = np.broadcast_to(-axes[:, 2], (*self.resolution, 3))
        if "camera.fov" in self.values:
            sideways = np.tan(0.5 * self.values["camera.fov"]) * points @ axes[:, :2].T
            return np.broadcast_to(self.values["camera.position"], ahead.shape), ahead + sideways
        sideways = 0.5 * self.values["camera.height"] * points @ axes[:, :2].T
        return self.values["camera.position"] + sideways, ahead


@dataclasses.dataclass(frozen=True)
class Visibility:
    """What each pixel sees.

    Attributes:
        triangle_id: (H, W), -1 for background.
        certain: (H, W), where no edge and no second surface is so close that rounding decides.
        covers: (F, H, W), which pixels each triangle covers between near and far plane, hidden ones included.
    """

    triangle_id: Array
    certain: Array
    covers: Array


def find_visible(scene: Scene, slack: float = 1e-9) -> Visibility:
    """Which triangle each pixel sees: every triangle against every pixel.

    The edge function of an edge is linear in the screen (Olano & Greer 1997): the determinant of the pixel and the
    edge's ends in homogeneous coordinates (x, y, w). It holds whatever corners are behind the camera.

    Args:
        scene: the scene.
        slack: how close to an edge, in pixels, and how close in depth, relative to the far plane, is too close to be
            certain. Rounding of coordinates of up to 1e4 pixels comes to about 1e-11.
    """
    view = (scene.corners_world() - scene.values["camera.position"]) @ scene.camera_axes()
    height, _width = scene.resolution
    perspective = "camera.fov" in scene.values
    half_height = np.tan(0.5 * scene.values["camera.fov"]) if perspective else 0.5 * scene.values["camera.height"]
    w = -view[..., 2] if perspective else np.ones(view.shape[:2])
    homogeneous = np.stack([view[..., 0] / half_height, view[..., 1] / half_height, w], axis=-1)
    x, y = np.moveaxis(scene.screen_points(), -1, 0)
    origins, directions = scene.rays()

    depth_slack = slack * scene.far
    nearest = np.full(scene.resolution, np.inf)
    visibility = Visibility(
        np.full(scene.resolution, -1), np.ones(scene.resolution, bool), np.zeros((len(view), *scene.resolution), bool)
    )
    possible = []
    for f, (corners, corners_world) in enumerate(zip(homogeneous, scene.corners_world(), strict=True)):
        facing = np.linalg.det(corners)
        if facing == 0.0 or (facing < 0.0 and scene.cull_back_faces):
            continue
        covers, surely, perhaps = np.ones((3, *scene.resolution), bool)
        for i in range(3):
            a, b, c = np.sign(facing) * np.cross(corners[(i + 1) % 3], corners[(i + 2) % 3])
            edge = a * x + b * y + c
            # A left edge has the inside to its right, a top edge below (y is up here).
            on_edge = a > 0.0 or (a == 0.0 and b < 0.0)
            covers &= (edge >= 0.0) if on_edge else (edge > 0.0)
            margin = slack * 2.0 / height * np.hypot(a, b)
            surely &= edge > margin
            perhaps &= edge > -margin
        normal = np.cross(corners_world[1] - corners_world[0], corners_world[2] - corners_world[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = (dot(corners_world[0] - origins, normal) / dot(directions, normal))[..., 0]
        covers &= (depth >= scene.near) & (depth <= scene.far)
        surely &= (depth >= scene.near + depth_slack) & (depth <= scene.far - depth_slack)
        perhaps &= (depth >= scene.near - depth_slack) & (depth <= scene.far + depth_slack)
        seen = covers & (depth <= nearest)
        nearest[seen] = depth[seen]
        visibility.triangle_id[seen] = f
        visibility.covers[f] = covers
        visibility.certain[perhaps & ~surely] = False
        possible.append((f, np.where(perhaps, depth, np.inf)))
    for f, depth in possible:
        close = np.isfinite(depth) & (depth <= nearest + depth_slack) & (visibility.triangle_id != f)
        visibility.certain[close] = False
    return visibility


@dataclasses.dataclass(frozen=True)
class Surface:
    """What the covered pixels see, in the order of the rows: (N, 3) each, and ``depth_ndc`` (N,)."""

    barycentrics: Array
    position: Array
    normal: Array
    albedo: Array
    to_eye: Array
    depth_ndc: Array


def intersect(scene: Scene, triangle_id: Array) -> Surface:
    """Cut the covered pixels' rays with the planes of the triangles that they see (Möller & Trumbore 1997)."""
    covered = triangle_id >= 0
    ids = triangle_id[covered]
    origins, directions = (array[covered] for array in scene.rays())
    corner_0, corner_1, corner_2 = np.moveaxis(scene.corners_world()[ids], 1, 0)
    edge_1, edge_2 = corner_1 - corner_0, corner_2 - corner_0
    to_origin = origins - corner_0
    across = np.cross(directions, edge_2)
    determinant = dot(edge_1, across)
    b_1 = dot(to_origin, across) / determinant
    b_2 = dot(directions, np.cross(to_origin, edge_1)) / determinant
    depth = (dot(edge_2, np.cross(to_origin, edge_1)) / determinant)[:, 0]
    barycentrics = np.concatenate([1.0 - b_1 - b_2, b_1, b_2], axis=1)

    turn = rotation(scene.values["mesh.rotation"]) @ scene.mesh_rotation
    normal = normalized(np.einsum("ni,nij->nj", barycentrics, scene.corner_normals[ids]) @ turn.T)
    # Möller and Trumbore's determinant is positive where the counter-clockwise side is seen.
    normal = np.where(determinant.real > 0.0, 1.0, -1.0) * normal
    near, far = scene.near, scene.far
    if "camera.fov" in scene.values:
        to_eye = normalized(-directions)
        depth_ndc = (far + near - 2.0 * far * near / depth) / (far - near)
    else:
        to_eye = -directions
        depth_ndc = (2.0 * depth - far - near) / (far - near)
    albedo = np.einsum("ni,nij->nj", barycentrics, scene.corner_albedo[ids])
    return Surface(barycentrics, origins + depth[:, None] * directions, normal, albedo, to_eye, depth_ndc)


def condition(scene: Scene, triangle_id: Array) -> Array:
    """By how much a relative error of the covered pixels' coordinates grows in their barycentrics, (N,).

    A triangle far away, small, thin or seen at a grazing angle is ill-conditioned: a displacement of its corners by
    eps times their distance moves the barycentrics by up to that over the least height of the triangle on the screen.
    """
    covered = triangle_id >= 0
    origins, directions = (array[covered] for array in scene.rays())
    corners = scene.corners_world()[triangle_id[covered]]
    edges = np.roll(corners, -1, axis=1) - corners
    longest = np.linalg.norm(edges, axis=2).max(axis=1)
    distance = np.linalg.norm(corners - origins[:, None], axis=2).max(axis=1)
    area = np.abs(dot(normalized(directions), np.cross(edges[:, 0], edges[:, 1])))[:, 0]
    return np.asarray(distance * longest / area)


def shade(surface: Surface, values: dict[str, Array]) -> Array:
    """Colours (N, 3) of surface points: Lambert 1760, and Blinn 1977 where there are specular constants."""
    albedo = values["mesh.albedo"] * surface.albedo
    radiance = values["shader.ambient"] * albedo
    for direction, color in zip(values["light.direction"], values["light.color"], strict=True):
        to_light = -normalized(direction)
        cosine = dot(surface.normal, to_light)
        radiance = radiance + color * values["shader.diffuse"] * albedo * np.where(cosine.real > 0.0, cosine, 0.0)
        if "shader.specular" in values:
            half = normalized(to_light + surface.to_eye)
            cosine = dot(surface.normal, half)
            lit = cosine.real > 0.0
            highlight = np.where(lit, np.where(lit, cosine, 1.0) ** values["shader.shininess"], 0.0)
            radiance = radiance + color * values["shader.specular"] * highlight
    return np.asarray(radiance)


def render(scene: Scene, triangle_id: Array) -> Array:
    """The image (H, W, 3), given what each pixel sees; background is 0."""
    colors = shade(intersect(scene, triangle_id), scene.values)
    image = np.zeros((*scene.resolution, 3), dtype=colors.dtype)
    image[triangle_id >= 0] = colors
    return image


def jacobian(scene: Scene, triangle_id: Array) -> dict[str, Array]:
    """The derivative of the image with respect to every parameter: name -> (H, W, 3, *parameter shape)."""
    derivatives = {}
    for name, value in scene.values.items():
        columns = np.zeros((*scene.resolution, 3, *value.shape))
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1j * COMPLEX_STEP
            image = render(dataclasses.replace(scene, values={**scene.values, name: moved}), triangle_id)
            column = (..., *index)
            columns[column] = image.imag / COMPLEX_STEP
        derivatives[name] = columns
    return derivatives


def central_difference(
    function: Callable[[float], Array], steps: npt.ArrayLike, rounding: float
) -> tuple[Array, Array]:
    """The derivative of a function at 0, and a bound of its error, entry by entry.

    Central differences D(h) of step h err by c h**2 + O(h**4), which Richardson's extrapolation (4 D(h/2) - D(h)) / 3
    removes; what it removed, twice, bounds what is left, and rounding adds to that. Of all steps the one with the least
    bound is taken for each entry.

    Args:
        function: its value is an array; entries that must not be used are NaN.
        steps: the steps to try.
        rounding: by how much an entry may be off because of rounding.
    """
    best = error = np.array(np.inf)
    for h in np.asarray(steps, dtype=np.float64):
        whole, half = ((function(s) - function(-s)) / (2.0 * s) for s in (h, 0.5 * h))
        removed = np.abs(half - whole) / 3.0
        bound = 2.0 * removed + 6.0 * rounding / h
        best = np.where(bound < error, (4.0 * half - whole) / 3.0, best)
        error = np.where(bound < error, bound, error)
    return best, error
