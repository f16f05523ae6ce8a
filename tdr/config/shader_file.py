"""What a user's shader file declares, read without running it.

The file is Python: a literal ``parameters = {"name": default, ...}``, a function ``reflect`` and, if there is an
ambient term, a function ``ambient``; :mod:`tdr.shaders.built_in` says what they get and return. Only its syntax is read
here, so a mistake in it is answered before Taichi is loaded.
"""

from __future__ import annotations

import ast
import dataclasses
import keyword
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdr.config.parameters import differentiable
from tdr.errors import InputError, check_number, did_you_mean

# Names that a struct in Taichi, or the settings, have for something else.
RESERVED = ("path", "self", "to_dict")
# What each function of a shader file gets.
ARGUMENTS = {"reflect": ("surface", "light", "constants"), "ambient": ("surface", "constants")}
# What they can read of the surface and the light.
ATTRIBUTES = {"surface": ("position", "normal", "albedo", "to_eye"), "light": ("to_light", "color")}


@dataclass(frozen=True)
class ShaderFile:
    """A shader file and what it declares; equal where path and content are.

    Attributes:
        path: where it is, as the user wrote it.
        source: its content.
        parameters: the names and defaults of the shader's constants, in the order of the file.
        functions: ``reflect`` and, if it is there, ``ambient``.
    """

    path: str
    source: str
    parameters: tuple[tuple[str, float], ...] = ()
    functions: tuple[str, ...] = ()

    def where(self, line: int | None = None) -> str:
        """How errors begin that lie in the file, or in a line of it."""
        return f"shader.path {self.path!r}" + ("" if line is None else f" line {line}") + ":"

    def check_names(self, names: Iterable[str]) -> None:
        """Check that names are among the declared parameters.

        Raises:
            InputError: for the first one that is not, with those that are.
        """
        known = [name for name, _ in self.parameters]
        for name in names:
            if name not in known:
                raise InputError(
                    f"shader.{name} must be a parameter that {self.path} declares; it is not. Parameters there: "
                    f"{', '.join(known) or 'none'}.{did_you_mean(name, known)}"
                )

    def missing_attribute(self, line: int, name: str) -> str:
        """What to say of a line that reads an attribute which is not there.

        Args:
            line: the line.
            name: the attribute.
        """
        for node in ast.walk(ast.parse(self.source)):
            if isinstance(node, ast.Attribute) and node.attr == name and node.lineno == line:
                owner = ast.unparse(node.value)
                if owner == "constants":
                    declared = ", ".join(name for name, _ in self.parameters) or "none"
                    return f"constants.{name} must be a declared parameter; declared: {declared}"
                if name not in ATTRIBUTES.get(owner, (name,)):
                    return f"{owner}.{name} must be one of {', '.join(ATTRIBUTES[owner])}"
        return f".{name} must be an attribute of what it is read of; it is not"

    def settings_class(self, base: type[Any]) -> type[Any]:
        """A subclass of a settings dataclass with a differentiable field for each declared parameter."""
        fields = [(name, float, differentiable(default)) for name, default in self.parameters]
        return dataclasses.make_dataclass(base.__name__, fields, bases=(base,))


def read_shader_file(path: str | os.PathLike[str]) -> ShaderFile:
    """Read what a shader file declares.

    Args:
        path: the file; relative paths start at the working directory.

    Raises:
        InputError: if it cannot be read, is not Python, or does not declare ``parameters`` and ``reflect`` as it must.
    """
    path = os.fspath(path)
    try:
        source = Path(path).read_text(encoding="utf-8")
        tree = ast.parse(source)
    except OSError as error:
        raise InputError(f"shader.path must be a file that can be read; got {path!r}: {error.strerror}.") from None
    except SyntaxError as error:
        where = ShaderFile(path, "").where(error.lineno)
        raise InputError(f"{where} must be valid Python; got {(error.text or '').strip()!r}: {error.msg}.") from None
    except ValueError as error:
        raise InputError(f"shader.path must be a Python file in UTF-8; got {path!r}: {error}.") from None
    file = ShaderFile(path, source)
    return ShaderFile(path, source, _declared_parameters(file, tree), _defined_functions(file, tree))


def with_declared_parameters(settings: Any) -> Any:
    """Settings of a custom shader with a field for each parameter that its file declares.

    Args:
        settings: a dataclass with the field ``path``; its other attributes are values for the file's parameters.

    Returns:
        An instance of a subclass, in which what was not given has the file's default.

    Raises:
        InputError: if the file cannot be used, declares no such parameter, or a value is not a finite number.
    """
    file = read_shader_file(settings.path)
    given = vars(settings)
    file.check_names(name for name in given if name != "path")
    return file.settings_class(type(settings))(**given)


def _defined_functions(file: ShaderFile, tree: ast.Module) -> tuple[str, ...]:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, arguments in ARGUMENTS.items():
        signature = f"{name}({', '.join(arguments)})"
        if name in functions:
            found = functions[name].args
            if len(found.posonlyargs + found.args) != len(arguments) or found.vararg or found.kwonlyargs or found.kwarg:
                raise InputError(
                    f"{file.where(functions[name].lineno)} {name} must take {len(arguments)} arguments, "
                    f"{signature}; got {name}({ast.unparse(found)})."
                )
        elif name == "reflect":
            raise InputError(f"{file.where()} the file must define @ti.func {signature} at its top level; it does not.")
    return tuple(name for name in ARGUMENTS if name in functions)


def _declared_parameters(file: ShaderFile, tree: ast.Module) -> tuple[tuple[str, float], ...]:
    example = 'such as parameters = {"diffuse": 0.8}'
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "parameters" for target in targets):
            break
    else:
        raise InputError(
            f"{file.where()} the file must declare its parameters at its top level, {example}; it does not."
        )
    assert isinstance(node, (ast.Assign, ast.AnnAssign))  # noqa: S101
    literal = f"{file.where(node.lineno)} parameters must be a literal of names and numbers, {example}"
    why = "It is read without running the file."
    if not isinstance(node.value, ast.Dict):
        raise InputError(f"{literal}; got {ast.unparse(node)!r}. {why}")
    declared: dict[str, float] = {}
    for key, value in zip(node.value.keys, node.value.values, strict=True):
        try:
            name, default = ast.literal_eval(key or ast.Name("**")), ast.literal_eval(value)
        except ValueError:
            got = f"**{ast.unparse(value)}" if key is None else f"{ast.unparse(key)}: {ast.unparse(value)}"
            raise InputError(f"{literal}; got {got!r}. {why}") from None
        where = file.where(value.lineno)
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
            raise InputError(f"{where} a parameter's name must be a Python identifier in ASCII; got {name!r}.")
        if name in RESERVED or name.startswith("__"):
            raise InputError(
                f"{where} a parameter's name must not be {', '.join(RESERVED)} or begin with '__'; got {name!r}."
            )
        if name in declared:
            raise InputError(f"{where} parameters must name each parameter once; got {name!r} twice.")
        check_number(f"{where} parameters[{name!r}]", default)
        declared[name] = float(default)
    return tuple(declared.items())
