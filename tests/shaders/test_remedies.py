"""Every remedy that a rule gives is tried in Taichi, and every effect that does not end the process.

Values and derivatives are compared with a formula in NumPy, whose derivatives are exact: its imaginary part, where the
argument has an imaginary part far below rounding.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from compiled import A, C, Compiled, rules_of

import tdr
from tdr.backend import ti
from tdr.shaders.rules import RULES


class Remedy(NamedTuple):
    """What a rule says to write, and the formula that it must be."""

    statements: str
    formula: Callable


def positive(x):
    """The real part's sign decides, and where it is not positive the result is 0."""
    return np.where(x.real > 0.0, x, 0.0)


def larger(x, y):
    return np.where(x.real > y.real, x, y)


def logistic(x):
    decay = np.exp(np.where(x.real > 0.0, -x, x))
    return np.where(x.real > 0.0, 1.0, decay) / (1.0 + decay)


def iterated(c, steps, step):
    for i in range(steps):
        c = step(c, i)
    return c


CHOSEN = "v = tm.vec3(c, a, c * a)\n"
REMEDIES = {
    "long loop": [
        Remedy(
            "x = c\nfor i in ti.static(range(40)):\n    x = 0.9 * ti.sin(x) + a\nreturn x",
            lambda c, a: iterated(c, 40, lambda x, _: 0.9 * np.sin(x) + a),
        )
    ],
    "branched loop": [
        Remedy(
            "x = 0.0\nif c > 0.2:\n    y = c * a\n"
            "    for i in ti.static(range(3)):\n        y = ti.sin(y)\n    x = y\nreturn x",
            lambda c, a: np.where(c.real > 0.2, np.sin(np.sin(np.sin(c * a))), 0.0),
        ),
        Remedy(
            "x = 0.0\ny = c * a\nif c > 0.2:\n    for i in range(3):\n        y = ti.sin(y)\n    x = y\nreturn x",
            lambda c, a: np.where(c.real > 0.2, np.sin(np.sin(np.sin(c * a))), 0.0),
        ),
    ],
    "index update": [
        Remedy("v = tm.vec3(a)\nv.x += c\nv.y += c * c\nreturn v.x * v.y", lambda c, a: (a + c) * (a + c * c)),
        Remedy(
            "v = tm.vec3(a)\nfor i in ti.static(range(3)):\n    v[i] += c * i\nreturn v.x * v.y * v.z",
            lambda c, a: a * (a + c) * (a + 2.0 * c),
        ),
    ],
    "atomic product": [Remedy("x = a\nx *= c\nx *= c\nreturn x", lambda c, a: a * c * c)],
    "boolean": [
        Remedy("x = a\nif c != 0.0:\n    x = a + c * c\nreturn x", lambda c, a: a + c * c),
    ],
    "jump": [
        Remedy(
            "x = c\nfor i in ti.static(range(4)):\n    if x < 1.0:\n        x = x * x + a\nreturn x",
            lambda c, a: iterated(c, 4, lambda x, _: np.where(x.real < 1.0, x * x + a, x)),
        )
    ],
    "not differentiable": [
        Remedy("return ti.sin(c) / ti.cos(c) * a", lambda c, a: np.tan(c) * a),
        Remedy("return (3.0 * c + 0.5) // 1.0 + c * a", lambda c, a: np.round(3.0 * c.real) + c * a),
        Remedy("x = c * a\nif not (x == x):\n    x = 0.0\nreturn x", lambda c, a: c * a),
    ],
    "forward mode": [
        Remedy("return (3.0 * c) // 1.0 + c * a", lambda c, a: np.floor(3.0 * c.real) + c * a),
        Remedy("return -(-3.0 * c // 1.0) + c * a", lambda c, a: np.ceil(3.0 * c.real) + c * a),
        Remedy("return (3.1 * c + 0.05) % 1.0 * a", lambda c, a: (3.1 * c + 0.05 - np.floor(3.1 * c.real + 0.05)) * a),
        Remedy("return (c + 0.01) % a", lambda c, a: c + 0.01 - a * np.floor((c.real + 0.01) / a.real)),
    ],
    "not a number": [
        Remedy("x = 0.0\nif c > 0.0:\n    x = ti.sqrt(c)\nreturn x * a", lambda c, a: np.sqrt(positive(c)) * a),
    ],
    "run-time loop": [
        Remedy(
            "x = 0.0\nfor i in ti.static(range(4)):\n    x += ti.sin(c * i) * a\nreturn x",
            lambda c, a: sum(np.sin(c * i) * a for i in range(4)),
        ),
    ],
    "last trip": [
        Remedy(
            "x = c\nfor i in ti.static(range(3)):\n    x = ti.exp(-x) * a + ti.max(x, 0.7 - 0.1 * i)\nreturn x",
            lambda c, a: iterated(c, 3, lambda x, i: np.exp(-x) * a + larger(x, np.array(0.7 - 0.1 * i))),
        )
    ],
    "skipped store": [
        Remedy(
            "x = c\ny = a\nfor i in ti.static(range(4)):\n"
            "    if i == 2:\n        y = 0.5 * x\n    x = ti.sin(x) + y\nreturn x",
            lambda c, a: (lambda x: np.sin(np.sin(x) + 0.5 * x) + 0.5 * x)(np.sin(np.sin(c) + a) + a),
        )
    ],
    "run-time index": [
        Remedy("v = tm.vec3(0.0)\nv.x = c * a\nv.z = c\nreturn v.x * v.z", lambda c, a: c * a * c),
        Remedy(
            "v = tm.vec3(0.0)\nif c > 0.2:\n    v.x = c * a\nelse:\n    v.y = c\nreturn v.x + 2.0 * v.y",
            lambda c, a: np.where(c.real > 0.2, c * a, 2.0 * c),
        ),
        Remedy(
            "v = tm.vec3(0.0)\nfor i in ti.static(range(3)):\n    v[i] = c * a * i\nreturn v.y + v.z * v.z",
            lambda c, a: c * a + (2.0 * c * a) ** 2,
        ),
    ],
    "run-time index read": [
        Remedy(f"{CHOSEN}return v.x + v.y * v.z", lambda c, a: c + a * c * a),
        Remedy(f"{CHOSEN}x = v.x\nif c > 0.2:\n    x = v.z\nreturn x", lambda c, a: np.where(c.real > 0.2, c * a, c)),
        Remedy(
            f"{CHOSEN}x = 0.0\nfor i in ti.static(range(3)):\n    x += v[i] * v[i] * i\nreturn x",
            lambda c, a: a * a + 2.0 * (c * a) ** 2,
        ),
    ],
    "field": [Remedy("x = c * a\nreturn x * x", lambda c, a: (c * a) ** 2)],
    "integer": [Remedy("x = 0.0\nx += c * a\nreturn x", lambda c, a: c * a)],
    "step": [
        Remedy(
            "return tm.smoothstep(0.0, 1.0, c) * a",
            lambda c, a: (lambda t: t * t * (3.0 - 2.0 * t) * a)(np.where(c.real > 1.0, 1.0, positive(c))),
        )
    ],
    "kink": [Remedy("return tm.clamp(a, 0.1, 2.0) * c", lambda c, a: a * c)],
    "power": [
        Remedy(
            "r = 0.0\nif c > 0.0: r = ti.pow(c, a)\nreturn r",
            lambda c, a: np.where(c.real > 0.0, np.where(c.real > 0.0, c, 1.0) ** a, 0.0),
        )
    ],
    "division": [
        Remedy(
            "lit = ti.max(c, 0.0)\nx = 0.0\nif lit > 0.0:\n    x = a / lit\nreturn x",
            lambda c, a: np.where(c.real > 0.0, a / np.where(c.real > 0.0, c, 1.0), 0.0),
        )
    ],
    "overflow": [
        Remedy("return (0.5 + 0.5 * ti.tanh(0.5 * (2000.0 * c * c * c))) * a", lambda c, a: logistic(2000.0 * c**3) * a)
    ],
    "singular point": [
        Remedy(
            "r = 0.0\nif c > 0.0:\n    r = ti.sqrt(c) + ti.log(c)\nreturn r * a",
            lambda c, a: np.where(c.real > 0.0, np.sqrt(positive(c)) + np.log(np.where(c.real > 0.0, c, 1.0)), 0.0) * a,
        ),
        Remedy(
            "v = tm.vec3(ti.max(c, 0.0), 0.0, 0.0)\nr = 0.0\n"
            "if tm.dot(v, v) > 0.0:\n    r = tm.normalize(v * a).x\nreturn r",
            lambda c, a: np.where(c.real > 0.0, 1.0, 0.0) + 0.0 * c * a,
        ),
    ],
    "precision": [
        Remedy("return ti.cast(c * a, float)", lambda c, a: c * a),
        Remedy("x = c * a\nreturn x", lambda c, a: c * a),
    ],
}
# "Leave them out", "use fewer": nothing that could be run. The last two are tried in a shader, below.
NOTHING_TO_RUN = {"restart", "print", "long static loop", "unread parameter", "global"}


def test_every_rule_is_here():
    assert {*REMEDIES} | NOTHING_TO_RUN == {*RULES}
    assert not {*REMEDIES} & NOTHING_TO_RUN


CASES = [(rule, n) for rule in REMEDIES for n in range(len(REMEDIES[rule]))]


@pytest.fixture(scope="module")
def computed(request, tmp_path_factory):
    """The rule and the number of a remedy -> its values (N,), and its derivatives in both modes, (2, N) each."""
    request.getfixturevalue("f64")
    functions = Compiled(tmp_path_factory.mktemp("remedies"), [REMEDIES[rule][n].statements for rule, n in CASES])
    return dict(zip(CASES, zip(functions.values(), functions.reverse(), functions.forward(), strict=True), strict=True))


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("rule", "number"), CASES)
def test_a_remedy_has_the_value_and_the_derivatives_of_its_formula(rule, number, computed):
    statements, formula = REMEDIES[rule][number]
    assert rule not in rules_of(statements)
    values, reverse, forward = computed[rule, number]
    tiny = 1e-30j
    expected = [formula(C + tiny, A + 0j).imag / tiny.imag, formula(C + 0j, A + tiny).imag / tiny.imag]
    np.testing.assert_allclose(values, formula(C + 0j, A + 0j).real, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(reverse, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(forward, expected, rtol=1e-12, atol=1e-12)


# What is not in the value and the derivatives of these is what their rule says; no formula is needed for that.
NAN = {
    "power": [
        "return ti.pow(ti.max(c, 0.0), a)",
        "return ti.select(c > 0.0, ti.pow(c, a), 0.0)",
        "mask = 0.0\nif c > 0.0:\n    mask = 1.0\nreturn mask * ti.pow(ti.max(c, 0.0), a)",
    ],
    "division": ["lit = ti.max(c, 0.0)\nreturn a / lit"],
    "overflow": ["return 1.0 / (1.0 + ti.exp(-2000.0 * c))"],
    "singular point": [
        "return ti.sqrt(c * c)",
        "return ti.select(c > 0.0, ti.sqrt(c), 0.0)",
        "return ti.log(c * c)",
        "return ti.acos(1.0 - c * c)",
        "return tm.length(tm.vec3(c, 0.0, 0.0))",
        "return tm.normalize(tm.vec3(c, 0.0, 0.0)).x",
    ],
    "not a number": ["x = ti.sqrt(c)\nif not (x == x):\n    x = 0.0\nreturn x"],
}
ZERO = {
    "run-time index": ["v = tm.vec3(0.0)\nk = 1\nif c > 0.2:\n    k = 2\nv[k] = c * a\nreturn v.y + v.z"],
    "integer": ["x = 0\nx = c * a * 3.0\nreturn x", "return float(int(3.0 * c * a))"],
    "step": ["return ti.floor(3.0 * c)", "return ti.ceil(3.0 * c)", "return 3.0 * c // 1.0"],
}


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("kind", "rule"), [("nan", rule) for rule in NAN] + [("zero", rule) for rule in ZERO])
def test_without_the_remedy_derivatives_are_zero_or_not_finite(kind, rule, tmp_path):
    bodies = (NAN if kind == "nan" else ZERO)[rule]
    functions = Compiled(tmp_path, bodies)
    values, derivatives = functions.values(), functions.reverse()
    for n, body in enumerate(bodies):
        assert rule == "not a number" or rule in rules_of(body)
        if kind == "nan":
            assert not np.isfinite(derivatives[n]).all(), body
        else:
            assert np.ptp(values[n]) > 1.0
            assert not derivatives[n].any(), body


@pytest.mark.usefixtures("f64")
def test_only_equality_finds_what_is_not_a_number(tmp_path):
    """Of a local, an argument, a component and a product; what does not find it lets it through."""
    guards = {
        "x = ti.sqrt(c)\nif not (x == x):\n    x = -1.0\nreturn x": True,
        "x = ti.sqrt(c)\nreturn ti.select(x == x, x, -1.0)": True,
        "v = tm.vec3(ti.sqrt(c), a, a)\nif not (v.x == v.x):\n    v.x = -1.0\nreturn v.x": True,
        "return found(ti.sqrt(c))": True,
        "x = ti.sqrt(c)\nif x != x:\n    x = -1.0\nreturn x": False,
        "v = tm.vec3(ti.sqrt(c), a, a)\nif v.x != v.x:\n    v.x = -1.0\nreturn v.x": False,
        "v = tm.vec3(ti.sqrt(c), a, a)\nif v[0] != v[0]:\n    v[0] = -1.0\nreturn v[0]": False,
        "x = ti.sqrt(c)\nif x * a != x * a:\n    x = -1.0\nreturn x": False,
        "return missed(ti.sqrt(c))": False,
    }
    before = "@ti.func\ndef found(x):\n    y = x\n    if not (x == x):\n        y = -1.0\n    return y\n\n\n"
    before += before.replace("found", "missed").replace("not (x == x)", "x != x")
    values = Compiled(tmp_path, list(guards), before).values()
    for value, (guard, replaces) in zip(values, guards.items(), strict=True):
        expected = np.where(C < 0.0, -1.0 if replaces else np.nan, np.sqrt(np.maximum(C, 0.0)))
        np.testing.assert_allclose(value, expected, rtol=1e-15, err_msg=guard)


@pytest.mark.usefixtures("f64")
def test_the_larger_of_a_number_and_nan_is_the_number(tmp_path):
    calls = ("ti.max({}, 0.5)", "ti.max(0.5, {})", "ti.min({}, 0.5)", "ti.min(0.5, {})")
    values = Compiled(tmp_path, [f"return {call.format('ti.sqrt(c)')}" for call in calls]).values()
    assert (values[:, C < 0.0] == 0.5).all()


@pytest.mark.usefixtures("f64")
def test_a_power_of_a_negative_number(tmp_path):
    exponent = "2.0 + (a - 0.5 * a - 0.5 * a)"  # 2, but not for Taichi
    functions = Compiled(tmp_path, [f"return ti.pow(c - 2.0, {exponent})", "return ti.pow(c - 2.0, 2.0)"])
    (reverse, reverse_literal), (forward, forward_literal) = functions.reverse(), functions.forward()
    for derivatives in (reverse[0], reverse_literal[0], forward_literal[0]):
        np.testing.assert_allclose(derivatives, 2.0 * (C - 2.0), rtol=1e-15)
    assert np.isnan(reverse[1]).all()
    assert np.isnan(forward).all()


REFUSED = {
    "not differentiable": ["tan(c)", "round(c)", "random()", "bit_cast(c, ti.i64)", "math.isnan(c)", "math.isinf(c)"],
    "forward mode": ["floor(c)", "ceil(c)", "math.fract(c)", "math.mod(c, a)"],
}


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("rule", "call"), [(rule, call) for rule, calls in REFUSED.items() for call in calls])
def test_what_is_said_to_be_refused_is_refused(rule, call, tmp_path):
    body = f"return c * a + ti.select(ti.{call} == 0.0, 0.0, 1.0)" if "is" in call else f"return c * a + ti.{call}"
    assert rule in rules_of(body)
    functions = Compiled(tmp_path, [body])
    assert np.isfinite(functions.values()).all()
    if rule == "forward mode":
        assert np.isfinite(functions.reverse()).all()
    ti.set_logging_level(ti.CRITICAL)
    try:
        with pytest.raises(RuntimeError, match="auto_diff"):
            functions.forward() if rule == "forward mode" else functions.reverse()
    finally:
        ti.set_logging_level(ti.ERROR)


SHADER = """import taichi as ti
import taichi.math as tm

parameters = {"gain": 0.5}
NUMBER = 0.5


@ti.func
def reflect(surface, light, constants):
    root = ti.sqrt(tm.dot(surface.normal, light.to_light) - 0.8)
    if GUARD:
        root = 0.0
    return root * FACTOR * light.color
"""


def picture_and_jacobian(path, guard, factor):
    path.write_text(SHADER.replace("GUARD", guard).replace("FACTOR", factor))
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=tdr.CustomShader(path), resolution=(12, 12))
    jacobian = tdr.compute_jacobian(pipeline, ["shader.gain"], cotangent="rgb")
    covered = jacobian.triangle_id >= 0
    return jacobian.image[covered], jacobian["shader.gain"][covered]


@pytest.mark.usefixtures("f64")
def test_in_a_shader_the_guard_that_is_advised_replaces_nan_and_a_constant_has_its_derivative(tmp_path):
    image, jacobian = picture_and_jacobian(tmp_path / "advised.py", "not (root == root)", "constants.gain")
    assert np.isfinite(image).all()
    assert 0.0 < (image == 0.0).mean() < 1.0
    np.testing.assert_allclose(jacobian.reshape(image.shape), image / 0.5, rtol=1e-14)


@pytest.mark.usefixtures("f64")
def test_in_a_shader_unequal_lets_nan_through_and_a_number_of_the_file_has_no_derivative(tmp_path):
    image, jacobian = picture_and_jacobian(tmp_path / "warned_of.py", "root != root", "NUMBER")
    assert 0.0 < np.isnan(image).mean() < 1.0
    assert not jacobian.any()
