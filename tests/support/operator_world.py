"""A coordinator's page behind a real socket, with rounds of every kind to be seen on it."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
from http_world import KEY, listening
from stores import hear, let_wait

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.operator.view import PageSettings
from confidante.coordinator.store import Payment, RoundRow, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import Noted

__all__ = ["KEY", "desk_of", "history", "shown"]


def history(store: Store, published: int = 6, *, runs: bool = True) -> bytes:
    """Published rounds, one that ended without a sum, one that runs; return the id of the newest."""
    newest, missing = b"", Noted({"missing at MASK": 3})
    for number in range(published + 1 + runs):
        people = [hashlib.shake_256(f"{number} {i}".encode()).digest(64) for i in range(5)]
        at = time.time() - 86_400 * (published + runs - number) - 600
        for who in people:
            let_wait(store, "films", who, who[:32], at)
        newest = hashlib.sha256(f"round {number}".encode()).digest()
        task = f"popularity {number + 1}"
        entry = store.log.append("round", msgspec.msgpack.encode({"population": "films", "task": task}), at)
        row = RoundRow(
            newest,
            entry.number,
            "films",
            task,
            b"t",
            b"p",
            b"c",
            tuple(people),
            tuple(w[:32] for w in people),
        )
        last = number == published + runs
        assert store.rounds.open(row, time.time() + 50 if last else at + 60, Payment(3.0, 1.0), at)
        for who in range(3 if last and runs else 5):
            hear(store, newest, "ADVERTISE", who, b"d" * 32, 5, "ref", at)
        if number == published:
            store.rounds.abort(newest, "too_few: 2 of 5 devices are left", at + 61, noted=missing)
        elif not (last and runs):
            _publish(store, newest, number, at)
    let_wait(store, "films", b"w" * 64, b"w" * 32, time.time(), "small")
    return newest


def _publish(store: Store, round_id: bytes, number: int, at: float) -> None:
    phases = ("ADVERTISE", "SHARE", "MASK", "CONFIRM", "REVEAL")
    for phase, following in pairwise(phases):
        assert store.rounds.claim_due(at + 1, "test", 1.0) is not None
        assert store.rounds.advance(
            round_id, phase, following, at + 60, dict.fromkeys(range(5), "out"), at + 1
        )
        for who in range(5):
            hear(store, round_id, following, who, b"d" * 32, 5, "ref", at + 1)
    assert store.rounds.claim_due(at + 2, "test", 1.0) is not None
    body = msgspec.msgpack.encode({"population": "films", "training": number, "survivors": 4})
    assert store.rounds.publish(round_id, "sum", tuple(range(5 - number % 2)), ("sum", body), at + 2.5)


def desk_of(population: Population, folder: Path, *, public: bool = True) -> PageSettings:
    return PageSettings(
        (population,), f"file://{folder / 'bodies'}", lambda: {"films": "1 of 5 devices wait"}, public
    )


@contextmanager
def shown(folder: Path, *, public: bool = True, runs: bool = True) -> Iterator[tuple[str, Store]]:
    """Serve the page with a history; give its address and the store."""
    from run_world import defined

    population = replace(read_population(defined(folder)), epsilon=20.0)
    with Store.open(f"sqlite:///{folder / 'films.db'}") as store:
        store.migrate()
        history(store, runs=runs)
        bodies = Bodies(f"file://{folder / 'bodies'}")
        serving = HttpSettings(("films",), KEY, wait=0.05, poll=0.3, body=3.0, interval=0.01)
        coordinator = Coordinator(
            store, bodies, serving, page_settings=desk_of(population, folder, public=public)
        )
        with listening(coordinator) as port:
            yield f"http://127.0.0.1:{port}", store
