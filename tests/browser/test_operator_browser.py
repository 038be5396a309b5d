"""The operator's page in a real browser: usable by keyboard and screen reader, light, dark and small."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from operator_world import KEY, shown
from playwright.sync_api import Browser, expect, sync_playwright
from stores import let_wait

from confidante.coordinator.store import Store


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = (
        os.environ.get("CONFIDANTE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if path is None:
        if os.environ.get("CONFIDANTE_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium: run `make setup-browser`, or name one in CONFIDANTE_CHROMIUM")
        pytest.skip("no Chromium: run `make setup-browser`, or name one in CONFIDANTE_CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    with shown(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_no_violation_of_accessibility_and_nothing_sideways(
    browser: Browser, world: tuple[str, Store], scheme: str, width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda asked: None if asked.url.startswith(world[0]) else wrong.append(asked.url))
    page.goto(world[0])
    for _ in range(2):
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(f"{world[0]}/operator/login")
        if page.locator("#key").count():
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            page.fill("#key", KEY)
            page.keyboard.press("Enter")
            expect(page.get_by_role("button", name="Log out")).to_be_visible()
    context.close()
    assert wrong == []


def test_the_page_keeps_up_without_being_loaded_again(browser: Browser, world: tuple[str, Store]) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(world[0])
    expect(page.get_by_text("Waiting: 1 small")).to_be_visible(timeout=60_000)
    let_wait(world[1], "films", b"v" * 64, b"v" * 32, time.time(), "small")
    expect(page.get_by_text("Waiting: 2 small")).to_be_visible(timeout=60_000)
    page.close()


def test_pause_and_go_on_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    with shown(tmp_path) as (url, store):
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{url}/operator/login")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Pause with films").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Paused")
        assert store.operator.paused("films")
        page.get_by_role("button", name="Go on with films").click()
        expect(page.get_by_role("status")).to_contain_text("opened again")
        page.get_by_role("button", name="End this round of films").click()
        expect(page.get_by_role("status")).to_contain_text("stays paid")
        page.close()
