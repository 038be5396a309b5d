"""The coordinator over HTTP: rounds through a real socket, and every bad request gets a reason, no more."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from http_world import KEY, POPULATION, Held, Here, Member, drawn, here, person, reason, seated, vector
from hypothesis import given
from hypothesis import strategies as st
from stores import counted

from confidante.coordinator.store.database import Database
from confidante.coordinator.telemetry.metrics import names
from confidante.secagg import codec
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.phases import PHASES, Phase
from confidante.wire.rounds import (
    MSGPACK,
    OCTETS,
    Ended,
    Logged,
    RoundOffer,
    check_in,
    decode,
    encode,
    end_path,
    message_sizes,
    offer_path,
    phase_path,
    seat_digest,
)
from confidante.wire.transparency_log import LogEntry, verify


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path) as made:
        yield made


@pytest.fixture
def held(world: Here) -> Held:
    for index in range(5):
        assert seated(world.check_in(index)) is None
    return world.open_round()


def all_send(held: Held, phase: Phase, but: tuple[int, ...] = ()) -> None:
    for member in MEMBERS[held.id]:
        if member.index not in but:
            assert member.put(phase, member.make(phase)).status_code == 202


MEMBERS: dict[bytes, list] = {}


@pytest.fixture
def members(held: Held) -> list:
    MEMBERS[held.id] = held.members()
    return MEMBERS[held.id]


def test_a_round_over_http_ends_with_the_exact_sum(world: Here, held: Held, members: list) -> None:
    for index, member in enumerate(members):
        assert seated(world.check_in(index)) == held.id
        offered = decode(member.get(offer_path(held.id)).content, RoundOffer)
        assert offered.config == held.setup.config.encode()
        assert offered.identities() == held.setup.roster
        assert (offered.plan, offered.task) == (b"plan", b"task")
        assert 0 < offered.seconds <= 60
    result = None
    for phase in PHASES:
        all_send(held, phase)
        result = held.move_on()
    assert result is not None
    assert np.array_equal(result.sum, sum(vector(i, 50) for i in range(5)))
    assert decode(members[0].get(end_path(held.id)).content, Ended) == Ended(True)
    assert seated(world.check_in(0)) is None
    assert world.refused() == {}


@pytest.mark.parametrize("gone", PHASES)
def test_a_device_that_vanishes_in_any_phase_leaves_an_exact_sum_of_the_others(
    held: Held, members: list, gone: str
) -> None:
    result = None
    for phase in PHASES:
        all_send(held, phase, but=(2,) if PHASES.index(phase) >= PHASES.index(gone) else ())
        result = held.move_on()
    assert result is not None
    survivors = [i for i in range(5) if i != 2 or gone in (Phase.CONFIRM, Phase.REVEAL)]
    assert list(result.survivors) == survivors
    assert np.array_equal(result.sum, sum(vector(i, 50) for i in survivors))


def test_the_same_message_again_is_fine_also_when_its_phase_is_over_and_another_is_not(
    world: Here, held: Held, members: list
) -> None:
    first = members[0].make(Phase.ADVERTISE)
    assert members[0].put(Phase.ADVERTISE, first).status_code == 202
    assert members[0].put(Phase.ADVERTISE, first).status_code == 202
    other = held.member(0)
    object.__setattr__(
        other, "client", type(other.client)(held.setup, 0, person(0), drawn("x", RANDOM_BYTES))
    )
    assert reason(members[0].put(Phase.ADVERTISE, other.client.advertise())) == (409, "repeated")
    for member in members[1:4]:
        member.put(Phase.ADVERTISE, member.make(Phase.ADVERTISE))
    held.move_on()
    assert members[0].put(Phase.ADVERTISE, first).status_code == 202
    assert reason(members[4].put(Phase.ADVERTISE, members[4].make(Phase.ADVERTISE))) == (409, "late")
    assert world.refused() == {"repeated": 1, "late": 1}
    assert 'confidante_messages_total{phase="advertise"} 4.0' in world.coordinator.metrics.text().decode()


def leave(member: Member, phase: Phase = Phase.ADVERTISE) -> httpx.Response:
    with member.held.here.http() as http:
        return http.delete(phase_path(member.held.id, phase), headers=member.headers())


def test_who_leaves_is_waited_for_no_more_and_comes_back_no_more(
    world: Here, held: Held, members: list
) -> None:
    late = members[1].make(Phase.ADVERTISE)
    for gone in (members[1], members[1]):
        assert leave(gone).status_code == 202
    assert reason(members[1].put(Phase.ADVERTISE, late)) == (409, "repeated")
    MEMBERS[held.id] = [one for one in members if one.index != 1]
    *others, last = MEMBERS[held.id]
    for member in others:
        member.put(Phase.ADVERTISE, member.make(Phase.ADVERTISE))
    assert not world.store.rounds.due(time.time(), (POPULATION,))[0], "one was not heard yet"
    assert last.put(Phase.ADVERTISE, last.make(Phase.ADVERTISE)).status_code == 202
    assert reason(leave(last)) == (409, "repeated")
    assert world.store.rounds.due(time.time(), (POPULATION,))[0], "nobody is waited for"
    held.move_on()
    assert reason(leave(members[0])) == (409, "repeated")
    for phase in PHASES[1:]:
        all_send(held, phase)
        result = held.move_on()
    assert result is not None
    assert list(result.survivors) == [0, 2, 3, 4]


def test_only_a_seat_can_be_given_up_and_only_before_the_round_goes_on(held: Held, members: list) -> None:
    stranger = Member(held, 9, members[0].client)
    assert reason(leave(stranger)) == (401, "no_seat")
    assert leave(members[0], Phase.MASK).status_code == 405
    for member in members[:4]:
        member.put(Phase.ADVERTISE, member.make(Phase.ADVERTISE))
    held.move_on()
    assert reason(leave(members[4])) == (409, "late")


def test_of_several_messages_at_once_only_what_is_kept_leaves_a_body(
    tmp_path: Path, held: Held, members: list
) -> None:
    clients = (Client(held.setup, 0, person(0), drawn(f"fresh {i}", RANDOM_BYTES)) for i in range(8))
    said = [one.advertise() for one in clients]
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            sent = list(pool.map(lambda data: members[0].put(Phase.ADVERTISE, data), said))
        assert sorted(one.status_code for one in sent) == [202] + [409] * 7
        [(index, ref)] = held.here.store.messages.heard(held.id, "ADVERTISE")
        assert (index, [one.name for one in (tmp_path / "bodies").iterdir()]) == (0, [ref])


def test_who_missed_a_phase_is_told_so_and_who_is_early_too(world: Here, held: Held, members: list) -> None:
    early = codec.frame(codec.Kind.SHARES, 0, held.id, bytes(80 * 4))
    assert reason(members[0].put(Phase.SHARE, early)) == (409, "early")
    all_send(held, Phase.ADVERTISE, but=(4,))
    held.move_on()
    assert reason(members[4].get(phase_path(held.id, Phase.SHARE) + "/in")) == (410, "dropped")
    late = codec.frame(codec.Kind.SHARES, 4, held.id, bytes(80 * 4))
    assert reason(members[4].put(Phase.SHARE, late)) == (409, "dropped")


def test_a_long_poll_waits_for_the_phase_and_no_longer(tmp_path: Path) -> None:
    with here(tmp_path, poll=5.0) as world:
        for index in range(5):
            world.check_in(index)
        held = world.open_round()
        members = MEMBERS[held.id] = held.members()
        all_send(held, Phase.ADVERTISE)
        got: list[httpx.Response] = []

        def wait() -> None:
            got.append(members[1].get(phase_path(held.id, Phase.SHARE) + "/in"))

        threads = [threading.Thread(target=wait) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        assert got == []
        held.move_on()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in got} == {200}


def test_a_long_poll_ends_with_nothing_when_nothing_happens(held: Held, members: list) -> None:
    assert members[0].get(phase_path(held.id, Phase.SHARE) + "/in").status_code == 204
    assert members[0].get(end_path(held.id)).status_code == 204


def test_a_round_that_ended_says_why(world: Here, held: Held, members: list) -> None:
    assert world.store.rounds.abort(held.id, "too_few", time.time())
    assert reason(members[0].get(phase_path(held.id, Phase.SHARE) + "/in")) == (410, "over")
    assert reason(members[0].get(offer_path(held.id))) == (410, "over")
    assert reason(members[0].put(Phase.ADVERTISE, members[0].make(Phase.ADVERTISE))) == (410, "over")
    assert decode(members[0].get(end_path(held.id)).content, Ended) == Ended(False, "too_few")


BAD_MESSAGES = {
    "empty": (lambda good: b"", (400, "malformed")),
    "cut off": (lambda good: good[:-1], (409, "wrong_length")),
    "longer": (lambda good: good + b"x", (413, "oversized")),
    "of another version": (lambda good: b"\x09" + good[1:], (400, "malformed")),
    "of another kind": (lambda good: good[:1] + b"\x05" + good[2:], (409, "wrong_phase")),
    "of no kind": (lambda good: good[:1] + b"\x77" + good[2:], (400, "malformed")),
    "of another sender": (lambda good: good[:2] + b"\x03" + good[3:], (409, "foreign")),
    "of another round": (lambda good: good[:6] + bytes(32) + good[38:], (409, "wrong_round")),
    "not signed so": (lambda good: good[:-1] + bytes([good[-1] ^ 1]), (409, "bad_signature")),
}


@pytest.mark.parametrize("bad", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
def test_a_bad_message_is_refused_with_its_reason_and_the_good_one_still_counts(
    world: Here, held: Held, members: list, bad: tuple
) -> None:
    change, expected = bad
    good = members[0].make(Phase.ADVERTISE)
    assert reason(members[0].put(Phase.ADVERTISE, change(good))) == expected
    assert world.refused() == {expected[1]: 1}
    assert members[0].put(Phase.ADVERTISE, good).status_code == 202


def test_another_type_of_content_is_refused(world: Here, held: Held, members: list) -> None:
    good = members[0].make(Phase.ADVERTISE)
    for wrong in ("application/json", "", "text/plain; charset=utf-8"):
        answer = members[0].put(Phase.ADVERTISE, good, **{"content-type": wrong})
        assert reason(answer) == (415, "content_type")
    assert members[0].put(Phase.ADVERTISE, good).status_code == 202


def test_a_body_without_an_end_is_cut_off_at_the_limit(world: Here, held: Held, members: list) -> None:
    most = message_sizes(held.setup.config, Phase.ADVERTISE)[1]
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 64
            yield bytes(64)

    try:
        answer = members[0].put(Phase.ADVERTISE, endless())
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass
    else:
        assert reason(answer) == (413, "oversized")
    assert sent < 64 << 20
    assert world.refused() == {"oversized": 1}
    assert most < 200
    assert members[0].put(Phase.ADVERTISE, members[0].make(Phase.ADVERTISE)).status_code == 202


def test_a_body_that_drips_is_given_up(world: Here, held: Held, members: list) -> None:
    head = (
        f"PUT {phase_path(held.id, Phase.ADVERTISE)} HTTP/1.1\r\nHost: here\r\nContent-Type: {OCTETS}\r\n"
        f"Authorization: Bearer {members[0].seat.hex()}\r\nContent-Length: 166\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", world.port)) as slow:
        slow.settimeout(20)
        slow.sendall(head.encode() + b"x")
        began = time.monotonic()
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began > 2
    assert world.refused() == {"slow": 1}


def test_a_connection_that_ends_early_hurts_nobody(world: Here, held: Held, members: list) -> None:
    with socket.create_connection(("127.0.0.1", world.port)) as cut:
        cut.sendall(
            f"PUT {phase_path(held.id, Phase.ADVERTISE)} HTTP/1.1\r\nHost: here\r\nContent-Type: {OCTETS}\r\n"
            f"Authorization: Bearer {members[0].seat.hex()}\r\nContent-Length: 166\r\n\r\n".encode()
        )
    end = time.monotonic() + 3
    while not world.refused() and time.monotonic() < end:
        time.sleep(0.01)
    assert world.refused() == {"malformed": 1}
    assert members[0].put(Phase.ADVERTISE, members[0].make(Phase.ADVERTISE)).status_code == 202


def test_a_seat_is_needed_and_opens_its_own_place_only(world: Here, held: Held, members: list) -> None:
    path = phase_path(held.id, Phase.ADVERTISE)
    good = members[0].make(Phase.ADVERTISE)
    with world.http() as http:
        kind = {"content-type": OCTETS}
        assert reason(http.put(path, content=good, headers=kind)) == (401, "no_seat")
        for shown in ("Bearer", "Basic abc", f"Bearer {bytes(32).hex()}", f"Bearer {drawn('other').hex()}"):
            answer = http.put(path, content=good, headers={**kind, "authorization": shown})
            assert reason(answer) == (401, "no_seat")
        digest = seat_digest(members[0].seat).hex()  # what the coordinator stores opens nothing
        answer = http.put(path, content=good, headers={**kind, "authorization": f"Bearer {digest}"})
        assert reason(answer) == (401, "no_seat")
        answer = http.put(path, content=good, headers={**kind, "authorization": "Bearer xyz"})
        assert reason(answer) == (400, "malformed")
    assert reason(members[1].put(Phase.ADVERTISE, good)) == (409, "foreign")


@pytest.mark.parametrize("path", ["/v1/rounds/zz/offer", "/v1/rounds/00/offer"])
def test_a_round_that_there_is_not(members: list, path: str) -> None:
    assert members[0].get(path).status_code in (400, 404)


def test_a_round_and_a_phase_that_there_are_not(held: Held, members: list) -> None:
    assert reason(members[0].get(offer_path(drawn("no round")))) == (404, "no_round")
    assert reason(members[0].put(Phase.DONE, b"x")) == (404, "no_such_thing")
    assert reason(members[0].get(phase_path(held.id, Phase.ADVERTISE) + "/in")) == (404, "no_such_thing")


def test_checking_in_needs_the_key_that_it_names(world: Here) -> None:
    mine, other = person(0), person(1)
    good = check_in(mine, POPULATION, drawn("seat 0"))
    forged = good.replace(mine.public.encode(), other.public.encode())
    moved = good.replace(seat_digest(drawn("seat 0")), seat_digest(drawn("seat 1")))
    with world.http() as http:
        for bad in (forged, moved):
            assert reason(http.post("/v1/check-in", content=bad, headers={"content-type": MSGPACK})) == (
                403,
                "bad_signature",
            )
    assert world.store.pool.all(POPULATION) == []
    assert world.refused() == {"bad_signature": 2}


def test_unknown_populations_are_refused(world: Here) -> None:
    assert reason(world.check_in(0, population="books")) == (404, "no_population")
    assert reason(world.check_in(0, population="Films/..")) == (400, "malformed")


def test_checking_in_again_keeps_one_place_and_a_stranger_seat_learns_no_round(world: Here) -> None:
    for _ in range(3):
        assert seated(world.check_in(0)) is None
    assert len(world.store.pool.all(POPULATION)) == 1
    for index in range(1, 5):
        world.check_in(index)
    held = world.open_round()
    assert seated(world.check_in(0)) == held.id
    assert seated(world.check_in(0, seat=drawn("begun anew"))) is None


@given(data=st.one_of(st.binary(max_size=2000), st.binary(max_size=40).map(lambda tail: b"\x84" + tail)))
def test_any_bytes_as_a_check_in_are_refused_with_a_reason(world: Here, data: bytes) -> None:
    with world.http() as http:
        answer = http.post("/v1/check-in", content=data, headers={"content-type": MSGPACK})
    assert reason(answer) in {(400, "malformed"), (413, "oversized"), (403, "bad_signature")}


@given(flip=st.integers(0, 165), to=st.integers(0, 255))
def test_any_changed_byte_of_an_advert_is_refused(world: Here, held: Held, flip: int, to: int) -> None:
    member = held.member(1)
    good = member.make(Phase.ADVERTISE)
    bad = good[:flip] + bytes([to]) + good[flip + 1 :]
    answer = member.put(Phase.ADVERTISE, bad)
    assert answer.status_code == (202 if bad == good else answer.status_code)
    if bad != good:
        assert reason(answer)[0] in (400, 409)


def test_the_log_is_for_everybody_in_pages_and_holds_together(world: Here) -> None:
    for number in range(130):
        world.store.log.append("plan", b"plan %d" % number, float(number))
    with world.http() as http:
        first = decode(http.get("/v1/log").content, list[Logged])
        rest = decode(http.get(f"/v1/log?since={first[-1].number}").content, list[Logged])
        assert reason(http.get("/v1/log?since=-1")) == (400, "malformed")
        assert reason(http.get("/v1/log?since=99999999999999999999")) == (400, "malformed")
    both = [LogEntry(one.number, one.kind, one.body, one.at, one.previous, one.hash) for one in first + rest]
    assert verify(both)[0] == 130


def test_a_model_is_served_when_the_log_names_it_and_no_other_body_ever_is(world: Here) -> None:
    model, secret = world.bodies.put(bytes(range(100))), world.bodies.put(b"a masked vector")
    with world.http() as http:
        assert reason(http.get(f"/v1/models/{model}")) == (404, "no_such_thing")
        world.store.log.append("model", encode({"model": bytes.fromhex(model)}), 1.0)
        whole = http.get(f"/v1/models/{model}")
        assert (whole.status_code, whole.content) == (200, bytes(range(100)))
        again = http.get(f"/v1/models/{model}", headers={"if-none-match": whole.headers["etag"]})
        assert again.status_code == 304
        rest = http.get(f"/v1/models/{model}", headers={"range": "bytes=90-"})
        assert (rest.status_code, rest.content) == (206, bytes(range(90, 100)))
        assert rest.headers["content-range"] == "bytes 90-99/100"
        assert http.get(f"/v1/models/{model}", headers={"range": "bytes=100-"}).status_code == 416
        for other in (secret, "..", "0" * 64):
            assert http.get(f"/v1/models/{other}").status_code == 404


def test_health(world: Here) -> None:
    with world.http() as http:
        assert http.get("/health/live").status_code == 200
        assert http.get("/health/ready").status_code == 200


def test_a_database_that_refuses_is_logged_and_not_once_a_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with here(tmp_path) as world:
        database = Database(f"sqlite:///{tmp_path / 'store.db'}")
        with database.writing() as sql:
            sql.exec_driver_sql("ALTER TABLE log RENAME TO gone")
        database.close()
        with world.http() as http:
            assert [http.get("/v1/log").status_code for _ in range(5)] == [503] * 5
    [said] = map(json.loads, capsys.readouterr().err.splitlines())
    assert (said["event"], said["level"]) == ("storage refused", "error")
    assert "no such table" in said["problem"]


def test_metrics_need_the_key_and_name_no_device(world: Here, held: Held, members: list) -> None:
    members[0].put(Phase.ADVERTISE, members[0].make(Phase.ADVERTISE))
    members[0].put(Phase.ADVERTISE, b"nonsense")
    counted(world.store, "rounds.aborted.too_few")
    with world.http() as http:
        assert reason(http.get("/metrics")) == (401, "no_key")
        assert reason(http.get("/metrics", headers={"authorization": "Bearer wrong"})) == (401, "no_key")
        text = http.get("/metrics", headers={"authorization": f"Bearer {KEY}"}).text
    assert 'confidante_messages_total{phase="advertise"} 1.0' in text
    assert 'confidante_refused_total{reason="malformed"} 1.0' in text
    assert 'confidante_events_total{event="rounds.aborted.too_few"} 1.0' in text
    assert names(text.encode()) <= {
        "reason",
        "phase",
        "request",
        "le",
        "population",
        "outcome",
        "tier",
        "event",
    }
    for secret in (held.id, members[0].seat, seat_digest(members[0].seat), person(0).public.signing):
        assert secret.hex() not in text


def test_without_a_key_of_the_operator_metrics_are_closed(tmp_path: Path) -> None:
    with here(tmp_path, operator_key="") as world, world.http() as http:
        for shown in ("Bearer", "Bearer x"):
            assert reason(http.get("/metrics", headers={"authorization": shown})) == (401, "no_key")


def test_nothing_is_logged_of_any_request(
    world: Here, held: Held, members: list, capfd: pytest.CaptureFixture[str]
) -> None:
    members[0].put(Phase.ADVERTISE, members[0].make(Phase.ADVERTISE))
    members[1].put(Phase.ADVERTISE, b"nonsense")
    world.check_in(9, population="books")
    assert capfd.readouterr() == ("", "")
