"""Which patterns of a shader file are named, at which line, and which are left alone."""

import inspect
import textwrap

import pytest

from tdr.shaders import rules, stores
from tdr.shaders.built_in import SHADERS
from tdr.shaders.rules import RULES, violations_in

START = """import taichi as ti
import taichi.math as tm

parameters = {"gain": 0.5}
LEVELS = 4
ramp = ti.field(float, 4)

@ti.func
def guarded(x):
    root = 0.0
    if x > 0.0:
        root = x ** 0.5
    return root

@ti.func
def waves(x):
    y = x
    for n in range(2):
        y = ti.sin(y)
    return y

@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light) * constants.gain
"""
FIRST = START.count("\n") + 1  # the line of a function's first statement below


def found(*statements: str) -> list[tuple[int, str]]:
    """The rules that statements break, each with the statement's number from 0."""
    content = START + textwrap.indent("\n".join([*statements, "return cosine * light.color"]), "    ")
    return [(violation.line - FIRST, violation.rule) for violation in violations_in(content)]


# No name like this exists. What would end Taichi's process is written with it, so that Taichi, if it were given the
# text, would refuse it before.
MISSING = "missing"


@pytest.mark.parametrize(
    ("statements", "lines"),
    [
        (["x = 1.0", "for i in range(3):", "    x *= cosine"], [1]),
        (["x = 1.0", "for i in range(2):", "    x *= cosine"], []),
        (["x = 1.0", "for i in range(2, 5):", "    x *= cosine"], [1]),
        (["x = 1.0", "for i in range(ti.static(LEVELS - 1)):", "    x *= cosine"], [1]),
        (["n, x = 3, 1.0", "for i in range(n):", "    x *= cosine"], []),
        (["n = 3", "x = 1.0", "for i in range(n):", "    x *= cosine"], [2]),
        (["n = 3", "n -= 1", "x = 1.0", "for i in range(n):", "    x *= cosine"], []),
        (["x = 1.0", "for i, j in ti.ndrange(1, (2, 5)):", "    x *= cosine"], [1]),
        (["x = 1.0", "for i in range(2):", "    for j in range(2):", "        x *= cosine"], [2]),
        (["for i in range(2):", "    x = cosine", "    for j in range(2):", "        x *= cosine"], [2]),
        (["x = 1.0", "for i in ti.static(range(2)):", "    for j in range(2):", "        x *= cosine"], [2]),
        (["for i in ti.static(range(3)):", "    x = 1.0", "    for j in range(2):", "        x *= cosine"], []),
        (["v = tm.vec3(0.0)", "for i in range(2):", "    v.x += cosine", "for i in range(2):", "    v[0] += cosine"],
         [3]),
        (["x = 1.0", "x = cosine", "for i in range(2):", "    x *= cosine", "    x += cosine"], []),
        (["x = 1.0", "for i in range(2):", "    if cosine > 0.0:", "        x *= cosine", "    x += cosine"], [1]),
        (["x = 1.0", "for i in range(2):", "    if cosine > 0.0:", "        x *= 2.0", "    else:", "        x = 1"],
         []),
        (["x = 1.0", "for i in range(2):", "    y = 0.0", "    if cosine > 0.0:", "        y = x", "    x = y"], [1]),
        (["k = 1", "for i in range(3):", "    k = k * 2 + i"], [1]),
        (["x = 1.0", "for i in range(2):", "    x = guarded(x)"], [1]),
        (["x = 1.0", "for i in ti.static(range(9)):", "    x = guarded(x)"], []),
        (["x = 1.0", "for i in range(ti.cast(constants.gain, ti.i32)):", "    x *= cosine"], []),
    ],
)  # fmt: skip
def test_loops_that_store_a_local_too_often_are_found(statements, lines, monkeypatch):
    """With room for four values, its 0 and the first of its own among them, instead of 32."""
    monkeypatch.setattr(stores, "MOST_VALUES", 4)
    assert [line for line, rule in found(*statements) if rule == "long loop"] == lines


def test_the_room_that_loops_have():
    assert stores.MOST_VALUES == 32
    assert "more than 30 times" in RULES["long loop"][0]


@pytest.mark.parametrize(
    ("statements", "places"),
    [
        (["x = 0.0", "for i in range(4):", "    x += 0.1 * cosine"], [(1, "run-time loop")]),
        (["x = 0.0", "for i in range(LEVELS):", "    x += 2.0 * cosine"], [(1, "run-time loop"), (1, "global")]),
        (["x = 0.0", "for i in range(4):", "    x += surface.normal.x * i"], [(1, "run-time loop")]),
        (["x = 0.0", "for i in range(4):", "    x += constants.gain * i"], [(1, "run-time loop")]),
        (["x = 0.0", "for i in range(3):", "    for j in range(3):", "        x += constants.gain * j"],
         [(1, "run-time loop"), (2, "run-time loop")]),
        (["for i in range(3):", "    x = surface.albedo[i]"],
         [(0, "run-time loop"), (1, "run-time index read")]),
        (["x = cosine", "for i in range(4):", "    x = ti.exp(x)", "    x = tm.clamp(x, 0.0, 1.0)"],
         [(2, "last trip"), (3, "last trip")]),
        (["x = cosine", "y = 0.5", "for i in range(4):", "    if i == 2:", "        y = x", "    x = x * 0.5 + y"],
         [(2, "skipped store")]),
        (["if cosine > 0.0:", "    x = cosine", "    for i in range(3):", "        x = ti.sin(x)"],
         [(2, "branched loop")]),
        (["x = cosine", "if cosine > 0.0:", "    for i in range(3):", "        x = ti.sin(x)", "else:", "    x = 1.0",
          "    for i in range(3):", "        x = ti.sin(x)"], [(6, "branched loop")]),
        (["x = cosine", "if cosine > 0.0:", "    for i in ti.static(range(2)):", "        for j in range(2):",
          "            x = ti.sin(x)"], [(3, "branched loop")]),
        (["x = cosine", "for i in range(3):", "    if x > 0.0:", "        y = x", "        for j in range(3):",
          "            y = ti.sin(y)", "        x = y"], [(4, "branched loop")]),
        (["x = cosine", "if cosine > 0.0:", "    x = waves(x)"], [(2, "branched loop")]),
        (["if cosine != cosine:", "    cosine = 0.0"], [(0, "not a number")]),
        (["v = light.color", "x = v.x != v.x or v[0] != v[0] or 1.0 < cosine * v.y != cosine * v.y"],
         [(1, "not a number")]),
        (["x = 0.0", "for i in ti.static(range(25)):", "    for j in ti.static(range(41)):", "        x += cosine"],
         [(2, "long static loop")]),
        (["print(cosine)", "if cosine > 0.0:", "    print(f'{cosine}')"], [(0, "print"), (2, "print")]),
        (["ti.init(arch=ti.cpu)"], [(0, "restart")]),
        ([f"x = bool({MISSING})", f"x = ti.cast({MISSING}, ti.u1)"],
         [(0, "boolean"), (1, "boolean"), (0, "integer"), (1, "integer")]),
        (["x = bool(cosine > 0.0)", "x = ti.cast(ti.i32(cosine), bool)"], [(0, "integer"), (1, "integer")]),
        (["v = tm.vec3(0.0)", "k = LEVELS % 3", "v[k] = cosine"], [(2, "run-time index"), (1, "global")]),
        (["v = tm.vec3(0.0)", "k = ti.cast(cosine, ti.i32)", f"v[k] += {MISSING}"],
         [(2, "index update"), (2, "run-time index"), (1, "integer")]),
        (["v = tm.vec3(0.0)", "k = 1", "k += 1", f"v[k] = {MISSING}", "x = v[k]"],
         [(4, "index update"), (3, "run-time index"), (4, "run-time index read")]),
        (["x = 1.0", f"ti.atomic_mul(x, {MISSING})"], [(1, "atomic product")]),
        (["ramp[0] = cosine", "x = ramp[0]"], [(0, "field")]),
        (["ti.atomic_max(ramp[0], cosine)"], [(0, "field")]),
        (["while cosine < 1.0:", "    break"], [(0, "jump"), (1, "jump")]),
        (["for i in ti.static(range(3)):", "    continue"], [(1, "jump")]),
        (["if cosine > 0.0:", "    return light.color"], [(1, "jump")]),
        (["x = ti.tan(cosine)"], [(0, "not differentiable")]),
        (["x = ti.bit_cast(cosine, ti.i32)"], [(0, "not differentiable")]),
        (["x = ti.random()"], [(0, "not differentiable")]),
        (["x = ti.cast(cosine, ti.i32)"], [(0, "integer")]),
        (["x = int(4.0 * cosine)"], [(0, "integer")]),
        (["x = 0", "x = cosine"], [(1, "integer")]),
        (["x = 1", "x *= 0.5"], [(1, "integer")]),
        (["v = ti.Vector([0, 0, 0])", "v += light.color"], [(1, "integer")]),
        (["x = ti.floor(cosine)", "y = cosine // 2.0"], [(0, "forward mode"), (0, "step"), (1, "step")]),
        (["x = tm.fract(cosine) + tm.mod(cosine, 2.0) + cosine % 2.0"], [(0, "forward mode")]),
        (["x = tm.clamp(constants.gain, 0.0, 1.0)"], [(0, "kink")]),
        (["x = ti.pow(ti.max(0.0, cosine), constants.gain)"], [(0, "power")]),
        (["x = ti.max(0.0, cosine) ** constants.gain"], [(0, "power")]),
        (["x = ti.select(cosine > 0.0, ti.pow(cosine, constants.gain), 0.0)"], [(0, "power")]),
        (["lit = ti.max(0.0, cosine)", "x = 1.0 / (4.0 * lit)"], [(1, "division")]),
        (["x = 1.0 / (1.0 + ti.exp(-cosine))"], [(0, "overflow")]),
        (["x = ti.sqrt(cosine)", "y = ti.acos(cosine)"], [(0, "singular point"), (1, "singular point")]),
        (["v = tm.normalize(light.to_light + surface.to_eye)"], [(0, "singular point")]),
        (["x = ti.cast(cosine, ti.f32)", "y = ti.f16(cosine)"], [(0, "precision"), (1, "precision")]),
        (["x = parameters['gain']"], [(0, "global")]),
    ],
)  # fmt: skip
def test_patterns_are_found_where_they_are(statements, places):
    assert found(*statements) == places


@pytest.mark.parametrize(
    "statements",
    [
        ["x = 0.0", "for i in ti.static(range(40)):", "    x += ti.sin(cosine * i)"],
        ["v = tm.vec3(0.0)", "for i in ti.static(range(3)):", "    v[i] += light.color[i]"],
        ["x = 0.0", "for i in range(1):", "    x += cosine"],
        ["bits = 11", "for i in range(8):", "    bits = bits * 2 + i"],
        ["x = cosine", "for i in range(4):", "    y = ti.sin(x)", "    x = y * y"],
        ["x = 0.0", "for i in range(4):", "    x += ti.sin(cosine * i)"],
        ["x = cosine", "for i in range(4):", "    if x > surface.normal.x:", "        x *= 0.5"],
        ["x = cosine", "if surface.normal.x > 0.0:", "    for i in range(4):", "        x = ti.sin(x)"],
        ["if not (cosine == cosine):", "    cosine = 0.0", "x = cosine * light.color.x != light.color.x"],
        ["x = 0.0", "if cosine > 0.0:", "    x = ti.pow(cosine, constants.gain) / ti.sqrt(cosine)"],
        ["x = ti.pow(cosine, constants.gain) if cosine > 0.0 else 0.0"],
        ["x = cosine ** 5 + ti.pow(cosine, 2.0)"],
        ["a, b = cosine, 1.0", "a, b = b, a", "a *= a", "v = tm.vec3(a)", "v.xy = v.yx"],
        ["x = ti.max(0.0, cosine)", "ti.atomic_max(x, cosine)", "y = tm.clamp(cosine, 0.0, constants.gain)"],
        ["k = 2", "x = light.color[k] + ramp[k]"],
        ["x = 0", "x += 1", "y = x * cosine"],
        ["if ti.static(LEVELS > 2):", "    cosine *= 2.0"],
    ],
)
def test_what_is_right_is_left_alone(statements):
    assert found(*statements) == []


def test_what_is_outside_of_reflect_is_read_too():
    source = (
        "color = ti.types.vector(3, ti.f32)\n"
        "parameters = {'gain': 1.0,\n 'unread': 2.0}\n"
        "@ti.func\ndef bands(x: ti.i32, y: ti.f32):\n"
        "    total = 0.0\n    for i in range(3):\n        total += x * y\n    return constants.gain * total\n"
    )
    assert [(violation.line, violation.rule) for violation in violations_in(source)] == [
        (7, "run-time loop"), (3, "unread parameter"), (5, "integer"), (1, "precision"), (5, "precision"),
    ]  # fmt: skip


def test_python_that_is_not_compiled_may_do_what_it_likes():
    table = f"def table(x):\n    for i in range(3):\n        print(x)\n        x *= {MISSING}\n    return x == x != x\n"
    assert violations_in(table) == []
    assert {violation.rule for violation in violations_in("@ti.func\n" + table)} >= {"not a number", "print"}
    method = "@ti.dataclass\nclass Ramp:\n    @ti.func\n    def at(self, x):\n        print(x)\n        return x\n"
    assert [(violation.line, violation.rule) for violation in violations_in(method)] == [(5, "print")]


def test_loops_whose_trips_nobody_knows():
    functions = (
        "@ti.func\ndef f(x, n):\n    for i in range(n):\n        x *= 2.0\n    for i in range(3):\n        x *= 2.0\n"
    )
    assert rules.unbounded_loops(functions + "    for i in ti.static(range(n)):\n        x *= 2.0\n    return x\n") == [
        3
    ]


def test_built_in_shaders_break_no_rule():
    for shader in set(SHADERS.values()):
        assert violations_in(textwrap.dedent(inspect.getsource(shader.reflect.__wrapped__))) == []


def test_a_violation_says_what_happens_and_what_to_write_instead():
    (violation,) = violations_in("parameters = {'a': 1.0}\n")
    assert violation.text == " ".join(RULES["unread parameter"])
    for effect, remedy in RULES.values():
        assert effect.endswith(".")
        assert remedy.endswith(".")
    assert {*rules.FORBIDDEN, *rules.REFUSED} < set(RULES)
