"""Questions about a piece of Python's syntax that both scans of a shader file ask."""

from __future__ import annotations

import ast
from typing import TypeGuard

INTEGERS = {"int", "bool", "u1", *(f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64))}


def name_of(node: ast.AST) -> str | None:
    """The last part of a dotted name, also of one that is called: ``pow`` for ``ti.pow(x, y)``."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def is_call(node: ast.AST, names: set[str]) -> TypeGuard[ast.Call]:
    """Whether a function or method of one of these names is called."""
    return isinstance(node, ast.Call) and name_of(node.func) in names


def is_static(node: ast.expr) -> bool:
    """Whether an ``if`` or a loop is decided while Taichi compiles: the test or the iterator is ``ti.static(...)``."""
    return name_of(node) == "static"


def names_in(node: ast.AST) -> set[str]:
    """The variables in a piece of syntax; of an item or a component, the variable that it belongs to."""
    roots = {root_of(part) for part in ast.walk(node) if isinstance(getattr(part, "ctx", None), ast.expr_context)}
    return {root.id for root in roots if isinstance(root, ast.Name)}


def root_of(node: ast.AST) -> ast.AST:
    """What an item or a component belongs to: ``v`` for ``v[0].x``."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def factors_of(node: ast.expr) -> list[ast.expr]:
    """What is multiplied in an expression, itself if nothing is."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors_of(node.left), *factors_of(node.right)]
    return [node]


def targets_of(node: ast.AST) -> list[ast.expr]:
    """What a statement or a call stores into: names, items and components."""
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    elif isinstance(node, ast.Call) and str(name_of(node)).startswith("atomic_"):
        targets = node.args[:1]
    else:
        return []
    return [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
