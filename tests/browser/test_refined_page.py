"""The page with a server that refines: the local list at once, the refined one later, and what was sent."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from axe_playwright_python.sync_playwright import Axe
from browser_world import SCREENSHOTS, launched, needs_browser, served, visiting
from device_world import ids
from faulty_gateway import Manner
from local_world import api_client, page_client, post
from playwright.sync_api import Browser, Page, expect
from refine_world import Server, person, questions, server

from confidante.crypto.he.bfv import BfvScheme
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Purpose, ReasonKind
from confidante.device.web import wording


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as made:
        yield made


@pytest.fixture
def device(tmp_path: Path, here: Server) -> Iterator[Device]:
    with person(tmp_path, here) as made:
        yield made


def titles(page: Page) -> list[str]:
    return page.locator("article h3").all_inner_texts()


@needs_browser
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_refined_list_takes_the_place_of_the_local_one(
    browser: Browser, device: Device, here: Server, scripts: bool
) -> None:
    local = device.recommend(12)
    refined = device.recommend(12, refine=True).refined()
    assert ids(local) != ids(refined)
    before = len(questions(device))
    with served(device) as (link, _), visiting(browser, link, scripts=scripts) as page:
        if not scripts:
            assert titles(page) == [one.item.title for one in local.suggestions]
            page.get_by_role("link", name="Wait for the refined list").click()
        expect(page.locator("#refining")).to_contain_text("Refined: what a server knows moved")
        expect(page.locator("#refining")).to_contain_text("it was asked in secret")
        assert titles(page) == [one.item.title for one in refined.suggestions]
        moved = [
            one for one in refined.suggestions if any(r.kind is ReasonKind.REFINEMENT for r in one.reasons)
        ]
        expect(page.locator(".moved")).to_have_count(len(moved))
        expect(page.locator(".moved").first).to_contain_text("what the server knows")
        page.reload()  # the same list is refined once
        assert titles(page) == [one.item.title for one in refined.suggestions]
        assert len(questions(device)) == before + 1

        page.get_by_role("link", name="How, and what was sent").click()
        panel = page.locator("section", has=page.get_by_role("heading", name="A server that refines lists"))
        expect(panel).to_contain_text(here.url)
        expect(panel).to_contain_text(here.relay.url)
        page.get_by_text("Asking or downloading: the figures").click()
        expect(panel).to_contain_text("Downloading is no dearer from")
        panel.get_by_role("link", name="What was sent").click()
        expect(page.locator("#departure-" + str(questions(device)[0].number))).to_be_visible()


@needs_browser
def test_the_local_list_is_there_while_a_server_is_slow_and_who_reads_it_stays_where_they_are(
    browser: Browser, device: Device, here: Server
) -> None:
    local = device.recommend(12)
    here.gateway.manner, here.gateway.pause = Manner.SLOW, 3.0
    with served(device) as (link, _), visiting(browser, link) as page:
        expect(page.locator("#refining")).to_contain_text("A server that cannot read what it is asked")
        assert titles(page) == [one.item.title for one in local.suggestions]
        page.locator('[data-place="3"] a').first.focus()
        expect(page.locator("#refining")).to_contain_text("Refined: what a server knows", timeout=15_000)
        expect(page.locator('[data-place="3"] :focus')).to_be_visible()  # a moment after the list was swapped


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_the_refined_page_is_accessible_and_fits(
    browser: Browser, tmp_path: Path, scheme: str, width: int
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with (
        server(tmp_path, BfvScheme()) as here,
        person(tmp_path, here) as device,
        served(device) as (link, _),
        visiting(browser, link) as page,
    ):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.locator("#refining")).to_contain_text("Refined")
        for name, path in {"refined": "", "refining": "switches"}.items():
            if path:
                page.goto(link.partition("?")[0] + path)
                page.get_by_text("Asking or downloading: the figures").click()
            found = Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], name
            overflow = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, name
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)


def test_the_local_list_is_there_at_once_and_nothing_is_asked_while_it_is_off(
    device: Device, here: Server
) -> None:
    client = page_client(device)
    asked = len(questions(device))
    device.consents.switch(Purpose.REFINE, False, how=PERSON)
    assert "/refined" not in client.get("/").text
    assert "Nothing is asked: the switch" in client.get("/switches").text
    device.consents.switch(Purpose.REFINE, True, how=PERSON)
    device.settings.no_profiling = True
    assert "/refined" not in client.get("/").text
    device.settings.no_profiling = False
    assert len(questions(device)) == asked
    assert re.search(r'hx-get="/refined"|Refined: what', client.get("/").text)


def test_why_a_list_was_not_refined_is_said_and_it_can_be_tried_again(device: Device, here: Server) -> None:
    here.gateway.manner = Manner.FAILS
    client = page_client(device)
    page = client.get("/refined").text
    assert "It was not refined:" in page
    before = len(questions(device))
    assert "It was not refined:" in client.get("/").text
    assert len(questions(device)) == before  # the same list is not asked for again by itself
    assert "Ask the server again" in page
    post(client, "/refining", do="again")
    client.get("/refined")
    assert len(questions(device)) == before + 1
    assert "not refined:" in client.get("/switches").text
    here.gateway.manner = Manner.HONEST
    post(client, "/refining", do="again")
    assert "Refined: what a server knows" in client.get("/refined").text


def test_a_server_is_chosen_and_left_on_the_page(device: Device, here: Server) -> None:
    client = page_client(device)
    page = post(client, "/refining", do="refresh")
    assert "What refining takes is here" in page
    page = post(client, "/refining", do="off")
    assert "No list is refined any more" in page
    assert not device.refinement.status().set_up
    page = post(client, "/refining", do="setup", url=here.url, population="films", relay=here.relay.url)
    assert "Nothing was sent yet" in page
    assert device.refinement.status().relay == here.relay.url
    for wrong in (
        {"do": "setup", "url": "ftp://x", "population": "films", "relay": here.relay.url},
        {"do": "setup", "url": here.url, "population": "films"},
        {"do": "else"},
    ):
        fields = {"secret": re.search(r'name="secret" value="([^"]+)"', page)[1], **wrong}  # type: ignore[index]
        assert client.post("/refining", data=fields).status_code == 400


def test_an_app_gets_the_refined_list_and_how_it_came(device: Device) -> None:
    client = api_client(device)
    found = client.get("/api/v1/recommend/refined", params={"n": 12}).json()
    assert (found["refined"], found["reason"], found["said"]) == (True, None, "")
    expected = ids(device.recommend(12, refine=True).refined())
    assert [one["item"]["id"] for one in found["answer"]["suggestions"]] == expected
    status = client.get("/api/v1/refinement").json()
    assert (status["set_up"], status["allowed"], status["way"]) == (True, True, "ask")
    assert status["last_departure"] == questions(device)[0].number
    assert status["asked"] == 2


def test_how_far_something_was_moved_is_said_in_words() -> None:
    assert wording.moved_words(4, 1, 0.5) == "3 places up: what the server knows adds 0.5 points"
    assert wording.moved_words(1, 2, -0.25) == "1 place down: what the server knows takes 0.25 points"
    assert wording.moved_words(None, 2, 1.0).startswith("Not on your own list")
    assert wording.moved_words(2, 2, 1.0).startswith("Same place")
    assert wording.moved_words(4, 1, 0.0) == ""
