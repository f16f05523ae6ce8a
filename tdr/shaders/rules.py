"""Rules of Taichi's automatic differentiation that a shader file breaks, found in its syntax.

The scan explains what went wrong; it does not decide whether anything did. It sees patterns, not values, so it also
names places that do no harm. What each pattern does was measured with Taichi 1.7.4 against central differences;
``tests/shaders/test_remedies.py`` tries every remedy, and every effect that does not end the process.
"""

from __future__ import annotations

from dataclasses import dataclass

from tdr.shaders.scan import run_time_loops, scan

# What a broken rule does, and what to write instead. The order is that of the findings: what is forbidden, what Taichi
# refuses, what is silently wrong, what is silently zero, what can be NaN, what is imprecise.
RULES = {
    "restart": (
        "ti.init and ti.reset end the life of everything that was made in Taichi before.",
        "Leave them out: Taichi runs already.",
    ),
    "long loop": (
        "A local that run-time loops store more than 30 times, an integer too, ends the process in the reverse pass.",
        "Write for i in ti.static(range(n)).",
    ),
    "branched loop": (
        "A run-time loop in an if, after other lines of its branch, ends the process or gets a wrong derivative.",
        "Write for i in ti.static(range(n)), or move those lines before the if.",
    ),
    "index update": (
        "A local vector that is read and written at a run-time index ends the process when it is differentiated.",
        "Write the components out, or loop with ti.static(range(n)).",
    ),
    "atomic product": (
        "ti.atomic_mul on a local ends the process when it is compiled.",
        "Write x *= y.",
    ),
    "boolean": (
        "A number that is converted to bool ends the process when it is compiled.",
        "Write x != 0.0.",
    ),
    "long static loop": (
        "A static loop is written out trip by trip; more than 1024 trips take minutes to compile.",
        "Use fewer trips, or a formula.",
    ),
    "print": (
        "print writes a line for every pixel, each time that it is rendered, differentiated or checked.",
        "Leave it out; to look at a value, return it as the colour.",
    ),
    "jump": (
        "while, break, continue and a return inside an if or a loop cannot be differentiated.",
        "Write ti.static(range(n)) with an if in its body, and one return at the end.",
    ),
    "not differentiable": (
        "tan, round, isnan, isinf, bit_cast and random numbers cannot be differentiated.",
        "Write tan as sin / cos, round as (x + 0.5) // 1.0, and isnan(x) as not (x == x); leave out the others.",
    ),
    "forward mode": (
        "floor, ceil, fract and mod cannot be differentiated in forward mode, which a full check compares with.",
        "Write x // 1.0 for floor, -(-x // 1.0) for ceil, x % 1.0 for fract and x % y for mod.",
    ),
    "not a number": (
        "A value is never found unequal to itself: != is False wherever NaN is on one of its sides.",
        "Write not (x == x), and put an if around what makes the NaN, because its derivative stays NaN.",
    ),
    "run-time loop": (
        "A run-time loop that reads a value from before it gets a wrong derivative by that value, without a word, "
        "unless it changes the value or something after the loop reads it again.",
        "Write for i in ti.static(range(n)).",
    ),
    "last trip": (
        "exp, tanh, rsqrt, max, min, clamp and smoothstep in a run-time loop get the derivative of its last trip.",
        "Write for i in ti.static(range(n)).",
    ),
    "skipped store": (
        "A local that an if in a run-time loop stores, and only then is read, loses the derivative of earlier trips.",
        "Write for i in ti.static(range(n)).",
    ),
    "run-time index": (
        "What is written to a local vector at a run-time index gets the derivative 0.",
        "Write the components out, choose with if, or loop with ti.static(range(n)).",
    ),
    "run-time index read": (
        "What is read from a vector at a run-time index has a wrong derivative in forward mode, and in a loop in both.",
        "Write the components out, choose with if, or loop with ti.static(range(n)).",
    ),
    "field": (
        "What goes through a field loses its derivative, or all pixels share it and overwrite each other's values.",
        "Keep it in a local.",
    ),
    "unread parameter": (
        "A declared parameter that no function reads as constants.<name> has the derivative 0 everywhere.",
        "Read it, or leave it out of parameters.",
    ),
    "global": (
        "A number of the file that a function reads is compiled in: no setting changes it and no derivative sees it.",
        "Declare it in parameters and read constants.<name>.",
    ),
    "integer": (
        "A conversion to integers, or a local that begins as an integer, cuts fractions off; its derivative is 0.",
        "Begin with 0.0 instead of 0, and keep what is to be differentiated in floating point.",
    ),
    "step": (
        "floor, ceil and // are flat between their steps: their derivative is 0.",
        "Write a smooth step, such as tm.smoothstep, where a derivative is wanted.",
    ),
    "kink": (
        "max, min, clamp and abs of parameters alone have their kink at the same value for all pixels at once.",
        "Leave them out, or keep the parameter's value away from the kink.",
    ),
    "power": (
        "A power of 0 has a derivative by its exponent that is NaN; max, select and a mask let it through.",
        "Write r = 0.0, then if x > 0.0: r = ti.pow(x, s).",
    ),
    "division": (
        "A division by what max(0, .) may make 0 is NaN or infinite there.",
        "Put an if around it.",
    ),
    "overflow": (
        "exp in a denominator overflows for large arguments, and its derivative is NaN there.",
        "Write the logistic step as 0.5 + 0.5 * ti.tanh(0.5 * x).",
    ),
    "singular point": (
        "Square roots, lengths, logarithms, normalize, acos and asin have an infinite or NaN derivative at one point.",
        "Put an if around them that leaves the point out.",
    ),
    "precision": (
        "A float32 or float16 in between rounds values and derivatives, also in a run in float64.",
        "Write float or leave the type out: both follow the precision of the run.",
    ),
}
# What no shader may do: it ends the process, so that no error could be reported, or buries the terminal.
FORBIDDEN = (
    "restart",
    "long loop",
    "branched loop",
    "index update",
    "atomic product",
    "boolean",
    "long static loop",
    "print",
)
# What makes a derivative 0 though it need not be, in a way that finite differences agree with.
ZEROING = ("unread parameter", "global", "integer", "step")
REFUSED = ("jump", "not differentiable", "forward mode")


@dataclass(frozen=True)
class Violation:
    """A place in a shader file that breaks a rule.

    Attributes:
        line: where it is, from 1.
        rule: a key of :data:`RULES`.
    """

    line: int
    rule: str

    @property
    def text(self) -> str:
        """What Taichi does there, and what to write instead: a sentence each."""
        return " ".join(RULES[self.rule])


def violations_in(source: str) -> list[Violation]:
    """What in a shader file may make its derivatives wrong; the most serious first.

    Args:
        source: the file's content, valid Python.
    """
    order = list(RULES)
    found = sorted(scan(source), key=lambda place: (order.index(place[1]), place[0]))
    return [Violation(line, rule) for line, rule in found]


def refusals(source: str) -> list[Violation]:
    """What in a file Taichi refuses to differentiate."""
    return [violation for violation in violations_in(source) if violation.rule in REFUSED]


def forbidden(source: str) -> list[Violation]:
    """What in a file no shader may do."""
    return [violation for violation in violations_in(source) if violation.rule in FORBIDDEN]


def unbounded_loops(source: str) -> list[int]:
    """Lines of a file with a run-time loop whose number of trips it does not say."""
    return sorted(line for line, trips in run_time_loops(source) if trips is None)
