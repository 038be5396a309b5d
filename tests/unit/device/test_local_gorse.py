"""The endpoints that Gorse has: what a Gorse client sends is understood, and it gets back what it expects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_world import api_client, small_device
from starlette.testclient import TestClient

from confidante.core.values import Item
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
        "Updated": "2026-02-24T10:00:00Z",
        "Comment": "with Bo",
    }
    assert client.get("/api/feedback/star/me/cr1").json() == kept
    assert client.get("/api/feedback/ada/cr1").json() == [kept]
    assert client.get("/api/item/cr1/feedback/star").json() == [kept]
    assert [one["ItemId"] for one in client.get("/api/user/me/feedback/star").json()] == ["cr2", "cr1"]
    assert len(client.get("/api/user/me/feedback").json()) == before + 2


def test_post_adds_values_up_and_put_replaces(client: TestClient) -> None:
    client.post("/api/feedback", json=[feedback("cr1", Value=2, Comment="first")])
    later = feedback("cr1", Value=3, Comment="second", Timestamp="2026-03-01")
    assert client.post("/api/feedback", json=[later]).json() == {"RowAffected": 1}
    (kept,) = client.get("/api/feedback/me/cr1").json()
    assert (kept["Value"], kept["Comment"], kept["Timestamp"]) == (5, "second", "2026-02-24T10:00:00Z")
    assert client.put("/api/feedback", json=[later]).json() == {"RowAffected": 1}
    (kept,) = client.get("/api/feedback/me/cr1").json()
    assert (kept["Value"], kept["Timestamp"]) == (3, "2026-03-01T00:00:00Z")


def test_of_the_same_feedback_twice_in_a_batch_the_first_counts(client: TestClient) -> None:
    twice = [feedback("cr1", Value=2), feedback("cr1", Value=7)]
    assert client.put("/api/feedback", json=twice).json() == {"RowAffected": 2}
    assert [one["Value"] for one in client.get("/api/feedback/me/cr1").json()] == [2]


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
    client.post("/api/feedback", json=[feedback("sp0"), feedback("cr1"), feedback("cr1", "read", Value=1)])
    assert client.delete("/api/feedback/read/me/cr1").json() == {"RowAffected": 1}
    assert client.delete("/api/feedback/me/sp0").json() == {"RowAffected": 2}
    assert client.delete("/api/feedback/me/nothing").json() == {"RowAffected": 0}
    kept = [(event.kind, event.item) for event in device.history.events()]
    assert ("star", "cr1") in kept
    assert client.get("/api/feedback/me/cr1").json()[0]["FeedbackType"] == "star"
    assert "sp0" not in {item for _, item in kept}


def test_another_user_is_not_here(client: TestClient) -> None:
    for answer in (
        client.get("/api/recommend/bob"),
        client.get("/api/user/bob/feedback"),
        client.post("/api/feedback", json=[{**feedback("sp0"), "UserId": "bob"}]),
        client.post("/api/user", json={"UserId": "bob"}),
    ):
        assert answer.status_code == 404
        assert "one person" in answer.text


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


def test_version_2_gives_the_scores_too(device: Device, client: TestClient) -> None:
    best = [{"Id": one.item.id, "Score": one.score} for one in device.recommend(3).suggestions]
    for path in ("/api/recommend/me", "/api/recommend/me/", "/api/collaborative-filtering/me"):
        assert client.get(path, params={"n": 3}, headers={"x-api-version": "2"}).json() == best
    crime = client.get("/api/recommend/me/Crime", params={"n": 1}, headers={"x-api-version": "2"}).json()
    assert set(crime[0]) == {"Id", "Score"}
    assert client.get("/api/recommend/me", headers={"x-api-version": "1"}).json()[:3] == [
        one["Id"] for one in best
    ]


def test_latest_goes_by_the_time_of_items(client: TestClient) -> None:
    times = {"old": "1995-05-01", "new": "2026-10-01T12:00:00+02:00", "none": ""}
    client.post("/api/items", json=[{"ItemId": name, "Timestamp": at} for name, at in times.items()])
    latest = client.get("/api/latest", params={"n": 3}).json()
    assert [one["Id"] for one in latest] == ["new", "old", "none"]
    assert [one["Score"] for one in latest] == [1790848800, 799286400, -62135596800]
    client.post("/api/feedback", json=[feedback("new", "read")])
    unread = client.get("/api/latest/", params={"n": 1, "user-id": "me"}).json()
    assert [one["Id"] for one in unread] == ["old"]
    crime = client.get("/api/latest/Crime", params={"n": 2}).json()
    assert [one["Id"] for one in crime] == ["cr9", "cr8"]


def test_popular_items_are_what_everyone_gets(device: Device, client: TestClient) -> None:
    everyone = [
        {"Id": one.item.id, "Score": one.score} for one in device.recommender.session((), 40).suggestions
    ]
    for path in ("/api/popular", "/api/popular/", "/api/non-personalized/most_starred_weekly"):
        assert client.get(path, params={"n": 40}).json() == everyone
    assert client.get("/api/popular", params={"n": 2, "offset": 3}).json() == everyone[3:5]
    unread = client.get("/api/popular", params={"n": 40, "user-id": "me"}).json()
    assert not {one["Id"] for one in unread} & {event.item for event in device.history.events()}
    crime = client.get("/api/popular/Crime", params={"n": 40}).json()
    assert len(crime) == 10


def test_a_search_finds_items_with_any_of_its_words(client: TestClient) -> None:
    client.post("/api/items", json=[{"ItemId": "both", "Comment": "A comet in orbit"}])
    found = client.get("/api/items", params={"q": "Orbit COMET"}).json()
    assert [one["ItemId"] for one in found["Items"]] == ["both", "sp0", "sp2"]
    assert found["Cursor"] == ""
    assert len(client.get("/api/items", params={"q": "orbit comet", "n": 1}).json()["Items"]) == 1
    assert client.get("/api/items", params={"q": "nowhere"}).json() == {"Cursor": "", "Items": []}


def test_alike_items_under_both_names(device: Device, client: TestClient) -> None:
    alike = [{"Id": item.id, "Score": score} for item, score in device.recommender.similar_items("sp0", 4)]
    assert client.get("/api/item/sp0/neighbors", params={"n": 4}).json() == alike
    assert client.get("/api/item-to-item/whatever/sp0", params={"n": 4}).json() == alike
    assert client.get("/api/item/sp0/neighbors", params={"n": 2, "offset": 1}).json() == alike[1:3]
    unseen = client.get("/api/item/sp0/neighbors", params={"n": 40, "user-id": "me"}).json()
    assert not {one["Id"] for one in unseen} & {event.item for event in device.history.events()}
    assert client.get("/api/item/nothing/neighbors").status_code == 404
    comedy = client.get("/api/item/sp0/neighbors/Comedy", params={"n": 40}).json()
    assert comedy
    assert all("Comedy" in device.items.get(one["Id"]).labels for one in comedy)


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
    body = [feedback("co0", UserId="somebody"), feedback("unknown"), feedback("co1", "read")]
    answer = client.post("/api/session/recommend", json=body, params={"n": 3}).json()
    found = device.recommender.session(["co0"], 4).suggestions
    expected = [{"Id": one.item.id, "Score": one.score} for one in found if one.item.id != "co1"]
    assert answer == expected[:3]
    crime = client.post("/api/session/recommend/Crime", json=body, params={"n": 3}).json()
    assert crime
    assert all("Crime" in device.items.get(one["Id"]).labels for one in crime)
    assert client.post("/api/session/recommend", json=[feedback("co1", "read")]).json() == []
    assert device.history.events() == before


ITEM = {
    "ItemId": "new",
    "IsHidden": True,
    "Categories": ["Space"],
    "Timestamp": "2020-01-01T00:00:00Z",
    "Labels": {"genre": ["Space", "Noir"], "by": "Ada", "embedding": [0.1, 0.2]},
    "Comment": "A new one",
}


def test_an_item_gives_back_what_was_said(device: Device, client: TestClient) -> None:
    assert client.post("/api/item", json=ITEM).json() == {"RowAffected": 1}
    assert client.get("/api/item/new").json() == ITEM
    assert device.items.get("new").labels == ("Space", "Noir", "Ada")
    client.put("/api/item/new/category/Jazz")
    client.delete("/api/item/new/category/Space")
    assert client.get("/api/item/new").json() == {**ITEM, "Categories": ["Jazz"]}
    assert device.items.get("new").labels == ("Jazz", "Space", "Noir", "Ada")
    assert client.patch("/api/item/new", json={"Labels": ["Noir"]}).json() == {"RowAffected": 1}
    assert device.items.get("new").labels == ("Jazz", "Noir")
    client.post("/api/item", json={"ItemId": "bare"})
    empty = {"IsHidden": False, "Categories": None, "Timestamp": "0001-01-01T00:00:00Z", "Labels": None}
    assert client.get("/api/item/bare").json() == {"ItemId": "bare", **empty, "Comment": ""}
    device.items.add([Item("new", "By hand", ("Folk",))])
    kept = client.get("/api/item/new").json()
    assert (kept["IsHidden"], kept["Categories"], kept["Labels"]) == (False, ["Folk"], None)


def test_what_is_hidden_stays_hidden_until_it_is_shown(device: Device, client: TestClient) -> None:
    def listed() -> bool:
        lists = (
            client.get("/api/recommend/me", params={"n": 100}).json(),
            [one["Id"] for one in client.get("/api/latest", params={"n": 100}).json()],
            [one["Id"] for one in client.get("/api/popular", params={"n": 100}).json()],
            [one["Id"] for one in client.get("/api/item/sp0/neighbors", params={"n": 100}).json()],
        )
        assert len({"new" in ids for ids in lists}) == 1
        return "new" in lists[0]

    client.post("/api/items", json=[ITEM, {**ITEM, "ItemId": "other", "IsHidden": False}])
    for change in (
        lambda: client.patch("/api/item/new", json={"Comment": "Another"}),
        lambda: client.patch("/api/item/new", json={"IsHidden": None, "Timestamp": "2021-01-01"}),
        lambda: client.put("/api/item/new/category/Jazz"),
        lambda: client.delete("/api/item/new/category/Jazz"),
        lambda: client.post("/api/feedback", json=[feedback("new")]),
    ):
        assert change().json() == {"RowAffected": 1}
        assert client.get("/api/item/new").json()["IsHidden"] is True
        assert not listed()
    client.delete("/api/feedback/me/new")
    client.patch("/api/item/new", json={"IsHidden": False})
    assert client.get("/api/item/new").json()["IsHidden"] is False
    assert listed()
    client.patch("/api/item/new", json={"IsHidden": True})
    assert client.get("/api/item/new").status_code == 200
    assert not listed()
    everything = client.get("/api/items", params={"n": 100}).json()["Items"]
    assert [one["IsHidden"] for one in everything if one["ItemId"] == "new"] == [True]


def test_unknown_items_are_not_found(client: TestClient) -> None:
    for answer in (
        client.get("/api/item/nothing"),
        client.patch("/api/item/nothing", json={}),
        client.put("/api/item/nothing/category/Jazz"),
    ):
        assert (answer.status_code, answer.text) == (404, "there is no item 'nothing'")


def test_deleting_an_item_forgets_the_feedback_on_it(device: Device, client: TestClient) -> None:
    assert client.delete("/api/item/sp0").json() == {"RowAffected": 1}
    assert "sp0" not in {event.item for event in device.history.events()}
    assert "sp0" not in client.get("/api/recommend/me", params={"n": 100}).json()
    assert client.get("/api/item/sp0").status_code == 404
    assert "sp0" not in {one["ItemId"] for one in client.get("/api/items", params={"n": 100}).json()["Items"]}
    assert client.delete("/api/item/nothing").json() == {"RowAffected": 1}
    client.post("/api/item", json={"ItemId": "sp0", "Comment": "Back again"})
    assert client.get("/api/item/sp0").json()["Comment"] == "Back again"


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
    assert client.post("/api/users", json=[{"UserId": "me"}, {"UserId": "ada"}]).json() == {"RowAffected": 2}
    assert client.patch("/api/user/me", json={"Comment": "x"}).json() == {"RowAffected": 1}
    assert client.get("/api/user/me").json()["UserId"] == "ada"
    assert client.get("/api/users").json() == {
        "Cursor": "",
        "Users": [{"UserId": "ada", "Labels": None, "Comment": ""}],
    }
    assert client.get("/api/user/me/neighbors").json() == []
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
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text
        assert "Traceback" not in answer.text
    assert (device.history.count, device.items.count) == before


def test_a_time_that_go_writes_for_none_is_now(device: Device, client: TestClient) -> None:
    for item, time in (("cr1", "0001-01-01T00:00:00Z"), ("cr2", "")):
        client.post("/api/feedback", json=[feedback(item, Timestamp=time)])
        assert device.history.events(limit=1)[0].item == item
