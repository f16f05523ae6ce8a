"""Run-time loops: what Taichi's reverse mode makes of a pattern, and whether the scan says so.

Each pattern is compiled and differentiated, so that neither a rule nor its exceptions can become false unnoticed.
"""

import re

import numpy as np
import pytest
from compiled import Compiled, rules_of

FUNCTIONS = {
    "bent": "@ti.func\ndef bent(x):\n    return ti.sin(x) * x + 0.1\n\n\n",
    "fading": "@ti.func\ndef fading(x):\n    return ti.exp(-x) * x + 0.1\n\n\n",
    "waves": "@ti.func\ndef waves(x):\n    s = 0.0\n    for n in range(3): s += ti.sin(x * n)\n    return s\n\n\n",
}

INDEX = "run-time index read"
VECTOR = "v = tm.vec3(c, a, 0.4)"
RIGHT = {
    "only the loop variable and literals": "x = 0.0\nfor i in range(4): x += 0.1 * i\nreturn x * c * a",
    "its own result": "x = c * a\nfor i in range(4): x = ti.sin(x) + 0.1 * i\nreturn x",
    "its own result, in products and powers": (
        "x = c\nfor i in range(4): x = x * x * 0.5 + x ** 3 / (x + 2.0)\nreturn x"
    ),
    "its own result, through a function": "x = c\nfor i in range(4): x = bent(x)\nreturn x",
    "its own result, where an if says so": (
        "x = c\nfor i in range(4):\n    if x > 0.6 - 0.1 * i:\n        x = x * x\nreturn x"
    ),
    "its own result, chosen": "x = c\nfor i in range(4): x = ti.select(x > 0.1 * i, x * x, x + 0.4)\nreturn x",
    "the larger of its own result and a literal": "x = c\nfor i in range(4): x = ti.max(x, 0.5) * 0.8\nreturn x",
    "accumulators that read each other": (
        "x, y = c, a\nfor i in range(4): x = ti.sin(x) + 0.3 * y; y *= x\nreturn x + y"
    ),
    "accumulators that change places": "x, y = c, a\nfor i in range(3): x, y = y, 0.5 * x\nreturn x + 2.0 * y",
    "a local of the body": "x = c\nfor i in range(4): z = ti.sin(x); x = z * z + 0.1 * i\nreturn x",
    "a vector": f"{VECTOR}\nfor i in range(4): v = ti.sin(v) + 0.1 * i\nreturn v.x + v.y * v.z",
    "components of a vector": f"{VECTOR}\nfor i in range(4): v.x = v.y * v.x; v[1] = v[1] * 0.9 + 0.1\nreturn v.x",
    "a matrix": "m = ti.Matrix([[c, 0.3], [0.1, a]])\nfor i in range(3): m = m @ m\nreturn m[0, 0] + 2.0 * m[1, 0]",
    "a value that is read again": "x = 0.0\nfor i in range(4): x += ti.sin(c * i)\nreturn x * c",
    "a value that is read again in a branch": (
        "x = 0.0\nfor i in range(4): x += ti.sin(c * i)\nif a > 0.8:\n    x *= c\nreturn x"
    ),
    "a component that is read again": f"{VECTOR}; x = 0.0\nfor i in range(4): x += ti.sin(v.x * i)\nreturn x * v.x",
    "a comparison": "x = c\nfor i in range(4):\n    if a > 0.3 * i:\n        x *= 0.9\nreturn x",
    "a number that does not depend on arguments": (
        "w = ti.sin(0.5); x = c\nfor i in range(4): x = x * w + 0.1 * i\nreturn x"
    ),
    "what a loop before it carried": (
        "y = c\nfor k in range(3): y = ti.sin(y)\nx = 0.0\nfor i in range(4): x += ti.sin(y * i)\nreturn x"
    ),
    "what an if before it changed, in a product": (
        "y = a\nif c > 0.2:\n    y = c * c\nx = 0.0\nfor i in range(4): x += ti.sin(y * i)\nreturn x"
    ),
    "a loop in a loop": (
        "x = c\nfor i in range(3):\n    x *= 0.8\n    for j in range(2):\n        x = ti.sin(x) + 0.1 * i * j\nreturn x"
    ),
    "a loop that reads what the loop around it carries": (
        "x, y = 0.0, c\nfor i in range(3):\n    for j in range(2):\n        x += ti.sin(y * j)\n    y *= 0.9\nreturn x"
    ),
    "a loop in an if": "x = c\nif a > 0.8:\n    for i in range(4):\n        x = ti.sin(x)\nreturn x",
    "an exponential of no argument": "x = c\nfor i in range(4): x = x * ti.exp(-0.3 * i)\nreturn x",
    "as many stores as there is room for": "x = c\nfor i in range(30): x = ti.sin(x) + 0.1\nreturn x",
    "as many stores as there is room for, two in a trip": (
        "x = c\nfor i in range(15):\n    if x > -9.0:\n        x = x * 0.8 + 0.1\n    x = ti.sin(x) + 0.1\nreturn x"
    ),
    "as many stores as there is room for, of a local of the body": (
        "x = c\nfor i in range(10):\n    y = 0.3\n    if x > -9.0:\n        y = 0.5 + 0.3 * x\n"
        "    x = ti.sin(x) * y\nreturn x"
    ),
    "as many stores as there is room for, in a loop in a loop": (
        "x = c\nfor i in range(6):\n    s = 0.0\n    for j in range(3):\n        s = s * x + 0.5\n"
        "    x = ti.sin(s)\nreturn x"
    ),
    "as many stores as there is room for, of an integer": (
        "k = 1\nfor i in range(30): k = (k * 5 + i) % 1000\nreturn c * a * (k % 7 + 1)"
    ),
    "one trip": "x = 0.0\nfor i in range(1): x += ti.sin(c * a)\nreturn x",
}
WRONG = {
    "run-time loop": {
        "a local from before it": "x, y = 0.0, c * a\nfor i in range(4): x += ti.sin(y * i)\nreturn x",
        "an argument": "x = 0.0\nfor i in range(4): x += c * i\nreturn x",
        "everything anew": "x = 0.0\nfor i in range(4): y = c * i; z = ti.sin(y * a); x += z\nreturn x",
        "stored anew by each trip": "x = 0.0\nfor i in range(4): x = ti.sin(c * i)\nreturn x",
        "a product, one factor of which is read again": (
            "x = 0.0\nfor i in range(4): x += ti.sin(c * i * a)\nreturn x * c"
        ),
        "what is the same in all trips": "x = 0.0\nfor i in range(4): x += ti.sin(c) * i\nreturn x * c",
        "what is the same in all trips, in a local": "x = 0.0\nfor i in range(4): w = -c; x += w * i\nreturn x * c",
        "another component": f"{VECTOR}\nfor i in range(4): v.x = v.y * v.x\nreturn v.x",
        "a vector of which one component is read again": (
            f"{VECTOR}; x = 0.0\nfor i in range(4): x += v.x * v.y * i\nreturn x * v.x"
        ),
        "a vector, added": f"{VECTOR}; w = tm.vec3(0.0)\nfor i in range(4): w += v * i\nreturn w.x + w.y",
        "a factor in a power": "x = 1.0\nfor i in range(4): x *= c\nreturn x",
        "the ratio of a series": "x, y = 0.0, c\nfor i in range(6): x += y; y *= a\nreturn x",
        "a grid": "x = 0.0\nfor i, j in ti.ndrange(2, 3): x += ti.sin(c + i + 2.0 * j)\nreturn x",
        "a value that only another loop reads again": (
            "x = 0.0\nfor i in range(4): x += c * i\nfor i in range(3): x += ti.sin(c + i)\nreturn x"
        ),
        "a value that only a comparison reads again": (
            "x = 0.0\nfor i in range(4): x += c * i\nif c > 0.3:\n    x *= 2.0\nreturn x"
        ),
        "what an if before it changed, in a sum": (
            "y = a\nif c > 0.2:\n    y = c * c\nx = 0.0\nfor i in range(4): x += y\nreturn x"
        ),
        "a loop that reads what the loop around it computed": (
            "x, y = 0.0, c\nfor i in range(3):\n    z = ti.sin(y)\n    for j in range(3):\n        x += z * j\n"
            "    y *= 0.9\nreturn x"
        ),
        "in a static loop": (
            "x = 0.0\nfor i in ti.static(range(2)):\n    for j in range(3):\n        x += c * (i + j)\nreturn x"
        ),
        "in a function": "return waves(c)",
    },
    "last trip": {
        "an exponential": "x = c\nfor i in range(4): x = ti.exp(-x) + 0.1 * i\nreturn x",
        "a hyperbolic tangent": "x = c\nfor i in range(4): x = ti.tanh(x) + 0.1 * i\nreturn x",
        "a reciprocal root": "x = c\nfor i in range(4): x = ti.rsqrt(x * x + 1.0)\nreturn x",
        "an exponential, in a function": "x = c\nfor i in range(4): x = fading(x)\nreturn x",
        "the larger of two": "x = c\nfor i in range(4): x = ti.max(x, 0.4 - 0.1 * i)\nreturn x",
        "the smaller of two": "x = c\nfor i in range(4): x = ti.min(x, 0.2 + 0.1 * i)\nreturn x",
        "the largest component": (
            f"{VECTOR}\nfor i in range(3): v = v * 0.6 + v.max() * 0.3 * (1.0 - 0.5 * i)\nreturn v.x"
        ),
        "a clamped value": "x = c\nfor i in range(4): x = tm.clamp(x, 0.25, 0.7) * 0.5 + 0.3\nreturn x",
        "a smooth step": (
            "x, y = 0.0, c\nfor i in range(3): x += tm.smoothstep(0.3, 0.7, y); y = y * 1.5 + 0.3\nreturn x"
        ),
    },
    "skipped store": {
        "a local that an if stores and the next line adds": (
            "x, y = c, 0.3\nfor i in range(4):\n    if i == 2:\n        y = 0.5 * x\n    x = ti.sin(x) + y\nreturn x"
        ),
    },
    INDEX: {
        "a vector at the loop's index": f"{VECTOR}; x = 0.0\nfor i in range(3): x += v[i]\nreturn x + v.x + v.y",
    },
}
LOOPS = {"long loop", "run-time loop", "last trip", "skipped store", INDEX, "branched loop"}


CASES = {pattern: (statements, set()) for pattern, statements in RIGHT.items()} | {
    pattern: (statements, {rule}) for rule, patterns in WRONG.items() for pattern, statements in patterns.items()
}


def static(text: str) -> str:
    """The same with its loops written out when they are compiled."""
    return re.sub(r"in ((range|ti\.ndrange)\([0-9, ]*\)):", r"in ti.static(\1):", text)


def are_right(derivatives: np.ndarray, expected: np.ndarray) -> dict[str, bool]:
    """Which patterns have the right derivatives, wherever differences say what that is."""
    known = np.isfinite(expected)
    assert (known.mean(axis=(1, 2)) > 0.7).all()
    close = ~known | (np.abs(derivatives - expected) < 1e-6 * (1.0 + np.abs(expected)))
    return dict(zip(CASES, close.all(axis=(1, 2)).tolist(), strict=True))


@pytest.fixture(scope="module")
def right(request, tmp_path_factory):
    """Mode, or "static" for reverse mode of static loops -> which patterns have the right derivatives in it."""
    request.getfixturevalue("f64")
    folder, bodies = tmp_path_factory.mktemp("loops"), [statements for statements, _ in CASES.values()]
    functions = Compiled(folder, bodies, "".join(FUNCTIONS.values()))
    expected = functions.differences()
    mended = Compiled(folder, [static(body) for body in bodies], static("".join(FUNCTIONS.values())))
    derivatives = {"reverse": functions.reverse(), "forward": functions.forward(), "static": mended.reverse()}
    return {mode: are_right(values, expected) for mode, values in derivatives.items()}


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize("pattern", CASES)
def test_a_loop_is_named_where_it_is_wrong_and_left_alone_where_it_is_right(pattern, right):
    statements, rules = CASES[pattern]
    before = "".join(text for name, text in FUNCTIONS.items() if name in statements)
    assert right["reverse"][pattern] == (not rules)
    assert right["forward"][pattern] == (rules != {INDEX})
    assert right["static"][pattern]
    assert rules_of(statements, before) & LOOPS == (rules | {"run-time loop"} if rules == {INDEX} else rules)
    assert not rules_of(static(statements), static(before)) & LOOPS
