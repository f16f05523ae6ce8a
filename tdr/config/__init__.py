"""The settings of a run: what may be set, its type, unit, default and range.

The classes are the schemas that Hydra composes against and the settings that the Python classes of the same
subject are built from. A field declared with :func:`tdr.config.parameters.differentiable` is a parameter that Jacobian
images can be asked for. Ranges are checked on construction (``__post_init__``), so a bad value never gets further.

:mod:`tdr.config.root` puts them together; :mod:`tdr.config.scene` has those of the mesh, the camera, the lights and the
shader, :mod:`tdr.config.run` all others.
"""

from __future__ import annotations

from tdr.config.parameters import select_parameters
from tdr.config.root import SCHEMAS, Config, reject_unknown_keys
from tdr.config.run import (
    Arch,
    CheckConfig,
    CheckMode,
    ImageConfig,
    JacobianConfig,
    Method,
    OnFail,
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
    Shading,
    SphereConfig,
    TorusConfig,
    TorusKnotConfig,
)

__all__ = [
    "SCHEMAS",
    "Arch",
    "BlinnPhongConfig",
    "CameraConfig",
    "CheckConfig",
    "CheckMode",
    "Config",
    "CubeConfig",
    "CustomShaderConfig",
    "FileMeshConfig",
    "ImageConfig",
    "JacobianConfig",
    "LambertianConfig",
    "LightConfig",
    "MeshConfig",
    "Method",
    "OnFail",
    "OrthographicCameraConfig",
    "PerspectiveCameraConfig",
    "Precision",
    "RuntimeConfig",
    "ShaderConfig",
    "Shading",
    "SphereConfig",
    "TorusConfig",
    "TorusKnotConfig",
    "TrackingConfig",
    "reject_unknown_keys",
    "select_parameters",
]
