"""Counts how often the loops of a shader file store a local.

Where a loop changes a local, Taichi's reverse mode keeps each of its values, integers too, on a stack that has room for
32. Nothing checks that: one more, and the process may end. The first two are a 0 and the local's first value.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tdr.shaders.syntax import is_static, name_of, root_of, targets_of

MOST_VALUES = 32


@dataclass
class _Stores:
    """What a block of statements stores.

    Attributes:
        kept: local -> how many values of it Taichi keeps.
        last: locals whose last value in the block is to be kept only if a branch or a loop follows.
    """

    kept: Counter[str] = field(default_factory=Counter)
    last: set[str] = field(default_factory=set)

    def total(self, name: str) -> int:
        return self.kept[name] + (name in self.last)

    def names(self) -> set[str]:
        return {*self.kept, *self.last}

    def add(self, name: str, count: int) -> None:
        """Let a branch or a loop store a local."""
        self.kept[name] += count + (name in self.last)
        self.last.discard(name)


class StoreCount:
    """The locals of a file's functions.

    Args:
        functions: their syntax.
        trips: how many trips each loop has, static ones too; None if that is not known, which counts as one.
    """

    def __init__(self, functions: Iterable[ast.FunctionDef], trips: Mapping[ast.For, int | None]) -> None:
        self._functions = {function.name: function for function in functions}
        self._trips = trips
        self._most: dict[str, int] = {}  # function -> the most values that are kept of one of its locals
        self._lines: dict[str, int] = {}  # local of the current function -> the last run-time loop that stores it

    def too_many(self, function: ast.FunctionDef) -> set[int]:
        """The lines of loops in a function that store a local too often."""
        self._lines = {}
        stores = self._block(function.body, set(), None)
        return {self._lines[name] for name in self._lines if stores.total(name) + _first(name) > MOST_VALUES}

    def _block(self, statements: Iterable[ast.stmt], known: set[str], loop: ast.For | None) -> _Stores:
        stores, known = _Stores(), set(known)
        for statement in statements:
            if isinstance(statement, ast.For):
                self._add_loop(stores, statement, known, loop)
            elif isinstance(statement, ast.If):
                self._add_branches(stores, statement, known, loop)
            else:
                self._add_calls(stores, statement, loop)
                for part in ast.walk(statement):
                    for target in targets_of(part):
                        if isinstance(stored := root_of(target), ast.Name):
                            known.add(stored.id)
                            stores.last.add(stored.id)
                            self._note(stored.id, loop)
        return stores

    def _add_loop(self, stores: _Stores, loop: ast.For, known: set[str], around: ast.For | None) -> None:
        times = self._trips.get(loop) or 1
        static = is_static(loop.iter)
        body = self._block(loop.body, known, around if static or times == 1 else loop)
        for name in body.names():
            if name not in known and not _is_inner(name):
                self._add_inner(stores, name, body, loop, 1 if static else times)
            elif static and not body.kept[name] and not _is_inner(name):
                stores.last.add(name)
            else:
                stores.add(name, body.total(name) * (1 if static and _is_inner(name) else times))

    def _add_branches(self, stores: _Stores, branching: ast.If, known: set[str], loop: ast.For | None) -> None:
        branches = [self._block(branch, known, loop) for branch in (branching.body, branching.orelse)]
        if is_static(branching.test):
            for branch in branches:
                for name in branch.names():
                    stores.add(name, branch.kept[name])
                stores.last |= branch.last
            return
        for name in branches[0].names() | branches[1].names():
            if name in known or _is_inner(name):
                stores.add(name, max(branch.total(name) for branch in branches))
            else:
                for branch in branches:
                    self._add_inner(stores, name, branch, branching, 1)

    def _add_inner(self, stores: _Stores, name: str, block: _Stores, where: ast.stmt, times: int) -> None:
        """A local of a block of its own, which begins anew each time; one that is stored once is not kept."""
        if block.kept[name]:
            inner = f"{name} {where.lineno}"
            stores.add(inner, (block.total(name) + 1) * times)
            if name in self._lines:
                self._lines[inner] = self._lines[name]

    def _add_calls(self, stores: _Stores, statement: ast.stmt, loop: ast.For | None) -> None:
        for n, part in enumerate(ast.walk(statement)):
            called = self._functions.get(str(name_of(part))) if isinstance(part, ast.Call) else None
            if called is not None and self._most_of(called):
                name = f"{called.name} {statement.lineno} {n}"
                stores.add(name, self._most_of(called))
                self._note(name, loop)

    def _most_of(self, function: ast.FunctionDef) -> int:
        if function.name not in self._most:
            self._most[function.name] = 0  # a function that calls itself does not compile
            lines, self._lines = self._lines, {}
            stores = self._block(function.body, set(), None)
            self._lines = lines
            merged = [stores.total(name) + _first(name) for name in stores.kept if stores.kept[name]]
            self._most[function.name] = max(merged, default=0)
        return self._most[function.name]

    def _note(self, name: str, loop: ast.For | None) -> None:
        if loop is not None:
            self._lines[name] = loop.lineno


def _is_inner(name: str) -> bool:
    return " " in name


def _first(name: str) -> int:
    """The 0 with which a local begins; it is counted already in each trip of what is begun in a loop."""
    return not _is_inner(name)
