"""The page in a real browser: every button does what it says, by mouse and keyboard, with scripts or none.

Needs a Chromium (`make setup-browser`); where there is none, the tests are skipped and say so, unless
CONFIDANTE_REQUIRE_BROWSER=1. Screenshots are kept in out/screenshots.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_world import SCREENSHOTS, launched, needs_browser, press, said, served, tab, visiting
from local_world import small_device
from playwright.sync_api import Browser, Page, expect

from confidante.device.device import Device
from confidante.device.federation.alarms import Caught, sound
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Purpose
from confidante.device.web.private_folders import opening_file
from confidante.device.web.security import Gate, new_api_key

TABS = {"for-you": "", "your-data": "know", "sent": "left", "settings": "switches"}


pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = small_device(tmp_path / "profile")
    yield made
    made.close()


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, device: Device) -> Iterator[Page]:
    with served(device) as (link, _), visiting(browser, link, scripts=request.param) as opened:
        yield opened


def first_card(page: Page) -> str:
    return page.locator("article h3").first.inner_text()


def test_for_you(page: Page, device: Device) -> None:
    best = device.recommend(12).suggestions
    assert page.locator("article h3").all_inner_texts() == [one.item.title for one in best]

    press(page, f"Save: {best[0].item.title}")
    said(page, "Saved")
    assert [item.id for item in device.taste.saved] == [best[0].item.id]
    expect(page.get_by_role("heading", name="Saved for later")).to_be_visible()
    press(page, f"Take off the list: {best[0].item.title}")
    said(page, "off the list")
    assert device.taste.saved == ()

    press(page, f"Not this one: {best[0].item.title}")
    said(page, "will not be suggested again")
    assert best[0].item.id not in {one.item.id for one in device.recommend(40).suggestions}
    assert first_card(page) == device.recommend(1).suggestions[0].item.title

    gone = first_card(page)
    press(page, f"Less like this: {gone}")
    said(page, "less like")
    expect(page.get_by_role("heading", name=gone)).to_have_count(0)
    assert {kind for kind, _ in device.taste.refused} == {"less", "never"}

    known = first_card(page)
    press(page, f"I know it: {known}")
    said(page, "Noted that you know")
    (noted,) = device.history.events(limit=1)
    assert (device.items.get(noted.item).title, noted.kind) == (known, "seen")
    before = [one.score for one in device.recommend(40).suggestions]

    liked = first_card(page)
    assert liked != known
    press(page, f"I like it: {liked}")
    said(page, "Noted that you like")
    (noted,) = device.history.events(limit=1)
    assert (device.items.get(noted.item).title, noted.kind) == (liked, "like")
    assert before[1:] != [one.score for one in device.recommend(40).suggestions]

    page.get_by_label("Find something you know").fill("vinyl")
    press(page, "Search")
    expect(page.get_by_role("heading", name="Titles with “vinyl”")).to_be_visible()
    press(page, "I know it: The Vinyl")
    said(page, "Noted")
    assert device.items.get(device.history.events(limit=1)[0].item).title.startswith("The Vinyl")
    press(page, "Close the search")
    expect(page.get_by_role("heading", name="Titles with")).to_have_count(0)


def test_why(page: Page, device: Device) -> None:
    title = first_card(page)
    page.get_by_role("link", name=f"Why: {title}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Why “{title}”?")
    item = next(one.item for one in device.recommend(1).suggestions)
    expect(page.locator(".lead")).to_contain_text(device.explain(item.id).counterfactual.sentence)
    expect(page.locator("tfoot")).to_be_hidden()
    page.get_by_text("Every reason there is, in points").click()
    shown = page.locator("tbody td.num").all_inner_texts()
    score = page.locator("tfoot td.num").inner_text()
    figures = [float(text.replace("\N{MINUS SIGN}", "-")) for text in (*shown, score)]
    assert sum(figures[:-1]) == pytest.approx(figures[-1], abs=1e-4 * len(figures))

    ticks = page.get_by_role("checkbox").all()
    for tick in ticks[:3]:
        tick.uncheck()
    page.get_by_role("button", name="Show the list").click()
    expect(page.get_by_role("heading", name="Without 3 things")).to_be_visible()
    numbers = [int(tick.get_attribute("value") or "") for tick in page.get_by_role("checkbox").all()[:3]]
    expected = [one.item.title for one in device.recommender.what_if(without=numbers, n=10).suggestions]
    listed = page.locator("#lists section").last.locator("li").all_inner_texts()
    assert [text.removesuffix(" (new)") for text in listed] == expected
    assert device.history.count == 5

    if not page.locator("tfoot").is_visible():  # without scripts the page was loaded anew
        page.get_by_text("Every reason there is, in points").click()
    press(page, "Forget:")
    said(page, "Forgot 1 thing")
    assert device.history.count == 4
    press(page, "Undo")
    said(page, "Taken back")
    assert device.history.count == 5
    press(page, "Less like this")
    said(page, "less like")
    press(page, "Undo")
    said(page, "counts as before")
    assert device.taste.refused == ()
    press(page, "Less like this")
    said(page, "less like")
    press(page, "Allow it again")
    said(page, "may be suggested again")
    assert device.taste.refused == ()
    press(page, "Not this one")
    said(page, "not be suggested")
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("For you")


def test_what_i_know_tastes_and_wishes(page: Page, device: Device) -> None:
    device.taste.never("cr1")
    tab(page, "Your data")
    now = [one.item.title for one in device.recommend(10).suggestions]
    press(page, "More: Cooking")
    shown = page.locator("section[aria-labelledby=preview]")
    expect(shown.get_by_role("heading", level=2)).to_have_text("If “Cooking” counts more")
    then = [one.item.title for one in device.recommender.what_if(tastes={"Cooking": 1}).suggestions]
    columns = [one.locator("li").all_inner_texts() for one in shown.locator(".two section").all()]
    assert [text.removesuffix(" (goes)") for text in columns[0]] == now
    assert [text.removesuffix(" (new)") for text in columns[1]] == then
    assert device.taste.list()[0].level == 0  # nothing is changed yet
    press(page, "Leave it as it is: Cooking")
    expect(shown).to_have_count(0)

    def edit(button: str, says: str) -> None:
        press(page, button)
        press(page, "Do it")
        said(page, says)

    edit("More: Cooking", "counts more")
    assert {taste.label: taste.level for taste in device.taste.list()}["Cooking"] == 1
    assert [one.item.title for one in device.recommend(10).suggestions] == then
    press(page, "Undo")
    said(page, "counts as before")
    assert {taste.label: taste.level for taste in device.taste.list()}["Cooking"] == 0
    edit("Less: Cooking", "counts less")
    edit("Leave untouched: Cooking", "as you lived it")
    assert {taste.label: taste.level for taste in device.taste.list()}["Cooking"] == 0
    edit("Remove: Space", "Nothing with “Space”")
    assert not [one for one in device.recommend(40).suggestions if "Space" in one.item.labels]
    edit("Bring back: Space", "as you lived it")
    assert [one for one in device.recommend(40).suggestions if "Space" in one.item.labels]
    press(page, "Allow again")
    said(page, "may be suggested again")
    assert device.taste.refused == ()


def test_what_i_know_history(page: Page, device: Device) -> None:
    tab(page, "Your data")
    page.get_by_label("Part of a title").fill("oven")
    press(page, "Show")
    expect(page.locator("tbody tr")).to_have_count(1)
    press(page, "Show all")
    expect(page.locator("tbody tr")).to_have_count(5)

    press(page, "Forget: The Probe")
    said(page, "Forgot 1 thing")
    assert device.history.count == 4
    expect(page.get_by_role("region", name="Undo")).to_contain_text("It can be taken back until")
    press(page, "Undo")
    said(page, "Taken back")
    assert device.history.count == 5

    press(page, "All of it: forget everything about The Oven")
    said(page, "Forgot 1 thing")
    assert "co2" not in {event.item for event in device.history.events()}

    page.locator("#from").fill("2026-05-29")
    page.locator("#to").fill("2026-05-31")
    press(page, "Forget these days")
    said(page, "Forgot 2 things")
    assert device.history.count == 2

    page.get_by_role("link", name="Forget everything").click()
    page.get_by_role("link", name="Keep it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your data")
    page.get_by_role("link", name="Forget everything").click()
    press(page, "Forget everything")
    expect(page.locator("main")).to_contain_text("Nothing you did is kept here")
    assert device.history.count == 0
    while page.get_by_role("button", name="Undo").count():
        left = page.get_by_role("button", name="Undo").count()
        press(page, "Undo")
        expect(page.get_by_role("button", name="Undo")).to_have_count(left - 1)
    assert device.history.count == 5


def test_a_search_is_over_when_one_looks_elsewhere(page: Page) -> None:
    page.get_by_label("Find something you know").fill("vinyl")
    press(page, "Search")
    expect(page.get_by_role("heading", name="Titles with “vinyl”")).to_be_visible()
    tab(page, "Your data")
    page.get_by_label("Part of a title").fill("oven")
    press(page, "Show")
    expect(page.locator("tbody tr")).to_have_count(1)
    tab(page, "For you")
    expect(page.get_by_role("heading", name="Titles with")).to_have_count(0)
    tab(page, "Your data")
    expect(page.locator("tbody tr")).to_have_count(5)


def test_many_things_are_forgotten_at_once(page: Page, device: Device) -> None:
    tab(page, "Your data")
    press(page, "Forget what is ticked")
    said(page, "tick something in the table first")
    page.get_by_role("checkbox", name="Tick The Probe").check()
    page.get_by_role("checkbox", name="Tick The Oven").check()
    press(page, "Forget what is ticked")
    said(page, "Forgot 2 things")
    assert device.history.count == 3
    press(page, "Undo")
    said(page, "Taken back")
    device.record("co3", at=device.now() - 1800)
    press(page, "The last hour")
    said(page, "Forgot 1 thing.")
    assert device.history.count == 5


def test_days_the_wrong_way_round_are_refused(page: Page, device: Device) -> None:
    tab(page, "Your data")
    page.locator("#from").fill("2026-05-31")
    page.locator("#to").fill("2026-05-29")
    press(page, "Forget these days")
    said(page, "Nothing was forgotten: 2026-05-31 is after 2026-05-29.")
    page.locator("#since").fill("2026-05-31")
    page.locator("#until").fill("2026-05-29")
    press(page, "Show")
    said(page, "Nothing was looked for: 2026-05-31 is after 2026-05-29.")
    assert device.history.count == 5


def test_what_was_said_of_an_item_can_be_undone(page: Page, device: Device) -> None:
    best = first_card(page)
    for button in ("Less like this", "Not this one", "I know it", "I like it"):
        press(page, f"{button}: {best}")
        expect(page.locator("article h3").first).not_to_have_text(best)
        press(page, "Undo")
        said(page, "Taken back")
        expect(page.locator("article h3").first).to_have_text(best)
    assert (device.taste.refused, device.history.count) == ((), 5)


def test_a_passphrase_is_set_and_changed(page: Page, device: Device) -> None:
    tab(page, "Settings")
    page.get_by_text("Set a passphrase").click()

    def give(new: str, again: str, now: str = "") -> None:
        if now:
            page.get_by_label("Your passphrase now").fill(now)
        page.get_by_label("The new one", exact=True).fill(new)
        page.get_by_label("The new one again").fill(again)
        page.get_by_role("checkbox", name="I know: if I lose it").check()
        press(page, "Change it" if now else "Set it")

    give("one horse", "another horse")
    said(page, "the two new ones differ")
    page.get_by_text("Set a passphrase").click()
    give(" one horse", " one horse")
    said(page, "opens this profile from now on")
    assert device.protection == "passphrase"
    assert device.is_opened_by(" one horse")
    page.get_by_text("Change the passphrase").click()
    give("two horses", "two horses", now="wrong")
    said(page, "that is not your passphrase now")
    page.get_by_text("Change the passphrase").click()
    give("two horses", "two horses", now=" one horse")
    said(page, "opens this profile from now on")
    assert device.is_opened_by("two horses")


def test_what_i_know_import_and_export(page: Page, device: Device, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("title,date\nThe Heist (1980),2026-05-01\nNever heard of it,2026-05-02\n")
    tab(page, "Your data")
    for button, events in (("Only look what would happen", 5), ("Import", 6)):
        page.locator("#file").set_input_files(file)
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_role("heading", name="What came of the file")).to_be_visible()
        expect(page.locator("#report")).to_contain_text("Never heard of it")
        assert device.history.count == events
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the file").click()
    assert "The Heist (1980)" in download.value.path().read_text()


def test_what_left(page: Page, device: Device) -> None:
    tab(page, "Sent from this device")
    expect(page.locator("main")).to_contain_text("Nothing has ever left this device.")
    page.get_by_text("The figures, and the limit").click()
    page.get_by_label("Set the limit").fill("2.5")
    press(page, "Set it")
    said(page, "The limit is ε = 2.5 now")
    assert device.ledger.budget().epsilon_limit == 2.5
    device.consents.switch(Purpose.REFINE, True, how=PERSON)
    device.ledger.write(
        Purpose.REFINE, "refine", "https://example.org", b"sealed", {"items": 3}, "that you asked"
    )
    tab(page, "Sent from this device")
    expect(page.get_by_text("Nothing reached example.org")).to_be_visible()
    page.get_by_text("Every message, byte for byte").click()
    page.get_by_text("What was in it").click()
    expect(page.get_by_text('"items": 3')).to_be_visible()
    expect(page.get_by_text("What the receiver could see: that you asked")).to_be_visible()
    page.get_by_text("Receipt").click()
    expect(page.get_by_text("None came back.")).to_be_visible()


def test_switches(page: Page, device: Device) -> None:
    tab(page, "Settings")
    for purpose in Purpose:
        for _ in range(2):
            before = device.consents.allowed(purpose)
            page.locator(f"#switch-{purpose.value}").click()
            expected = "false" if before else "true"
            expect(page.locator(f"#switch-{purpose.value}")).to_have_attribute("aria-checked", expected)
            said(page, "is off" if before else "is on")  # as it did of the switch before, too
            assert device.consents.allowed(purpose) is not before
    page.locator("#no-profiling").click()
    said(page, "use nothing of yours")
    assert device.settings.no_profiling
    page.locator("#no-profiling").click()
    said(page, "yours again")
    assert not device.settings.no_profiling
    for button in ("For an hour", "For a day", "Until I resume"):
        press(page, button)
        said(page, "Learning is paused")
        assert device.settings.paused_until is not None
        press(page, "Resume now")
        said(page, "Learning goes on")
        assert device.settings.paused_until is None
    page.get_by_label("How many things, at most").fill("3")
    page.get_by_label("Oldest, in days").fill("900")
    press(page, "Keep it so")
    expect(page.locator("main")).to_contain_text("2 of the 5 things you did would be erased")
    page.get_by_role("link", name="Keep everything").click()
    expect(page.get_by_label("How many things, at most")).to_have_value("500")
    for _ in range(2):
        page.get_by_label("How many things, at most").fill("3")
        page.get_by_label("Oldest, in days").fill("900")
        press(page, "Keep it so")
        press(page, "Erase 2 and keep it so")
        said(page, "2 things will be erased in a minute")
        assert device.history.count == 5
        press(page, "Undo")
        said(page, "nothing was erased")
        assert (device.settings.retention.events, device.history.count) == (500, 5)
    with page.expect_download():
        page.get_by_role("link", name="Save the file").click()


def test_erasing_everything_ends_the_server(browser: Browser, device: Device) -> None:
    with served(device) as (link, server), visiting(browser, link) as page:
        tab(page, "Settings")
        page.get_by_role("link", name="Erase everything").click()
        page.get_by_label("Type ERASE to go on").fill("please")
        press(page, "Erase everything")
        said(page, "Nothing was erased")
        page.get_by_label("Type ERASE to go on").fill("ERASE")
        press(page, "Erase everything")
        expect(page.get_by_role("heading", level=1)).to_have_text("Erased")
        server.join(20)
        assert not server.is_alive()


def test_an_api_key_can_be_made_worthless(browser: Browser, device: Device) -> None:
    key = new_api_key(device.settings)
    with served(device) as (link, _), visiting(browser, link) as page:
        tab(page, "Settings")
        press(page, "Lock apps out")
        said(page, "opens nothing any more")
        assert not Gate(1, device.settings).opens(key)


def test_by_keyboard_alone(browser: Browser, device: Device) -> None:
    with served(device) as (link, _), visiting(browser, link) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Find something you know")).to_be_focused()
        page.keyboard.type("vinyl")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Titles with “vinyl”")).to_be_visible()
        button = page.get_by_role("button", name="I know it: The Vinyl").first
        for _ in range(30):
            page.keyboard.press("Tab")
            if button.evaluate("node => node === document.activeElement"):
                break
        page.keyboard.press("Enter")
        said(page, "Noted that you know")
        assert device.items.get(device.history.events(limit=1)[0].item).title.startswith("The Vinyl")
        expect(page.locator(":focus")).to_be_attached()  # once it settled: focus is not lost by the swap
        tab(page, "Settings")
        page.locator("#no-profiling").focus()
        page.keyboard.press("Space")
        said(page, "use nothing of yours")
        expect(page.locator("#no-profiling")).to_be_focused()


def test_the_time_left_to_undo_counts_down_and_the_bar_goes(browser: Browser, device: Device) -> None:
    with served(device) as (link, _), visiting(browser, link) as page:
        page.clock.install()
        tab(page, "Your data")
        press(page, "Forget: The Probe")
        bar = page.get_by_role("region", name="Undo")
        page.clock.run_for(2_000)
        expect(bar).to_contain_text(re.compile(r"\(5\d s\)"))
        page.clock.run_for(61_000)
        expect(bar).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_every_tab_is_accessible_and_fits(browser: Browser, device: Device, scheme: str, width: int) -> None:
    device.taste.save("cr2")
    device.taste.less("cr3")
    device.taste.edit("Cooking", level=1)
    device.taste.edit("Drama", removed=True)
    device.consents.switch(Purpose.REFINE, True, how=PERSON)
    device.ledger.write(
        Purpose.REFINE, "refine", "https://example.org", b"sealed", {"items": 3}, "that you asked"
    )
    sound(device._vault, "https://sums.example.org", Caught.LOG, "Another log.", {"hash": "ab" * 32})
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with served(device) as (link, _), visiting(browser, link) as page:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        handle = page.locator("article h3 a").first.get_attribute("href") or ""
        more = {"why": handle.lstrip("/"), "forget-everything": "forget/everything", "erase": "erase"}
        for name, path in {**TABS, **more, "api": "api/docs"}.items():
            page.goto(link.partition("?")[0] + path)
            if name == "your-data":
                press(page, "Forget: The Probe")
                said(page, "Forgot")
            if name == "sent":
                for summary in page.locator("summary").all():
                    summary.click()
            found = Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], name
            overflow = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, name
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)


def test_the_private_file_leads_a_browser_in(browser: Browser, device: Device) -> None:
    with served(device) as (link, _), opening_file(device.folder, link) as file:
        for scripts in (True, False):
            context = browser.new_context(java_script_enabled=scripts)
            page = context.new_page()
            page.goto(file.as_uri())
            here = link.partition("?")[0]
            if scripts:
                expect(page).to_have_url(here)
                expect(page.get_by_role("navigation").first).to_be_visible()
                page.reload()
                expect(page.get_by_role("navigation").first).to_be_visible()
            else:
                expect(page.get_by_text("works once")).to_be_visible()
            context.close()
