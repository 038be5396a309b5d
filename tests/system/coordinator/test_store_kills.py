"""Workers that race, are killed, or lose their database: nothing acknowledged is lost, nobody wins twice."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from paths import SUPPORT
from postgres import Postgres
from store_world import DIGEST, IDENTITIES, ROUND, SEATS, claimed, filled, opened
from stores import counted, hear, let_wait, seat_of, sent_to
from warm import Process

from confidante.coordinator.store import Accepted, Late, Payment, Repeated, Store
from confidante.core.errors import StoreError

T = TypeVar("T")

WRITER = SUPPORT / "store_writer.py"
KILLS = 4


@contextmanager
def writer(*arguments: object) -> Iterator[Process]:
    """A process with the store open; killed at the end."""
    with Process(WRITER, *arguments) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


def at_once(calls: list[Callable[[], T]]) -> list[T]:
    """Call all, in as many threads, and return what they return."""
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], T]) -> T:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))


class TestRaces:
    def test_of_many_threads_one_claims_a_round(self, store: Store) -> None:
        opened(store)
        won = at_once([partial(store.rounds.claim_due, 10.0, f"worker {one}", 5.0) for one in range(8)])
        assert sum(state is not None for state in won) == 1

    def test_of_two_processes_one_claims_a_round(self, url: str, store: Store) -> None:
        opened(store)
        with writer("race", url) as one, writer("race", url) as other:
            for process in (one, other):
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            said = sorted(process.stdout.readline() for process in (one, other) if process.stdout)
        assert said == ["False\n", "True\n"]

    def test_each_of_several_rounds_goes_to_one_worker(self, store: Store) -> None:
        opened(store)
        second = replace(ROUND, id=b"s" * 32, roster=IDENTITIES[4:8], seats=SEATS[4:8])
        store.rounds.open(second, 10.0, Payment(1.5, 0.25), 2.0)
        claims = [partial(store.rounds.claim_due, 10.0, f"worker {one}", 5.0) for one in range(4)]
        won = [state.row.id for state in at_once(claims) if state is not None]
        won += [state.row.id for state in iter(lambda: store.rounds.claim_due(10.0, "b", 5.0), None)]
        assert sorted(won) == [ROUND.id, second.id]

    def test_of_many_threads_one_advances_a_round(self, store: Store) -> None:
        opened(store)
        claimed(store, 10.0)
        won = at_once(
            [
                lambda: store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 30.0, {0: "a", 1: "b"}, 10.0)
                for _ in range(8)
            ]
        )
        assert won.count(True) == 1
        assert sent_to(store, ROUND.id, "SHARE", 1) == "b"

    def test_of_many_threads_one_seats_a_device(self, store: Store) -> None:
        filled(store)
        rows = [replace(ROUND, id=bytes([number]) * 32) for number in range(6)]
        won = at_once([lambda row=row: store.rounds.open(row, 10.0, Payment(1.5, 0.25), 2.0) for row in rows])
        assert won.count(True) == 1
        assert len(store.rounds.newest("films")) == 1

    def test_of_many_threads_one_pays_for_a_round(self, store: Store) -> None:
        opened(store)
        claimed(store, 10.0)
        store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 30.0, {0: "a"}, 10.0)
        claimed(store, 30.0)
        won = at_once(
            [lambda: store.rounds.advance(ROUND.id, "SHARE", "MASK", 50.0, {0: "b"}, 30.0) for _ in range(8)]
        )
        assert won.count(True) == 1
        assert store.payments.spent("films") == [1.5]

    def test_a_device_that_joins_while_it_is_seated_is_not_left_waiting(self, store: Store) -> None:
        filled(store)
        calls: list[Callable[[], object]] = [
            lambda: store.rounds.open(ROUND, 10.0, Payment(1.5, 0.25), 2.0),
            *(lambda who=who: let_wait(store, "films", IDENTITIES[who], SEATS[who], 3.0) for who in range(4)),
        ]
        at_once(calls)
        assert [waiting.identity for waiting in store.pool.all("films")] == list(IDENTITIES[4:])

    def test_one_of_two_messages_of_a_device_is_kept(self, store: Store) -> None:
        opened(store)
        said = at_once(
            [
                lambda number=number: hear(
                    store, ROUND.id, "ADVERTISE", 1, bytes([number]) * 32, 5, str(number), 3.0
                )
                for number in range(6)
            ]
        )
        assert said.count(Accepted()) == 1
        assert said.count(Repeated(same=False)) == 5
        assert store.messages.heard(ROUND.id, "ADVERTISE") == [(1, str(said.index(Accepted())))]

    def test_who_claims_sees_every_message_that_was_accepted(self, store: Store) -> None:
        """Else a replay by another worker would hear more than the first one did."""
        opened(store)
        seen: list[list[tuple[int, str]]] = []

        def claim() -> None:
            while store.rounds.claim_due(10.0, "a", 5.0) is None:
                pass
            seen.append(store.messages.heard(ROUND.id, "ADVERTISE"))

        def say(client: int) -> object:
            return hear(store, ROUND.id, "ADVERTISE", client, DIGEST, 5, "x", 9.0)

        said = at_once([claim, *(lambda client=client: say(client) for client in range(4))])
        accepted = [(client, "x") for client in range(4) if said[client + 1] == Accepted()]
        assert seen == [accepted]
        assert store.messages.heard(ROUND.id, "ADVERTISE") == accepted
        assert all(answer in (Accepted(), Late()) for answer in said[1:])

    def test_log_entries_of_many_threads_make_one_chain(self, store: Store) -> None:
        at_once([lambda number=number: store.log.append("plan", bytes([number]), 1.0) for number in range(8)])
        assert store.log.verify() == 8

    def test_counts_of_many_threads_add_up(self, store: Store) -> None:
        at_once([lambda: counted(store, "done") for _ in range(8)])
        assert store.operator.counts() == {"done": 8}

    def test_many_processes_migrate_at_once(self, url: str) -> None:
        def migrate() -> None:
            with Store.open(url) as store:
                store.migrate()

        at_once([migrate] * 4)
        with Store.open(url) as store:
            assert store.log.verify() == 0


class TestKills:
    def test_the_claim_of_a_killed_worker_ends_with_its_lease(self, url: str, store: Store) -> None:
        opened(store)
        hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 3.0)
        with writer("claim", url) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "True\n"
        assert store.rounds.claim_due(14.9, "b", 5.0) is None
        assert store.rounds.claim_due(15.0, "b", 5.0) is not None
        assert store.messages.heard(ROUND.id, "ADVERTISE") == [(1, "one")]

    def test_a_writer_killed_at_random_loses_nothing_acknowledged(self, url: str, store: Store) -> None:
        opened(store)
        told: list[list[str]] = []
        moments = random.Random(4)
        for seed in range(KILLS):
            with writer("write", url, seed) as process:
                time.sleep(moments.uniform(0.0, 0.3))
                process.kill()
                assert process.stdout is not None
                said = process.stdout.read()
            # A line that the kill cut off was not said.
            told += [line.split() for line in said[: said.rfind("\n") + 1].splitlines()]
        kept = store.messages.heard(ROUND.id, "ADVERTISE")
        for word, *rest in told:
            if word == "message":
                assert (int(rest[0]), rest[1]) in kept
        hashes = [entry.hash.hex() for entry in store.log.entries(0, 10_000)]
        known = [rest[0] for word, *rest in told if word == "log"]
        assert [digest for digest in hashes if digest in set(known)] == known
        assert store.log.verify() - len(known) <= KILLS
        counted = sum(word == "count" for word, *_ in told)
        assert counted <= store.operator.counts().get("done", 0) <= counted + KILLS
        assert known or counted


def test_a_restarted_postgresql_has_everything_and_the_open_store_finds_it_again(postgres: Postgres) -> None:
    with Store.open(postgres.database()) as store:
        store.migrate()
        opened(store)
        entry = store.log.append("plan", b"first", 1.0)
        postgres.kill()
        with pytest.raises(StoreError, match="refused") as raised:
            store.log.entries()
        assert raised.value.retry
        postgres.start()
        assert store.log.entries() == [entry]
        assert seat_of(store, IDENTITIES[0]) == (ROUND.id, 0)
