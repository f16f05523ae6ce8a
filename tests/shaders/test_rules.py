"""Which patterns of a shader file are named, at which line, and which are left alone."""

import inspect
import textwrap

import pytest

from tdr.shaders import rules
from tdr.shaders.built_in import SHADERS
from tdr.shaders.rules import RULES, violations_in

START = """import taichi as ti
import taichi.math as tm

parameters = {"gain": 0.5}
LEVELS = 4
ramp = ti.field(float, 4)

@ti.func
def reflect(surface, light, constants):
    cosine = tm.dot(surface.normal, light.to_light) * constants.gain
"""
FIRST = START.count("\n") + 1  # the line of a function's first statement below


def found(*statements: str) -> list[tuple[int, str]]:
    """The rules that statements break, each with the statement's number from 0."""
    content = START + textwrap.indent("\n".join([*statements, "return cosine * light.color"]), "    ")
    return [(violation.line - FIRST, violation.rule) for violation in violations_in(content)]


@pytest.mark.parametrize(
    ("statements", "places"),
    [
        (["x = 0.0", "for i in range(4):", "    x += 0.1 * i"], [(1, "run-time loop")]),
        (["x = 0.0", "for i in range(LEVELS):", "    x = cosine"], [(1, "run-time loop"), (1, "global")]),
        (["x = 0.0", "for i, j in ti.ndrange(2, 2):", "    x += cosine"], [(1, "run-time loop")]),
        (["for i in range(3):", "    x = light.color[i]"], [(0, "run-time loop")]),
        (["x = 0.0", "for i in ti.static(range(2)):", "    for j in range(3):", "        x += cosine"],
         [(2, "run-time loop")]),
        (["x = 1.0", "for i in range(31):", "    x *= cosine"], [(1, "long loop"), (1, "run-time loop")]),
        (["x = 1.0", "for i in range(30):", "    x *= cosine"], [(1, "run-time loop")]),
        (["x = 1.0", "for i in range(2, 33):", "    x *= cosine"], [(1, "long loop"), (1, "run-time loop")]),
        (["x = 1.0", "for i in range(ti.static(8 * LEVELS)):", "    x *= cosine"],
         [(1, "long loop"), (1, "run-time loop")]),
        (["n, x = 31, 1.0", "for i in range(n):", "    x *= cosine"], [(1, "run-time loop")]),
        (["n = 31", "x = 1.0", "for i in range(n):", "    x *= cosine"], [(2, "long loop"), (2, "run-time loop")]),
        (["n = 31", "n -= 1", "x = 1.0", "for i in range(n):", "    x *= cosine"], [(3, "run-time loop")]),
        (["x = 1.0", "for i, j in ti.ndrange(4, (2, 10)):", "    x *= cosine"],
         [(1, "long loop"), (1, "run-time loop")]),
        (["x = 1.0", "for i in range(4):", "    for j in range(8):", "        x *= cosine"],
         [(2, "long loop"), (1, "run-time loop"), (2, "run-time loop")]),
        (["for i in range(4):", "    x = cosine", "    for j in range(8):", "        x *= cosine"],
         [(2, "long loop"), (0, "run-time loop"), (2, "run-time loop")]),
        (["x = 1.0", "for i in ti.static(range(4)):", "    for j in range(8):", "        x *= cosine"],
         [(2, "long loop"), (2, "run-time loop")]),
        (["v = tm.vec3(0.0)", "for i in range(16):", "    v.x += cosine", "for i in range(15):", "    v[0] += cosine"],
         [(3, "long loop"), (1, "run-time loop"), (3, "run-time loop")]),
        (["x = 1.0", "for i in range(15):", "    x *= cosine", "for i in range(15):", "    x *= cosine"],
         [(1, "run-time loop"), (3, "run-time loop")]),
        (["for i in ti.static(range(4)):", "    x = 1.0", "    for j in range(8):", "        x *= cosine"],
         [(2, "run-time loop")]),
        (["x = 1.0", "for i in range(ti.cast(constants.gain, ti.i32)):", "    x *= cosine"],
         [(1, "run-time loop"), (1, "integer")]),
        (["x = 0.0", "for i in ti.static(range(25)):", "    for j in ti.static(range(41)):", "        x += cosine"],
         [(2, "long static loop")]),
        (["print(cosine)", "if cosine > 0.0:", "    print(f'{cosine}')"], [(0, "print"), (2, "print")]),
        (["ti.init(arch=ti.cpu)"], [(0, "restart")]),
        (["x = bool(cosine)", "x = ti.cast(light.color, ti.u1)"],
         [(0, "boolean"), (1, "boolean"), (0, "integer"), (1, "integer")]),
        (["x = bool(cosine > 0.0)", "x = ti.cast(ti.i32(cosine), bool)"], [(0, "integer"), (1, "integer")]),
        (["v = tm.vec3(0.0)", "k = LEVELS % 3", "v[k] = cosine"], [(2, "run-time index"), (1, "global")]),
        (["v = tm.vec3(0.0)", "k = ti.cast(cosine, ti.i32)", "v[k] += cosine"],
         [(2, "index update"), (2, "run-time index"), (1, "integer")]),
        (["v = tm.vec3(0.0)", "k = 1", "k += 1", "v[k] = cosine", "x = v[k]"],
         [(4, "index update"), (3, "run-time index")]),
        (["x = 1.0", "ti.atomic_mul(x, cosine)"], [(1, "atomic product")]),
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
        (["x = ti.floor(cosine)", "y = cosine // 2.0"], [(0, "step"), (1, "step")]),
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
        ["bits = 11", "for i in range(40):", "    bits = bits * 2 + i"],
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
        "    total = 0.0\n    for i in range(3):\n        total += x\n    return constants.gain * total\n"
    )
    assert [(violation.line, violation.rule) for violation in violations_in(source)] == [
        (7, "run-time loop"), (3, "unread parameter"), (5, "integer"), (1, "precision"), (5, "precision"),
    ]  # fmt: skip


def test_python_that_is_not_compiled_may_do_what_it_likes():
    table = "def table(x):\n    for i in range(100):\n        x *= 2.0\n        print(x)\n    return bool(x)\n"
    assert violations_in(table) == []
    assert {violation.rule for violation in violations_in("@ti.func\n" + table)} >= {"long loop", "print", "boolean"}
    method = "@ti.dataclass\nclass Ramp:\n    @ti.func\n    def at(self, x):\n        print(x)\n        return x\n"
    assert [(violation.line, violation.rule) for violation in violations_in(method)] == [(5, "print")]


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
