"""Everything that a run can be told, put together, and the options among which a user chooses."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from tdr.config.memory import format_bytes
from tdr.config.parameters import Parameter, columns_of, parameters_of, select_parameters
from tdr.config.run import (
    CheckConfig,
    CheckMode,
    ImageConfig,
    JacobianConfig,
    Precision,
    RuntimeConfig,
    TrackingConfig,
)
from tdr.config.scene import (
    BlinnPhongConfig,
    CameraConfig,
    CubeConfig,
    CustomShaderConfig,
    FileMeshConfig,
    LambertianConfig,
    LightConfig,
    MeshConfig,
    OrthographicCameraConfig,
    PerspectiveCameraConfig,
    ShaderConfig,
    SphereConfig,
    TorusConfig,
    TorusKnotConfig,
)
from tdr.config.shader_file import with_declared_parameters
from tdr.errors import InputError


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
        if self.array_bytes() > self.jacobian.memory_bytes():
            self.refuse_what_needs_all_pixels()

    def known_parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that this scene has, in the order in which results list them."""
        return tuple(
            parameter
            for group in ("light", "shader", "mesh", "camera")
            for parameter in parameters_of(group, getattr(self, group))
        )

    def array_bytes(self) -> int:
        """What the arrays of Jacobian images take as a whole, without what they are computed from."""
        columns = columns_of(self.selected_parameters(), len(self.light.direction))
        cotangents = 3 if self.jacobian.cotangent == "rgb" else 1
        number = 8 if self.runtime.precision is Precision.f64 else 4
        return self.image.width * self.image.height * len(columns) * cotangents * number

    def refuse_what_needs_all_pixels(self) -> None:
        """Check that nothing holds every pixel in memory, for Jacobian images that do not fit into it.

        Raises:
            InputError: if something does.
        """
        remedy = "Raise jacobian.memory_limit, or ask for fewer parameters or pixels."
        where = f"the Jacobian images exceed jacobian.memory_limit, {format_bytes(self.jacobian.memory_bytes())}"
        if self.check.mode is CheckMode.full:
            raise InputError(f"check must be quick or off where {where}; got full, which needs all entries. {remedy}")
        if self.image.g_buffer:
            raise InputError(f"image.g_buffer must be false where {where}; got true. {remedy}")

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
