"""Taichi for the tests.

A change of precision restarts Taichi and compiles every kernel again, so the tests run in three groups: those in
float64 and those without Taichi, those that restart it from float64 to float32, and those in float32.
"""

import shutil

import numpy as np
import pytest
from hypothesis import settings
from PIL import ImageDraw

import tdr.backend  # silences Taichi's import before a test module does it
from tdr.config import Precision, TrackingConfig
from tdr.tracking.store import TrackingStore

# The same examples in every run, kept nowhere; the first one of a kernel compiles it.
settings.register_profile("tdr", derandomize=True, database=None, deadline=None)
settings.load_profile("tdr")


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
def server_database(tmp_path_factory):
    """A database as ``mlflow ui`` makes it when it is opened before the first run."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = tmp_path_factory.mktemp("server") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", "mlflow-artifacts:/")
    return path


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


@pytest.hookimpl(trylast=True)  # after pytest's own sorting
def pytest_collection_modifyitems(items):
    items.sort(key=_group)


def _group(item) -> int:
    callspec = getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("precision") is Precision.f32:
        return 2
    return 1 if "restart" in getattr(item, "fixturenames", ()) else 0


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
