"""What a user sees of a sweep in MLflow's UI: run with ``pytest -m browser``, with Chromium installed."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from command_line import Command, wait_for
from playwright.sync_api import Browser, Locator, Page, expect

from tdr.command.settings import ROOT
from tdr.tracking import ui
from tdr.tracking.store import LOCAL_UI

pytestmark = pytest.mark.browser

DIRECTIONS = ("[[1,-1,-1]]", "[[0,-1,-1]]", "[[-1,-1,-1]]")
SHININESSES = ("5", "20", "80", "200")
NAMES = [f"direction={d} shininess={s}" for d in DIRECTIONS for s in SHININESSES]
GRID_SIZE = 10  # runs; MLflow's own limit

# Until a page shows something, seconds; machines may be busy.
PATIENCE = 60


class Swept:
    """A sweep that has been run, and the UI that shows it.

    Attributes:
        parent: the sweep's own run.
    """

    def __init__(self, output: str, parent: mlflow.entities.Run, address: str) -> None:
        self._output = output
        self._address = address
        self.parent = parent

    def link(self, what: str) -> str:
        """A link that the terminal shows, on the port of the UI."""
        found = re.search(rf"^MLflow +{what}: (\S+)$", self._output, re.MULTILINE)
        assert found, self._output
        return found[1].replace(LOCAL_UI, self._address)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, server_database: Path) -> Iterator[Swept]:
    """A sweep of twelve small runs, run and shown as users do."""
    command = Command(tmp_path_factory.mktemp("browser"), server_database)
    axes = (f"light.direction={','.join(DIRECTIONS)}", f"shader.shininess={','.join(SHININESSES)}")
    output = command("-m", *axes, "image.width=24", "image.height=24").stdout
    with serving(command.folder / "mlflow.db") as address:
        yield Swept(output, command.sweep_runs()[0], address)


@contextlib.contextmanager
def serving(database: Path) -> Iterator[str]:
    """Show a store with ``scripts/ui.py``; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = database.with_name("ui.txt")
    command = [sys.executable, str(ROOT / "scripts" / "ui.py"), "--uri", f"sqlite:///{database}", "--port", str(port)]
    with output.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, cwd=database.parent, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: is_up(f"{address}/health"), server)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def is_up(url: str) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a user who has never been here; wide, because the UI opens an assistant at its side."""
    context = browser.new_context(viewport={"width": 2200, "height": 1200})
    context.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    yield context.new_page()
    context.close()


def test_experiment_lists_the_sweep_and_its_runs_below_it(page: Page, swept: Swept):
    page.goto(swept.link("runs side by side").partition("&")[0])
    row = page.locator(".ag-row", has=page.get_by_role("link", name=swept.parent.info.run_name))
    expect(row).to_have_count(1)
    row.get_by_role("button").click()
    for name in NAMES:
        expect(page.locator(".ag-row").get_by_role("link", name=name, exact=True)).to_be_visible()


def test_link_opens_the_runs_with_their_pictures_side_by_side(page: Page, swept: Swept):
    page.goto(swept.link("runs side by side"))
    rows = {key: grid_row(page, key) for key in ("render", "jacobian/light.direction.0.x")}
    for key, row in rows.items():
        pictures = row.locator("img")
        expect(pictures).to_have_count(GRID_SIZE)
        shown = [pixels(pictures.nth(i)) for i in range(GRID_SIZE)]
        assert len(set(shown)) == GRID_SIZE, key
    # In the order of the sweep.
    titles = grid_row(page, "images").locator("[role=columnheader]")
    assert [text.splitlines()[-1] for text in titles.all_inner_texts()[1:]] == NAMES[-GRID_SIZE:]
    assert "image.width" not in page.locator("[role=table]").first.inner_text()
    # No run is hidden from the charts.
    expect(page.locator("input.is-visibility-toggle-checkbox:checked")).to_have_count(len(NAMES))


def test_list_of_the_link_has_columns_of_what_varies_and_of_the_verdict(page: Page, swept: Swept):
    page.goto(swept.link("runs side by side").replace("CHART", "TABLE"))
    for column, values in (
        ("params.`light.direction`", [d for d in DIRECTIONS for _ in SHININESSES]),
        ("params.`shader.shininess`", [*SHININESSES] * len(DIRECTIONS)),
        ("tags.`tdr.check`", ["passed"] * len(NAMES)),
    ):
        cells = page.locator(f'.ag-row [col-id="{column}"]')
        expect(cells).to_have_count(len(NAMES))
        assert cells.all_inner_texts() == values[::-1]
    expect(page.locator('.ag-header [col-id="metrics.`jacobian/light.direction.0.x/max_abs`"]')).to_be_visible()


def test_link_opens_the_runs_where_the_view_was_not_saved_or_is_lost(page: Page, swept: Swept):
    listing = ui.sweep_page(swept.parent.info.experiment_id, swept.parent.info.run_id, saved=False)
    address = swept.link("runs side by side").partition("#")[0]
    page.goto(f"{address}{listing}&viewStateShareKey=lost")
    expect(page.locator(".ag-row a")).to_have_text(NAMES[::-1])


def test_page_of_the_sweep_shows_its_picture_and_links_to_its_runs(page: Page, swept: Swept):
    page.goto(swept.link("the sweep"))
    expect(page.get_by_text("12 runs, 12 finished")).to_be_visible()
    page.get_by_text("Show more").click()
    assert pixels(page.locator("img[src*='path=grid.png']"))
    link = page.get_by_role("link", name="Runs side by side").get_attribute("href")
    assert link
    assert swept.link("runs side by side").endswith(link)


def test_slider_of_the_sweeps_page_changes_the_picture(page: Page, swept: Swept):
    page.goto(swept.link("the sweep"))
    with page.expect_popup() as opened:
        page.get_by_role("link", name="sweep.html").click()
    frame = opened.value.frame_locator("iframe")
    slider = frame.locator("input[type=range]").first
    picture = frame.locator("canvas:visible").first
    expect(picture).to_be_visible()
    before = picture.screenshot()
    slider.fill(slider.get_attribute("max") or "")
    deadline = time.monotonic() + PATIENCE
    while picture.screenshot() == before:
        assert time.monotonic() < deadline, "the picture stays as it is"
        time.sleep(0.1)


def grid_row(page: Page, key: str) -> Locator:
    """The row of the grid of pictures that starts with a key."""
    return page.locator("[role=row]", has=page.locator("[role=cell], [role=columnheader]", has_text=whole(key))).first


def whole(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}$")


def pixels(image: Locator) -> bytes:
    """What an image shows, once it is there."""
    image.scroll_into_view_if_needed()
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 0
    return image.screenshot()
