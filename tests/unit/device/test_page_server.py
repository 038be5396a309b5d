"""The page as the server makes it: what may be posted, what is escaped, what addresses hold, what it says."""

import html
import os
import re
import socket
import stat
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
import pytest
from browser_world import served
from cohort_world import WIRE, release
from device_world import open_device
from local_world import page_client, post, secret_of, small_device
from starlette.testclient import TestClient

from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.federation.alarms import MEANING, Caught, sound
from confidante.device.privacy.consent import PERSON
from confidante.device.recommend import cohorts
from confidante.device.values import Purpose, Reason, ReasonKind
from confidante.device.web import private_folders, wording
from confidante.device.web import server as page_server
from confidante.device.web.connections import CONNECTIONS
from confidante.device.web.server import open_page, serve
from confidante.packs.signals import EventKind

TABS = ("/", "/know", "/left", "/switches")
POSTS = (
    "/welcome",
    "/refining",
    "/state",
    "/find",
    "/wish",
    "/taste",
    "/history",
    "/forget",
    "/undo",
    "/import",
    "/switch",
    "/profiling",
    "/pause",
    "/retention",
    "/seen",
    "/budget",
    "/alarm",
    "/api-off",
    "/erase",
)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile") as made:
        yield made


@pytest.fixture
def client(device: Device) -> TestClient:
    return page_client(device)


def test_a_form_without_its_secret_does_nothing(device: Device, client: TestClient) -> None:
    def state() -> tuple[object, ...]:
        return (
            device.history.events(),
            device.taste.list(),
            device.taste.refused,
            device.consents.state(),
            device.settings.retention,
        )

    before = state()
    fields = {"everything": "1", "word": "ERASE", "purpose": "train", "on": "1", "events": "1"}
    for path in POSTS:
        for secret in ("", "wrong", "é"):
            answer = client.post(path, data={"secret": secret, **fields})
            assert answer.status_code == HTTPStatus.FORBIDDEN
    assert state() == before


def test_looking_at_an_address_that_changes_things_changes_nothing(client: TestClient) -> None:
    for path in POSTS:
        expected = (
            HTTPStatus.OK if path in ("/erase", "/welcome", "/retention") else HTTPStatus.METHOD_NOT_ALLOWED
        )
        assert client.get(path).status_code == expected


def test_hostile_titles_are_shown_as_text(device: Device, client: TestClient) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}"
    device.items.add([Item('x"><script>', hostile, ("<b>Space</b>",), hostile)])
    device.history.declare('k"><i>', EventKind())
    device.record('x"><script>', 'k"><i>', context={"<i>": "<i>"})
    device.taste.save('x"><script>')
    pages = [client.get(path).text for path in TABS]
    pages.append(post(client, "/find", text="<script>"))
    handle = re.search(r'/why\?item=([0-9a-f]+)"[^>]*>&lt;script', pages[-1])
    assert handle is not None
    pages.append(client.get(f"/why?item={handle[1]}").text)
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<i>" not in page
        assert "49" not in re.sub(r"[0-9a-f]{24}|\d\d%", "", page) or "{{ 7*7 }}" in page
    assert html.escape(hostile, quote=False)[:20] in pages[0]


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def test_pictures_and_links_are_shown_and_come_from_this_machine_only(
    device: Device, client: TestClient, tmp_path: Path
) -> None:
    picture, secret = tmp_path / "cover.png", tmp_path / "secret.png"
    picture.write_bytes(PNG)
    secret.write_bytes(b"root:x:0:0")
    device.items.remove([item.id for item in device.items.list(100)])
    device.items.add(
        [
            Item("a", "With", ("Space",), url="https://example.org/a", image=str(picture), creator="E. Hale"),
            Item("b", "Bundled", ("Space",), image="data:image/png;base64,iVBORw0KGgo="),
            Item("c", "No picture", ("Space",), image=str(secret)),
        ]
    )
    page = client.get("/").text
    link = re.search(r'<a class="button main" href="https://example.org/a"[^>]*>', page)
    assert link is not None
    assert 'rel="noopener noreferrer"' in link[0]
    assert "E. Hale" in page
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in page
    assert not re.findall(r'src="https?:', page)
    assert str(picture) not in page
    found = [client.get(html.unescape(one)) for one in re.findall(r'src="(/picture[^"]*)"', page)]
    assert sorted(one.status_code for one in found) == [200, 404]
    (shown,) = [one for one in found if one.status_code == HTTPStatus.OK]
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")


def test_addresses_and_titles_of_pages_hold_nothing_personal(device: Device, client: TestClient) -> None:
    ids = {event.item for event in device.history.events()} | {
        one.item.id for one in device.recommend(12).suggestions
    }
    for path in TABS:
        post(client, "/history", search="Orbit", do="show")
        if path == "/":  # a search is over when one looks elsewhere
            post(client, "/find", text="Vinyl")
        page = client.get(path).text
        assert ("Vinyl" in page) is (path == "/")
        for address in re.findall(r'(?:href|action)="([^"]*)"', page):
            assert "Vinyl" not in address
            assert "Orbit" not in address
            assert not ids & set(re.split(r"[^\w]", address))
        title = re.search("<title>(.*?)</title>", page)
        assert title is not None
        assert title[1] in {
            f"{name} · Confidante" for name in ("For you", "Your data", "Sent from this device", "Settings")
        }


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "evil", "/a\nb"],
)
def test_a_form_leads_back_to_this_server_only(client: TestClient, back: str) -> None:
    data = {"secret": secret_of(client), "for": "3600", "back": back}
    answer = client.post("/pause", data=data, follow_redirects=False)
    assert answer.headers["location"] == "/switches"


def test_the_browsers_wish_not_to_share_is_noted_and_shown(device: Device, client: TestClient) -> None:
    assert "does not send this signal" in client.get("/switches").text
    client.headers["sec-gpc"] = "1"
    assert "asks not to share" in client.get("/switches").text
    assert device.consents.gpc
    assert "While it says so, no app can switch on" in client.get("/switches").text
    del client.headers["sec-gpc"]
    assert "does not send this signal" in client.get("/switches").text
    assert not device.consents.gpc


def test_states_are_said_in_words(device: Device, client: TestClient, tmp_path: Path) -> None:
    assert "Nothing has ever left this device." in client.get("/left").text
    assert "not protected" in client.get("/switches").text
    assert "No shared model is installed" in client.get("/").text
    device.settings.no_profiling = True
    assert "the same for everybody" in client.get("/").text
    device.settings.pause()
    assert "Learning is paused" in client.get("/").text
    assert "until you resume it" in client.get("/switches").text
    with Device(tmp_path / "empty", "a passphrase") as empty:
        page = page_client(empty)
        assert "How to begin" in page.get("/").text
        assert "Nothing to suggest yet" in page.get("/").text
        assert "Nothing you did is kept here" in page.get("/know").text
        assert "not protected" not in page.get("/switches").text


def test_the_first_screen_shows_hostile_titles_as_text_and_nothing_of_them_in_addresses(
    tmp_path: Path,
) -> None:
    hostile = "<script>alert(1)</script>\"'{{ 7*7 }}"
    with small_device(tmp_path / "p", events=False) as device:
        device.items.add([Item("x<b>", hostile, ("<i>Space</i>",))])
        client = page_client(device)
        page = post(client, "/welcome", do="find", text="script")
        assert html.escape(hostile) in page or html.escape(hostile, quote=False)[:20] in page
        assert "<script>alert" not in page
        assert "<i>" not in page
        assert "x<b>" not in html.unescape(page)
        handle = re.search(r'name="pick" value="([0-9a-f]{24})"><span><b>&lt;script', page)
        assert handle is not None
        assert "&lt;script&gt;" in post(client, "/welcome", do="done", pick=handle[1])
        assert [event.item for event in device.onboarding.picks] == ["x<b>"]


def test_the_first_screen_is_shown_only_while_it_makes_sense(tmp_path: Path) -> None:
    with small_device(tmp_path / "p", events=False) as device:
        client = page_client(device)
        assert "Pick three you love" in client.get("/").text
        device.settings.pause()
        assert "Pick three you love" not in client.get("/").text
        page = client.get("/welcome").text
        handle = re.search(r'name="pick" value="([0-9a-f]{24})"', page)
        assert handle is not None
        assert "nothing was noted" in post(client, "/welcome", do="done", pick=handle[1])
        assert device.history.count == 0
        device.settings.resume()
        device.settings.no_profiling = True
        assert "Pick three you love" not in client.get("/").text
        device.settings.no_profiling = False
        post(client, "/welcome", do="tick")  # nothing is ticked any more
        device.items.remove([item.id for item in device.items.list()])
        assert "Nothing to suggest yet" in client.get("/").text
        assert "There is nothing to pick from" in client.get("/welcome").text


def test_others_go_round_when_there_are_no_more(tmp_path: Path) -> None:
    with small_device(tmp_path / "p", events=False) as device:
        client = page_client(device)
        first = re.findall(r"<b>(The [^<]+)</b>", client.get("/welcome").text)
        others = re.findall(r"<b>(The [^<]+)</b>", post(client, "/welcome", do="others"))
        assert len(first) == 30
        assert len(others) == 10
        again = post(client, "/welcome", do="others")
        assert "There are no others" in again
        assert re.findall(r"<b>(The [^<]+)</b>", again) == first


def test_what_a_person_states_is_shown_and_removed(device: Device, client: TestClient) -> None:
    assert "There are no tables of groups here yet" in client.get("/know").text
    page = post(client, "/state", name="age", value="25-34 <b>")
    assert "25-34 &lt;b&gt;" in page
    assert device.settings.attributes == {"age": "25-34 <b>"}
    assert "Nothing was stated" in post(client, "/state", name="region", value="")
    assert "is stated no more" in post(client, "/state", name="age", do="remove")
    assert device.settings.attributes == {}


def test_the_group_that_is_used_is_shown_with_why(tmp_path: Path) -> None:
    with open_device(tmp_path / "person") as device:
        cohorts.keep(device._vault, "https://films.example", "films", release().encode(), WIRE.catalogue.ids)
        device.cohorts._installed()
        client = page_client(device)
        page = client.get("/know").text
        assert "<option>18-24</option><option>25-34</option>" in page
        assert "everyone" in re.sub(r"\s+", " ", page)
        page = post(client, "/state", name="age", value="18-24")
        assert "Popular with whom: <b>age 18-24</b>" in page
        assert "because you said age 18-24" in page
        assert "<option>" not in page[page.index('id="stated"') : page.index('id="history"')]
        device.onboarding.skip()
        assert "popular with people like: age 18-24" in client.get("/").text
        page = post(client, "/state", name="age", do="remove")
        page = post(client, "/state", name="age", value="25-34")
        assert "Your own group, age 25-34, is too small" in page


def test_a_pause_is_said_to_spare_imports_and_does(device: Device, client: TestClient) -> None:
    said = "a file that you import yourself still is"
    assert said in client.get("/switches").text
    device.settings.pause()
    assert said in client.get("/switches").text
    assert device.record("co1") is None
    before = device.history.count
    rows = "title,date\nThe Heist (1980),2026-05-01\n"
    fields = {"secret": secret_of(client), "do": "import"}
    client.post("/import", data=fields, files={"file": ("my.csv", rows)})
    assert device.history.count == before + 1


def test_what_left_is_shown_with_what_it_was_and_who_saw_what(device: Device, client: TestClient) -> None:
    device.consents.switch(Purpose.REFINE, True, how=PERSON)
    one = device.ledger.write(
        Purpose.REFINE, "refine 10", "https://example.org", b"sealed", {"items": 3}, "only that you asked"
    )
    device.ledger.attach_receipt(one.number, {"signed": "by <them>"})
    page = html.unescape(client.get("/left").text)
    for said in (
        "refine 10",
        "https://example.org",
        "6 bytes",
        '"items": 3',
        "only that you asked",
        "by <them>",
    ):
        assert said in page
    assert one.digest.hex() in page
    assert "List complete and unchanged" in page
    assert "1 of 4 sending switches on" in page


def test_what_each_alarm_means_is_told() -> None:
    assert set(MEANING) == set(Caught)


def test_an_alarm_stands_above_all_else_that_left_until_it_is_dismissed(
    device: Device, client: TestClient
) -> None:
    assert 'id="alarms"' not in client.get("/left").text
    evidence = {"hash shown now": "<ab>"}
    raised = sound(device._vault, "https://sums.example.org", Caught.LOG, "Another <log>.", evidence)
    assert "until alarm 1 is dismissed" in str(raised)
    shown = client.get("/left").text
    assert shown.index('id="alarms"') < shown.index('id="budget"')
    page = html.unescape(shown)
    for words_said in ("Another <log>.", MEANING[Caught.LOG], "https://sums.example.org", "<ab>"):
        assert words_said in page
    assert "&lt;ab&gt;" in shown
    after = post(client, "/alarm", alarm="1")
    assert "The alarm is dismissed" in after
    assert 'id="alarms"' not in after
    assert device.federation.alarms() == ()


def test_a_file_is_imported_and_leaves_no_copy(
    device: Device, client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "memory"
    place.mkdir()
    monkeypatch.setattr(private_folders, "_MEMORY", place)
    rows = "title,date\nThe Heist (1980),2026-05-01\nNever heard of it,2026-05-02\n"
    before = device.history.count
    for do, events in (("look", before), ("import", before + 1), ("import", before + 1)):
        answer = client.post(
            "/import", data={"secret": secret_of(client), "do": do}, files={"file": ("../../my.csv", rows)}
        )
        assert answer.status_code == HTTPStatus.OK
        assert "What came of the file" in answer.text
        assert "Never heard of it" in answer.text
        assert device.history.count == events
        assert list(place.iterdir()) == []


def test_an_import_asks_whose_rows_and_knows_lists_by_the_name_of_their_file(
    device: Device, client: TestClient
) -> None:
    def bring(name: str, rows: str, **fields: str) -> str:
        sent = {"secret": secret_of(client), "do": "import", **fields}
        return client.post("/import", data=sent, files={"file": (name, rows)}).text

    before = device.history.count
    rows = "title,date,user\nThe Heist (1980),2026-05-01,Mum\nThe Orbit (1980),2026-05-02,Kid\n"
    assert "several people" in bring("../family.csv", rows)
    assert device.history.count == before
    assert "What came of the file" in bring("../family.csv", rows, person="Kid")
    assert device.history.count == before + 1
    wanted = "Date,Name,Year,Letterboxd URI\n2026-05-01,The Heist,1980,u\n"
    bring("../watchlist-m\u00e9-2026.csv", wanted)
    assert [item.title for item in device.taste.saved] == ["The Heist (1980)"]
    assert device.history.count == before + 1


def left_behind(place: Path) -> Path:
    """A folder as an import leaves it when its process is killed: old, and locked by nobody."""
    folder = place / "confidante-killed"
    folder.mkdir(0o700)
    (folder / "history.csv").write_text("title,date\nA secret,2026-05-01\n")
    os.utime(folder, (1_780_000_000, 1_780_000_000))
    return folder


def test_what_a_killed_import_left_is_swept_away_by_the_next_server_and_by_erasing(
    device: Device, client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "memory"
    place.mkdir()
    monkeypatch.setattr(private_folders, "_MEMORY", place)
    elsewhere = left_behind(tmp_path)
    (place / "confidante-link").symlink_to(elsewhere)
    with private_folders.private_folder(place) as used:
        os.utime(used, (1_780_000_000, 1_780_000_000))
        killed = [left_behind(place), left_behind(device.folder)]
        stops: list[Callable[[], None]] = []
        serve(device, started=lambda _: stops[0](), stopper=stops.append)
        assert not any(folder.exists() for folder in killed)
        killed = [left_behind(place)]
        post(client, "/erase", word="ERASE")
        assert not killed[0].exists()
        assert used.is_dir()  # an import that is going on
    assert (elsewhere / "history.csv").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.json", b'[{"a":' * 50_000), ("x.zip", b"PK\3\4nonsense"), ("x.csv", b"\0" * 1000), ("", b"")],
)
def test_a_file_that_is_no_history_is_refused_in_words(
    device: Device, client: TestClient, name: str, data: bytes
) -> None:
    before = device.history.count
    answer = client.post(
        "/import", data={"secret": secret_of(client), "do": "import"}, files={"file": (name, data)}
    )
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "Traceback" not in answer.text
    assert device.history.count == before


def test_the_export_is_a_download_of_everything(client: TestClient) -> None:
    answer = client.get("/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="confidante.jsonl"'
    assert "The Orbit (1980)" in answer.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/retention", {"events": "0"}),
        ("/retention", {"events": "x"}),
        ("/retention", {"events": "10", "days": "nan"}),
        ("/pause", {"for": "-5"}),
        ("/budget", {"limit": "inf"}),
        ("/taste", {"label": "Nothing", "do": "1"}),
        ("/taste", {"label": "Space", "do": "9"}),
        ("/wish", {"item": "0" * 24, "wish": "less"}),
        ("/forget", {"event": "12345"}),
        ("/forget", {"since": "31.12.2026"}),
        ("/history", {"since": "soon"}),
        ("/undo", {"token": "gone"}),
        ("/switch", {"purpose": "everything", "on": "1"}),
        ("/find", {"text": "x" * 201}),
        ("/welcome", {"do": "dance"}),
        ("/refining", {"do": "dance"}),
        ("/refining", {"do": "refresh"}),
        ("/refining", {"do": "setup", "url": "file:///etc/passwd", "population": "x", "relay": "https://r"}),
        ("/state", {"name": "age", "do": "remove"}),
        ("/state", {"name": "x" * 65, "value": "y"}),
        ("/welcome", {"do": "find", "text": "x" * 201}),
        ("/welcome", {"do": "done", "pick": "x" * 501}),
    ],
)
def test_nonsense_is_refused_in_words(client: TestClient, path: str, fields: dict[str, str]) -> None:
    answer = client.post(path, data={"secret": secret_of(client), **fields})
    assert answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)
    assert "<h1>" in answer.text
    assert "Traceback" not in answer.text


def test_erasing_needs_the_word_and_then_leaves_nothing(device: Device, client: TestClient) -> None:
    assert "Nothing was erased" in post(client, "/erase", word="erase")
    assert device.history.count == 5
    assert "Nothing is left to show" in post(client, "/erase", word="ERASE")


def share(kind: ReasonKind, points: float, subject: str = "x") -> Reason:
    return Reason(kind, subject, points)


def test_shares_add_up_and_name_the_heaviest_events_first() -> None:
    reasons = [share(ReasonKind.EVENT, float(points), str(points)) for points in (1, 2, 3, 4, 5)]
    reasons += [share(ReasonKind.POPULARITY, 3.0, ""), share(ReasonKind.TASTE, -2.0, "Crime")]
    found = wording.shares(reasons)
    assert [one.label for one in found] == [
        "5",
        "4",
        "3",
        "your other events",
        "popular with everyone",
        "against it: your taste: Crime",
    ]
    assert sum(one.percent for one in found) == pytest.approx(100)
    assert [one.left for one in found] == pytest.approx([0, 25, 45, 60, 75, 90])


def test_nothing_speaking_either_way_is_an_empty_bar() -> None:
    assert wording.shares([]) == ()
    assert wording.shares([share(ReasonKind.POPULARITY, 0.0, "")]) == ()


def test_figures_are_written_out() -> None:
    assert [wording.figure_words(value) for value in (8.0, 0.123456, 1e-5, 0.0)] == [
        "8",
        "0.123",
        "0.00001",
        "0",
    ]
    assert wording.points_words(-0.5) == "\N{MINUS SIGN}0.5000"
    assert [wording.size_words(size) for size in (6, 4_200, 2_100_000)] == ["6 bytes", "4.2 kB", "2.1 MB"]
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


def test_a_day_is_from_its_first_moment_to_the_next_days() -> None:
    start, end = wording.day_start("2026-01-31"), wording.day_start("2026-01-31", after=True)
    assert start is not None
    assert end is not None
    assert end - start == pytest.approx(86_400, abs=3601)
    assert wording.day_start("") is None


def test_the_link_reaches_the_browser_by_a_file_of_this_user_that_goes_when_it_was_used(
    device: Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    seen = threading.Event()

    def browser(address: str) -> bool:
        shown.append(address)
        seen.set()
        return True

    stops: list[Callable[[], None]] = []
    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setattr(page_server, "serve", partial(serve, stopper=stops.append))
    thread = threading.Thread(target=lambda: open_page(device))
    thread.start()
    try:
        assert seen.wait(30)
        assert shown[0].startswith("file:///")
        assert "token" not in shown[0]
        path = Path(url2pathname(urlsplit(shown[0]).path))
        assert path.is_relative_to(device.folder)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        (link,) = re.findall(r'href="([^"]+)"', path.read_text())
        assert link in capsys.readouterr().out
        assert httpx.get(link, trust_env=False).status_code == HTTPStatus.SEE_OTHER
        assert not path.parent.exists()
    finally:
        stops[0]()
        thread.join(30)
    assert not thread.is_alive()


def test_an_unused_link_goes_with_the_server(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Path] = []
    stops: list[Callable[[], None]] = []

    def browser(address: str) -> bool:
        shown.append(Path(url2pathname(urlsplit(address).path)))
        assert shown[0].exists()
        stops[0]()
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setattr(page_server, "serve", partial(serve, stopper=stops.append))
    open_page(device)
    assert not shown[0].parent.exists()


def test_idle_connections_lock_nobody_out_and_end(device: Device) -> None:
    """Anybody on this machine may connect, and say nothing, or the beginning of something."""
    with served(device) as (link, _), ExitStack() as sockets:
        place = urlsplit(link)
        began = [b"", b"GET / HTTP/1.1\r\nHost: ", b"GET /static/page.css HTTP/1.1\r\nhost: x\r\n\r\n"]
        idle = []
        for number in range(3 * CONNECTIONS):
            made = sockets.enter_context(socket.create_connection((place.hostname or "", place.port or 0)))
            made.sendall(began[number % len(began)])
            idle.append(made)
        assert httpx.get(link, trust_env=False, timeout=30).status_code == HTTPStatus.SEE_OTHER
        end = time.monotonic() + 60
        for one in idle:
            one.settimeout(max(end - time.monotonic(), 0.1))
            with suppress(ConnectionError):
                while one.recv(1 << 16):
                    pass
