"""A browser before the page, the API, a worker and the suite's server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from harness.process import PAWFECT, LoggedProcess
from tests.conftest import ServedProcess, free_ports
from tests.web.hand import PATIENCE_MS, Hand
from tests.web.photos import example_photo

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "service" / "pawfect_service" / "page"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
# As distributions name them.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESK = {"width": 1360, "height": 900}
# What the API says once it listens.
LISTENS = '"message": "listening"'


def lacking() -> str | None:
    """Say what the tests of the page lack here, None where nothing."""
    if not any(map(shutil.which, BROWSERS)):
        return "no Chromium here: apt-get install chromium"
    if not (BUILT / "index.html").is_file():
        return "the page is not built: make page"
    return None if AXE.is_file() else "no axe-core here: cd web && npm ci"


@dataclass(frozen=True)
class Studio:
    """The page's address, and how to end the API and start it again."""

    url: str
    process: LoggedProcess

    def again(self) -> None:
        """Start the API anew, as after a crash."""
        times = self.process.output().count(LISTENS)
        self.process.kill()
        self.process.start()
        self.process.wait_for(LISTENS, times + 1)


@pytest.fixture(scope="package")
def studio(server: ServedProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """API and worker in one process, as `make studio` starts them, on the suite's server."""
    with studio_on(server, tmp_path_factory.mktemp("studio")) as running:
        yield running


@contextmanager
def studio_on(server: ServedProcess, folder: Path) -> Iterator[Studio]:
    """Start API and worker on a server."""
    if reason := lacking():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    (port,) = free_ports(1)
    command = [PAWFECT, "api", "--no-auth", "--with-worker", "--port", str(port)]
    command += ["--triton", server.endpoints.grpc, "--store", "embedded:data"]
    command += ["--jobs", "1", "--rate", "100000/minute"]
    with LoggedProcess(command, folder / "api.log", folder=folder) as process:
        process.wait_for(LISTENS)
        yield Studio(f"http://127.0.0.1:{port}", process)


@pytest.fixture(scope="package")
def browser(studio: Studio) -> Iterator[Browser]:
    """A Chromium of this machine, without a window."""
    with chromium() as launched:
        yield launched


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a Chromium of this machine, without a window."""
    found = next(filter(None, map(shutil.which, BROWSERS)))
    # A container's /dev/shm is small.
    options = ["--disable-dev-shm-usage", "--force-color-profile=srgb"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=options)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, studio: Studio) -> Iterator[BrowserContext]:
    """A visitor of their own: no drafts, no cookies; axe at hand."""
    context = browser.new_context(base_url=studio.url, viewport=DESK, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(path=AXE)
    yield context
    context.close()


Visit = Callable[..., Hand]


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Visit]:
    """Opens the page, each time in a tab; at the end no tab may have had an error."""
    problems: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # What the API refuses is said by the page; the browser says it too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            problems.append(message.text)

    def open_(path: str = "/") -> Hand:
        page: Page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path)
        return Hand(page)

    yield open_
    assert problems == []


@pytest.fixture
def hand(visit: Visit) -> Hand:
    """One tab with the page."""
    return visit()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small photo of a figure on a lawn."""
    return example_photo(tmp_path / "dog.jpg")
