"""The settings of a run: what may be set, its type, unit, default and range.

The classes are the schemas that Hydra composes against and the settings that the Python classes of the same
subject are built from. A field declared with :func:`tdr.parameters.differentiable` is a parameter that Jacobian
images can be asked for. Ranges are checked on construction (``__post_init__``), so a bad value never gets further.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from tdr.errors import InputError, check_choice, check_integer, check_number, check_vector
from tdr.light_angles import angles_of_direction, direction_from_angles
from tdr.memory import parse_bytes, usual_limit
from tdr.parameters import COLOR, VECTOR, Parameter, Reads, differentiable, parameters_of
from tdr.shader_file import with_declared_parameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Kernels count the numbers of an array in 32 bits.
_MOST_MEMORY = 8 * 10**9


class Shading(enum.Enum):
    """Which normals a mesh is shaded with."""

    smooth = "smooth"
    flat = "flat"


class Method(enum.Enum):
    """How Jacobian images are computed; see :mod:`tdr.jacobian`."""

    batched = "batched"
    loop = "loop"
    forward = "forward"
    finite_difference = "finite_difference"


class CheckMode(enum.Enum):
    """How much of the Jacobian images is checked: a random sample, every pixel of every column, or nothing."""

    quick = "quick"
    full = "full"
    off = "off"


class OnFail(enum.Enum):
    """What a failed check does to the exit status of the command: 2, or nothing."""

    fail = "fail"
    warn = "warn"


class Precision(enum.Enum):
    """The floating-point type of shading, images and derivatives. Geometry is always computed in float64."""

    f32 = "f32"
    f64 = "f64"


class Arch(enum.Enum):
    """The Taichi backend."""

    cpu = "cpu"
    cuda = "cuda"
    vulkan = "vulkan"
    metal = "metal"


@dataclass
class MeshConfig:
    """What every mesh has: its place in the world and its colour.

    A vertex v of the mesh stands at ``translation + scale * R v`` in world space, where R turns by the axis-angle
    vector ``rotation``.
    """

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
class CameraConfig:
    """What every camera has: its pose and the depth range.

    The camera looks along -z of its own axes, y up. Its orientation is that of ``look_at`` (the world's axes where
    it is not given), turned about the world's axes by the axis-angle vector ``rotation``.
    """

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
class LightConfig:
    """Directional lights."""

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
            if not _is_list(vectors) or len(vectors) == 0 or not all(map(_is_list, vectors)):
                raise InputError(f"{key} must be a list with one 3-vector a light, as in [[1,-1,-1]]; got {vectors!r}.")
        for vector in self.direction:
            check_vector("light.direction", vector, nonzero=True)
        if len(self.color) not in (1, len(self.direction)):
            raise InputError(
                f"light.color must have one colour, or one for each of the {len(self.direction)} lights of "
                f"light.direction; got {len(self.color)}."
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
class ShaderConfig:
    """What every shader has: constants that are finite numbers."""

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
    """A shader from a file of the user's own (:mod:`tdr.shader_file`).

    The parameters that the file declares are settings too: attributes here, and fields in :class:`Config`.
    """

    # relative paths start at the directory that the command was started from
    path: str = "???"


@dataclass
class ImageConfig:
    """The picture."""

    # pixels, >= 1
    width: int = 512
    height: int = 512
    # also write g_buffer.npz and pictures of it
    g_buffer: bool = False

    def __post_init__(self) -> None:
        check_integer("image.width", self.width, least=1)
        check_integer("image.height", self.height, least=1)
        if self.width * self.height >= 2**31:
            raise InputError(
                f"image.width * image.height must be less than 2147483648; got {self.width} * {self.height}."
            )


@dataclass
class JacobianConfig:
    """Which Jacobian images, and how."""

    # a list of parameter names, or 'all'
    parameters: Any = field(default_factory=lambda: ["light.direction"])
    # batched: one reverse pass for all pixels; loop: one reverse pass a pixel, the slow reference; forward: one
    # forward-mode pass a column; finite_difference: central differences in float64 at the best of many steps
    method: Method = Method.batched
    # weights of R, G, B (the derivative of the weighted sum), or 'rgb' for the three channels separately
    cotangent: Any = field(default_factory=lambda: [1.0, 1.0, 1.0])
    # how much memory the images may take at a time, with the G-buffer that they are computed from: a number of bytes or
    # a text such as 2GB, at most 8 GB; images that take more are computed in bands of rows and written to
    # jacobian/*.npy (README). Not given: 1 GB, on Linux a quarter of the memory that is free if that is less
    memory_limit: Any = None

    def __post_init__(self) -> None:
        self.memory_bytes()
        if self.cotangent != "rgb":
            if isinstance(self.cotangent, str):
                raise InputError(f"jacobian.cotangent must be 'rgb' or a list of 3 numbers; got {self.cotangent!r}.")
            check_vector("jacobian.cotangent", self.cotangent, nonzero=True)
        names = self.parameters
        if names != "all" and (not _is_list(names) or len(names) == 0):
            raise InputError(f"jacobian.parameters must be a list of parameter names or 'all'; got {names!r}.")

    def memory_bytes(self) -> int:
        """``memory_limit`` in bytes, whether it is given or not."""
        if self.memory_limit is None:
            return usual_limit()
        return parse_bytes("jacobian.memory_limit", self.memory_limit, most=_MOST_MEMORY)

    def cotangents(self) -> npt.NDArray[np.float64]:
        """The cotangents to seed, shape (C, 3): C = 3 unit vectors for ``rgb``, else C = 1."""
        import numpy as np  # takes longer than all that --help needs of this package

        return np.eye(3) if self.cotangent == "rgb" else np.array([self.cotangent], dtype=np.float64)


@dataclass
class CheckConfig:
    """How the Jacobian images are checked by independent methods."""

    # quick: every column at random pixels and a random direction; full: every pixel of every column; off
    mode: CheckMode = CheckMode.quick
    # fail: the command exits with 2 after everything is written; warn: it only says so
    on_fail: OnFail = OnFail.fail

    def __post_init__(self) -> None:
        self.mode = check_choice("check.mode", CheckMode, self.mode)
        self.on_fail = check_choice("check.on_fail", OnFail, self.on_fail)


@dataclass
class RuntimeConfig:
    """How it is computed."""

    precision: Precision = Precision.f32
    arch: Arch = Arch.cpu
    # print where the time went
    timings: bool = False


@dataclass
class TrackingConfig:
    """Where runs are kept."""

    # false: nothing is sent to MLflow, and it is not even imported
    enabled: bool = True
    # the address of an MLflow server, or sqlite:///<file>; not given: mlflow.db at the repository root
    uri: Optional[str] = None
    # the MLflow experiment
    experiment: str = "tdr"
    # shown in the UI and searchable there
    tags: Dict[str, str] = field(default_factory=dict)


@dataclass
class Config:
    """Everything that a run of ``experiments/jacobian.py`` can be told."""

    mesh: MeshConfig = field(default_factory=SphereConfig)
    camera: CameraConfig = field(default_factory=PerspectiveCameraConfig)
    light: LightConfig = field(default_factory=LightConfig)
    shader: ShaderConfig = field(default_factory=BlinnPhongConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    jacobian: JacobianConfig = field(default_factory=JacobianConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        if type(self.shader) is CustomShaderConfig:
            self.shader = with_declared_parameters(self.shader)
        if self.jacobian.parameters != "all":
            select_parameters(self.known_parameters(), self.jacobian.parameters)

    def known_parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that this scene has, in the order in which results list them."""
        return tuple(
            parameter
            for group in ("light", "shader", "mesh", "camera")
            for parameter in parameters_of(group, getattr(self, group))
        )

    def selected_parameters(self) -> tuple[Parameter, ...]:
        """The parameters that Jacobian images are asked for."""
        return select_parameters(self.known_parameters(), self.jacobian.parameters)


# Which options a user can choose from, group by group: the name of the option's schema and its class.
SCHEMAS: dict[str, dict[str, type]] = {
    "mesh": {
        "sphere": SphereConfig,
        "cube": CubeConfig,
        "torus": TorusConfig,
        "torus_knot": TorusKnotConfig,
        "file": FileMeshConfig,
    },
    "camera": {"perspective": PerspectiveCameraConfig, "orthographic": OrthographicCameraConfig},
    "light": {"directional": LightConfig},
    "shader": {"blinn_phong": BlinnPhongConfig, "lambertian": LambertianConfig, "custom": CustomShaderConfig},
    "check": {"check": CheckConfig},
}


def select_parameters(known: Sequence[Parameter], names: Sequence[str] | str) -> tuple[Parameter, ...]:
    """Pick parameters by name.

    Args:
        known: the parameters that the scene has.
        names: names from among them, each once, or ``"all"``.

    Returns:
        The chosen parameters, in the order of ``known``.

    Raises:
        InputError: if a name is not known or stands twice; the message lists the known ones.
    """
    if names == "all":
        return tuple(known)
    listed = ", ".join(parameter.name for parameter in known)
    for i, name in enumerate(names):
        if not any(parameter.name == name for parameter in known):
            raise InputError(f"jacobian.parameters must name parameters of this scene; got {name!r}. Known: {listed}.")
        if name in names[:i]:
            raise InputError(f"jacobian.parameters must name each parameter once; got {name!r} twice.")
    return tuple(parameter for parameter in known if parameter.name in names)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def reject_unknown_keys(config: Any, composed: Any, prefix: str = "") -> None:
    """Refuse keys that were forced in with ``+`` and that no schema knows.

    Args:
        config: a schema instance.
        composed: the composed config that it was made from, as plain dictionaries.
        prefix: the path of ``config`` with a dot at its end.

    Raises:
        InputError: for the first unknown key, with the keys that exist there.
    """
    known = [f.name for f in fields(config)]
    for key, value in composed.items():
        if key not in known:
            raise InputError(
                f"{prefix}{key} must be a known key; got {value!r}. "
                f"Keys {'in ' + prefix[:-1] if prefix else 'at the top level'}: {', '.join(known) or 'none'}."
            )
        child = getattr(config, key)
        if hasattr(child, "__dataclass_fields__") and isinstance(value, dict):
            reject_unknown_keys(child, value, f"{prefix}{key}.")
