"""Explanations of columns with a planted fault."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from planted_columns import (
    NOISES,
    PIXELS,
    RELATIVE,
    SEEDS,
    N,
    circumstances,
    column_entries,
    diagnosed,
    only,
    smooth,
)

from tdr.check.diagnosis import diagnose
from tdr.config.parameters import Parameter, Reads

# A rule that holds everywhere.


@given(SEEDS, NOISES, st.floats(-100, 100))
@example(0, "f64", 1.0004)
@example(1, "f64", -0.002)
@example(2, "f32", 0.98)
def test_a_factor_is_found(seed, precision, factor):
    assume(min(abs(factor), abs(factor - 1)) > 2e3 * RELATIVE[precision])  # clear at the larger entries
    rng = np.random.default_rng(seed)
    true = smooth(rng)
    finding = diagnosed(column_entries(rng, true, factor * true, precision), precision)
    found = finding.split(" times the finite differences")[0].removeprefix("The entries are ")
    names = {"pi": np.pi, "1/pi": 1 / np.pi, "pi/180": np.pi / 180, "180/pi": 180 / np.pi}
    value = names[found] if found in names else np.divide(*[float(x) for x in (found + "/1").split("/")[:2]])
    assert value == pytest.approx(factor, rel=0.01)
    assert value - 1 == pytest.approx(factor - 1, rel=0.06)


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize(
    ("factor", "name", "cause"),
    [
        (-1, "-1", "wrong sign"),
        (2, "2", "added 2 times"),
        (0.5, "1/2", "one of 2 equal contributions"),
        (1 / 3, "1/3", "one of 3 equal contributions"),
        (180 / np.pi, "180/pi", "degrees where"),
        (np.pi / 180, "pi/180", "radians where"),
        (1 / np.pi, "1/pi", "twice"),
        (-2.5, "-2.5", "a wrong sign, and a missing"),
        (0.37, "0.37", "chain rule"),
    ],
)
def test_factors_with_a_meaning(rng, precision, factor, name, cause):
    true = smooth(rng, 3)
    finding = diagnosed(column_entries(rng, true, factor * true, precision), precision)
    assert finding.startswith(f"The entries are {name} times the finite differences.")
    assert cause in finding


@pytest.mark.parametrize("factor", [-1, 0.37])
def test_a_factor_of_a_small_highlight_with_an_outlier(rng, factor):
    """Most entries are 0; one in some hundred is wrong otherwise."""
    lit = np.argsort(np.hypot(*(PIXELS - [10, 12]).T))[:150]
    true = np.zeros((N, 1))
    true[lit] = rng.uniform(0.5, 1, (150, 1))
    wrong = factor * true
    wrong[lit[0]] = 5.0
    assert f"are {factor} times" in diagnosed(column_entries(rng, true, wrong))
    wrong[lit[:15]] = 5.0
    assert "times" not in diagnosed(column_entries(rng, true, wrong))


def test_two_pixels_show_no_factor(rng):
    true = smooth(rng, 3)
    mask = np.full((N, 3), False)
    mask[[3, 99]] = True
    assert "in place of" in diagnosed(column_entries(rng, true, -true, comparable=mask))


@pytest.mark.parametrize("factor", [1 + 20 * RELATIVE["f32"], 20 * RELATIVE["f32"]])
def test_no_factor_that_the_tolerance_leaves_uncertain(rng, factor):
    true = smooth(rng)
    assert "times" not in diagnosed(column_entries(rng, true, factor * true, "f32"), "f32")


def test_without_tolerance(rng):
    """Zeros agree with every factor, so they show none."""
    true = np.where(np.arange(N)[:, None] < 100, smooth(rng), 0.0)
    few = np.where(np.arange(N)[:, None] < 2, true, 0.0)
    for reference, tested, found in (
        (true, -true, "are -1 times"),
        (few, -few, "in place of"),
        (true, np.where(true != 0, smooth(rng), 0.0), "no simple rule"),
    ):
        exact = {"tolerance": np.zeros((N, 1)), "reference": reference, "tested": tested}
        assert found in diagnosed(column_entries(rng, true, true, **exact))


def test_outliers_alone_show_no_factor(rng):
    """A factor near 1 agrees with the right entries, but explains none of the wrong ones."""
    true = smooth(rng)
    wrong = true.copy()
    wrong[[5, 50, 100, 300]] += [[0.3], [-0.7], [0.4], [1.1]]
    finding = diagnosed(column_entries(rng, true, wrong))
    assert finding.startswith(f"At 4 of {N} pixels")
    assert "no simple rule" in finding


@pytest.mark.parametrize("channels", [1, 3])
def test_zero_everywhere(rng, channels):
    true = smooth(rng, channels)
    entries = column_entries(rng, true, np.zeros_like(true))
    finding = diagnosed(entries)
    reach = f"{np.abs(entries.reference).max():.3g}"
    assert finding.startswith(f"The entries are 0, although the finite differences reach {reach}.")
    entries.tested[:] = 1e-12  # zero within the tolerance
    assert diagnosed(entries) == finding
    entries.reference[:] = np.sign(true) * 3 * entries.tolerance  # hardly more than zero
    assert "are 0" not in diagnosed(entries)


def test_nothing_depends_on_it_but_the_entries_say_so(rng):
    wrong = smooth(rng)
    entries = column_entries(rng, np.zeros_like(wrong), wrong)
    assert diagnosed(entries).startswith(f"The entries reach {np.abs(entries.tested).max():.3g}, although the")
    entries.reference[:] = 1e-12
    assert "left over" in diagnosed(entries)


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("sign", [1, -1])
def test_another_component(rng, precision, sign):
    true = [smooth(rng) for _ in range(3)]
    tested = [true[0], sign * true[2], true[1]]
    entries = [column_entries(rng, true[i], tested[i], precision, column=i) for i in range(3)]
    assert diagnose(entries[0], entries, circumstances(precision)) == ()
    minus = "minus " if sign < 0 else ""
    finding = only(diagnose(entries[1], entries, circumstances(precision)))
    assert finding.startswith(f"The entries are {minus}the finite differences by light.direction.0.z.")
    assert "by light.direction.0.y." in only(diagnose(entries[2], entries, circumstances(precision)))


def test_the_tolerance_of_another_component_counts(rng):
    true = [smooth(rng), smooth(rng)]
    entries = column_entries(rng, true[0], true[1])
    sibling = column_entries(rng, true[1], true[1], "f32", column=1, comparable=np.arange(N)[:, None] >= 50)
    sibling.reference[:50] = 7.0
    assert "by light.direction.0.y." in diagnosed(entries, siblings=[sibling])


def test_no_other_component_that_explains_a_part(rng):
    """Either it is known at few pixels, or it is like the column itself at most."""
    true, other = smooth(rng), smooth(rng)
    at = np.arange(N)[:, None]
    entries = column_entries(rng, true, np.where(at < 20, other, smooth(rng)))
    sibling = column_entries(rng, other, other, column=1, comparable=at < 20)
    assert "no simple rule" in diagnosed(entries, siblings=[sibling])
    entries = column_entries(rng, true, true + np.where(at < 4, 0.5, 0) - np.where(at >= N - 3, 0.5, 0))
    sibling = column_entries(rng, true, true, column=1)
    sibling.reference[:4] = entries.tested[:4]
    assert "light.direction.0.y" not in diagnosed(entries, siblings=[sibling])


def test_channels_in_the_wrong_order(rng):
    true = smooth(rng, 3)
    finding = diagnosed(column_entries(rng, true, true[:, [2, 1, 0]]))
    assert finding.startswith("The entries of R, G, B are the finite differences of B, G, R.")


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_a_neighbouring_pixel(rng, precision):
    true = smooth(rng)
    place = {tuple(pixel): i for i, pixel in enumerate(PIXELS)}
    neighbor = [place.get((row + 1, column - 1), i) for i, (row, column) in enumerate(PIXELS)]
    inside = np.array([(row + 1, column - 1) in place for row, column in PIXELS])[:, None]
    entries = column_entries(rng, true, true[neighbor], precision, comparable=inside | (np.arange(N)[:, None] % 2 == 0))
    entries = dataclasses.replace(entries, tested=np.where(inside, entries.tested, entries.reference))
    assert "neighbouring pixel (row +1, column -1)" in diagnosed(entries, precision)


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_an_offset(rng, precision):
    true = smooth(rng)
    assert "are the finite differences plus 0.25." in diagnosed(
        column_entries(rng, true, true + 0.25, precision), precision
    )


def test_float32_in_a_chain_of_float64(rng):
    true = smooth(rng)
    entries = column_entries(rng, true, true.astype(np.float32).astype(np.float64), tolerance=np.full((N, 1), 1e-11))
    entries = dataclasses.replace(entries, reference=true)
    assert "about the rounding of float32" in diagnosed(entries)
    assert "float32" not in diagnosed(entries, "f32")
    entries = dataclasses.replace(entries, tested=np.where(np.arange(N)[:, None] == 9, true * (1 + 1e-7), true))
    assert "float32" not in diagnosed(entries)


# Rules at a part of the pixels, and none at all.


def planted(rng, mask, change, precision="f64") -> str:
    true = smooth(rng)
    return diagnosed(column_entries(rng, true, np.where(mask[:, None], change(true), true), precision), precision)


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_wrong_at_some_rows(rng, precision):
    band = (PIXELS[:, 0] >= 6) & (PIXELS[:, 0] <= 9)
    finding = planted(rng, band, lambda true: 0 * true, precision)
    assert finding.startswith(f"At {band.sum()} of {N} pixels, all in rows 6 to 9, the entries are 0, although")
    assert "elsewhere they are right to tolerance. Usual causes: a term, a branch" in finding


def test_wrong_at_some_columns_or_in_a_box(rng):
    row, column = PIXELS.T
    assert "all in columns 20 to 22, the entries are -1 times" in planted(rng, abs(column - 21) <= 1, lambda t: -t)
    box = (abs(column - 21) <= 2) & (abs(row - 12) <= 3)
    assert "all in rows 9 to 15 and columns 19 to 23, the entries are 2 times" in planted(rng, box, lambda t: 2 * t)


def test_wrong_where_the_derivative_is_positive(rng):
    true = smooth(rng)
    finding = diagnosed(column_entries(rng, true, np.where(true > 0, 0.0, true)))
    assert "pixels, all where the derivative is positive, the entries are 0" in finding
    finding = diagnosed(column_entries(rng, true, np.where(true < 0, 2 * true, true)))
    assert "pixels, all where the derivative is negative, the entries are 2 times" in finding


def test_wrong_where_the_derivative_has_either_sign(rng):
    """That no right pixel is positive does not say that the wrong ones are."""
    true = smooth(rng)
    finding = diagnosed(column_entries(rng, true, np.where(true > -0.3, 2 * true, true)))
    assert "pixels the entries are 2 times" in finding


def test_wrong_at_scattered_pixels(rng):
    finding = planted(rng, np.arange(N) % 5 == 0, lambda true: true + rng.uniform(0.2, 1, true.shape))
    assert finding.startswith(f"At {len(range(0, N, 5))} of {N} pixels the entries follow no simple rule")
    assert "to tolerance. Usual causes: a term, a branch" in finding
    assert "loop with" not in finding


def test_wrong_at_single_pixels(rng):
    finding = planted(rng, np.arange(N) == 200, lambda true: true + 0.5)
    assert f"pixels (row {PIXELS[200, 0]}, column {PIXELS[200, 1]}) the entries are " in finding
    assert " in place of " in finding
    assert finding.startswith(f"At 1 of {N} ")
    assert "causes: the edge of a branch" in finding


def test_zeros_elsewhere_are_no_right_pixels(rng):
    """A column that is 0 but in a highlight is not right at a part only if it is wrong all over the highlight."""
    lit = np.argsort(np.hypot(*(PIXELS - [10, 12]).T))[:150]
    true, wrong = np.zeros((2, N, 1))
    true[lit], wrong[lit] = rng.uniform(0.5, 1, (2, 150, 1))
    assert diagnosed(column_entries(rng, true, wrong)).startswith("The entries follow no simple rule")
    wrong[lit[:5]] = true[lit[:5]]  # by chance
    assert diagnosed(column_entries(rng, true, wrong)).startswith("The entries follow no simple rule")
    wrong[lit[:75]] = true[lit[:75]]
    assert diagnosed(column_entries(rng, true, wrong)).startswith("At 75 of")


@given(SEEDS, NOISES, st.sampled_from([1, 3]), st.floats(-4, 0).map(lambda power: 10.0**power))
def test_a_random_error_gets_no_specific_diagnosis(seed, precision, channels, amount):
    rng = np.random.default_rng(seed)
    true = [smooth(rng, channels) for _ in range(3)]
    entries = [column_entries(rng, t, t, precision, column=i) for i, t in enumerate(true)]
    relative = smooth(rng, channels)
    for wrong in (true[0] + amount * relative, true[0] * (1 + amount * relative), relative):
        entries[0] = column_entries(rng, true[0], wrong, precision)
        finding = only(diagnose(entries[0], entries, circumstances(precision)))
        assert "follow no simple rule" in finding, finding


def test_a_small_error_everywhere_is_none_at_a_part(rng):
    """Where a column is small, so is its error: being within the tolerance there says nothing."""
    true = smooth(rng)
    wrong = true * (1 + 10 * RELATIVE["f32"] * smooth(rng))
    assert diagnosed(column_entries(rng, true, wrong, "f32"), "f32").startswith("The entries follow no simple rule")


@given(SEEDS, NOISES)
def test_how_large_and_how_alike(seed, precision):
    rng = np.random.default_rng(seed)
    true, wrong = smooth(rng), smooth(rng)
    entries = column_entries(rng, true, wrong, precision)
    found = entries.tested - entries.reference
    error = np.linalg.norm(found) / np.linalg.norm(entries.reference)
    cosine = np.corrcoef(np.concatenate([wrong, -wrong]).T, np.concatenate([true, -true]).T)[0, 1]
    text = diagnosed(entries, precision).split("by ")[1].split(" of those, cosine ")
    assert float(text[0]) == pytest.approx(error, rel=0.06)
    assert float(text[1].split(". ")[0]) == pytest.approx(cosine, abs=0.002)


# What is said of other columns, channels and what shading depends on.

SPECULAR = Parameter("shader.specular", (), Reads.SHADING, per_light=False, unit="1")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sum_with_another_column_is_found(rng, sign):
    true, other = smooth(rng), smooth(rng)
    second = column_entries(rng, other, other, parameter=SPECULAR)
    finding = diagnosed(column_entries(rng, true, true + sign * other), siblings=[second])
    word = "plus" if sign > 0 else "minus"
    assert finding.startswith(f"The entries are the finite differences {word} those by shader.specular.")
    assert "a slot" in finding


def test_a_stale_entry_is_that_of_another_parameter(rng):
    true, other = smooth(rng), smooth(rng)
    second = column_entries(rng, other, other, parameter=SPECULAR)
    finding = diagnosed(column_entries(rng, true, other), siblings=[second])
    assert "are the finite differences by shader.specular" in finding
    assert "a stale entry" in finding
    left = PIXELS[:, :1] < 12
    finding = diagnosed(column_entries(rng, true, np.where(left, other, true)), siblings=[second])
    assert "At " in finding
    assert "by shader.specular" in finding


@pytest.mark.parametrize(
    ("wrong_channels", "names"), [([2], "blue"), ([1], "green"), ([0, 2], "red and blue"), ([0, 1], "red and green")]
)
def test_the_channel_that_is_wrong_is_named(rng, wrong_channels, names):
    true = smooth(rng, 3)
    wrong = true.copy()
    wrong[:, wrong_channels] = 0.0
    channels = column_entries(rng, true, wrong)
    summed = column_entries(rng, true.sum(axis=1, keepdims=True), wrong.sum(axis=1, keepdims=True))
    finding = only(diagnose(summed, [summed], circumstances(), channels))
    assert finding.startswith(f"In {names} alone, the entries are 0, although")


def test_no_channel_is_named_where_all_are_wrong(rng):
    true = smooth(rng, 3)
    channels = column_entries(rng, true, 1.5 * true)
    summed = column_entries(rng, true.sum(axis=1, keepdims=True), 1.5 * true.sum(axis=1, keepdims=True))
    assert only(diagnose(summed, [summed], circumstances(), channels)).startswith("The entries are 1.5 times")


@pytest.mark.parametrize(
    ("limits", "words"),
    [((-2.0, 0.3), "below 0.3"), ((0.3, 2.0), "above 0.3"), ((-0.25, 0.4), "between -0.25 and 0.4")],
)
def test_the_range_of_what_shading_depends_on_is_named(rng, limits, words):
    true, cosine = smooth(rng), smooth(rng)[:, 0] / 4
    bad = (cosine > limits[0]) & (cosine < limits[1])
    sample = column_entries(
        rng, true, np.where(bad[:, None], 1.25 * true, true), cosines={"n.v": smooth(rng)[:, 0], "n.l": cosine}
    )
    finding = diagnosed(sample)
    assert f"At {bad.sum()} of {N} pixels, all where n.l is {words}," in finding.replace("0.31", "0.3").replace(
        "0.29", "0.3"
    )
    assert "are 1.25 times the finite differences; elsewhere they are right" in finding
