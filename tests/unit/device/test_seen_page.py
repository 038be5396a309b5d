"""What was had on the page, in the local API and on the command line: seen, taken away, and kept or not."""

import io
import json
import re
from pathlib import Path

import pytest
from local_world import api_client, page_client, post, small_device

from confidante import Device, InsecurePlaintextKey, Retention
from confidante.cli.app import run


@pytest.fixture
def device(tmp_path: Path):
    with small_device(tmp_path / "profile") as one:
        yield one


def had(device: Device) -> list[str]:
    return [one.item.id for one in device.history.seen.list(100)]


def handle_of(text: str, title: str) -> str:
    part = text[text.index(f"Suggest again: {title}") - 400 :]
    found = re.search(r'name="item" value="([0-9a-f]+)"', part)
    assert found is not None
    return found[1]


def test_the_page_lists_what_was_had_and_takes_one_off_with_undo(
    device: Device,
) -> None:
    device.settings.retention = Retention(events=2)
    client = page_client(device)
    text = client.get("/know").text
    assert "<b>5 items you have had</b>" in text
    assert "also where what you did is too old to be kept" in text
    (title,) = [one.item.title for one in device.history.seen.list() if one.item.id == "sp0"]
    said = post(client, "/seen", item=handle_of(text, title), back="/know")
    assert f"“{title}” may be suggested again." in said
    assert "sp0" not in had(device)
    token = re.search(r'name="token" value="([^"]+)"', said)
    assert token is not None
    assert "Taken back." in post(client, "/undo", token=token[1])
    assert "sp0" in had(device)


def test_the_page_shows_long_lists_in_parts(device: Device) -> None:
    device.history.seen.mark([item.id for item in device.items.list(40)], at=1.7e9)
    client = page_client(device)
    text = client.get("/know").text
    assert "<b>40 items you have had</b>" in text
    assert text.count("Suggest again:") == 25
    older = re.search(r'href="(/know\?after=[0-9a-f]+)#had"', text)
    assert older is not None
    rest = client.get(older[1]).text
    assert rest.count("Suggest again:") == 15
    assert '#had">Newest' in rest


def test_the_page_says_what_forgetting_lets_in_again(device: Device) -> None:
    client = page_client(device)
    text = post(client, "/forget", everything="1")
    assert "5 items may be suggested again" in text
    assert "Nothing. What you have had shows up here" in client.get("/know").text


def test_the_page_keeps_what_was_had_or_not_as_the_person_ticks(device: Device) -> None:
    client = page_client(device)
    assert re.search(r'name="keep_seen" value="1" checked', client.get("/switches").text)
    device.settings.retention = Retention(events=2)
    asked = post(client, "/retention", events="2")
    assert "3 items that you have had may be suggested again" in asked
    assert ">Forget 3 and keep it so</button>" in asked
    assert (device.settings.retention.keep_seen, device.history.seen.count) == (True, 5)
    said = post(client, "/retention", events="2", sure="1")
    assert "3 items may be suggested again then." in said
    token = re.search(r'name="token" value="([^"]+)"', said)
    assert token is not None
    assert "Taken back" in post(client, "/undo", token=token[1])
    assert (device.settings.retention.keep_seen, device.history.seen.count) == (True, 5)


def test_the_api_lists_marks_unmarks_and_sets(device: Device) -> None:
    client = api_client(device)
    assert client.get("/api/v1/health").json()["seen"] == 5
    assert client.post("/api/v1/seen", json={"items": ["mu1", "mu2"]}).json() == {"seen": 7}
    listed = client.get("/api/v1/seen", params={"limit": 2}).json()
    assert {one["item"]["id"] for one in listed} == {"mu1", "mu2"}
    assert len(client.get("/api/v1/seen", params={"after": listed[-1]["item"]["id"]}).json()) == 5
    gone = client.post("/api/v1/seen/unmark", json={"items": ["mu1", "sp0"], "undo_seconds": 60}).json()
    assert (gone["events"], gone["seen"]) == (0, 2)
    assert client.get("/api/v1/health").json()["seen"] == 5
    client.post("/api/v1/undo", json={"undo": gone["undo"]})
    assert client.get("/api/v1/health").json()["seen"] == 7
    assert client.post("/api/v1/seen", json={"items": ["nowhere"]}).status_code == 404
    kept = {"events": 2, "days": None, "keep_seen": False}
    assert client.get("/api/v1/retention").json() == {"events": 500, "days": None, "keep_seen": True}
    assert client.put("/api/v1/retention", json=kept).json() == kept
    assert device.settings.retention == Retention(2, None, keep_seen=False)


def test_the_command_line_lists_marks_unmarks_and_sets(tmp_path: Path, capsys, monkeypatch) -> None:
    small_device(tmp_path / "profile").close()
    at = ["--profile", str(tmp_path / "profile")]

    def told(*words: str) -> str:
        capsys.readouterr()
        assert run(["profile", *words, *at]) == 0
        return str(capsys.readouterr().out)

    assert "5 items you have had" in told("seen")
    assert "[sp0]" in told("seen", "--search", "orbit")
    found = json.loads(told("seen", "--mark", "mu1", "--unmark", "The Orbit (1980)", "--json"))
    assert (found["count"], found["marked"], found["unmarked"]) == (5, 1, 1)
    assert "that you had something stays known" in told("retention")
    assert json.loads(told("retention", "--events", "2", "--yes", "--json")) == {
        "events": 2,
        "days": None,
        "keep_seen": True,
    }
    assert "is forgotten with its last event" in told("retention", "--no-keep-seen", "--yes")
    with Device(tmp_path / "profile", InsecurePlaintextKey()) as device:
        assert device.settings.retention == Retention(2, None, keep_seen=False)
    assert json.loads(told("forget", "--item", "sp4", "--json")) == {"forgotten": 1, "seen": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody confirms
    assert run(["profile", "retention", "--events", "0", *at]) != 0
