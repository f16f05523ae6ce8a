"""Jacobian images and what a check says of them."""

import tdr
from tdr.check.check import check_jacobian
from tdr.results.check_result import CheckResult, Verdict

WALL = tdr.TriangleMesh([[-9, -9, 0], [9, -9, 0], [0, 9, 0]], [[0, 1, 2]])
TILTED = tdr.DirectionalLightArray(direction=[[1.0, -1.0, -1.0]])
MODES = ["quick", "full"]


def checked(pipeline, mode="full", parameters="all", **arguments) -> tuple[tdr.JacobianImages, CheckResult]:
    jacobian = tdr.compute_jacobian(pipeline, parameters, **arguments)
    return jacobian, check_jacobian(pipeline, jacobian, mode)


def said(result: CheckResult) -> str:
    """Everything that was found, and the columns that failed."""
    of_columns = [(c.column.name, c.findings) for c in result.columns if c.verdict is not Verdict.passed]
    return f"{result.verdict.value} {result.findings} {of_columns} {result.direction}"
