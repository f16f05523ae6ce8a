"""Taichi compiles in half of the time, and refuses an index at which it would end the process.

What is changed, by :func:`install`:

- **The source of a function, and the place of a syntax node in it, are looked up once.** Taichi inlines functions, and
  each time it looks for the source of the function anew, wraps each line of it, and makes the text that an error would
  show of each syntax node. Without this the main job takes 1.19 times the processor time, its kernels compiled before.
- **A constant index that a vector or a matrix does not have is an error** (for safety, not for speed). At one, Taichi
  ends the process without a word.

Tried with Taichi 1.7.4 on Python 3.10 to 3.13. Further down is what only reads a name that Taichi does not document; it
changes nothing, is needed for right results, and has no switch.

Taichi is imported quietly by :mod:`tdr.backend`, so that is to be imported before this.
"""

from __future__ import annotations

import ast
import functools
import textwrap
import types
from typing import Any

import taichi as ti

from tdr.patches.guard import applies

TRIED = ("1.7.4", "1.7.4")


def install() -> None:
    """Change Taichi in this process.

    Raises:
        InputError: if the switch is neither on nor off.
    """
    if not applies(__name__, "Taichi", ".".join(map(str, ti.__version__)), TRIED):
        return
    from taichi.lang import impl, kernel_impl
    from taichi.lang.ast import ast_transformer_utils

    kernel_impl.getsourcefile = functools.cache(kernel_impl.getsourcefile)
    kernel_impl.getsourcelines = functools.cache(kernel_impl.getsourcelines)
    kernel_impl.textwrap = types.SimpleNamespace(
        fill=functools.cache(textwrap.fill), dedent=functools.cache(textwrap.dedent)
    )
    context = ast_transformer_utils.ASTTransformerContext
    context.get_pos_info = _looked_up_once(context.get_pos_info)
    impl.subscript = _checked(impl.subscript)


def _looked_up_once(place_of: Any) -> Any:
    """Taichi's method that says where a syntax node is, as its errors do, with a memory."""
    places: dict[tuple[Any, ...], str] = {}

    @functools.wraps(place_of)
    def remembered(context: Any, node: ast.AST) -> str:
        extent = tuple(getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"))
        key = (context.func.func, type(node), extent)
        if key not in places:
            places[key] = place_of(context, node)
        return places[key]

    return remembered


class CodeError(ti.TaichiCompilationError):  # type: ignore[misc]
    """What code to be compiled must not do, in a user's words; Taichi puts the place before it."""


def _checked(subscript: Any) -> Any:
    """Taichi's function that compiles a subscript, which looks at constant indices before."""

    @functools.wraps(subscript)
    def checked(ast_builder: Any, value: Any, *indices: Any, **options: Any) -> Any:
        shape = shape_of(value)
        if shape == ():
            raise CodeError("what has an index must be a vector, a matrix or a field; got a number")
        for index, size in zip(indices, shape or (), strict=False):
            last = index.stop - 1 if isinstance(index, slice) and index.stop is not None else index
            if isinstance(last, int) and last >= size:
                allowed = ", ".join(map(str, range(size - 1))) + " or " * (size > 1) + str(size - 1)
                raise CodeError(f"an index must be {allowed}; got {last}")
        return subscript(ast_builder, value, *indices, **options)

    return checked


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a value in code that is being compiled, () of a number; None of what Taichi does not compute."""
    if not isinstance(value, ti.lang.expr.Expr):
        return None
    return tuple(value.get_shape()) if value.is_tensor() else ()


def is_function(value: Any) -> bool:
    """Whether something is a function for kernels, decorated with ``@ti.func``."""
    return getattr(value, "_is_taichi_function", False)
