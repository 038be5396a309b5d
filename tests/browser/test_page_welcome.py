"""The first screen: three titles are picked by mouse, keyboard and without scripts; the list names them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_world import SCREENSHOTS, launched, needs_browser, press, said, served, visiting
from local_world import small_device
from playwright.sync_api import Browser, Page, expect

from confidante.device.device import Device

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile", events=False) as made:
        yield made


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, device: Device) -> Iterator[Page]:
    with served(device) as (link, _), visiting(browser, link, scripts=request.param) as opened:
        yield opened


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def titles(page: Page) -> list[str]:
    return page.locator(".pick b").all_inner_texts()


def picked(device: Device) -> set[str]:
    return {device.items.get(event.item).title for event in device.onboarding.picks}


def test_three_are_picked_and_the_list_names_them(page: Page, device: Device) -> None:
    heading(page, "Pick three you love")
    shown = titles(page)
    assert shown == [item.title for item in device.onboarding.slate()]
    page.get_by_label(shown[0]).check()
    press(page, "Show me others")
    expect(page.get_by_role("heading", name="Ticked before")).to_be_visible()
    others = titles(page)
    assert others[0] == shown[0]
    assert not set(others[1:]) & set(shown)
    expect(page.locator("#count")).to_have_text("1 of 3 picked")
    page.get_by_label(others[1]).check()

    page.get_by_label("Or find a title").fill("vinyl")
    press(page, "Search")
    expect(page.get_by_role("heading", name="Titles with “vinyl”")).to_be_visible()
    page.get_by_label("The Vinyl").check()
    press(page, "Show my list")
    said(page, "Your list starts from there")
    heading(page, "For you")
    assert picked(device) == {shown[0], others[1], "The Vinyl (1986)"}
    because = page.locator("article").first.inner_text()
    assert any(title in because for title in picked(device))


def test_the_first_screen_can_be_skipped_and_comes_back_when_asked(page: Page, device: Device) -> None:
    press(page, "Skip")
    said(page, "Skipped")
    heading(page, "For you")
    assert device.history.count == 0
    page.reload()
    heading(page, "For you")
    page.get_by_role("link", name="Pick three that you love").click()
    heading(page, "Pick what you love")
    page.locator(".pick").first.click()
    press(page, "Show my list")
    heading(page, "For you")
    assert len(device.onboarding.picks) == 1


def test_picks_are_taken_back_one_by_one_and_together_and_that_can_be_undone(
    page: Page, device: Device
) -> None:
    device.onboarding.pick(["sp1", "co2", "mu3"])
    page.goto(page.url + "welcome")
    press(page, "Take back: The Star")
    said(page, "Forgot 1 thing")
    assert picked(device) == {"The Oven (1982)", "The Encore (1983)"}
    press(page, "Take all picks back")
    said(page, "Forgot 2 things")
    assert device.onboarding.picks == ()
    page.get_by_role("region", name="Undo").last.get_by_role("button").click()
    said(page, "Taken back: 2 things")
    assert len(device.onboarding.picks) == 2


def test_nothing_ticked_and_no_title_found_are_said(page: Page, device: Device) -> None:
    press(page, "Show my list")
    said(page, "Nothing is ticked yet")
    page.get_by_label("Or find a title").fill("zzz")
    press(page, "Search")
    expect(page.locator("main")).to_contain_text("No title here has these words.")
    assert device.history.count == 0


def test_by_keyboard_alone_with_progress_read_aloud(browser: Browser, device: Device) -> None:
    with served(device) as (link, _), visiting(browser, link) as page:
        page.get_by_label("Or find a title").focus()
        page.keyboard.press("Tab")
        for place in (1, 2, 3):
            page.keyboard.press("Tab")
            ticked = page.locator(".pick input").nth(place - 1)
            expect(ticked).to_be_focused()
            page.keyboard.press("Space")
            words = "3 picked: that is a good start" if place == 3 else f"{place} of 3 picked"
            expect(page.get_by_role("status").filter(has_text="picked")).to_have_text(words)
            expect(ticked).to_be_focused()
        page.get_by_role("button", name="Show my list").focus()
        page.keyboard.press("Enter")
        heading(page, "For you")
        assert len(device.onboarding.picks) == 3
        assert page.evaluate("document.activeElement !== document.body")


def test_what_is_ticked_twice_on_the_page_is_ticked_once(browser: Browser, device: Device) -> None:
    with served(device) as (link, _), visiting(browser, link) as page:
        first = titles(page)[0]
        page.get_by_label(first).check()
        page.get_by_label("Or find a title").fill(first[:9])
        press(page, "Search")
        expect(page.get_by_role("heading", name="Titles with")).to_be_visible()
        expect(page.get_by_label(first)).to_have_count(1)
        expect(page.get_by_label(first)).to_be_checked()
        page.get_by_label(first).uncheck()
        expect(page.locator("#count")).to_have_text("0 of 3 picked")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_the_first_screen_is_accessible_and_fits(
    browser: Browser, device: Device, scheme: str, width: int
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with served(device) as (link, _), visiting(browser, link) as page:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        page.locator(".pick").nth(1).click()
        expect(page.locator("#count")).to_have_text("1 of 3 picked")
        for name in ("welcome", "welcome-again"):
            if name == "welcome-again":
                device.onboarding.pick(["sp1", "co2"])
                page.goto(link.partition("?")[0] + "welcome")
                heading(page, "Pick what you love")
            found = Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
            overflow = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
