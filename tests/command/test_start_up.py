"""What a command imports: mistakes and questions are answered at once, because nothing heavy is imported before."""

import pytest
from command_line import SMALL, Command

HEAVY = {"matplotlib", "mlflow", "numpy", "rich", "taichi", "trimesh"}


def imported(command: Command, *overrides: str, status: int) -> set[str]:
    """The packages that a command and the processes that it starts import."""
    lines = command(*overrides, status=status, PYTHONPROFILEIMPORTTIME="1").stderr.splitlines()
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if line.startswith("import time:")}


@pytest.mark.parametrize(
    ("override", "status"),
    [
        ("--help", 0),
        ("light=tilte", 1),
        ("image.width=0", 1),
        ("image.width=wide", 1),
        ("nonsense=1", 1),
        ("mesh=file", 1),
        ("light=frontal,tilted", 1),
        ("jacobian.parameters=[light.colour]", 1),
        ("tracking.uri=ftp://server", 1),
    ],
)
def test_help_and_mistakes_import_nothing_heavy(command, override, status):
    packages = imported(command, override, status=status)
    assert {"hydra", "tdr"} <= packages
    assert not packages & HEAVY


@pytest.mark.parametrize("overrides", [(), ("-m", "image.width=8,9")], ids=["run", "sweep"])
def test_the_next_start_finds_the_kernels(command, tmp_path, overrides):
    cache = tmp_path / "cache"
    command("tracking.enabled=false", *SMALL, *overrides, TI_OFFLINE_CACHE_FILE_PATH=str(cache))
    kernels = set(cache.glob("*.tic"))
    assert len(kernels) > 5
    command("tracking.enabled=false", *SMALL, TI_OFFLINE_CACHE_FILE_PATH=str(cache))
    assert set(cache.glob("*.tic")) == kernels


def test_a_run_imports_what_it_needs_and_no_more(command):
    packages = imported(command, "check=off", *SMALL, status=0)
    assert {"taichi", "mlflow"} <= packages
    assert "trimesh" not in packages
