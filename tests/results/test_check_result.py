import math

import pytest
from check_results import check_result, column_check

from tdr.results.check_result import Verdict


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (
            [column_check(), column_check("camera.fov", 0.5, 0.6, scale=2.0, tolerance=1e-6)],
            "<CheckResult failed: quick, 2 columns, worst camera.fov: error 0.05 of the largest entry, "
            "1e+05 times its tolerance>",
        ),
        (
            [column_check(value=0.0, reference=0.5, scale=1.0, verdict=Verdict.failed)],
            "<CheckResult failed: quick, 1 column, worst mesh.rotation.x: error 0.5 of the largest entry, "
            "5e+05 times its tolerance>",
        ),
        (
            [column_check(value=math.nan, scale=2.0, verdict=Verdict.failed)],
            "<CheckResult failed: quick, 1 column, worst mesh.rotation.x: error nan of the largest entry, "
            "inf times its tolerance>",
        ),
        ([column_check(worst=None)], "<CheckResult passed: quick, 1 column, nothing compared>"),
        ([], "<CheckResult passed: quick, 0 columns, nothing compared>"),
    ],
)
def test_a_result_is_shown_in_one_line(columns, text):
    result = check_result(columns)
    assert repr(result) == str(result) == text
