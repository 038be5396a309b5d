"""What a type of feedback means: only what is positive teaches, and what was read is left out and no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_world import api_client, small_device
from starlette.testclient import TestClient

from confidante.core.errors import DataError
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.web.gorse import FeedbackType, GorseConfig
from confidante.device.web.gorse.times import NO_TIME, read_time, seconds_of, write_time
from confidante.packs.base import NONE
from confidante.packs.registry import pack_named
from confidante.packs.signals import Signal

MEDIA = pack_named("media")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile", events=False) as made:
        yield made


def scores(device: Device) -> dict[str, float]:
    return {one.item.id: one.score for one in device.recommend(100, repeats=True).suggestions}


def give(client: TestClient, item: str, kind: str, value: float = 0, **more: object) -> None:
    body = [{"FeedbackType": kind, "UserId": "me", "ItemId": item, "Value": value, **more}]
    assert client.post("/api/feedback", json=body).json() == {"RowAffected": 1}


def likes(client: TestClient) -> None:
    for item in ("sp0", "sp1", "sp2"):
        give(client, item, "like", Timestamp="2026-02-24T10:00:00Z")


def test_what_was_written_back_as_read_is_left_out_and_weighs_nothing(device: Device) -> None:
    client = api_client(device)
    likes(client)
    before = scores(device)
    pages = [client.get("/api/recommend/me?n=10&write-back-type=read").json() for _ in range(3)]
    assert [len(page) for page in pages] == [10, 10, 10]
    assert len({item for page in pages for item in page}) == 30
    assert scores(device) == before
    assert device.history.count == 3
    read = client.get("/api/user/me/feedback/read").json()
    assert {one["ItemId"] for one in read} == {item for page in pages for item in page}
    assert {one["FeedbackType"] for one in client.get("/api/feedback?n=100").json()["Feedback"]} == {
        "like",
        "read",
    }


def test_a_new_person_who_was_shown_things_stays_unknown(device: Device) -> None:
    client = api_client(device)
    note = device.recommend(5).note
    shown = client.get("/api/recommend/me?n=10&write-back-type=read").json()
    answer = device.recommend(100)
    assert device.recommend(5).note == note
    assert not {one.item.id for one in answer.suggestions} & set(shown)
    assert not [reason for one in answer.suggestions for reason in one.reasons if reason.event is not None]


def test_thousands_of_reads_push_no_liking_out(device: Device) -> None:
    client = api_client(device)
    likes(client)
    new = [{"ItemId": f"n{place}", "Comment": f"Number {place}"} for place in range(600)]
    client.post("/api/items", json=new)
    read = [{"FeedbackType": "read", "UserId": "me", "ItemId": one["ItemId"]} for one in new]
    assert client.post("/api/feedback", json=read).json() == {"RowAffected": 600}
    assert [event.item for event in device.history.events()] == ["sp2", "sp1", "sp0"]
    assert len(client.get("/api/user/me/feedback/read").json()) == 600


def test_read_feedback_takes_effect_at_its_time(tmp_path: Path) -> None:
    """As in Gorse: "write-back-delay" gives the person that long to come to the item."""
    with small_device(tmp_path / "profile"):
        pass
    time = 1_800_000_000.0
    with Device(tmp_path / "profile", InsecurePlaintextKey(), clock=lambda: time) as device:
        client = api_client(device)
        first = client.get("/api/recommend/me?n=5&write-back-type=read&write-back-delay=10m").json()
        assert client.get("/api/recommend/me?n=5").json() == first
        assert client.get("/api/user/me/feedback/read").json() == []
        time += 599
        assert client.get("/api/recommend/me?n=5").json() == first
        time += 2
        assert not set(client.get("/api/recommend/me?n=5").json()) & set(first)
        assert {one["Timestamp"] for one in client.get("/api/user/me/feedback/read").json()} == {
            "2027-01-15T08:10:00Z"
        }
        again = client.get("/api/recommend/me?n=1&write-back-type=read&write-back-delay=1h").json()
        give(client, again[0], "read")
        assert again != client.get("/api/recommend/me?n=1").json()  # of two times the first counts
        likes(client)
        give(client, "sp0", "read", Timestamp="2027-02-01")
        assert "sp0" not in client.get("/api/recommend/me?n=100").json()


def test_read_feedback_that_is_deleted_brings_the_item_back(device: Device) -> None:
    client = api_client(device)
    give(client, "cr1", "read")
    give(client, "cr2", "read", 2, Comment="two minutes")
    for item in ("cr1", "cr2"):
        assert item not in client.get("/api/recommend/me?n=100").json()
        assert client.get(f"/api/feedback/read/me/{item}").json()["ItemId"] == item
        assert client.delete(f"/api/feedback/read/me/{item}").json() == {"RowAffected": 1}
        assert item in client.get("/api/recommend/me?n=100").json()
        assert client.get(f"/api/feedback/read/me/{item}").status_code == 404


def test_pages_of_feedback_go_on_from_events_to_what_was_read(device: Device) -> None:
    client = api_client(device)
    likes(client)
    for item in ("cr1", "cr2", "cr3"):
        give(client, item, "read")
    found, cursor = [], ""
    while True:
        page = client.get("/api/feedback", params={"n": 2, "cursor": cursor}).json()
        found += [(one["FeedbackType"], one["ItemId"]) for one in page["Feedback"]]
        cursor = page["Cursor"]
        if not cursor:
            break
    assert found[:3] == [("like", "sp2"), ("like", "sp1"), ("like", "sp0")]
    assert sorted(found[3:]) == [("read", "cr1"), ("read", "cr2"), ("read", "cr3")]


@pytest.mark.parametrize("feedback", [("dislike", 0), ("star", -1), ("rating", -2.5), ("read", -1)])
def test_what_is_negative_counts_against(device: Device, feedback: tuple[str, float]) -> None:
    client = api_client(device)
    likes(client)
    before = scores(device)
    give(client, "co2", *feedback)
    after = scores(device)
    assert after["co4"] < before["co4"]
    (kept,) = client.get("/api/feedback/me/co2").json()
    assert (kept["FeedbackType"], kept["Value"]) == feedback
    assert "co2" not in client.get("/api/recommend/me?n=100").json()


def test_a_value_that_turns_positive_by_adding_up_counts_for(device: Device) -> None:
    config = GorseConfig(positive=(FeedbackType.read("read>=3"),))
    client = api_client(device, config)
    give(client, "sp0", "read", 2)
    nothing = scores(device)
    give(client, "sp0", "read", 2)
    assert scores(device)["sp5"] > nothing["sp5"]
    assert client.get("/api/user/me/feedback/read>=3").json()[0]["Value"] == 4
    assert client.get("/api/user/me/feedback/read<3").json() == []


def test_what_must_not_be_remembered_is_not(device: Device) -> None:
    client = api_client(device)
    give(client, "sp0", "incognito")
    assert device.history.count == device.history.seen.count == 0


@pytest.mark.parametrize(
    ("kind", "value", "means"),
    [
        ("star", 0, Signal.FOR),
        ("like", 1, Signal.FOR),
        ("watch", 0, Signal.FOR),
        ("read", 0, Signal.SEEN),
        ("read", 5, Signal.SEEN),
        ("impression", 0, Signal.SEEN),
        ("zap", 0, Signal.SEEN),
        ("Dislike", 0, Signal.AGAINST),
        ("bookmark", 0, Signal.WISH),
    ],
)
def test_by_itself_a_type_means_what_the_pack_says_and_read_was_seen(
    kind: str, value: float, means: Signal
) -> None:
    assert GorseConfig().signal(kind, value, MEDIA) is means


def test_a_file_of_gorse_says_what_types_mean(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        "[server]\ndefault_n = 3\nauto_insert_item = false\n[recommend.data_source]\n"
        'positive_feedback_types = ["zap", "read>=3"]\nnegative_feedback_types = ["meh", "zap<2"]\n'
        'read_feedback_types = ["seen"]\n'
    )
    config = GorseConfig.read_file(path)
    assert (config.default_n, config.auto_insert_item) == (3, False)
    means = {
        (kind, value): config.signal(kind, value, NONE)
        for kind, value in (("zap", 3), ("zap", 1), ("read", 3), ("read", 2), ("meh", 9), ("like", 0))
    }
    assert means == {
        ("zap", 3): Signal.FOR,
        ("zap", 1): Signal.AGAINST,
        ("read", 3): Signal.FOR,
        ("read", 2): Signal.SEEN,
        ("meh", 9): Signal.AGAINST,
        ("like", 0): Signal.SEEN,  # positive is only what is configured so
    }


def test_unknown_items_are_made_only_where_that_is_configured(device: Device) -> None:
    client = api_client(device, GorseConfig(auto_insert_item=False))
    give(client, "unknown", "like")
    assert client.get("/api/item/unknown").status_code == 404
    assert device.history.count == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[recommend", "is not TOML"),
        ("recommend = 1", "recommend in Gorse's configuration is not a table"),
        ('[recommend.data_source]\npositive_feedback_types = "star"', "is not a list"),
        ('[recommend.data_source]\npositive_feedback_types = ["star=5"]', "is not a type of feedback"),
        ("[server]\ndefault_n = 0", "default_n"),
        ('[server]\nauto_insert_item = "no"', "auto_insert_item"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        GorseConfig.read_file(path)
    with pytest.raises(DataError, match="cannot be read"):
        GorseConfig.read_file(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2022-02-24", "2022-02-24T00:00:00Z"),
        ("2022-02-24T10:00:00.500+02:00", "2022-02-24T08:00:00.5Z"),
        ("2014-04-26 05:24:37 PM", "2014-04-26T17:24:37Z"),
        ("May 8, 2009 5:57:51 PM", "2009-05-08T17:57:51Z"),
        ("Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"),
        ("3/31/2014", "2014-03-31T00:00:00Z"),
        ("1332151919", "2012-03-19T10:11:59Z"),
        ("1384216367111", "2013-11-12T00:32:47.111Z"),
        ("1384216367111222", "2013-11-12T00:32:47.111222Z"),
        ("2014", "2014-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"),
        ("", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_read_as_gorse_reads_them_and_written_as_go_does(text: str, written: str) -> None:
    assert write_time(read_time(text)) == written


@pytest.mark.parametrize("text", ["yesterday", "10", "2022-13-45", "12:30", "\0", "9" * 40])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="is not a time"):
        read_time(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("0", 0), ("10m", 600), ("1h30m0s", 5400), ("1.5h", 5400), ("-2s", -2), ("+300ms", 0.3)],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)
    assert NO_TIME.year == 1


@pytest.mark.parametrize("text", ["soon", "10", "10 m", "m", "-", "+", "1d", "9999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="is not a duration"):
        seconds_of(text)
