"""Columns with planted faults: smooth and random over a disc, with noise up to their tolerance."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

from tdr.check.diagnosis import Circumstances, diagnose
from tdr.check.explanation import ColumnSample
from tdr.config.parameters import VECTOR, Parameter, Reads, columns_of

DIRECTION = Parameter("light.direction", VECTOR, Reads.SHADING, per_light=True, unit="1")
RELATIVE = {"f32": 1e-5, "f64": 1e-9}  # tolerance over the largest entry
CLEAN = Circumstances("f64", True, True, 1e-16, 1e-15, {})
NOISES = st.sampled_from(["f32", "f64"])
SEEDS = st.integers(0, 2**32 - 1)

rows, columns = np.divmod(np.arange(32 * 32), 32)
PIXELS = np.stack([rows, columns], axis=1)[(rows - 15.5) ** 2 + (columns - 15.5) ** 2 < 15**2]
N = len(PIXELS)


def circumstances(precision="f64", **changes) -> Circumstances:
    return dataclasses.replace(CLEAN, precision=precision, **changes)


def smooth(rng, channels=1) -> np.ndarray:
    """(N, C) random, of about 1, with a wavelength of about half the disc, of both signs."""
    waves, phases = rng.normal(0, 0.35, (8, 2)), rng.uniform(0, 2 * np.pi, (8, channels))
    return np.cos((PIXELS @ waves.T)[:, :, None] + phases).sum(axis=1) / 2


def column_entries(rng, true, wrong, precision="f64", column=0, parameter=DIRECTION, **changes) -> ColumnSample:
    """``true`` and ``wrong``, either with noise of half the tolerance."""
    tolerance = np.full(true.shape, RELATIVE[precision] * max(np.abs(true).max(), np.abs(wrong).max()))
    noise = rng.uniform(-0.5, 0.5, (2, *true.shape)) * tolerance
    return ColumnSample(
        **{
            "column": columns_of([parameter], 1)[column],
            "pixels": PIXELS,
            "tested": wrong + noise[0] * (wrong != 0),
            "reference": true + noise[1] * (true != 0),
            "tolerance": tolerance,
            "comparable": np.full(true.shape, True),
            **changes,
        }
    )


def only(findings: tuple[str, ...]) -> str:
    assert len(findings) == 1, findings
    assert ". Usual causes: " in findings[0]
    return findings[0]


def diagnosed(sample: ColumnSample, precision="f64", siblings=()) -> str:
    """The only finding, which a sentence about the causes must follow."""
    return only(diagnose(sample, [sample, *siblings], circumstances(precision)))
