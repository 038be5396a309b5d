"""Whatever a relay, a server or a log does wrong: the local list stands, and says why; nothing hangs."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from device_world import Clock
from faulty_gateway import Manner
from refine_world import fresh_of, person, questions, server, threads

from confidante.core.errors import ConfidanteError, EgressError, ForkedLogError, WireError
from confidante.crypto.he.bfv import BfvScheme
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.privacy.ledger import EgressState
from confidante.device.refinement.runner import MOST_AT_ONCE
from confidante.device.values import NotRefined, Purpose
from confidante.models.refinement.codec import encode_query
from confidante.wire.refinement import LOG_KIND

ON_THE_WAY = {
    Manner.SLOW: NotRefined.TOO_SLOW,
    Manner.SILENT: NotRefined.TOO_SLOW,
    Manner.DROPS: NotRefined.UNREACHABLE,
    Manner.CUTS: NotRefined.UNREACHABLE,
    Manner.ENDLESS: NotRefined.UNREACHABLE,
    Manner.FAILS: NotRefined.RELAY,
    Manner.HTML: NotRefined.RELAY,
    Manner.OPENLY: NotRefined.RELAY,
    Manner.REPLAYS: NotRefined.RELAY,
    Manner.CHANGES: NotRefined.RELAY,
}
INSIDE = {
    Manner.REFUSES: NotRefined.REFUSED,
    Manner.NONSENSE: NotRefined.NONSENSE,
    Manner.SHORT: NotRefined.NONSENSE,
    Manner.SPOILT: NotRefined.NONSENSE,
    Manner.FOREIGN: NotRefined.NONSENSE,
    Manner.OTHER: NotRefined.STALE,
    Manner.REPLAYS: NotRefined.RELAY,
}


def fails(device: Device, reason: NotRefined, *, leaves: int = 1) -> None:
    """Ask for a list: it must be the local one, for this reason, soon, with no thread left."""
    head = device.ledger.head[0]
    begun = time.monotonic()
    local = device.recommend(70, refine=True)
    assert local == device.recommend(70)
    answer = local.refined()
    assert time.monotonic() - begun < 8.0
    assert local.refinement is not None
    assert (local.refinement.reason, answer) == (reason, local), local.refinement.said
    end = time.monotonic() + 5
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() == []
    assert device.ledger.head[0] == head + leaves
    last = device.refinement.status().last
    assert last is not None
    assert (last.reason, bool(last.said)) == (reason, True)
    if leaves:
        newest = questions(device)[0]
        assert newest.state is EgressState.SENT
        assert (newest.receipt["refined"], newest.receipt["reason"]) == (False, reason.value)
    device.ledger.verify()


def works(device: Device) -> None:
    answer = device.recommend(70, refine=True).refined()
    assert answer.refinement is not None
    assert answer.refinement.reason is None, answer.refinement.said


@pytest.mark.parametrize("manner", ON_THE_WAY)
def test_a_relay_that_goes_wrong(tmp_path: Path, manner: Manner) -> None:
    slow = ON_THE_WAY[manner] is NotRefined.TOO_SLOW
    with server(tmp_path) as here, person(tmp_path, here) as device:
        works(device)
        here.relay.manner, here.relay.pause = manner, 30.0
        device.refinement.use(
            here.url, "films", relay=here.relay.url, policy="ask", at_once=True, seconds=0.5 if slow else 10.0
        )
        fails(device, ON_THE_WAY[manner])
        here.relay.manner = Manner.HONEST
        device.refinement.use(
            here.url, "films", relay=here.relay.url, policy="ask", at_once=True, seconds=10.0
        )
        works(device)


@pytest.mark.parametrize("manner", INSIDE)
def test_a_server_that_goes_wrong(tmp_path: Path, manner: Manner) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        works(device)
        here.gateway.manner = manner
        fails(device, INSIDE[manner])


@pytest.mark.parametrize("manner", [Manner.SHORT, Manner.SPOILT, Manner.ELSE])
def test_ciphertexts_that_are_not_of_the_question(tmp_path: Path, manner: Manner) -> None:
    with server(tmp_path, BfvScheme()) as here, person(tmp_path, here) as device:
        works(device)
        here.gateway.manner = manner
        fails(device, NotRefined.NONSENSE)


@contextmanager
def dripping() -> Iterator[str]:
    """A relay that sends one byte at a time, for ever."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def serve() -> None:
            while not done.is_set():
                with suppress(OSError):
                    asked, _ = listening.accept()
                    with asked:
                        asked.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                        while not done.wait(0.05):
                            asked.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            done.set()
            thread.join()


def test_a_relay_that_sends_byte_by_byte(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device, dripping() as url:
        device.refinement.use(here.url, "films", relay=url, policy="ask", at_once=True, seconds=0.5)
        fails(device, NotRefined.TOO_SLOW)


def test_nobody_at_the_relays_address(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        device.refinement.use(here.url, "films", relay="http://127.0.0.1:9/", policy="ask", at_once=True)
        head = device.ledger.head[0]
        answer = device.recommend(5, refine=True)
        assert answer.refined() == answer
        assert answer.refinement is not None
        assert answer.refinement.reason is NotRefined.UNREACHABLE
        assert device.ledger.head[0] == head + 1
        assert questions(device)[0].state is EgressState.FAILED


def test_a_switch_turned_off_ends_it_before_anything_leaves(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        works(device)
        heard = len(here.relay.heard)
        with device._vault.lock:
            answer = device.recommend(5, refine=True)
            device.consents.switch(Purpose.REFINE, False, how=PERSON)
        assert answer.refined() == answer
        assert answer.refinement is not None
        assert answer.refinement.reason is NotRefined.SWITCHED_OFF
        assert len(here.relay.heard) == heard


def test_what_left_counts_though_no_answer_came(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here, seconds=0.5) as device:
        here.relay.manner = Manner.SILENT
        fails(device, NotRefined.TOO_SLOW)
        (departure,) = questions(device)
        status = device.refinement.status()
        assert (status.asked, status.up, status.down) == (1, departure.size, 0)
        assert departure.receipt["bytes sent"] == departure.size
        device.refinement.use(here.url, "films", relay="http://127.0.0.1:9/", policy="ask", at_once=True)
        answer = device.recommend(5, refine=True)
        answer.refined()
        status = device.refinement.status()
        assert questions(device)[0].receipt["bytes sent"] == 0
        assert (status.asked, status.up, status.down) == (1, departure.size, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whoever_waits_is_told_even_if_nothing_can_be_written_down(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        device._vault.set_setting("refinement.use", b"spoilt")
        for _ in range(MOST_AT_ONCE + 1):
            begun = time.monotonic()
            works(device)
            assert time.monotonic() - begun < 5
            assert threads() == [] or not threads()[0].join(5)


def test_a_switch_turned_off_after_a_question_left_leaves_the_list_as_it_is(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        here.relay.manner, here.relay.pause = Manner.SLOW, 0.8
        answer = device.recommend(70, refine=True)
        end = time.monotonic() + 5
        while not here.relay.heard and time.monotonic() < end:
            time.sleep(0.01)
        device.consents.switch(Purpose.REFINE, False, how=PERSON)
        assert len(here.relay.heard) == 1
        assert answer.refined() == answer
        assert answer.refinement is not None
        assert answer.refinement.reason is NotRefined.SWITCHED_OFF


def test_nothing_leaves_once_no_profiling_is_on(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        with device._vault.lock:
            answer = device.recommend(5, refine=True)
            device.settings.no_profiling = True
        assert answer.refined() == answer
        assert answer.refinement is not None
        assert answer.refinement.reason is NotRefined.NO_PROFILING
        assert (questions(device), here.relay.heard) == ([], [])


def test_a_server_that_moved_on_is_told_of_and_the_next_refresh_mends_it(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path) as here, person(tmp_path, here, clock=clock) as device:
        works(device)
        here.side = replace(here.side, spread=here.side.spread * 2)
        here.gateway.about = hashlib.sha256(encode_query(here.side)).digest()
        here.fresh = here.gateway.fresh = fresh_of(here.side)
        fails(device, NotRefined.STALE)
        clock.now += 86_400
        here.announce(at=clock.now)
        device.refinement.refresh()
        works(device)


def test_a_key_that_is_not_the_gateways(tmp_path: Path) -> None:
    from confidante.crypto.oblivious_http import GatewayKey

    other = GatewayKey(bytes(range(32)), 1).config
    clock = Clock()
    with server(tmp_path, key=other) as here, person(tmp_path, here, clock=clock) as device:
        fails(device, NotRefined.RELAY)
        clock.now += 86_400  # the gateway may have another by now
        fails(device, NotRefined.STALE)
        here.relay.manner = Manner.FAILS
        fails(device, NotRefined.RELAY)
        assert here.gateway.questions == []


def test_an_offer_of_nothing_that_is_known_here_leaves_the_list_as_it_is(tmp_path: Path) -> None:
    with (
        server(tmp_path, schemes=("rot-13 1",), secret=True) as here,
        person(tmp_path, here) as device,
    ):
        fails(device, NotRefined.NO_LIBRARY, leaves=0)


def test_vectors_that_are_not_those_of_the_query_side_are_not_taken(tmp_path: Path) -> None:
    with server(tmp_path, table=bytes(32)) as here, person(tmp_path, here, prepared=False) as device:
        with pytest.raises(WireError):
            device.refinement.refresh()
        assert device.items.count == 60
        fails(device, NotRefined.NOT_PREPARED, leaves=0)


def test_a_forged_body_is_an_alarm_and_nothing_is_asked_until_it_is_dismissed(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        works(device)
        device.refinement.use(here.url, "films", relay=here.relay.url, policy="download")
        here.bodies[here.side.table.hex()] = b"another"
        with pytest.raises(ForkedLogError):
            device.refinement.refresh()
        (alarm,) = device.federation.alarms()
        device.refinement.use(here.url, "films", relay=here.relay.url, policy="ask", at_once=True)
        fails(device, NotRefined.ALARM, leaves=0)
        device.federation.dismiss_alarm(alarm.number)
        works(device)


def test_another_log_is_an_alarm(tmp_path: Path) -> None:
    with server(tmp_path / "one") as here, person(tmp_path, here) as device:
        with server(tmp_path / "two", announced=False) as other:
            other.log.add("model", model=bytes(32))
            other.announce()
            here.door.app = other.door.app
            with pytest.raises(ForkedLogError):
                device.refinement.refresh()
        fails(device, NotRefined.ALARM, leaves=0)


def test_a_malformed_offer_and_a_log_without_one_are_refused(tmp_path: Path) -> None:
    with server(tmp_path, announced=False) as here, person(tmp_path, here, prepared=False) as device:
        with pytest.raises(EgressError):
            device.refinement.refresh()
        here.log.add(LOG_KIND, model=bytes(32))
        with pytest.raises(WireError):
            device.refinement.refresh()
        fails(device, NotRefined.NOT_PREPARED, leaves=0)


@pytest.mark.parametrize("spoilt", ["shorter", "about", "nonsense"])
def test_what_is_fresh_of_other_vectors_is_not_taken(tmp_path: Path, spoilt: str) -> None:
    with server(tmp_path) as here, person(tmp_path, here, policy="download", prepared=False) as device:
        assert here.fresh is not None
        here.fresh = {
            "shorter": msgspec.structs.replace(here.fresh, points=here.fresh.points[1:]),
            "about": msgspec.structs.replace(here.fresh, about=bytes(32)),
            "nonsense": None,
        }[spoilt]
        with pytest.raises(ConfidanteError):
            device.refinement.refresh()
        assert device.items.count == 60
        fails(device, NotRefined.NOT_PREPARED, leaves=0)


def test_a_rule_out_of_all_proportion_moves_nothing(tmp_path: Path) -> None:
    with server(tmp_path, points={"m4": 100}) as here, person(tmp_path, here) as device:
        here.gateway.fresh = msgspec.structs.replace(here.gateway.fresh, unit=1e9)
        fails(device, NotRefined.NONSENSE)
