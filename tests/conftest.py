"""Taichi, stores and commands for the tests, and the order in which the tests run.

They run in as many processes as there are cores. A change of precision restarts Taichi and compiles every kernel again,
so all processes work off the tests in the same order: those in float64, those without Taichi, those that restart it
from float64 to float32, and those in float32. Tests of one file that share kernels, or something that takes long to
make, stay together; all others go to whoever is free.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import Command
from filelock import FileLock
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from PIL import ImageDraw

import tdr.backend  # silences Taichi's import before a test module does it
from tdr.config import Precision, TrackingConfig
from tdr.tracking.store import TrackingStore

# The same examples in every run, kept nowhere; the first one of a kernel compiles it. Hypothesis would also take
# numbers from the source of the modules that are imported: others in each process, and after each change.
settings.register_profile("tdr", derandomize=True, database=None, deadline=None)
settings.load_profile("tdr")
providers.is_local_module_file = lambda _: False


@pytest.fixture(scope="module")
def f64():
    """Taichi in float64."""
    tdr.start(Precision.f64)


@pytest.fixture(scope="module", params=[Precision.f64, Precision.f32], ids=lambda precision: precision.value)
def precision(request):
    """Taichi in float64 and, for the same test again, in float32."""
    tdr.start(request.param)
    return request.param


@pytest.fixture
def restart():
    """Taichi in float64, and a function that restarts it in float32."""
    tdr.start(Precision.f64)
    return lambda: tdr.start(Precision.f32)


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window; one for all tests, because Playwright runs once in a process."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("The browser tests need Chromium: install it, on Debian with apt-get install chromium.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def server_database(tmp_path_factory, worker_id):
    """A database as ``mlflow ui`` makes it when it is opened before the first run; one for all processes."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent
    path = folder / "mlflow.db"
    with FileLock(folder / "mlflow.lock"):
        if not path.exists():
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            unfinished = folder / "unfinished.db"
            SqlAlchemyStore(f"sqlite:///{unfinished}", "mlflow-artifacts:/").engine.dispose()
            unfinished.rename(path)
    return path


@pytest.fixture
def command(tmp_path, server_database):
    """The command that users type, with a store whose database is there already."""
    return Command(tmp_path, server_database)


@pytest.fixture
def first_command(tmp_path):
    """The same in a place where there is no store yet."""
    return Command(tmp_path)


@pytest.fixture
def root(tmp_path):
    """A directory in the place of the repository's root."""
    path = tmp_path / "my project"
    path.mkdir()
    return path


@pytest.fixture
def store(root, server_database):
    """The store at the root, with a database that is there already, because making one takes seconds."""
    shutil.copy(server_database, root)
    return TrackingStore(TrackingConfig(), root)


@pytest.fixture
def rng():
    """A random generator, the same for every test."""
    return np.random.default_rng(20260722)


def pytest_xdist_auto_num_workers(config):
    """One for each core, but no more than memory has room for; none where files or tests are named, for a debugger."""
    if not all(Path(argument).is_dir() for argument in config.args):
        return 0
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, 8)


class _Order:
    """Groups the tests before xdist asks for their groups, and sorts them after pytest's own sorting."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        for item in items:
            if _stays_with_its_file(item):
                item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {_stage(item)}"))


def pytest_configure(config):
    config.pluginmanager.register(_Order())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=_stage)


def _stage(item) -> int:
    fixtures, callspec = getattr(item, "fixturenames", ()), getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("precision") is Precision.f32:
        return 3
    if "restart" in fixtures:
        return 2
    return 0 if "f64" in fixtures or "precision" in fixtures else 1


def _stays_with_its_file(item) -> bool:
    """Whether a test needs Taichi, or what a fixture of its module makes once."""
    made = item._fixtureinfo.name2fixturedefs
    shared = [definitions[-1] for name, definitions in made.items() if name not in ("f64", "precision")]
    return len(shared) < len(made) or any(d.scope != "function" and d.baseid.endswith(".py") for d in shared)


@pytest.fixture
def written(monkeypatch):
    """Every text that is drawn."""
    texts = []
    text = ImageDraw.ImageDraw.text

    def record(self, xy, written, *arguments, **options):
        texts.append(written)
        text(self, xy, written, *arguments, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", record)
    return texts
