"""The settings of a scene: mesh, camera, light and shader."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, List, Optional

from tdr.config.attributes import Settings
from tdr.config.parameters import COLOR, VECTOR, Reads, differentiable, parameters_of
from tdr.errors import InputError, check_choice, check_integer, check_number, check_vector, is_list


class Shading(enum.Enum):
    """Which normals a mesh is shaded with."""

    smooth = "smooth"
    flat = "flat"


@dataclass
class MeshConfig(Settings):
    """What every mesh has: its place in the world and its colour.

    A vertex v of the mesh stands at ``translation + scale * R v`` in world space, where R turns by the axis-angle
    vector ``rotation``.
    """

    group: ClassVar[str] = "mesh"

    # linear RGB factor on the mesh's own vertex colours (white where it has none), each >= 0
    albedo: List[float] = differentiable([1.0, 1.0, 1.0], components=COLOR)
    # world units
    translation: List[float] = differentiable([0.0, 0.0, 0.0], components=VECTOR, reads=Reads.POSE)
    # axis-angle, radians; the derivative is with respect to a further turn about the world's axes
    rotation: List[float] = differentiable([0.0, 0.0, 0.0], components=VECTOR, reads=Reads.POSE, unit="rad")
    # factor, > 0
    scale: float = differentiable(1.0, reads=Reads.POSE)
    # smooth: angle-weighted vertex normals; flat: one normal a triangle
    shading: Shading = Shading.smooth
    # leave out triangles whose clockwise side faces the camera
    cull_back_faces: bool = False

    def __post_init__(self) -> None:
        check_vector("mesh.albedo", self.albedo, least=0.0)
        check_vector("mesh.translation", self.translation)
        check_vector("mesh.rotation", self.rotation)
        check_number("mesh.scale", self.scale, above=0.0)
        self.shading = check_choice("mesh.shading", Shading, self.shading)


@dataclass
class SphereConfig(MeshConfig):
    """The unit sphere as a subdivided icosahedron."""

    # each step splits every triangle into 4: 20 * 4**subdivisions triangles; 0 to 9
    subdivisions: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("mesh.subdivisions", self.subdivisions, least=0, most=9)


@dataclass
class CubeConfig(MeshConfig):
    """The axis-aligned cube whose corners lie on the unit sphere."""

    # each step splits every triangle into 4: 12 * 4**subdivisions triangles; 0 to 9
    subdivisions: int = 0
    shading: Shading = Shading.flat

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("mesh.subdivisions", self.subdivisions, least=0, most=9)


@dataclass
class TorusConfig(MeshConfig):
    """A torus around the z axis, of outer radius 1."""

    # 16 * 2**subdivisions segments around the axis and half as many around the tube; 0 to 8
    subdivisions: int = 2
    # radius of the tube, in (0, 0.5)
    tube_radius: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("mesh.subdivisions", self.subdivisions, least=0, most=8)
        check_number("mesh.tube_radius", self.tube_radius, above=0.0, below=0.5)


@dataclass
class TorusKnotConfig(MeshConfig):
    """A tube along the (p, q) torus knot, within the unit sphere."""

    # 64 * 2**subdivisions segments along the knot, 4 * 2**subdivisions around the tube; 0 to 7
    subdivisions: int = 2
    # turns around the axis, and through the hole; coprime
    p: int = 2
    q: int = 3
    # radius of the tube, in (0, 0.3)
    tube_radius: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("mesh.subdivisions", self.subdivisions, least=0, most=7)
        check_integer("mesh.p", self.p, least=1)
        check_integer("mesh.q", self.q, least=1)
        check_number("mesh.tube_radius", self.tube_radius, above=0.0, below=0.3)
        if math.gcd(self.p, self.q) != 1:
            raise InputError(f"mesh.p and mesh.q must be coprime; got {self.p} and {self.q}.")


@dataclass
class FileMeshConfig(MeshConfig):
    """A mesh from a file, in any format that trimesh reads."""

    # relative paths start at the directory that the command was started from
    path: str = "???"
    # move the centre of the bounding box to the origin and scale into the unit sphere
    normalize: bool = True


@dataclass
class CameraConfig(Settings):
    """What every camera has: its pose and the depth range.

    The camera looks along -z of its own axes, y up. Its orientation is that of ``look_at`` (the world's axes where
    it is not given), turned about the world's axes by the axis-angle vector ``rotation``.
    """

    group: ClassVar[str] = "camera"

    # world units
    position: List[float] = differentiable([0.0, 0.0, 3.5], components=VECTOR, reads=Reads.POSE)
    # axis-angle, radians; the derivative is with respect to a further turn about the world's axes
    rotation: List[float] = differentiable([0.0, 0.0, 0.0], components=VECTOR, reads=Reads.POSE, unit="rad")
    # a point in world space to look at, y up; derivatives by position hold the orientation that results
    look_at: Optional[List[float]] = None
    # distances along the viewing axis between which surfaces are seen
    near: float = 0.1
    far: float = 100.0

    def __post_init__(self) -> None:
        check_vector("camera.position", self.position)
        check_vector("camera.rotation", self.rotation)
        if self.look_at is not None:
            check_vector("camera.look_at", self.look_at)
            if list(self.look_at) == list(self.position):
                raise InputError(f"camera.look_at must differ from camera.position; got {list(self.look_at)!r} twice.")
        check_number("camera.near", self.near, above=0.0)
        check_number("camera.far", self.far)
        if self.near >= self.far:
            raise InputError(f"camera.near must be less than camera.far; got near {self.near!r} and far {self.far!r}.")


@dataclass
class PerspectiveCameraConfig(CameraConfig):
    """A pinhole camera."""

    # vertical field of view, degrees, in (0, 180); the derivative is per radian
    fov: float = differentiable(60.0, reads=Reads.POSE, unit="rad")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("camera.fov", self.fov, above=0.0, below=180.0)


@dataclass
class OrthographicCameraConfig(CameraConfig):
    """A parallel projection."""

    # height of the view, world units, > 0
    height: float = differentiable(4.0, reads=Reads.POSE)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("camera.height", self.height, above=0.0)


@dataclass
class LightConfig(Settings):
    """Directional lights."""

    group: ClassVar[str] = "light"

    # one 3-vector a light: the way the light travels, world space; normalized when it is used
    direction: Any = differentiable([[0.0, 0.0, -1.0]], components=VECTOR, per_light=True)
    # linear RGB with the intensity included, each >= 0; one for all lights or one a light
    color: Any = differentiable([[1.0, 1.0, 1.0]], components=COLOR, per_light=True)
    # where the first light stands, as the default camera sees it, in place of these angles of its direction; degrees
    # azimuth: any, counter-clockwise from the image's right
    azimuth: Optional[float] = None
    # elevation, -90 to 90: 90 is frontal, 0 grazing, negative from behind; not given, and the direction is along the
    # z axis, where an azimuth alone would change nothing: 45 (-45 from behind)
    elevation: Optional[float] = None

    def __post_init__(self) -> None:
        # Checked here alone: OmegaConf refuses whole numbers in nested lists of floats.
        for key, vectors in (("light.direction", self.direction), ("light.color", self.color)):
            if not is_list(vectors) or len(vectors) == 0 or not all(map(is_list, vectors)):
                raise InputError(f"{key} must be a list with one 3-vector a light, as in [[1,-1,-1]]; got {vectors!r}.")
        for vector in self.direction:
            check_vector("light.direction", vector, nonzero=True)
        if len(self.color) not in (1, len(self.direction)):
            raise InputError(
                "light.color must have one colour, or one for each light of light.direction, which has "
                f"{len(self.direction)}; got {len(self.color)}."
            )
        for color in self.color:
            check_vector("light.color", color, least=0.0)
        self.apply_angles()

    def apply_angles(self) -> None:
        """Turn the first light to the angles that are given, and forget them: ``direction`` is where it is kept.

        Raises:
            InputError: if an angle is out of range.
        """
        if self.azimuth is None and self.elevation is None:
            return
        azimuth, elevation = angles_of_direction(self.direction[0])
        if self.azimuth is not None:
            check_number("light.azimuth", self.azimuth)
            azimuth = self.azimuth
        if self.elevation is not None:
            check_number("light.elevation", self.elevation, least=-90.0, most=90.0)
            elevation = self.elevation
        elif abs(elevation) == 90.0:
            elevation = math.copysign(45.0, elevation)
        self.direction = [direction_from_angles(azimuth, elevation), *self.direction[1:]]
        self.azimuth = self.elevation = None


@dataclass
class ShaderConfig(Settings):
    """What every shader has: constants that are finite numbers."""

    group: ClassVar[str] = "shader"

    def __post_init__(self) -> None:
        for parameter in parameters_of("shader", self):
            check_number(parameter.name, getattr(self, parameter.name.removeprefix("shader.")))


@dataclass
class BlinnPhongConfig(ShaderConfig):
    """Blinn-Phong reflection (Blinn 1977, half-vector form)."""

    # all >= 0
    ambient: float = differentiable(0.1)
    diffuse: float = differentiable(0.3)
    specular: float = differentiable(0.2)
    # exponent of the highlight
    shininess: float = differentiable(30.0)

    def __post_init__(self) -> None:
        for name in ("ambient", "diffuse", "specular", "shininess"):
            check_number(f"shader.{name}", getattr(self, name), least=0.0)


@dataclass
class LambertianConfig(ShaderConfig):
    """Diffuse reflection only."""

    # both >= 0
    ambient: float = differentiable(0.1)
    diffuse: float = differentiable(0.8)

    def __post_init__(self) -> None:
        for name in ("ambient", "diffuse"):
            check_number(f"shader.{name}", getattr(self, name), least=0.0)


@dataclass
class CustomShaderConfig(ShaderConfig):
    """A shader from a file of the user's own (:mod:`tdr.config.shader_file`).

    The parameters that the file declares are settings too: attributes here, and fields in :class:`Config`.
    """

    # relative paths start at the directory that the command was started from
    path: str = "???"

    def __setattr__(self, name: str, value: Any) -> None:
        # Which parameters there are is known when the file is read.
        object.__setattr__(self, name, value)


def direction_from_angles(azimuth: float, elevation: float) -> list[float]:
    """The unit vector along which a light travels: ``-(cos el cos az, cos el sin az, sin el)``.

    The angles are those of a dome around the z axis, along which the default camera looks: the azimuth turns
    counter-clockwise from the image's right, and the elevation rises from the image plane (0, grazing) towards the
    camera (90, frontal); below 0 the light comes from behind.

    Args:
        azimuth: degrees, any finite number.
        elevation: degrees, in [-90, 90].

    Returns:
        x, y and z, world space; components that are 0 or 1 at multiples of 90 degrees are so exactly.
    """
    cos_azimuth, sin_azimuth = _cosine_and_sine(azimuth)
    cos_elevation, sin_elevation = _cosine_and_sine(elevation)
    to_light = (cos_elevation * cos_azimuth, cos_elevation * sin_azimuth, sin_elevation)
    # 0 - 0 is 0, where -0.0 would be printed as such.
    return [0.0 - component for component in to_light]


def angles_of_direction(direction: Sequence[float]) -> tuple[float, float]:
    """The azimuth and the elevation of a light that travels along a direction.

    Args:
        direction: x, y and z, world space, of any length but zero.

    Returns:
        Degrees; the azimuth in (-180, 180], 0 where the direction is along the z axis.
    """
    # Scaled first, so that no square over- or underflows.
    largest = max(map(abs, direction))
    x, y, z = (0.0 - component / largest for component in direction)
    return math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))


def _cosine_and_sine(degrees: float) -> tuple[float, float]:
    """Exact at multiples of 90, where ``math.cos(math.radians(90))`` is 6e-17."""
    within = math.remainder(degrees, 360.0)
    quarters = round(within / 90.0)
    rest = math.radians(within - 90.0 * quarters)
    cosine, sine = math.cos(rest), math.sin(rest)
    return ((cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine))[quarters % 4]
