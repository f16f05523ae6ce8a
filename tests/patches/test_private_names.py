"""Private names of other packages are reached from tdr/patches/ alone: what the linter finds, and what it cannot."""

import ast
import re
import subprocess
import sys

import pytest

from tdr.command.settings import ROOT

OUTSIDE = [
    path
    for folder in ("tdr", "experiments", "hydra_plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ROOT / "tdr" / "patches" not in path.parents
]


@pytest.mark.parametrize(
    "line",
    [
        "import hydra._internal.hydra",
        "from hydra._internal.config_loader_impl import ConfigLoaderImpl",
        "from omegaconf import _utils; _utils.x",
        "from taichi.lang import impl",
        "import taichi.lang.impl as impl",
        "from tdr.backend import ti; ti.lang.impl.get_runtime()",
        "from tdr import backend; backend.ti.lang.impl",
        "from tdr.backend import ti; ti.Matrix([0])._linearize_entry_id",
        "def load(loader): loader._load_configuration_impl()",
        "from hydra_plugins.hydra_ray_launcher import _core",
        "import gc",
    ],
)
def test_the_linter_finds_a_private_name_of_another_package(line):
    rules = ["--select", "PLC2701,SLF001,TID251", "--no-cache", "--stdin-filename"]
    for room, found in (("tdr/render/planted.py", 1), ("tdr/patches/planted.py", 0)):
        command = [sys.executable, "-m", "ruff", "check", *rules, room, "-"]
        done = subprocess.run(command, input=line + "\n", capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert done.returncode == found, done.stdout + done.stderr


def test_no_private_name_is_reached_by_its_text():
    """``getattr(value, "_name")``, which no rule of the linter looks for."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in OUTSIDE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "setattr", "hasattr", "delattr")
        and isinstance(node.args[1], ast.Constant)
        and re.match("_(?!_)", str(node.args[1].value))
    ]
    assert not found
