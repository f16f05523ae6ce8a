"""Finds run-time loops in a shader file whose derivative Taichi's reverse mode gets wrong.

Taichi 1.7.4 writes the reverse of a loop as a loop. What follows was measured (docs/shaders.md has the table):

- The derivative by a value is collected where the last place that reads it lies. If that is in a loop, and the value
  was made before it, each trip begins at 0. What a loop carries from trip to trip is on a stack instead, and is right.
- What all trips would compute alike is computed before the loop, and so is a value that only the loop reads.
- The numbers of each trip that the reverse needs are on a stack too, if they go straight into a product, a quotient, a
  power or one of ``_NONLINEAR``. Of what goes into a maximum, and of what comes out of an exponential, there is only
  the last trip's.
- In a branch of an ``if``, what stands before a loop is reversed within the loop, once for each trip.

So this walks through a function in Taichi's order, and follows each value from the place that makes it to those that
read it. Comparisons, rounding and integers have no derivative: they do not count as reading.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field

from tdr.shaders.syntax import INTEGERS, is_call, is_static, name_of, root_of, targets_of

_FLAT = INTEGERS | {"static", "floor", "ceil", "sign", "step"}
_NONLINEAR = {"sin", "cos", "tanh", "asin", "acos", "exp", "log", "sqrt", "abs", "atan2", "pow", "select"} | {
    *("dot", "cross", "norm", "norm_sqr", "length", "distance", "normalize", "normalized", "mix"),
}
_OF_RESULT = {"exp", "tanh", "norm_inv", "smoothstep"}  # whose reverse needs a number that Taichi does not keep
_OF_OPERANDS = {"max", "min", "clamp", "rsqrt", "atomic_max", "atomic_min"}  # the same, but for variables and literals
_CONSTRUCTORS = {"vec2", "vec3", "vec4", "mat2", "mat3", "mat4", "Vector", "Matrix"}
_COMPONENTS = {letter: str(n) for letters in ("xyzw", "rgba", "stpq") for n, letter in enumerate(letters)}
_WHOLE = "*"

Loops = tuple[ast.For, ...]  # run-time loops around a place, the outermost first


@dataclass(frozen=True)
class Helpers:
    """What functions of a file do where they are called, themselves or in what they call.

    Attributes:
        looping: those with a run-time loop.
        forgetful: those with what has the last trip's derivative when it is in a loop.
    """

    looping: set[str]
    forgetful: set[str]

    @classmethod
    def of(cls, functions: Iterable[ast.FunctionDef], loops: Container[ast.AST]) -> Helpers:
        """Look at all functions of a file.

        Args:
            functions: their syntax.
            loops: the run-time loops of more than one trip.
        """
        parts = {function.name: list(ast.walk(function)) for function in functions}

        def with_callers(names: set[str]) -> set[str]:
            while more := {name for name in parts if any(is_call(part, names) for part in parts[name])} - names:
                names |= more
            return names & set(parts)

        looping = {name for name in parts if any(part in loops for part in parts[name])}
        return cls(with_callers(looping), with_callers(_OF_RESULT | _OF_OPERANDS))


@dataclass(eq=False)
class _Value:
    """What a local, or a component of it, is from one store to the next.

    Attributes:
        owner: the local.
        loops: around the place that makes it.
        differentiable: whether it depends on an argument.
        depth: in how many of the loops it has to be computed, if not in all.
        merged: whether it is one of several, of the branches of an if or the trips of a loop.
        carried: whether it is what a loop's trip has from the one before.
        skipping: the loop whose trips it passes where an if in it does not store it.
        reads: component, or all, -> the loops around the last place that reads it.
    """

    owner: str
    loops: Loops
    differentiable: bool
    depth: int | None = None
    merged: bool = False
    carried: bool = False
    skipping: ast.For | None = None
    reads: dict[str, Loops] = field(default_factory=dict)


State = dict[str, dict[str, _Value]]  # local -> component, or _WHOLE for the others -> what it is now


class LoopScan:
    """Follows the values of one function.

    Args:
        function: its syntax.
        loops: the run-time loops of more than one trip.
        helpers: what the file's functions do.

    Attributes:
        found: lines and the rules that they break.
    """

    def __init__(self, function: ast.FunctionDef, loops: Container[ast.AST], helpers: Helpers) -> None:
        self.found: set[tuple[int, str]] = set()
        self._run_time, self._helpers = loops, helpers
        arguments = function.args.args
        self._arguments = {a.arg for a in arguments if a.annotation is None or name_of(a.annotation) not in INTEGERS}
        self._members: State = {}  # arguments, and what belongs to them
        self._state: State = {}
        self._loops: Loops = ()
        self._floor = 0  # how many loops are around the innermost branch
        self._values: list[_Value] = []
        self._kept: set[str] = set()  # locals that are on a stack
        self._run(function.body)
        for value in self._values:
            self._judge(value)

    def _judge(self, value: _Value) -> None:
        if not value.differentiable or (value.merged and value.owner in self._kept):
            return
        if value.skipping and value.reads:
            self.found.add((value.skipping.lineno, "skipped store"))
        for loops in value.reads.values():
            self.found |= {(loop.lineno, "run-time loop") for loop in loops[len(value.loops) :]}

    # ------------------------------------------------------------------------------------------------- statements

    def _run(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.For):
                self._run_loop(statement)
            elif isinstance(statement, ast.If):
                self._run_if(statement)
            elif isinstance(statement, ast.AugAssign):
                bent = isinstance(statement.op, (ast.Mult, ast.Div, ast.Pow))
                self._read(statement.value, bent)
                self._read(statement.target, bent)
                self._store(statement.target, ast.Tuple([statement.target, statement.value]))
            elif isinstance(value := getattr(statement, "value", None), ast.expr):
                self._read(value)
                for target in targets_of(value if isinstance(statement, ast.Expr) else statement):
                    self._store(target, value)

    def _run_loop(self, loop: ast.For) -> None:
        if loop not in self._run_time:
            self._run(loop.body)
            return
        self._carry(loop, carried=True)
        self._loops += (loop,)
        for target in ast.walk(loop.target):
            if isinstance(target, ast.Name):
                self._make(target.id, (_WHOLE,), False)
        self._run(loop.body)
        self._loops = self._loops[:-1]
        self._carry(loop)

    def _carry(self, loop: ast.For, carried: bool = False) -> None:
        """What a loop stores is from here on that of one of its trips."""
        stores = [(part, self._place(target)) for part in ast.walk(loop) for target in targets_of(part)]
        names = {name for name in self._state if any(v.differentiable for v in self._state[name].values())}
        while more := {name for part, (name, _) in stores if self._differentiable(part, names)} - names:
            names |= more
        for name, components in sorted({place for _, place in stores}):
            if name in self._state:
                self._make(name, components, name in names, merged=True, carried=carried)

    def _run_if(self, branching: ast.If) -> None:
        if is_static(branching.test):
            self._run([*branching.body, *branching.orelse])
            return
        self._read(branching.test)
        before, floor = self._state, self._floor
        self._floor = len(self._loops)
        after = []
        # The reverse has the first branch first, so the second is read before it.
        for branch in (branching.orelse, branching.body):
            self._state = {name: dict(values) for name, values in before.items()}
            self._look_for_loops_in(branch)
            self._run(branch)
            after.append(self._state)
        self._state, self._floor = before, floor
        for name in before:
            for component in sorted({*after[0][name], *after[1][name]}):
                self._merge(name, component, [branch[name] for branch in after])

    def _merge(self, name: str, component: str, after: list[dict[str, _Value]]) -> None:
        before = self._state[name].get(component, self._state[name][_WHOLE])
        values = [branch.get(component, branch[_WHOLE]) for branch in after]
        if all(value is before for value in values):
            return
        differentiable = any(value.differentiable for value in values)
        skips = (before.carried and before in values) or any(value.skipping for value in values)
        self._make(name, (component,), differentiable, merged=True, skipping=self._loops[-1] if skips else None)

    def _look_for_loops_in(self, branch: list[ast.stmt]) -> None:
        for n, statement in enumerate(branch):
            if n or not isinstance(statement, ast.For) or is_static(statement.iter):
                for part in _in_the_same_block(statement):
                    if part in self._run_time or is_call(part, self._helpers.looping):
                        self.found.add((getattr(part, "lineno", 1), "branched loop"))

    # ----------------------------------------------------------------------------------------------------- values

    def _make(self, name: str, components: Collection[str], differentiable: bool, **how: int | ast.For | None) -> None:
        for component in components:
            value = _Value(name, self._loops, differentiable, **how)  # type: ignore[arg-type]
            self._values.append(value)
            if component == _WHOLE:
                self._state[name] = {}
            self._state.setdefault(name, {})[component] = value

    def _store(self, target: ast.expr, value: ast.expr) -> None:
        name, components = self._place(target)
        if components == (_WHOLE,) or name in self._state:
            self._make(name, components, self._differentiable(value), depth=self._depth(value))

    def _place(self, node: ast.AST) -> tuple[str, tuple[str, ...]]:
        """Which local a piece of syntax belongs to, or which member of an argument, and which of its components."""
        path: list[ast.Attribute | ast.Subscript] = []
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            path.insert(0, node)
            node = node.value
        name = node.id if isinstance(node, ast.Name) else ""
        if name in self._arguments and name not in self._state and path and isinstance(path[0], ast.Attribute):
            name = f"{name}.{path.pop(0).attr}"  # type: ignore[union-attr]
        if path and isinstance(path[0], ast.Attribute):
            return name, tuple(sorted({_COMPONENTS.get(letter, _WHOLE) for letter in path[0].attr}))
        if path and isinstance(path[0], ast.Subscript):
            return name, (ast.unparse(path[0].slice) if isinstance(path[0].slice, ast.Constant) else _WHOLE,)
        return name, (_WHOLE,)

    def _at(self, node: ast.AST) -> list[tuple[str, _Value]]:
        """The values that a piece of syntax reads, with the component of each that it is."""
        name, components = self._place(node)
        root = name.partition(".")[0]
        if name in self._state:
            values = self._state[name]
        elif root in self._arguments:
            if name not in self._members:
                self._members[name] = {_WHOLE: _Value(name, (), True)}
                self._values.append(self._members[name][_WHOLE])
            values = self._members[name]
        else:
            return []
        if _WHOLE in components:
            return [(_WHOLE, value) for value in values.values()]
        return [(_WHOLE, values[c]) if c in values else (c, values[_WHOLE]) for c in components]

    def _differentiable(self, node: ast.AST, names: Collection[str] = ()) -> bool:
        """Whether a piece of syntax has a derivative by an argument.

        Args:
            node: the piece.
            names: locals that have one, whatever they are now.
        """
        places = [part for part, _ in _followed(node) if isinstance(part, (ast.Name, ast.Attribute, ast.Subscript))]
        return any(
            self._place(place)[0] in names or any(value.differentiable for _, value in self._at(place))
            for place in places
        )

    def _read(self, node: ast.AST, bent: bool = False) -> None:
        for part, is_bent in _followed(node, bent, self._is_moved):
            if self._is_moved(part):
                self._read_before_the_loop(part)
            elif isinstance(part, ast.Call):
                self._look_at_call(part)
            else:
                for component, value in self._at(part):
                    if value.merged and (is_bent or value.carried):
                        self._kept.add(value.owner)
                    if component == _WHOLE:
                        value.reads.clear()
                    value.reads[component] = self._loops

    def _is_moved(self, node: ast.AST) -> bool:
        """Whether Taichi computes a piece of syntax before the loop that it is in, because all trips have the same."""
        computed = isinstance(node, (ast.BinOp, ast.UnaryOp)) or (
            isinstance(node, ast.Call) and name_of(node) not in _CONSTRUCTORS
        )
        return computed and self._depth(node) < len(self._loops) and self._differentiable(node)

    def _depth(self, node: ast.AST) -> int:
        """In how many of the loops a piece of syntax has to be computed."""
        values = [value for variable in _variables_in(node) for _, value in self._at(variable)]
        depths = [len(v.loops) if v.depth is None else v.depth for v in values]
        return len(self._loops) if any(v.merged for v in values) else max([self._floor, *depths])

    def _read_before_the_loop(self, node: ast.AST) -> None:
        loops = self._loops
        self._loops = loops[: self._depth(node)]
        self._values.append(_Value("", self._loops, True, reads={_WHOLE: loops}))
        self._read(node)
        self._loops = loops

    def _look_at_call(self, call: ast.Call) -> None:
        name = name_of(call)
        operands = [*call.args, *([call.func.value] if isinstance(call.func, ast.Attribute) else [])]
        if not self._loops or not any(map(self._differentiable, operands)):
            return
        bare = name in _OF_OPERANDS - {"clamp"} and len(call.args) < 3 and call.args
        if name in _OF_RESULT | self._helpers.forgetful or (
            name in _OF_OPERANDS and not (bare and all(map(self._is_kept, call.args)))
        ):
            self.found.add((call.lineno, "last trip"))

    def _is_kept(self, operand: ast.expr) -> bool:
        """Whether the reverse finds a number again by itself: a literal, or what a loop carries or had before."""
        if isinstance(operand, ast.Constant):
            return True
        values = self._at(operand) if isinstance(operand, (ast.Name, ast.Attribute, ast.Subscript)) else []
        return bool(values) and all(len(value.loops) < len(self._loops) for _, value in values)


def _followed(
    node: ast.AST, bent: bool = False, is_whole: Callable[[ast.AST], bool] = lambda _: False
) -> Iterator[tuple[ast.AST, bool]]:
    """The variables and calls in a piece of syntax that derivatives pass through.

    Each comes with whether it goes straight into what is not linear.

    Args:
        node: the piece.
        bent: whether itself does.
        is_whole: says which parts to take as they are, without looking into them.
    """
    if isinstance(node, ast.Compare) or is_call(node, _FLAT):
        return
    if is_call(node, {"cast"}) and name_of(node.args[-1]) in INTEGERS:
        return
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        root = root_of(node)
        if isinstance(root, ast.Name):
            yield node, bent
        else:
            yield from _followed(root, False, is_whole)
        return
    if is_whole(node):
        yield node, bent
        return
    if isinstance(node, ast.Call):
        yield node, bent
        bent = name_of(node) in _NONLINEAR
        if isinstance(node.func, ast.Attribute):
            yield from _followed(node.func.value, bent, is_whole)
        parts: Iterable[ast.AST] = node.args
    else:
        bent = isinstance(node, ast.IfExp)
        if isinstance(node, ast.BinOp):
            bent = isinstance(node.op, (ast.Mult, ast.Div, ast.Pow, ast.MatMult))
        parts = ast.iter_child_nodes(node)
    for part in parts:
        yield from _followed(part, bent, is_whole)


def _variables_in(node: ast.AST) -> Iterator[ast.AST]:
    """The variables in a piece of syntax, each with what is read of it: ``v.x`` for ``2 * v.x``."""
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        yield node
    inner = node.slice if isinstance(node, ast.Subscript) else None
    for part in [inner] if inner else [] if isinstance(root_of(node), ast.Name) else ast.iter_child_nodes(node):
        yield from _variables_in(part)


def _in_the_same_block(statement: ast.stmt) -> Iterator[ast.AST]:
    """What Taichi compiles into the block that a statement stands in: not what is in an if, nor in a run-time loop."""
    yield statement
    if isinstance(statement, ast.If) and not is_static(statement.test):
        return
    if isinstance(statement, ast.For) and not is_static(statement.iter):
        return
    if isinstance(statement, (ast.If, ast.For)):
        for inner in [*statement.body, *statement.orelse]:
            yield from _in_the_same_block(inner)
    else:
        yield from ast.walk(statement)
