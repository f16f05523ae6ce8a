"""Finds patterns in the syntax of a shader file that Taichi's automatic differentiation does not get right.

What the patterns do, and what to write instead, is in :mod:`tdr.shader_rules`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Place = tuple[int, str]  # a line, from 1, and the rule that it breaks

_REFUSED_CALLS = {"tan", "round", "isnan", "isinf", "bit_cast", "random", "randn"}
_SINGULAR_CALLS = {
    "sqrt",
    "rsqrt",
    "acos",
    "asin",
    "log",
    "log2",
    "normalize",
    "normalized",
    "length",
    "norm",
    "distance",
}
_INTEGERS = {"int", "bool", *(f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64))}
_NARROW = {"f16", "f32"}
_MOST_TRIPS = 30


def scan(source: str) -> set[Place]:
    """Find what breaks a rule.

    Args:
        source: the content of a shader file, which is valid Python.
    """
    tree = ast.parse(source)
    module = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set(_in_module(tree, module))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found |= _FunctionScan(node, module).found
    return found


def _in_module(tree: ast.Module, module: dict[str, ast.expr]) -> Iterator[Place]:
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    declared = module.get("parameters")
    for key in declared.keys if isinstance(declared, ast.Dict) else ():
        if isinstance(key, ast.Constant) and key.value not in read:
            yield key.lineno, "unread parameter"
    for value in module.values():
        if any(_name(node) in _NARROW for node in ast.walk(value)):
            yield value.lineno, "precision"


class _FunctionScan(ast.NodeVisitor):
    """Walks through one function in the order of its lines, and notes what it finds."""

    def __init__(self, function: ast.FunctionDef, module: dict[str, ast.expr]) -> None:
        self.found: set[Place] = set()
        self.module = module
        self.arguments = {argument.arg for argument in function.args.args}
        self.locals: set[str] = set()
        self.integers: set[str] = set()  # locals that began as an integer
        self.clamped: set[str] = set()  # locals that may be exactly 0
        self.static: set[str] = set()  # variables of static loops
        self.indexed: dict[str, set[type]] = {}  # local vectors, and how run-time indices access them
        self.branches = 0  # ifs and loops around the current line
        self.guards = 0  # ifs and conditional expressions around the current line
        for argument in function.args.args:
            self._check_type(argument.annotation)
        for statement in function.body:
            self.visit(statement)

    def visit_For(self, node: ast.For) -> None:
        targets = _names(node.target)
        if _name(node.iter) == "static":
            self.static |= targets
        else:
            # Integers have no derivative, and one trip is no loop.
            outside = (self.arguments | self.locals) - self.integers - self.static
            trips = self._trips(node.iter)
            if trips != 1 and any(_names(statement) & outside for statement in node.body):
                self._add(node, "run-time loop")
                carried = any(_names(statement, ast.Store) & outside for statement in node.body)
                if carried and trips is not None and trips > _MOST_TRIPS:
                    self._add(node, "long loop")
            self.integers |= targets
            self.visit(node.iter)
        self.locals |= targets
        self._visit_branch(node.body)

    def visit_While(self, node: ast.While) -> None:
        self._add(node, "jump")
        self._visit_branch(node.body)

    def visit_If(self, node: ast.If) -> None:
        static = _name(node.test) == "static"
        self.visit(node.test)
        self.guards += not static
        self._visit_branch([*node.body, *node.orelse], not static)
        self.guards -= not static

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.guards += 1
        self.generic_visit(node)
        self.guards -= 1

    def visit_Return(self, node: ast.Return) -> None:
        if self.branches:
            self._add(node, "jump")
        self.generic_visit(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._add(node, "jump")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add(node, "jump")

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._store(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._check_type(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self._store(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self._store(node.target, node.value)
        if isinstance(node.target, ast.Subscript) and self._runs(node.target.slice):
            self._access(node.target, ast.Load)
        if isinstance(node.op, ast.FloorDiv):
            self._add(node, "step")

    def visit_Name(self, node: ast.Name) -> None:
        value = self.module.get(node.id)
        number = node.id == "parameters" or isinstance(value, ast.Constant)
        if number and isinstance(node.ctx, ast.Load) and node.id not in self.arguments | self.locals:
            self._add(node, "global")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._runs(node.slice):
            self._access(node, ast.Load)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Pow):
            self._check_power(node, node.right)
        elif isinstance(node.op, ast.FloorDiv):
            self._add(node, "step")
        elif isinstance(node.op, ast.Div):
            inside = list(ast.walk(node.right))
            if any(_is_call(n, {"exp"}) for n in inside):
                self._add(node, "overflow")
            if not self.guards and any(self._may_be_zero(factor) for factor in _factors(node.right)):
                self._add(node, "division")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name == "static":
            return
        if name in _REFUSED_CALLS:
            self._add(node, "not differentiable")
        elif name == "atomic_mul":
            self._add(node, "atomic product")
        elif name == "cast" and len(node.args) == 2:
            self._check_type(node.args[1])
        elif name in _INTEGERS | _NARROW:
            self._check_type(node.func)
        elif name in ("floor", "ceil"):
            self._add(node, "step")
        elif name == "pow" and len(node.args) == 2:
            self._check_power(node, node.args[1])
        elif name in _SINGULAR_CALLS and not self.guards:
            self._add(node, "singular point")
        elif name in ("max", "min", "clamp", "abs") and self._is_parameter(node):
            self._add(node, "kink")
        if str(name).startswith("atomic_") and node.args:
            self._store(node.args[0], node)
        self.generic_visit(node)

    def _visit_branch(self, statements: list[ast.stmt], counts: bool = True) -> None:
        self.branches += counts
        for statement in statements:
            self.visit(statement)
        self.branches -= counts

    def _store(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple):
            for element in target.elts:
                self._store(element, value)
        elif isinstance(target, ast.Name):
            if target.id in self.integers and not self._is_integer(value):
                self._add(target, "integer")
            elif target.id not in self.locals and self._is_integer(value):
                self.integers.add(target.id)
            if self._may_be_zero(value):
                self.clamped.add(target.id)
            self.locals.add(target.id)
        elif isinstance(target, ast.Subscript):
            root = _name(target.value)
            if isinstance(target.value, ast.Name) and root not in self.arguments | self.locals:
                self._add(target, "field")
            elif self._runs(target.slice):
                self._add(target, "run-time index")
                self._access(target, ast.Store)

    def _access(self, node: ast.Subscript, how: type) -> None:
        name = _name(node.value)
        if isinstance(node.value, ast.Name) and name in self.locals:
            accesses = self.indexed.setdefault(node.value.id, set())
            accesses.add(how)
            if len(accesses) == 2:
                self._add(node, "index update")

    def _add(self, node: ast.AST, rule: str) -> None:
        self.found.add((getattr(node, "lineno", 1), rule))

    def _check_type(self, node: ast.expr | None) -> None:
        if node is not None and _name(node) in _INTEGERS | _NARROW:
            self._add(node, "integer" if _name(node) in _INTEGERS else "precision")

    def _check_power(self, node: ast.expr, exponent: ast.expr) -> None:
        if not self.guards and not isinstance(exponent, (ast.Constant, ast.UnaryOp)):
            self._add(node, "power")

    def _trips(self, iterator: ast.expr) -> int | None:
        if not _is_call(iterator, {"range"}) or len(iterator.args) != 1:  # type: ignore[attr-defined]
            return None
        bound = iterator.args[0]  # type: ignore[attr-defined]
        if isinstance(bound, ast.Name):
            bound = self.module.get(bound.id, bound)
        return bound.value if isinstance(bound, ast.Constant) and isinstance(bound.value, int) else None

    def _runs(self, index: ast.expr) -> bool:
        """Whether an index is known only at run time."""
        return bool(_names(index) & ((self.locals | self.arguments) - self.static))

    def _is_integer(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Constant):
            return isinstance(value.value, int)
        if isinstance(value, ast.Name):
            return value.id in self.integers
        if isinstance(value, ast.BinOp):
            whole = not isinstance(value.op, (ast.Div, ast.Pow))
            return whole and self._is_integer(value.left) and self._is_integer(value.right)
        if isinstance(value, ast.UnaryOp):
            return self._is_integer(value.operand)
        if isinstance(value, ast.List):
            return all(map(self._is_integer, value.elts))
        if isinstance(value, ast.Call):
            return (
                _name(value.func) in _INTEGERS
                or (_name(value.func) == "cast" and _name(value.args[-1]) in _INTEGERS)
                or (_name(value.func) == "Vector" and self._is_integer(value.args[0]))
            )
        return False

    def _may_be_zero(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Name):
            return value.id in self.clamped
        return _is_call(value, {"max", "clamp"}) and any(
            isinstance(argument, ast.Constant) and argument.value == 0
            for argument in value.args  # type: ignore[attr-defined]
        )

    def _is_parameter(self, call: ast.Call) -> bool:
        names = set().union(*map(_names, call.args))
        return names <= {"constants", "ti", "tm"} and "constants" in names


def _name(node: ast.AST) -> str | None:
    """The last part of a dotted name, also of one that is called: ``pow`` for ``ti.pow(x, y)``."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _is_call(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) in names


def _names(node: ast.AST, context: type = ast.expr_context) -> set[str]:
    """The variables in a piece of syntax; of an item or a component, the variable that it belongs to."""
    names = set()
    for part in ast.walk(node):
        root: ast.AST = part
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if isinstance(root, ast.Name) and isinstance(getattr(part, "ctx", None), context):
            names.add(root.id)
    return names


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]
