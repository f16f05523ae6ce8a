"""Results of checks, of given numbers, for the tests of what is shown of them."""

import numpy as np

from tdr.config import Config
from tdr.config.parameters import columns_of
from tdr.results.check_result import (
    COMPARED,
    CheckResult,
    ColumnCheck,
    ComparedEntry,
    DirectionCheck,
    Place,
    StepCurve,
    Verdict,
)


def every_column(lights=1):
    return columns_of(Config().known_parameters(), lights)


def column_check(name="mesh.rotation.x", value=0.5, reference=0.5, *, scale=2.0, tolerance=1e-6, **changes):
    """One column, whose worst entry has the given value and reference; ``tolerance`` is that entry's."""
    error = abs(value - reference)
    fields = {
        "column": next(column for column in every_column(lights=12) if column.name == name),
        "verdict": Verdict.failed if error > tolerance else Verdict.passed,
        "scale": scale,
        "max_error": error / scale,
        "median_error": 1e-9,
        "l2_error": 2e-9,
        "cosine": 0.75,
        "tolerance": tolerance / scale,
        "worst": ComparedEntry(3, 5, None, value, reference, tolerance),
        "max_errors": {"interior": error / scale, "boundary": 0.0},
        "tolerances": {"interior": tolerance / scale, "boundary": 10 * tolerance / scale},
        "places": {Place.background: 7, Place.interior: 1000, Place.boundary: 234, Place.light_edge: 12},
        "out_of_tolerance": int(error > tolerance),
        "forward_error": None,
        "findings": (),
    }
    return ColumnCheck(**{**fields, **changes})


def check_result(columns=(), place=((2,),), error=None, excess=None, **changes):
    """A check with the given columns, and images that are by default zero where something was compared."""
    place = np.array(place, np.uint8)
    unknown = np.where(np.isin(place, COMPARED), 0.0, np.nan)
    verdicts = [check.verdict for check in columns]
    fields = {
        "mode": "quick",
        "precision": "f32",
        "method": "batched",
        "reference": "central differences in f64",
        "verdict": Verdict.failed if Verdict.failed in verdicts else Verdict.passed,
        "columns": tuple(columns),
        "direction": DirectionCheck(1.25, 1.25, 1e-6, 16384, 0),
        "findings": (),
        "sampled": 512,
        "place": place,
        "curve": None,
    }
    error, excess = (unknown if image is None else np.array(image, float) for image in (error, excess))
    pixels = np.flatnonzero(~np.isnan(error) | ~np.isnan(excess)).astype(np.int32)
    fields |= {"pixels": pixels, "errors": error.ravel()[pixels], "excesses": excess.ravel()[pixels]}
    result = CheckResult(**{**fields, **changes})
    for array in (result.place, result.pixels, result.errors, result.excesses):
        array.flags.writeable = False
    return result


def step_curve(**changes):
    entry = ComparedEntry(3, 5, 1, 0.5, 0.5000001, 1e-4)
    steps = np.array([1e-1, 1e-2, 1e-3, 1e-4])
    differences = np.array([0.6, 0.501, 0.50001, 0.502])
    return StepCurve(
        **{
            "name": "mesh.rotation.x",
            "unit": "rad",
            "entry": entry,
            "steps": steps,
            "differences": differences,
            **changes,
        }
    )
