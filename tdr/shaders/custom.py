"""Shaders from files of the user's own: read, run, compiled, and explained where Taichi refuses them."""

import contextlib
import functools
import hashlib
import inspect
import linecache
import re
import sys
import traceback
import types
from collections.abc import Collection, Iterator
from typing import Any

from tdr import backend
from tdr.backend import ti
from tdr.config import CustomShaderConfig, ShaderConfig
from tdr.config.attributes import HasSettings
from tdr.config.shader_file import ShaderFile, read_shader_file
from tdr.errors import InputError
from tdr.patches.taichi import CodeError, is_function, shape_of
from tdr.shaders.built_in import SHADERS
from tdr.shaders.last_words import last_words
from tdr.shaders.rules import forbidden, refusals, unbounded_loops, violations_in


class CustomShader(HasSettings):
    """A shader from a file of the user's own, outside the package.

    Args:
        path: the file (:mod:`tdr.config.shader_file`); relative paths start at the working directory.
        **constants: values of its parameters, where they are not the defaults that it declares.

    Attributes:
        file: the file as it was read.

    Raises:
        InputError: if the file cannot be used or declares no such parameter, or a value is not a finite number.
    """

    Config = ShaderConfig
    file: ShaderFile

    def __new__(cls, path="", **constants):  # noqa: D102
        # Kernels are compiled for a class: one for each content of a file, so that only a changed file is compiled.
        return super().__new__(_class_of(read_shader_file(path), backend.epoch()) if cls is CustomShader else cls)

    def __init__(self, path, **constants) -> None:
        self.file.check_names(constants)
        self.settings = self.Config(**constants)


def build_shader(settings: ShaderConfig) -> Any:
    """The shader that settings describe, a built-in one or one of the user's own.

    Raises:
        InputError: if they name a file that cannot be used.
    """
    # Settings of a custom shader are of a subclass, which has its parameters.
    kind = CustomShader if isinstance(settings, CustomShaderConfig) else SHADERS[type(settings)]
    return kind(**vars(settings))


@contextlib.contextmanager
def explained(shader: Any) -> Iterator[None]:
    """Turn what Taichi says of a user's shader into one line that names the file, the line and the reason.

    Taichi compiles a kernel when it is first called, so this goes around every call of one that shades. Where Taichi
    ends the process, that is said as well.

    Args:
        shader: the shader that the kernels called in this block are compiled for, or its class.

    Raises:
        InputError: if the shader is a :class:`CustomShader` and Taichi refuses what it does.
    """
    file: ShaderFile | None = getattr(shader, "file", None)
    if file is None:
        yield
        return
    # What is raised is also logged, by Taichi's C++ side and without a word about the user's code.
    ti.set_logging_level(ti.CRITICAL)
    try:
        with last_words(_epitaph(file)):
            yield
    except ti.TaichiCompilationError as error:
        lines = re.findall(rf'File "{re.escape(_source_name(file))}", line (\d+)', str(error))
        reason = str(error).strip().splitlines()[-1].rstrip(".")
        if reason.endswith("== elements.size()"):
            reason = "a vector or a matrix gets another number of components than it has"
        missing = re.search(r"'Struct\d+' object has no attribute '(\w+)'", reason)
        if missing and lines:
            reason = file.missing_attribute(int(lines[-1]), missing[1])
        elif not isinstance(error, CodeError):
            reason = f"Taichi must be able to compile it; got: {reason}"
        raise InputError(f"{file.where(*lines[-1:])} {reason}.") from error
    except RuntimeError as error:
        # An assertion of Taichi's C++ side, which does not say where.
        if not re.match(r"\[\w+\.cpp:", str(error).strip()):
            raise
        if "auto_diff" not in str(error):
            raise InputError(
                f"{file.where()} Taichi must be able to compile it; got: {str(error).strip()}. Usual causes: a local "
                "that changes its type, from a number to a vector for example, or a loop over a field."
            ) from error
        refused = refusals(file.source)
        line, reason = (refused[0].line, refused[0].text) if refused else (None, str(error).strip())
        raise InputError(f"{file.where(line)} Taichi must be able to differentiate it; got: {reason}") from error
    finally:
        ti.set_logging_level(ti.ERROR)


@functools.cache
def _epitaph(file: ShaderFile) -> str:
    """What is said if the process ends while Taichi compiles or runs a shader."""
    loops = [f"line {line}" for line in unbounded_loops(file.source)]
    where = f" ({', '.join(loops)})" if loops else ""
    return (
        f"error: {file.where()} the process ended while Taichi compiled or ran the shader. Usual causes: a run-time "
        f"loop of more than 30 trips{where}, an index that a vector or a field does not have, an integer remainder "
        "by 0."
    )


def suspects(shader: Any, rules: Collection[str] | None = None) -> list[str]:
    """What in a user's shader file may make its derivatives wrong, a line each; none of a built-in shader.

    Args:
        shader: the shader.
        rules: the rules of :mod:`tdr.shaders.rules` to look at; by default all.
    """
    if not isinstance(shader, CustomShader):
        return []
    return [
        f"{shader.file.path} line {found.line}: {found.text}"
        for found in violations_in(shader.file.source)
        if rules is None or found.rule in rules
    ]


def loops_at_run_time(shader: Any) -> bool:
    """Whether a shader is a user's with a loop that is not written out, so that a number may say how often it runs."""
    loop = r"\bin\s+(\w+\.)?(range|ndrange|grouped)\s*\("
    return isinstance(shader, CustomShader) and re.search(loop, shader.file.source) is not None


def _source_name(file: ShaderFile) -> str:
    """What Python and Taichi call a shader file; another content of it has another name."""
    return f"<{file.path} {hashlib.sha1(file.source.encode()).hexdigest()[:8]}>"


@functools.cache
def _class_of(file: ShaderFile, _epoch: int) -> type[CustomShader]:
    # The file runs again after a restart of Taichi, which ends the life of any field that it made.
    for violation in forbidden(file.source):
        raise InputError(f"{file.where(violation.line)} must be changed. {violation.text}")
    name = _source_name(file)
    # Taichi reads the source whenever it compiles. An entry without a time is kept as it is when the file changes.
    linecache.cache[name] = (len(file.source), None, file.source.splitlines(keepends=True), name)
    module = sys.modules[name] = types.ModuleType(name)
    try:
        exec(compile(file.source, name, "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
        raise InputError(
            f"{file.where(*lines[-1:])} the file must run; got {type(error).__name__}: {error}."
        ) from error
    for function in file.functions:
        if not is_function(vars(module)[function]):
            raise InputError(f"{file.where()} {function} must be decorated with @ti.func; it is not.")
    reflect_in_file = module.reflect
    ambient_in_file = getattr(module, "ambient", _no_ambient)

    @ti.func
    def reflect(surface, light, constants):
        color = reflect_in_file(surface, light, constants)
        ti.static(_check_color(reflect_in_file, color))
        return color

    @ti.func
    def ambient(surface, constants):
        color = ambient_in_file(surface, constants)
        ti.static(_check_color(ambient_in_file, color))
        return color

    attributes = {"file": file, "Config": file.settings_class(ShaderConfig)}
    return type(
        "CustomShader",
        (CustomShader,),
        {"reflect": staticmethod(reflect), "ambient": staticmethod(ambient), **attributes},
    )


@ti.func
def _no_ambient(surface, constants):
    return 0.0 * surface.albedo


def _check_color(function: Any, color: Any) -> bool:
    """Check, while Taichi compiles, what a function of a shader file returns: other shapes would end the process."""
    shape: Any = shape_of(color)
    if shape is None:
        shape = getattr(color, "shape", None)
    if shape != (3,):
        got = {None: type(color).__name__, (): "one number or nothing"}.get(shape, f"shape {shape}")
        code = inspect.unwrap(function).__code__
        raise CodeError(
            f'File "{code.co_filename}", line {code.co_firstlineno}\n'
            f"{function.__name__} must return linear RGB, a vector of 3; got {got}"
        )
    return True
