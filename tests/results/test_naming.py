"""Names of files, tags and metrics: which there are, and that each is written down once."""

import ast
import re

from tdr.command.settings import ROOT
from tdr.results import naming

# Those that are no words of the language.
NAMES = [value for key, value in vars(naming).items() if key.isupper() and re.search(r"[./]", value)]
SOURCES = [
    path
    for folder in ("tdr", "experiments")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "naming.py"
]


def texts_of(tree):
    """The texts in a module, without its docstrings."""
    of = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, of)]
    docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [(node.lineno, node.value) for node in constants if id(node) not in docstrings]


def test_each_name_is_written_down_once():
    assert len(SOURCES) > 50
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in SOURCES
        for line, text in texts_of(ast.parse(path.read_text(encoding="utf-8")))
        for name in NAMES
        if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text)
    ]
    assert not found


def test_metrics_of_columns_are_found_by_what_they_measure():
    column = naming.column_metric(naming.OF_JACOBIAN, "light.direction.0.x", naming.MAX_ABS)
    assert column == "jacobian/light.direction.0.x/max_abs"
    names = [
        column,
        "jacobian/camera.fov/l2",
        "check/camera.fov/max_abs",
        "time_s/jacobian",
        "jacobian/camera.fov/max_abs",
    ]
    assert naming.columns_of_metrics(names, naming.OF_JACOBIAN, naming.MAX_ABS) == {
        "light.direction.0.x": column,
        "camera.fov": "jacobian/camera.fov/max_abs",
    }
    assert naming.time_metric(naming.TOTAL) == "time_s/total"
