"""Waiting for a round: who is drawn, for what, how soon it is over, and what an outage costs."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from test_end_to_end import DEVICES, OPEN, Running, all_take_part, coordinator, person
from warm import Process

from confidante.coordinator.store import Store
from confidante.crypto.identity import SEED_BYTES, Identity
from confidante.device.federation.policy import Outcome
from confidante.device.values import Purpose
from confidante.wire.rounds import MSGPACK, SEAT_BYTES, check_in

AWAY = 16.0
"""Seconds: longer than the six tries of a request that is not insisted on."""

COUNTING = '\n[[task]]\nkind = "contributors"\nepsilon = 5.0\nevery_hours = 0.001\n'


def waiting_request(number: int) -> bytes:
    seed = bytes([number]) * SEED_BYTES
    body = check_in(Identity.from_seed(seed), "films", bytes([number]) * SEAT_BYTES)
    head = f"POST /v1/check-in HTTP/1.1\r\nHost: here\r\nContent-Type: {MSGPACK}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def until(true: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def patient(folder: Path, port: int = 0) -> Iterator[Running]:
    """A coordinator with the waiting times that operators have."""
    process = Process("-m", "confidante.cli", "coordinator", "run", folder / "films.toml", "--port", port)
    try:
        yield Running(process.stdout.readline().split()[-1], folder, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_devices_that_vanish_while_they_wait_are_let_go_at_once(tmp_path: Path) -> None:
    with coordinator(tmp_path / "films"):
        pass
    with patient(tmp_path / "films") as running, running.store() as store:
        port = int(running.url.rpartition(":")[2])
        doors = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for number, door in enumerate(doors):
            door.sendall(waiting_request(number + 1))
        until(lambda: len(store.pool.all("films")) == 3)
        for door in doors[:2]:
            door.close()
        until(lambda: len(store.pool.all("films")) == 1)
        doors[2].close()


def test_nobody_is_seated_for_what_is_not_given(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    with ExitStack() as stack, coordinator(folder, more=COUNTING + OPEN) as running:
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(DEVICES + 3)]
        for device in devices[DEVICES:]:  # these count, and train nothing
            device.consents.switch(Purpose.TRAIN, False, how="person")
            device.consents.switch(Purpose.COHORT, True, how="person")
        ended = all_take_part(devices, running.url, patience=20)
        states = [one.state if isinstance(one, Outcome) else repr(one) for one in ended]
        assert states == ["published"] * DEVICES + ["not chosen"] * 3
        with running.store() as store:
            assert [one.outcome for one in store.rounds.newest("films")] == ["published"]


def test_a_coordinator_that_is_away_for_long_costs_no_round(tmp_path: Path) -> None:
    with coordinator(tmp_path / "films"):
        pass
    ended: list[object] = []
    with ExitStack() as stack:
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(DEVICES)]
        with patient(tmp_path / "films") as running, running.store() as store:
            port = int(running.url.rpartition(":")[2])
            taking = threading.Thread(
                target=lambda: ended.extend(all_take_part(devices, running.url, patience=150))
            )
            taking.start()
            stack.callback(taking.join)
            until(lambda: all_heard(store), 60)  # every device knows its seat, and what it is asked
            running.process.kill()
            running.process.wait()
            [before] = store.operator.rounds("films")
            assert before.outcome == "", "it was killed too late"
        time.sleep(AWAY)
        with patient(tmp_path / "films", port) as running, running.store() as store:
            taking.join()
            [after] = store.operator.rounds("films")
    assert [getattr(one, "state", one) for one in ended] == ["published"] * DEVICES, ended
    assert (after.id, after.outcome, after.survivors) == (before.id, "published", DEVICES)


def all_heard(store: Store) -> bool:
    """Whether the first phase of the one round has heard all devices."""
    return any(
        len(store.messages.heard(one.id, "ADVERTISE")) == DEVICES for one in store.operator.rounds("films")
    )


def test_from_the_opening_of_a_round_to_its_sum_takes_seconds(tmp_path: Path) -> None:
    with coordinator(tmp_path / "films"):
        pass
    with ExitStack() as stack, patient(tmp_path / "films") as running:
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(DEVICES)]
        ended = all_take_part(devices, running.url)
        assert [getattr(one, "state", one) for one in ended] == ["published"] * DEVICES, ended
        with running.store() as store:
            [round_] = store.rounds.newest("films")
        sys.stdout.write(f"opened to published: {round_.ended - round_.opened:.1f} s\n")
        assert round_.ended - round_.opened < 60, "one phase by itself may last that long"
