"""tdr: a differentiable triangle rasterizer that hands out Jacobian images.

The names below load what they need when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tdr.backend import start as start
    from tdr.check.check import check_jacobian as check_jacobian
    from tdr.config import MeshConfig as MeshConfig
    from tdr.derivatives.jacobian import compute_jacobian as compute_jacobian
    from tdr.errors import InputError as InputError
    from tdr.render.interpolator import TriangleAttributeInterpolator as TriangleAttributeInterpolator
    from tdr.render.pipeline import Pipeline as Pipeline
    from tdr.results.check_result import CheckResult as CheckResult
    from tdr.results.jacobian_images import JacobianImages as JacobianImages
    from tdr.scene.camera import OrthographicCamera as OrthographicCamera
    from tdr.scene.camera import PerspectiveCamera as PerspectiveCamera
    from tdr.scene.lights import DirectionalLightArray as DirectionalLightArray
    from tdr.scene.mesh import TriangleMesh as TriangleMesh
    from tdr.scene.normals import NormalsEstimator as NormalsEstimator
    from tdr.shaders.built_in import BlinnPhongShader as BlinnPhongShader
    from tdr.shaders.built_in import LambertianShader as LambertianShader
    from tdr.shaders.custom import CustomShader as CustomShader
    from tdr.visibility.rasterizer import TriangleRasterizer as TriangleRasterizer

_MODULES = {
    "start": "tdr.backend",
    "check_jacobian": "tdr.check.check",
    "CheckResult": "tdr.results.check_result",
    "MeshConfig": "tdr.config",
    "InputError": "tdr.errors",
    "compute_jacobian": "tdr.derivatives.jacobian",
    "JacobianImages": "tdr.results.jacobian_images",
    "TriangleMesh": "tdr.scene.mesh",
    "NormalsEstimator": "tdr.scene.normals",
    "Pipeline": "tdr.render.pipeline",
    "OrthographicCamera": "tdr.scene.camera",
    "PerspectiveCamera": "tdr.scene.camera",
    "TriangleAttributeInterpolator": "tdr.render.interpolator",
    "DirectionalLightArray": "tdr.scene.lights",
    "TriangleRasterizer": "tdr.visibility.rasterizer",
    "BlinnPhongShader": "tdr.shaders.built_in",
    "CustomShader": "tdr.shaders.custom",
    "LambertianShader": "tdr.shaders.built_in",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tdr' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
