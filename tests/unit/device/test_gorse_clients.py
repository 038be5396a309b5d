"""Gorse's own clients against a real server of this device: PyGorse as it is, gorsejs as it was recorded."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gorse import AsyncGorse, Gorse, GorseException
from local_world import api_client, small_device

from confidante.device.device import Device
from confidante.device.web.gorse import GorseConfig
from confidante.device.web.security import new_api_key
from confidante.device.web.server import serve

RECORDED = Path(__file__).parent / "gorsejs_requests.json"  # tools/record_gorsejs.sh made it
TIME = "2026-02-24T10:00:00Z"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile") as made:
        yield made


@pytest.fixture
def address(device: Device) -> Iterator[tuple[str, str]]:
    """Where the server is, and its key."""
    key, links, listening = new_api_key(device.settings), list[str](), threading.Event()
    stops: list[Callable[[], None]] = []

    def started(link: str) -> None:
        links.append(link)
        listening.set()

    server = threading.Thread(
        target=lambda: serve(device, gorse=GorseConfig(), started=started, stopper=stops.append)
    )
    server.start()
    try:
        assert listening.wait(20)
        yield links[0].partition("/?")[0], key
    finally:
        stops[0]()
        server.join(20)


@pytest.fixture
def client(address: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Gorse:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Gorse(*address, timeout=20)


def test_pygorse_gets_scored_lists_and_what_it_wrote_back_is_left_out(client: Gorse, device: Device) -> None:
    best = device.recommend(3).suggestions
    found = client.get_recommend("me", n=3, write_back_type="read")
    assert [(one.id, one.score) for one in found] == [(one.item.id, one.score) for one in best]
    assert not {one.id for one in client.get_recommend("me", n=3)} & {one.id for one in found}
    crime = client.get_recommend("me", "Crime", n=2, offset=1)
    assert all("Crime" in device.items.get(one.id).labels for one in crime)
    read = client.list_feedbacks("read", "me")
    assert {one["ItemId"] for one in read} == {one.id for one in found}


def test_pygorse_gives_feedback_and_gets_it_back(client: Gorse) -> None:
    assert client.insert_feedback("like", "me", "cr1", TIME) == {"RowAffected": 1}
    batch = [
        {"FeedbackType": "read", "UserId": "me", "ItemId": item, "Timestamp": TIME} for item in ("cr2", "cr3")
    ]
    assert client.insert_feedbacks(batch) == {"RowAffected": 2}
    empty = {"Value": 0, "Updated": TIME, "Comment": ""}
    by_item = sorted(client.list_feedbacks("read", "me"), key=lambda one: one["ItemId"])
    assert by_item == [{**one, **empty} for one in batch]
    found, cursor = client.get_feedbacks(5)
    rest, end = client.get_feedbacks(5, cursor)
    assert (len(found), len(rest), end) == (5, 3, "")
    assert client.delete_feedback("me", "cr2") == {"RowAffected": 1}
    assert [one["ItemId"] for one in client.list_feedbacks("read", "me")] == ["cr3"]


def test_pygorse_keeps_items_and_what_it_hid_stays_hidden(client: Gorse) -> None:
    item = {
        "ItemId": "100",
        "IsHidden": True,
        "Labels": ["a", "b", "c"],
        "Categories": ["d", "e"],
        "Timestamp": TIME,
        "Comment": "comment",
    }
    assert client.insert_item(item) == {"RowAffected": 1}
    assert client.get_item("100") == item
    assert client.update_item("100", comment="comet") == {"RowAffected": 1}
    assert client.get_item("100") == {**item, "Comment": "comet"}
    assert "100" not in {one.id for one in client.get_recommend("me", n=100)}
    client.update_item("100", is_hidden=False)
    assert {one["ItemId"] for one in client.search_items("comet")} == {"100", "sp2"}
    found, cursor = client.get_items(30)
    rest, end = client.get_items(30, cursor)
    assert (len(found), len(rest), end) == (30, 11, "")
    assert client.delete_item("100") == {"RowAffected": 1}
    with pytest.raises(GorseException) as refused:
        client.get_item("100")
    assert (refused.value.status_code, refused.value.message) == (404, "there is no item '100'")


def test_pygorse_asks_for_alike_items_and_for_sessions(client: Gorse, device: Device) -> None:
    alike = device.recommender.similar_items("sp0", 3)
    assert client.get_neighbors("sp0", n=3) == [{"Id": one.id, "Score": score} for one, score in alike]
    session = [
        {"FeedbackType": "like", "UserId": "0", "ItemId": "co0", "Timestamp": "2010-01-01T01:01:01.000001"}
    ]
    best = device.recommender.session(["co0"], 2).suggestions
    assert client.session_recommend(session, n=2) == [{"Id": one.item.id, "Score": one.score} for one in best]


def test_pygorse_knows_the_one_user(client: Gorse, device: Device) -> None:
    assert client.insert_user({"UserId": "me"}) == {"RowAffected": 1}
    assert client.insert_users([{"UserId": "me"}]) == {"RowAffected": 1}
    assert client.get_user("me")["UserId"] == "me"
    assert [one["UserId"] for one in client.get_users(10)[0]] == ["me"]
    with pytest.raises(GorseException) as refused:
        client.get_user("bob")
    assert refused.value.status_code == 404
    assert client.delete_user("me") == {"RowAffected": 1}
    assert device.history.count == 0


def test_the_asynchronous_pygorse_is_answered_as_well(address: tuple[str, str], device: Device) -> None:
    best = [one.item.id for one in device.recommend(2).suggestions]

    async def ask() -> list[str]:
        return [one.id for one in await AsyncGorse(*address).get_recommend("me", n=2)]

    assert asyncio.run(ask()) == best


def test_every_request_of_gorsejs_is_answered_as_it_reads_the_answer(device: Device) -> None:
    client, answers = api_client(device), dict[str, list[object]]()
    for one in json.loads(RECORDED.read_text())["requests"]:
        headers = {**one["headers"], "x-api-key": client.headers["x-api-key"]}
        answer = client.request(
            one["method"], one["path"], headers=headers, content=one["body"], follow_redirects=False
        )
        assert answer.status_code == 200, (one, answer.text)
        answers.setdefault(one["call"], []).append(answer.json())
    row = {"RowAffected": 1}
    for call in (
        "insertUser",
        "upsertItem",
        "updateItem",
        "insertItemCategory",
        "upsertFeedbacks",
        "deleteItem",
    ):
        assert answers[call] == [row]
    assert answers["upsertItems"] == answers["insertFeedbacks"] == [{"RowAffected": 2}]
    hidden = answers["getItem"][1]
    assert isinstance(hidden, dict)
    assert (hidden["IsHidden"], hidden["Comment"], hidden["Categories"]) == (
        True,
        "Still hidden",
        ["Space", "Music"],
    )
    first, second = answers["getItems"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert second["Items"][0]["ItemId"] == "sp2"  # it goes on where `Cursor` says
    for call in ("getPopular", "getLatest", "getItemNeighbors", "getSessionRecommend"):
        for scored in answers[call]:
            assert isinstance(scored, list)
            assert len(scored) == 3
            assert set(scored[0]) == {"Id", "Score"}
    ids, _crime = answers["getRecommend"]
    assert isinstance(ids, list)
    assert all(isinstance(one, str) for one in ids)
    (liked,) = answers["getFeedback"]
    assert isinstance(liked, dict)
    assert liked["Timestamp"] == "2022-02-25T00:00:00Z"
