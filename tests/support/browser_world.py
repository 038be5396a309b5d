"""A real browser on the page of a real server; where there is none, `needs_browser` skips and says so."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from confidante.device.device import Device
from confidante.device.web.server import serve

SCREENSHOTS = Path(__file__).parents[2] / "out" / "screenshots"


def chromium() -> str | None:
    names = (os.environ.get("CONFIDANTE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


REQUIRED = os.environ.get("CONFIDANTE_REQUIRE_BROWSER") == "1"
needs_browser = pytest.mark.skipif(
    chromium() is None and not REQUIRED,
    reason="no Chromium here: `make setup-browser` installs one, or set CONFIDANTE_CHROMIUM to its path",
)


@contextmanager
def launched() -> Iterator[Browser]:
    path = chromium()
    assert path is not None, "CONFIDANTE_REQUIRE_BROWSER=1 and no Chromium here: run `make setup-browser`"
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@contextmanager
def served(device: Device) -> Iterator[tuple[str, threading.Thread]]:
    """Run the real server in a thread; give the link that opens the page."""
    links: list[str] = []
    stops: list[Callable[[], None]] = []
    listening = threading.Event()

    def started(link: str) -> None:
        links.append(link)
        listening.set()

    thread = threading.Thread(target=lambda: serve(device, started=started, stopper=stops.append))
    thread.start()
    try:
        assert listening.wait(30)
        yield links[0], thread
    finally:
        stops[0]()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def visiting(browser: Browser, link: str, *, scripts: bool = True) -> Iterator[Page]:
    """Open the page as a person would. Fails on any error in the console, and on any request to elsewhere."""
    context = browser.new_context(java_script_enabled=scripts, viewport={"width": 1100, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    here = link.partition("/?")[0]
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(here) else wrong.append(asked.url))
    page.goto(link)
    expect(page).to_have_url(f"{here}/")
    yield page
    context.close()
    assert wrong == []


def tab(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def said(page: Page, text: str) -> None:
    expect(page.locator("#says")).to_contain_text(text)
