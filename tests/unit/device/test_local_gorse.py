"""The endpoints that Gorse has: what a Gorse client sends is understood, and it gets back what it expects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_world import api_client, small_device
from starlette.testclient import TestClient

from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Purpose


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile") as made:
        yield made


@pytest.fixture
def client(device: Device) -> TestClient:
    return api_client(device)


def feedback(item: str, kind: str = "star", **fields: object) -> dict[str, object]:
    return {
        "FeedbackType": kind,
        "UserId": "me",
        "ItemId": item,
        "Timestamp": "2026-02-24T10:00:00Z",
        **fields,
    }


def test_health_needs_no_key(client: TestClient) -> None:
    expected = {
        "Ready": True,
        "DataStoreError": None,
        "CacheStoreError": None,
        "DataStoreConnected": True,
        "CacheStoreConnected": True,
    }
    for name in ("live", "ready"):
        assert client.get(f"/api/health/{name}", headers={"x-api-key": ""}).json() == expected


def test_feedback_goes_in_and_comes_out(device: Device, client: TestClient) -> None:
    before = device.history.count
    answer = client.post(
        "/api/feedback", json=[feedback("cr1", Value=4.0, Comment="with Bo"), feedback("cr2")]
    )
    assert answer.json() == {"RowAffected": 2}
    assert device.history.count == before + 2
    kept = {
        "FeedbackType": "star",
        "UserId": "ada",
        "ItemId": "cr1",
        "Value": 4.0,
        "Timestamp": "2026-02-24T10:00:00Z",
        "Comment": "with Bo",
    }
    assert client.get("/api/feedback/star/me/cr1").json() == kept
    assert client.get("/api/feedback/ada/cr1").json() == [kept]
    assert client.get("/api/item/cr1/feedback/star").json() == [kept]
    assert [one["ItemId"] for one in client.get("/api/user/me/feedback/star").json()] == ["cr2", "cr1"]
    assert len(client.get("/api/user/me/feedback").json()) == before + 2


def test_post_leaves_what_exists_and_put_replaces_it(client: TestClient) -> None:
    client.post("/api/feedback", json=[feedback("cr1", Comment="first")])
    assert client.post("/api/feedback", json=[feedback("cr1", Comment="second")]).json() == {"RowAffected": 1}
    assert client.get("/api/feedback/star/me/cr1").json()["Comment"] == "first"
    assert client.put("/api/feedback", json=[feedback("cr1", Comment="second")]).json() == {"RowAffected": 1}
    assert [one["Comment"] for one in client.get("/api/feedback/me/cr1").json()] == ["second"]


def test_putting_the_same_again_changes_nothing(device: Device, client: TestClient) -> None:
    client.put("/api/feedback", json=[feedback("cr1")])
    number = device.history.events(limit=1)[0].number
    client.put("/api/feedback", json=[feedback("cr1")])
    assert number in {event.number for event in device.history.events()}


def test_feedback_on_an_unknown_item_makes_the_item(device: Device, client: TestClient) -> None:
    client.post("/api/feedback", json=[feedback("gorse-io:gorse")])
    assert device.items.get("gorse-io:gorse").title == "gorse-io:gorse"


def test_nothing_is_kept_while_learning_is_off_or_paused(device: Device, client: TestClient) -> None:
    before, items = device.history.count, device.items.count
    device.settings.pause()
    assert client.post("/api/feedback", json=[feedback("new")]).json() == {"RowAffected": 0}
    device.settings.resume()
    device.consents.switch(Purpose.LEARN, False, how=PERSON)
    assert client.put("/api/feedback", json=[feedback("new")]).json() == {"RowAffected": 0}
    assert (device.history.count, device.items.count) == (before, items)


def test_feedback_is_listed_by_pages(device: Device, client: TestClient) -> None:
    found, cursor = [], ""
    while True:
        page = client.get("/api/feedback", params={"n": 2, "cursor": cursor}).json()
        assert len(page["Feedback"]) <= 2
        found += page["Feedback"]
        cursor = page["Cursor"]
        if not cursor:
            break
    assert [one["ItemId"] for one in found] == [event.item for event in device.history.events()]
    assert client.get("/api/feedback/view", params={"n": 100}).json()["Feedback"] == found
    assert client.get("/api/feedback/star").json() == {"Cursor": "", "Feedback": []}


def test_deleting_feedback_forgets_it(device: Device, client: TestClient) -> None:
    client.post("/api/feedback", json=[feedback("sp0"), feedback("cr1"), feedback("cr1", "read")])
    assert client.delete("/api/feedback/read/me/cr1").json() == {"RowAffected": 1}
    assert client.delete("/api/feedback/me/sp0").json() == {"RowAffected": 2}
    assert client.delete("/api/feedback/me/nothing").json() == {"RowAffected": 0}
    kept = [(event.kind, event.item) for event in device.history.events()]
    assert ("star", "cr1") in kept
    assert ("read", "cr1") not in kept
    assert "sp0" not in {item for _, item in kept}


def test_another_user_is_not_here(client: TestClient) -> None:
    for answer in (
        client.get("/api/recommend/bob"),
        client.get("/api/user/bob/feedback"),
        client.post("/api/feedback", json=[{**feedback("sp0"), "UserId": "bob"}]),
        client.post("/api/user", json={"UserId": "bob"}),
    ):
        assert answer.status_code == 404
        assert "one person" in answer.json()["error"]["what"]


def test_recommend_returns_ids_as_the_device_ranks_them(device: Device, client: TestClient) -> None:
    best = [one.item.id for one in device.recommend(6).suggestions]
    assert client.get("/api/recommend/me", params={"n": 6}).json() == best
    assert client.get("/api/recommend/ada", params={"n": 2, "offset": 3}).json() == best[3:5]
    crime = client.get("/api/recommend/me/Crime", params={"n": 40}).json()
    assert crime
    assert all("Crime" in device.items.get(one).labels for one in crime)
    both = client.get("/api/recommend/me", params={"category": ["Crime", "Comedy"], "n": 40}).json()
    assert both
    assert all({"Crime", "Comedy"} <= set(device.items.get(one).labels) for one in both)


def test_write_back_keeps_what_was_returned_as_feedback(device: Device, client: TestClient) -> None:
    params = {"n": 2, "write-back-type": "read", "write-back-delay": "1h0m0s"}
    first = client.get("/api/recommend/me", params=params).json()
    assert {event.item for event in device.history.events() if event.kind == "read"} == set(first)
    assert not set(first) & set(client.get("/api/recommend/me", params={"n": 2}).json())
    assert client.get("/api/recommend/me", params={"write-back-delay": "soon"}).status_code == 400


def test_alike_items_under_both_names(device: Device, client: TestClient) -> None:
    alike = [{"Id": item.id, "Score": score} for item, score in device.recommender.similar_items("sp0", 4)]
    assert client.get("/api/item/sp0/neighbors", params={"n": 4}).json() == alike
    assert client.get("/api/item-to-item/whatever/sp0", params={"n": 4}).json() == alike
    assert client.get("/api/item/sp0/neighbors", params={"n": 2, "offset": 1}).json() == alike[1:3]
    unseen = client.get("/api/item/sp0/neighbors", params={"n": 40, "user-id": "me"}).json()
    assert not {one["Id"] for one in unseen} & {event.item for event in device.history.events()}
    assert client.get("/api/item/nothing/neighbors").status_code == 404


def test_without_profiling_alike_items_are_the_same_for_everybody(device: Device, client: TestClient) -> None:
    device.settings.no_profiling = True
    for path in ("/api/item/sp0/neighbors", "/api/item-to-item/whatever/sp0"):
        anybody = client.get(path, params={"n": 40}).json()
        assert {one["Id"] for one in anybody} & {event.item for event in device.history.events()}
        assert client.get(path, params={"n": 40, "user-id": "me"}).json() == anybody


def test_a_session_is_answered_from_itself_alone_and_leaves_no_trace(
    device: Device, client: TestClient
) -> None:
    before = device.history.events()
    body = [feedback("co0", UserId="somebody"), feedback("unknown")]
    answer = client.post("/api/session/recommend", json=body, params={"n": 3}).json()
    expected = [
        {"Id": one.item.id, "Score": one.score} for one in device.recommender.session(["co0"], 3).suggestions
    ]
    assert answer == expected
    assert device.history.events() == before


def test_items_come_and_go(device: Device, client: TestClient) -> None:
    item = {
        "ItemId": "new",
        "Categories": ["Space"],
        "Labels": {"genre": ["Space", "Noir"], "by": "Ada", "embedding": [0.1, 0.2]},
        "Comment": "A new one",
        "Timestamp": "2020-01-01",
    }
    assert client.post("/api/item", json=item).json() == {"RowAffected": 1}
    kept = client.get("/api/item/new").json()
    assert (kept["ItemId"], kept["Comment"], kept["Labels"]) == ("new", "A new one", ["Space", "Noir", "Ada"])
    assert client.patch("/api/item/new", json={"Comment": "Another"}).json() == {"RowAffected": 1}
    assert device.items.get("new").title == "Another"
    assert device.items.get("new").labels == ("Space", "Noir", "Ada")
    client.put("/api/item/new/category/Jazz")
    client.delete("/api/item/new/category/Noir")
    assert device.items.get("new").labels == ("Space", "Ada", "Jazz")
    client.patch("/api/item/new", json={"IsHidden": True})
    assert "new" not in client.get("/api/recommend/me", params={"n": 100}).json()
    assert client.get("/api/item/nothing").status_code == 404
    assert client.patch("/api/item/nothing", json={}).status_code == 404


def test_deleting_an_item_forgets_the_feedback_on_it(device: Device, client: TestClient) -> None:
    assert client.delete("/api/item/sp0").json() == {"RowAffected": 1}
    assert "sp0" not in {event.item for event in device.history.events()}
    assert "sp0" not in client.get("/api/recommend/me", params={"n": 100}).json()
    assert client.delete("/api/item/nothing").json() == {"RowAffected": 0}


def test_items_are_listed_by_pages(device: Device, client: TestClient) -> None:
    found, cursor = [], ""
    while True:
        page = client.get("/api/items", params={"n": 7, "cursor": cursor}).json()
        found += [item["ItemId"] for item in page["Items"]]
        cursor = page["Cursor"]
        if not cursor:
            break
    assert len(found) == len(set(found)) == device.items.count


def test_the_user_is_the_person(device: Device, client: TestClient) -> None:
    assert client.post("/api/user", json={"UserId": "ada"}).json() == {"RowAffected": 1}
    assert client.get("/api/user/me").json()["UserId"] == "ada"
    assert client.delete("/api/user/ada").json() == {"RowAffected": 1}
    assert device.history.count == 0


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"{}",
        b"null",
        b'[{"FeedbackType":"star","UserId":"me"}]',
        b'[{"FeedbackType":"","UserId":"me","ItemId":"sp0"}]',
        b'[{"FeedbackType":"star","UserId":"me","ItemId":"sp0","Timestamp":"yesterday"}]',
        b'[{"FeedbackType":"star","UserId":"me","ItemId":"sp0","Timestamp":"1600-01-01"}]',
        b'[{"FeedbackType":"star","UserId":"me","ItemId":"sp0","Value":NaN}]',
        b'[{"FeedbackType":"star","UserId":"me","ItemId":"sp0\\u0000"}]',
        b'[{"FeedbackType":"star","UserId":"me","ItemId":"\\ud800"}]',
        b"[" * 100_000,
    ],
)
def test_nonsense_is_refused_with_a_sentence_and_changes_nothing(
    device: Device, client: TestClient, body: bytes
) -> None:
    before = device.history.count, device.items.count
    for path in ("/api/feedback", "/api/session/recommend"):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["error"]["what"]
        assert "Traceback" not in answer.text
    assert (device.history.count, device.items.count) == before


def test_a_time_that_go_writes_for_none_is_now(device: Device, client: TestClient) -> None:
    for item, time in (("cr1", "0001-01-01T00:00:00Z"), ("cr2", "")):
        client.post("/api/feedback", json=[feedback(item, Timestamp=time)])
        assert device.history.events(limit=1)[0].item == item
