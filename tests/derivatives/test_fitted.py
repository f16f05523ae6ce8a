"""Finite differences whose steps fit the image, whatever the number's own magnitude is."""

import numpy as np
import pytest

import tdr
from tdr.config.parameters import columns_of
from tdr.derivatives.fitted import fitted_differences
from tdr.derivatives.step_units import Extents

WALL = tdr.TriangleMesh([[-9, -9, 0], [9, -9, 0], [0, 9, 0]], [[0, 1, 2]])
# A formula of the constant, its value, its derivative, and the unit that its value suggests.
FUNCTIONS = {
    "slow": ("0.5 + tm.sin(%s)", 1e-9, 1.0, 2.0**-30),
    "usual": ("tm.sin(%s)", 0.7, np.cos(0.7), 0.5),
    "fast": ("tm.sin(1e9 * %s)", 0.0, 1e9, 1.0),
    "phase": ("tm.sin(%s)", 1e6, np.cos(1e6), 2.0**20),
    "line": ("0.5 + 1e-3 * %s", 1e-14, 1e-3, 2.0**-47),
    "ratio": ("1.0 / (%s + 1e-8)", 0.0, -1e16, 1.0),
}


@pytest.fixture
def fitted(tmp_path):
    """A function that differentiates one pixel by a constant: derivative, bound and unit."""

    def differentiate(formula: str, value: float) -> tuple[float, float, float, float]:
        file = tmp_path / "shader.py"
        file.write_text(
            f"import taichi as ti\nimport taichi.math as tm\n\nparameters = {{'c': {value!r}}}\n\n\n"
            "@ti.func\ndef reflect(surface, light, constants):\n"
            f"    return light.color * ({formula.replace('%s', 'constants.c')})\n"
        )
        pipeline = tdr.Pipeline(WALL, shader=tdr.CustomShader(file), resolution=(1, 1))
        pipeline.forward()
        passes = pipeline.passes
        (column,) = (c for c in columns_of(pipeline.parameters, 1) if c.name == "shader.c")
        extents = Extents.of(passes)
        guess = extents.units(passes, [column])
        weights = np.array([[1.0, 0.0, 0.0]])
        found, (unit,) = fitted_differences(passes, [column], guess, np.array([0]), weights, extents)
        return found.values.item() / unit, found.bounds.item() / unit, float(guess[0]), float(unit)

    return differentiate


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_steps_fit_the_function(name, fitted):
    formula, value, derivative, guess = FUNCTIONS[name]
    found, bound, before, after = fitted(formula, value)
    assert before == guess
    assert (after != before) == (name != "usual")
    assert abs(found - derivative) <= bound < 1e-4 * abs(derivative)


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("formula", ["0.0 * %s", "abs(%s - 0.25)", "ti.floor(%s + 0.75)"])
def test_where_no_step_is_better_all_stays_as_it_was(formula, fitted):
    found, bound, before, after = fitted(formula, 0.25)
    assert before == after == 0.25
    if "0.0" in formula:
        assert abs(found) <= bound < 1e-9
    else:
        assert bound == np.inf
