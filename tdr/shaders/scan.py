"""Finds patterns in the syntax of a shader file that Taichi's automatic differentiation does not get right.

What the patterns do, and what to write instead, is in :mod:`tdr.shaders.rules`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Iterator
from typing import Any

from tdr.shaders.loops import Helpers, LoopScan
from tdr.shaders.stores import StoreCount
from tdr.shaders.syntax import INTEGERS, factors_of, is_call, is_static, name_of, names_in

Place = tuple[int, str]  # a line, from 1, and the rule that it breaks

_REFUSED_CALLS = {"tan", "round", "isnan", "isinf", "bit_cast", "random", "randn"}
_SINGULAR_CALLS = {"sqrt", "rsqrt", "acos", "asin", "log", "log2"} | {
    *("normalize", "normalized", "length", "norm", "distance"),
}
_NARROW = {"f16", "f32"}
_BOOLEANS = {"bool", "u1"}
_OPERATORS: dict[type, Any] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_RESTARTS = {f"{taichi}.{call}" for taichi in ("ti", "taichi") for call in ("init", "reset")}
_MOST_STATIC_TRIPS = 1024  # a simple body then takes about a minute to compile


def scan(source: str) -> set[Place]:
    """Find what breaks a rule.

    Args:
        source: the content of a shader file, which is valid Python.
    """
    tree = ast.parse(source)
    module = _constants_of(tree)
    scans = _scans(tree, module)
    functions, trips = [done.function for done in scans], _trips_in(scans)
    loops = {loop: number for loop, number in trips.items() if number != 1 and not is_static(loop.iter)}
    helpers, count = Helpers.of(functions, loops), StoreCount(functions, trips)
    found = set(_in_module(tree, module)).union(*(done.found for done in scans))
    for function in functions:
        found |= LoopScan(function, loops, helpers).found
        found |= {(line, "long loop") for line in count.too_many(function)}
    return found


def run_time_loops(source: str) -> list[tuple[int, int | None]]:
    """The lines of a file's run-time loops, and how many trips each has; None where that is known only at run time.

    Args:
        source: the content of a shader file, which is valid Python.
    """
    tree = ast.parse(source)
    trips = _trips_in(_scans(tree, _constants_of(tree)))
    return [(loop.lineno, number) for loop, number in trips.items() if not is_static(loop.iter)]


def _trips_in(scans: list[_FunctionScan]) -> dict[ast.For, int | None]:
    return {loop: number for done in scans for loop, number in done.trips.items()}


def _constants_of(tree: ast.Module) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _scans(tree: ast.Module, module: dict[str, ast.expr]) -> list[_FunctionScan]:
    # What is not compiled is ordinary Python, however it loops.
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [_FunctionScan(f, module) for f in functions if "func" in map(name_of, f.decorator_list)]


def _in_module(tree: ast.Module, module: dict[str, ast.expr]) -> Iterator[Place]:
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _RESTARTS:
            yield node.lineno, "restart"
    declared = module.get("parameters")
    for key in declared.keys if isinstance(declared, ast.Dict) else ():
        if isinstance(key, ast.Constant) and key.value not in read:
            yield key.lineno, "unread parameter"
    for value in module.values():
        if any(name_of(node) in _NARROW for node in ast.walk(value)):
            yield value.lineno, "precision"


class _FunctionScan(ast.NodeVisitor):
    """Walks through one function in the order of its lines, and notes what it finds."""

    def __init__(self, function: ast.FunctionDef, module: dict[str, ast.expr]) -> None:
        self.found: set[Place] = set()
        self.function = function
        self.module = module
        self.arguments = {argument.arg for argument in function.args.args}
        self.locals: set[str] = set()
        self.integers: set[str] = set()  # locals that began as an integer
        self.known: dict[str, int] = {}  # locals that were stored once, and the integer that they are
        self.clamped: set[str] = set()  # locals that may be exactly 0
        self.static: set[str] = set()  # variables of static loops
        self.indexed: dict[str, set[type]] = {}  # local vectors, and how run-time indices access them
        self.trips: dict[ast.For, int | None] = {}  # of all loops, None if that is known at run time
        self.copies = 1  # that static loops around the current line make of it
        self.branches = 0  # ifs and loops around the current line
        self.guards = 0  # ifs and conditional expressions around the current line
        for argument in function.args.args:
            self._check_type(argument.annotation)
        for statement in function.body:
            self.visit(statement)

    def visit_For(self, node: ast.For) -> None:
        targets = names_in(node.target)
        trips = self._trips(node.iter)
        static = is_static(node.iter)
        self.trips[node] = trips
        if static:
            self.static |= targets
        else:
            self.integers |= targets
            self.visit(node.iter)
        self.locals |= targets
        copies = self.copies
        self.copies *= trips if static and trips is not None else 1
        if self.copies > _MOST_STATIC_TRIPS:
            self._add(node, "long static loop")
        self._visit_branch(node.body)
        self.copies = copies

    def visit_While(self, node: ast.While) -> None:
        self._add(node, "jump")
        self._visit_branch(node.body)

    def visit_If(self, node: ast.If) -> None:
        static = is_static(node.test)
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
            if names_in(node.value) & (self.locals | self.arguments) and not names_in(node.slice) <= set(self.known):
                self._add(node, "run-time index read")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
        for n, operation in enumerate(node.ops):
            if isinstance(operation, ast.NotEq) and sides[n] == sides[n + 1]:
                self._add(node, "not a number")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Pow):
            self._check_power(node, node.right)
        elif isinstance(node.op, ast.FloorDiv):
            self._add(node, "step")
        elif isinstance(node.op, ast.Div):
            inside = list(ast.walk(node.right))
            if any(is_call(n, {"exp"}) for n in inside):
                self._add(node, "overflow")
            if not self.guards and any(self._may_be_zero(factor) for factor in factors_of(node.right)):
                self._add(node, "division")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = name_of(node.func)
        if name == "static":
            return
        if name in _REFUSED_CALLS:
            self._add(node, "not differentiable")
        elif name == "atomic_mul":
            self._add(node, "atomic product")
        elif name == "print":
            self._add(node, "print")
        elif name == "cast" and len(node.args) == 2:
            self._check_type(node.args[1])
            self._check_boolean(node.args[1], node.args[:1])
        elif name in INTEGERS | _NARROW:
            self._check_type(node.func)
            self._check_boolean(node.func, node.args)
        elif name in ("floor", "ceil", "fract", "mod"):
            self._add(node, "forward mode")
            if name in ("floor", "ceil"):
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
            self.known.pop(target.id, None)
            if target.id not in self.locals and isinstance(value, ast.Constant) and isinstance(value.value, int):
                self.known[target.id] = value.value
            self.locals.add(target.id)
        elif isinstance(target, ast.Subscript):
            root = name_of(target.value)
            if isinstance(target.value, ast.Name) and root not in self.arguments | self.locals:
                self._add(target, "field")
            elif self._runs(target.slice):
                self._add(target, "run-time index")
                self._access(target, ast.Store)

    def _access(self, node: ast.Subscript, how: type) -> None:
        name = name_of(node.value)
        if isinstance(node.value, ast.Name) and name in self.locals:
            accesses = self.indexed.setdefault(node.value.id, set())
            accesses.add(how)
            if len(accesses) == 2:
                self._add(node, "index update")

    def _add(self, node: ast.AST, rule: str) -> None:
        self.found.add((getattr(node, "lineno", 1), rule))

    def _check_type(self, node: ast.expr | None) -> None:
        if node is not None and name_of(node) in INTEGERS | _NARROW:
            self._add(node, "integer" if name_of(node) in INTEGERS else "precision")

    def _check_boolean(self, target: ast.expr, values: list[ast.expr]) -> None:
        whole = (isinstance(value, (ast.Compare, ast.BoolOp)) or self._is_integer(value) for value in values)
        if name_of(target) in _BOOLEANS and not all(whole):
            self._add(target, "boolean")

    def _check_power(self, node: ast.expr, exponent: ast.expr) -> None:
        if not self.guards and not isinstance(exponent, (ast.Constant, ast.UnaryOp)):
            self._add(node, "power")

    def _trips(self, iterator: ast.expr) -> int | None:
        """How many trips a loop has; None where that is known only at run time."""
        if is_call(iterator, {"static", "grouped"}) and len(iterator.args) == 1:
            return self._trips(iterator.args[0])
        if not is_call(iterator, {"range", "ndrange"}):
            return None
        try:
            bounds = [self._whole(bound) for bound in iterator.args]
            if name_of(iterator) == "range":
                return len(range(*bounds))
            return math.prod(len(range(*bound)) if isinstance(bound, tuple) else len(range(bound)) for bound in bounds)
        except (TypeError, ValueError):
            return None

    def _whole(self, value: ast.expr) -> Any:
        """An expression of whole numbers that are known before run time: literals, the file's, and locals' first.

        Raises:
            TypeError: if it is another.
        """
        if isinstance(value, ast.Constant) and isinstance(value.value, int):
            return value.value
        if isinstance(value, ast.Name) and value.id in self.known:
            return self.known[value.id]
        if isinstance(value, ast.Name) and value.id in self.module and value.id not in self.arguments | self.locals:
            return self._whole(self.module[value.id])
        if isinstance(value, ast.BinOp) and type(value.op) in _OPERATORS:
            return _OPERATORS[type(value.op)](self._whole(value.left), self._whole(value.right))
        if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            return -self._whole(value.operand)
        if isinstance(value, ast.Tuple):
            return tuple(map(self._whole, value.elts))
        if is_call(value, {"static"}):
            return self._whole(value.args[0])
        raise TypeError(ast.unparse(value))

    def _runs(self, index: ast.expr) -> bool:
        """Whether an index is known only at run time."""
        return bool(names_in(index) & ((self.locals | self.arguments) - self.static))

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
                name_of(value.func) in INTEGERS
                or (name_of(value.func) == "cast" and name_of(value.args[-1]) in INTEGERS)
                or (name_of(value.func) == "Vector" and self._is_integer(value.args[0]))
            )
        return False

    def _may_be_zero(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Name):
            return value.id in self.clamped
        return is_call(value, {"max", "clamp"}) and any(
            isinstance(argument, ast.Constant) and argument.value == 0 for argument in value.args
        )

    def _is_parameter(self, call: ast.Call) -> bool:
        names = set().union(*map(names_in, call.args))
        return names <= {"constants", "ti", "tm"} and "constants" in names
