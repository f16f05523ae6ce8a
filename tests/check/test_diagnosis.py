"""Diagnoses of columns that are right, not finite, not repeated, or on which nothing depends."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_columns import (
    CLEAN,
    DIRECTION,
    NOISES,
    SEEDS,
    N,
    circumstances,
    column_entries,
    only,
    smooth,
)

from tdr.check.diagnosis import diagnose, diagnose_image
from tdr.config.parameters import COLOR, VECTOR, Parameter, Reads, columns_of

LIGHT_COLOR = Parameter("light.color", COLOR, Reads.SHADING, per_light=True, unit="1")
SPECULAR = Parameter("shader.specular", (), Reads.SHADING, per_light=False, unit="1")
TRANSLATION = Parameter("mesh.translation", VECTOR, Reads.POSE, per_light=False, unit="1")


# Nothing wrong.


@given(SEEDS, NOISES, st.sampled_from([1, 3]), st.integers(0, N))
def test_a_right_column_gives_no_finding(seed, precision, channels, comparable):
    rng = np.random.default_rng(seed)
    true = smooth(rng, channels)
    mask = np.repeat((np.arange(N) < comparable)[:, None], channels, axis=1)
    entries = column_entries(rng, true, true, precision, comparable=mask)
    entries = dataclasses.replace(entries, reference=np.where(mask, entries.reference, np.nan))
    assert diagnose(entries, [entries], circumstances(precision)) == ()


def test_what_is_not_comparable_does_not_count(rng):
    true = smooth(rng)
    mask = np.arange(N)[:, None] % 2 == 0
    entries = column_entries(rng, true, np.where(mask, true, 1e3), comparable=mask)
    assert diagnose(entries, [entries], CLEAN) == ()


def test_nothing_depends_on_it(rng):
    zero = np.zeros((N, 1))
    entries = column_entries(rng, zero, zero)
    values = {
        DIRECTION: np.zeros((1, 3)),
        LIGHT_COLOR: np.zeros((1, 3)),
        SPECULAR: np.array(0.0),
        TRANSLATION: np.zeros(3),
    }
    finding = only(diagnose(entries, [entries], circumstances(values=values)))
    assert finding.startswith(f"No pixel changes with it: all {N} entries are 0")
    assert "(here 0: light.color.0, shader.specular)" in finding
    finding = only(diagnose(entries, [entries], CLEAN))
    assert "multiplied by 0," in finding


def test_a_lights_direction_has_no_length(rng):
    zero = np.zeros((N, 1))
    entries = dataclasses.replace(column_entries(rng, zero, zero), column=columns_of([DIRECTION], 1)[2])
    along, across = (circumstances(values={DIRECTION: np.array([d])}) for d in ([0.0, 0.0, -1.0], [0.0, -1.0, 0.0]))
    assert "the light travels that way" in only(diagnose(entries, [entries], along))
    assert "the shader does not read it" in only(diagnose(entries, [entries], across))


def test_black_lights_are_named_together_or_by_the_light(rng):
    zero = np.zeros((N, 1))
    one_black = {LIGHT_COLOR: np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])}
    second_light = dataclasses.replace(column_entries(rng, zero, zero), column=columns_of([DIRECTION], 2)[3])
    assert "(here 0: light.color.1)" in only(diagnose(second_light, [], circumstances(values=one_black)))
    specular = column_entries(rng, zero, zero, parameter=SPECULAR)
    assert "here 0" not in only(diagnose(specular, [], circumstances(values=one_black)))
    all_black = {LIGHT_COLOR: np.zeros((2, 3))}
    assert "(here 0: light.color)" in only(diagnose(specular, [], circumstances(values=all_black)))


@pytest.mark.parametrize("doubt", ["small reference", "entry elsewhere", "nothing compared"])
def test_no_claim_of_independence_in_doubt(rng, doubt):
    """A difference below the tolerance, or an entry that could not be compared, may be a dependence."""
    zero = np.zeros((N, 1))
    entries = column_entries(rng, zero, zero, tolerance=np.full((N, 1), 1e-9))
    mask = np.full((N, 1), doubt != "nothing compared")
    mask[0] = False
    change = {"reference": zero + 1e-10} if doubt == "small reference" else {"comparable": mask}
    if doubt == "entry elsewhere":
        change["tested"] = np.where(mask, 0.0, 1.0)
    entries = dataclasses.replace(entries, **change)
    assert diagnose(entries, [entries], CLEAN) == ()


# Numbers that are not finite, and runs that do not repeat.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(rng, value):
    true = smooth(rng)
    entries = column_entries(rng, true, true)
    entries.tested[5:12] = value
    finding = only(diagnose(entries, [entries], CLEAN))
    counts = "7 NaN, 0 infinite" if np.isnan(value) else "0 NaN, 7 infinite"
    assert finding.startswith(f"7 of {N} entries are not finite ({counts}), where the image is.")
    assert "`select`" in finding


def test_not_finite_and_wrong_elsewhere(rng):
    true = smooth(rng)
    entries = column_entries(rng, true, -true)
    entries.tested[3] = np.nan
    not_finite, sign = diagnose(entries, [entries], CLEAN)
    assert "not finite" in not_finite
    assert "are -1 times" in sign


def test_an_image_that_is_not_finite(rng):
    true = smooth(rng)
    mask = np.arange(N)[:, None] >= 4
    entries = column_entries(rng, true, true, comparable=mask)
    entries.tested[:4] = np.nan
    finding = only(diagnose(entries, [entries], circumstances(image_finite=False)))
    assert finding.startswith(f"The image itself is not finite, and neither are 4 of {N} entries.")
    entries.tested[6] = np.nan  # here the image could be differenced, so it is finite
    finding = only(diagnose(entries, [entries], circumstances(image_finite=False)))
    assert finding.startswith(f"1 of {N} entries are not finite (1 NaN, 0 infinite), where the image is.")


def test_repetitions(rng):
    true = smooth(rng)
    entries = column_entries(rng, true, true, comparable=np.arange(N)[:, None] >= 3)
    entries.tested[0] = np.nan
    entries.reference[1] = 7.0

    def finding(second):
        *of_repetition, not_finite = diagnose(dataclasses.replace(entries, repetition=second), [entries], CLEAN)
        assert "not finite" in not_finite
        return tuple(of_repetition)

    first = entries.tested
    assert finding(first.copy()) == ()
    noisy = first.copy()
    noisy[7] += 0.25
    assert only(finding(noisy)).startswith(f"1 of {N} entries came out differently when computed again, by up to 0.25.")
    noisy[8] = np.inf
    assert only(finding(noisy)).startswith(f"2 of {N} entries came out differently when computed again, by up to 0.25.")
    assert "gradients are not cleared" in only(finding(2 * first))
    assert "the seed" in only(finding(0 * np.nan_to_num(first)))
    assert "random numbers" in only(finding(3 * first))


def test_a_repetition_of_a_column_of_zeros_shows_no_accumulation(rng):
    zero = np.zeros((N, 1))
    entries = column_entries(rng, zero, zero, tolerance=np.full((N, 1), 1e-9), repetition=np.full((N, 1), 1e-12))
    assert "by up to 1e-12." in diagnose(entries, [entries], CLEAN)[0]


def test_the_image():
    assert diagnose_image(CLEAN) == ()
    assert "computed twice" in only(diagnose_image(circumstances(image_repeats=False, noise=1.0)))
    for noise, cause in ((6e-8, "through float32"), (1e-12, "causes: large numbers"), (1e-3, "integer")):
        finding = only(diagnose_image(circumstances(noise=noise)))
        assert f"noise of {noise:.1e}" in finding
        assert cause in finding
