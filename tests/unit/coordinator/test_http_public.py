"""What anybody may read over HTTP: the log in pages, bodies in parts, differences; and no other body ever."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_world import Here, here, reason

from confidante.core import delta
from confidante.wire.rounds import Logged, decode, encode
from confidante.wire.transparency_log import LogEntry, verify

BODY = bytes(range(256)) * 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path) as made:
        yield made


def name(world: Here, data: bytes, key: str = "model") -> str:
    """Keep a body and name it in the log."""
    ref = world.bodies.put(data)
    world.store.log.append("model", encode({"population": "films", key: bytes.fromhex(ref)}), 1.0)
    return ref


def get(world: Here, path: str, **headers: str) -> httpx.Response:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    with world.http() as http:
        return http.get(path, headers=named)


def entries(answer: httpx.Response) -> list[LogEntry]:
    return [
        LogEntry(one.number, one.kind, one.body, one.at, one.previous, one.hash)
        for one in decode(answer.content, list[Logged])
    ]


def test_the_log_holds_together_over_its_pages_and_full_ones_may_be_kept_for_ever(world: Here) -> None:
    for number in range(130):
        world.store.log.append("plan", b"plan %d" % number, float(number))
    first = get(world, "/v1/log")
    rest = get(world, "/v1/log?since=100")
    assert verify(entries(first) + entries(rest))[0] == 130
    assert "immutable" in first.headers["cache-control"]
    assert rest.headers["cache-control"] == "no-cache"
    assert get(world, "/v1/log?since=100", if_none_match=rest.headers["etag"]).status_code == 304
    world.store.log.append("plan", b"another", 130.0)
    assert get(world, "/v1/log?since=100", if_none_match=rest.headers["etag"]).status_code == 200
    assert entries(get(world, "/v1/log?since=131")) == []


def test_a_page_of_large_entries_is_short_and_the_next_goes_on_from_it(world: Here) -> None:
    for number in range(5):
        world.store.log.append("plan", bytes(700_000), float(number))
    pages, number = [], 0
    while page := entries(get(world, f"/v1/log?since={number}")):
        pages.append(len(page))
        number = page[-1].number
    assert pages == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("since", ["-1", "x", "", "1.0", "9" * 20, "%D9%A1"])
def test_a_since_that_is_no_number_is_refused(world: Here, since: str) -> None:
    assert reason(get(world, f"/v1/log?since={since}")) == (400, "malformed")


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=1000-", 206, 1000, 1024),
        ("bytes=1000-999999999", 206, 1000, 1024),
        ("bytes=1023-1023", 206, 1023, 1024),
        ("bytes=-24", 206, 1000, 1024),
        ("bytes=-5000", 206, 0, 1024),
        ("bytes=0-9,20-29", 200, 0, 1024),
        ("bytes=-", 200, 0, 1024),
        ("lines=0-9", 200, 0, 1024),
        ("bytes=a-b", 200, 0, 1024),
        ("bytes=0-" + "9" * 40, 200, 0, 1024),
    ],
)
def test_a_part_of_a_body(world: Here, asked: str, status: int, start: int, stop: int) -> None:
    answer = get(world, f"/v1/models/{name(world, BODY)}", range=asked)
    assert (answer.status_code, answer.content) == (status, BODY[start:stop])
    assert answer.headers.get("content-range") == (
        f"bytes {start}-{stop - 1}/1024" if status == 206 else None
    )


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=9-8", "bytes=-0", "bytes=5000-6000"])
def test_a_part_that_there_is_not(world: Here, asked: str) -> None:
    answer = get(world, f"/v1/models/{name(world, BODY)}", range=asked)
    assert reason(answer) == (416, "no_such_thing")
    assert answer.headers["content-range"] == "bytes */1024"
    assert world.refused() == {"no_such_thing": 1}


def test_a_part_of_another_body_than_was_meant_is_no_part(world: Here) -> None:
    path = f"/v1/models/{name(world, BODY)}"
    tag = get(world, path).headers["etag"]
    assert get(world, path, range="bytes=0-9", if_range=tag).status_code == 206
    assert get(world, path, range="bytes=0-9", if_range='"another"').status_code == 200


def test_who_has_the_body_is_told_so_however_it_is_said(world: Here) -> None:
    ref = name(world, BODY)
    for said in (f'"{ref}"', f'W/"{ref}"', f'"x", W/"y",  "{ref}"', "*"):
        answer = get(world, f"/v1/models/{ref}", if_none_match=said)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{ref}"'
    for said in ('"x"', ref, f'"{ref}0"', ""):
        assert get(world, f"/v1/models/{ref}", if_none_match=said).status_code == 200


def test_asking_for_the_head_gives_the_size_and_no_body(world: Here) -> None:
    with world.http() as http:
        answer = http.head(f"/v1/models/{name(world, BODY)}")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "1024")
    assert "immutable" in answer.headers["cache-control"]
    assert world.coordinator.metrics.sent._value.get() == 0


def test_other_bodies_are_never_served_and_an_odd_entry_of_the_log_hides_none(world: Here) -> None:
    secret = world.bodies.put(b"a masked vector")
    world.store.log.append("plan", b"no map at all", 1.0)
    world.store.log.append("model", encode({"model": "a text", "catalogue": b"short"}), 1.0)
    ref = name(world, BODY, "catalogue")
    assert get(world, f"/v1/models/{ref}").content == BODY
    for other in (secret, "0" * 64, ref.upper(), f"{ref}?from=../{secret}", "x"):
        answer = get(world, f"/v1/models/{other}")
        assert answer.status_code == 404 or answer.content == BODY
    assert get(world, f"/v1/models/{ref}?from={secret}").content == BODY


def test_a_body_that_was_lost_is_said_to_be_away_until_it_is_back(world: Here) -> None:
    ref = name(world, BODY)
    world.bodies.delete(ref)
    assert reason(get(world, f"/v1/models/{ref}")) == (503, "busy")
    world.bodies.put(BODY)
    assert get(world, f"/v1/models/{ref}").content == BODY


def test_who_has_an_older_body_gets_the_difference_in_parts_too(world: Here) -> None:
    older = hashlib.shake_256(b"older").digest(50_000)
    newer = older[:20_000] + b"what is new" + older[20_000:]
    first, second = name(world, older), name(world, newer)
    path = f"/v1/models/{second}?from={first}"
    whole = get(world, path)
    assert len(whole.content) < 100
    assert delta.apply(older, whole.content, bytes.fromhex(second), 1 << 20) == newer
    part = get(world, path, range="bytes=10-29")
    assert (part.status_code, part.content) == (206, whole.content[10:30])
    assert part.headers["etag"] == whole.headers["etag"] != f'"{second}"'
    assert get(world, path, if_none_match=whole.headers["etag"]).status_code == 304
    kept = hashlib.sha256(whole.content).hexdigest()
    assert world.bodies.get(kept) == whole.content
    assert get(world, f"/v1/models/{kept}").status_code == 404


def test_where_a_difference_saves_nothing_all_comes(world: Here) -> None:
    first, second = (name(world, hashlib.shake_256(who).digest(5000)) for who in (b"one", b"other"))
    for older in (first, second, "0" * 64, "nonsense", ""):
        answer = get(world, f"/v1/models/{second}?from={older}")
        assert hashlib.sha256(answer.content).hexdigest() == second
        assert answer.headers["etag"] == f'"{second}"'


def test_who_has_nothing_may_have_it_compressed(world: Here) -> None:
    nothing = hashlib.sha256(b"").hexdigest()
    ref = name(world, bytes(50_000) + BODY)
    answer = get(world, f"/v1/models/{ref}?from={nothing}")
    assert len(answer.content) < 2000
    assert delta.apply(b"", answer.content, bytes.fromhex(ref), 1 << 20) == bytes(50_000) + BODY
