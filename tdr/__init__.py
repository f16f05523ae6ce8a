"""tdr: a differentiable triangle rasterizer that hands out Jacobian images.

The names below load what they need when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tdr.backend import start as start
    from tdr.check import check_jacobian as check_jacobian
    from tdr.check_result import CheckResult as CheckResult
    from tdr.config import MeshConfig as MeshConfig
    from tdr.errors import InputError as InputError
    from tdr.jacobian import compute_jacobian as compute_jacobian
    from tdr.jacobian_images import JacobianImages as JacobianImages
    from tdr.mesh import TriangleMesh as TriangleMesh
    from tdr.normals import NormalsEstimator as NormalsEstimator
    from tdr.pipeline import Pipeline as Pipeline
    from tdr.stages.camera import OrthographicCamera as OrthographicCamera
    from tdr.stages.camera import PerspectiveCamera as PerspectiveCamera
    from tdr.stages.interpolator import TriangleAttributeInterpolator as TriangleAttributeInterpolator
    from tdr.stages.lights import DirectionalLightArray as DirectionalLightArray
    from tdr.stages.rasterizer import TriangleRasterizer as TriangleRasterizer
    from tdr.stages.shaders import BlinnPhongShader as BlinnPhongShader
    from tdr.stages.shaders import CustomShader as CustomShader
    from tdr.stages.shaders import LambertianShader as LambertianShader

_MODULES = {
    "start": "tdr.backend",
    "check_jacobian": "tdr.check",
    "CheckResult": "tdr.check_result",
    "MeshConfig": "tdr.config",
    "InputError": "tdr.errors",
    "compute_jacobian": "tdr.jacobian",
    "JacobianImages": "tdr.jacobian_images",
    "TriangleMesh": "tdr.mesh",
    "NormalsEstimator": "tdr.normals",
    "Pipeline": "tdr.pipeline",
    "OrthographicCamera": "tdr.stages.camera",
    "PerspectiveCamera": "tdr.stages.camera",
    "TriangleAttributeInterpolator": "tdr.stages.interpolator",
    "DirectionalLightArray": "tdr.stages.lights",
    "TriangleRasterizer": "tdr.stages.rasterizer",
    "BlinnPhongShader": "tdr.stages.shaders",
    "CustomShader": "tdr.stages.shaders",
    "LambertianShader": "tdr.stages.shaders",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tdr' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
