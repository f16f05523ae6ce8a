"""The settings of what is made of a scene: image, Jacobian images, check, runtime and tracking."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Optional

from tdr.config.memory import parse_bytes, usual_limit
from tdr.errors import InputError, check_choice, check_integer, check_vector, is_list

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Kernels count the numbers of an array in 32 bits.
_MOST_MEMORY = 8 * 10**9


class Method(enum.Enum):
    """How Jacobian images are computed; see :mod:`tdr.derivatives.jacobian`."""

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

    # a list of parameter names, a single one, or 'all'
    parameters: Any = field(default_factory=lambda: ["light.direction"])
    # batched: one reverse pass for all pixels; loop: one reverse pass a pixel, the slow reference; forward: one
    # forward-mode pass a column; finite_difference: central differences in float64 at the best of many steps
    method: Method = Method.batched
    # weights of R, G, B (the derivative of the weighted sum), or 'rgb' for the three channels separately
    cotangent: Any = field(default_factory=lambda: [1.0, 1.0, 1.0])
    # how much memory the images may take at a time, with the G-buffer that they are computed from: a number of bytes or
    # a text such as 2GB, at most 8 GB; images that take more are computed in bands of rows and written to
    # jacobian/*.npy (docs/outputs.md). Not given: 1 GB, on Linux a quarter of the memory that is free if that is less
    memory_limit: Any = None

    def __post_init__(self) -> None:
        self.memory_bytes()
        if self.cotangent != "rgb":
            if isinstance(self.cotangent, str):
                raise InputError(f"jacobian.cotangent must be 'rgb' or a list of 3 numbers; got {self.cotangent!r}.")
            check_vector("jacobian.cotangent", self.cotangent, nonzero=True)
        names = self.parameters
        if not isinstance(names, str) and (not is_list(names) or len(names) == 0):
            raise InputError(f"jacobian.parameters must be a list of parameter names, one or 'all'; got {names!r}.")

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
