"""The smallest wrong factor that a check sees: ``python scripts/check_resolution.py``.

Renders a sphere of 1,280 triangles at 64 x 64, multiplies one column of right Jacobian images by 1 + error, and checks
them, for errors from 1 down to 1e-12 in steps of a quarter of a decade. Prints the least error from which on a check
fails, as a Markdown table: for smooth, stiff and dim scenes, quick and full checks, and both precisions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import tdr
from tdr import backend
from tdr.check.check import check_jacobian
from tdr.results.check_result import Verdict

ERRORS = 10.0 ** -np.arange(0.0, 12.01, 0.25)


@dataclass(frozen=True)
class Case:
    """What is rendered, and which column is wrong.

    Attributes:
        pipeline: makes the scene.
        parameter: the parameter whose column is wrong.
        index: which of its columns.
    """

    pipeline: Callable[[], tdr.Pipeline]
    parameter: str
    index: tuple[int, ...]


def _scene(shader: Any = None, **lights: Any) -> Callable[[], tdr.Pipeline]:
    def make() -> tdr.Pipeline:
        array = tdr.DirectionalLightArray(**{"direction": [[1.0, -1.0, -1.0]], **lights})
        return tdr.Pipeline(tdr.TriangleMesh.sphere(3), None, array, shader, resolution=(64, 64))

    return make


_TWO = {"direction": [[1.0, -1.0, -1.0], [-0.5, -0.3, -1.0]], "color": [[1e3, 1e3, 1e3], [1e-3, 1e-3, 1e-3]]}
CASES = {
    "smooth: a light's direction": Case(_scene(), "light.direction", (0, 0)),
    "smooth: the mesh's rotation": Case(_scene(), "mesh.rotation", (0,)),
    "stiff: the same light, shininess 4000": Case(
        _scene(tdr.BlinnPhongShader(shininess=4e3, diffuse=0.0)), "light.direction", (0, 0)
    ),
    "stiff: its shininess": Case(_scene(tdr.BlinnPhongShader(shininess=4e3)), "shader.shininess", ()),
    "dim: a light of 0.001 beside one of 1000": Case(_scene(**_TWO), "light.direction", (1, 0)),
}


def least_error(case: Case, mode: str) -> float:
    """The least error of ``ERRORS`` from which on a check fails; infinite if it does not fail at all.

    Args:
        case: what is rendered, in the running precision.
        mode: ``quick`` or ``full``.
    """
    pipeline = case.pipeline()
    jacobian = tdr.compute_jacobian(pipeline, [case.parameter])
    if check_jacobian(pipeline, jacobian, mode).verdict is not Verdict.passed:
        return float("nan")
    least = float("inf")
    for error in ERRORS:
        values = np.array(jacobian[case.parameter])
        index: Any = (..., *case.index)
        values[index] *= 1.0 + error
        # What the run repeats is right, so that only the comparison with differences can tell.
        wrong = replace(jacobian, values={case.parameter: values})
        result = check_jacobian(pipeline, wrong, mode)
        if all(check.out_of_tolerance == 0 for check in result.columns):
            break
        least = float(error)
    return least


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    columns = [(precision, mode) for precision in ("f64", "f32") for mode in ("quick", "full")]
    found: dict[tuple[str, str, str], float] = {}
    for precision in ("f64", "f32"):
        backend.start(precision)
        for name, case in CASES.items():
            for mode in ("quick", "full"):
                found[name, precision, mode] = least_error(case, mode)
    print("| | " + " | ".join(f"{precision}, {mode}" for precision, mode in columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in CASES:
        print(f"| {name} | " + " | ".join(f"{found[name, p, m]:.0e}" for p, m in columns) + " |")


if __name__ == "__main__":
    main()
