"""When it is announced what a population refines with: an hour apart, by any worker, and never backwards."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from populations import OPEN, catalogue_of
from published_model import made_up_model, publish_model
from refining_world import NAME, World, population_of, refining, scored, write_offer

from confidante.coordinator.refinement.gateway_keys import BOTH_SECONDS, KEY_SECONDS
from confidante.coordinator.refinement.offering import PREVIOUS_SECONDS
from confidante.coordinator.refinement.refinements import Refinements
from confidante.coordinator.server.garbage_collection import GarbageCollector
from confidante.coordinator.store import Store
from confidante.coordinator.store.backup import back_up, inspect
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import StoreError
from confidante.wire.refinement import LOG_KIND, RefinementOffer
from confidante.wire.tokens import LEAST_KEY_SECONDS


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@contextmanager
def workers(
    world: World, clock: Clock, *terms: dict[str, object], least: float = 0.0
) -> Iterator[list[Refinements]]:
    """Other hosts on the same database, each with terms of its own, that nobody asks."""
    made, bodies = list[Refinements](), Bodies(f"file://{world.folder / 'bodies'}")
    with Store.open(f"sqlite:///{world.folder / 'store.db'}") as store:
        try:
            for number, said in enumerate(terms):
                population = population_of(world.folder / f"host-{number}", more=OPEN, **said)
                made.append(Refinements(store, bodies, [population], now=clock, least=least))
            yield made
        finally:
            for one in made:
                one.stop()


def entries(world: World) -> list[float]:
    return [one.at for one in world.store.log.entries(0, 1000) if one.kind == LOG_KIND]


def numbers(world: World) -> list[int]:
    kept = world.store.refinement.keys()
    return [one.number for one in kept]


def ids(offered: list[RefinementOffer]) -> list[int]:
    return [one.key[0] for one in offered]


def test_workers_that_looked_at_different_times_never_say_an_older_key_again(tmp_path: Path) -> None:
    clock = Clock()
    with refining(tmp_path) as world, workers(world, clock, {}, {}) as hosts:
        for _ in range(2):
            for one in hosts:
                one.look()
        clock.now = world.store.refinement.keys()[0].made + KEY_SECONDS - 10
        hosts[1].look()  # knows the old key for half a minute from now on
        clock.now += 11
        for _ in range(6):
            for one in hosts:
                one.look()
            clock.now += 1
        assert ids(world.offered()) == [1, 2]


def test_hosts_of_other_terms_say_each_what_they_want_once(tmp_path: Path) -> None:
    clock = Clock()
    with refining(tmp_path) as world, workers(world, clock, {"hours": 5.0}, {"hours": 7.0}) as hosts:
        for _ in range(8):
            for one in hosts:
                one.look()
            clock.now += 1
        assert [one.seconds / 3600 for one in world.offered()] == [24.0, 5.0, 7.0]


def test_an_hour_lies_between_two_announcements_whatever_changed(tmp_path: Path) -> None:
    clock = Clock()
    with refining(tmp_path, least=LEAST_KEY_SECONDS) as world:
        world.refinements._now = clock
        assert len(world.offered()) == 1  # the very first at once
        question, _, _ = world.question()
        clock.now = entries(world)[0] + LEAST_KEY_SECONDS - 2
        write_offer(tmp_path, 31, gone=(4,))
        world.look()
        assert len(world.offered()) == 1
        problem = world.store.refinement.standing(NAME).problem
        assert "two announcements are 1 hour apart" in problem
        assert not scored(world.ask(question)).fresh.read(30)[1][4]  # stock follows at once all the same
        clock.now += 3
        world.look()
        publish_model(world.store, world.bodies, NAME, made_up_model(catalogue_of(20), 8, 1), time.time())
        world.look()
        assert len(world.offered()) == 2
        assert "is announced at" in world.store.refinement.standing(NAME).problem
        clock.now += LEAST_KEY_SECONDS
        world.look()
        assert world.store.refinement.standing(NAME).problem == ""
        assert len({one.model for one in world.offered()}) == 3
        at = entries(world)
        assert all(after - before >= LEAST_KEY_SECONDS for before, after in pairwise(at))


def test_a_change_of_terms_or_key_waits_for_the_hour_too(tmp_path: Path) -> None:
    clock = Clock()
    with (
        refining(tmp_path, least=LEAST_KEY_SECONDS) as world,
        workers(world, clock, {"hours": 5.0}, least=LEAST_KEY_SECONDS) as [other],
    ):
        first = entries(world)[0]
        clock.now = first + 1
        for _ in range(3):
            other.look()
        assert len(world.offered()) == 1
        clock.now = first + KEY_SECONDS - 100
        other.look()
        assert [one.seconds for one in world.offered()] == [86400.0, 18000.0]
        clock.now += 200
        other.look()
        assert ids(world.offered()) == [1, 1]
        assert len(world.store.refinement.keys()) == 2  # it is made, and said later
        clock.now += LEAST_KEY_SECONDS
        other.look()
        assert ids(world.offered()) == [1, 1, 2]


def test_a_store_with_another_clock_refuses_what_comes_too_soon(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        book, [at] = world.store.refinement, entries(world)
        row = book.standing(NAME)

        def say(now: float, after: bytes = row.said, least: float = 3600.0) -> bool:
            made = b"other" + str(now).encode()
            return book.announce(
                NAME, LOG_KIND, lambda _: made, bytes(32), 1, after, now, renewed=True, least=least
            )

        assert not say(at + 3599.0)
        assert not say(at + 3601.0, after=b"what nobody said")
        assert book.standing(NAME) == row
        assert say(at + 3601.0)
        assert book.standing(NAME).previous == row.said


def test_a_change_of_the_key_forgets_no_vectors(tmp_path: Path) -> None:
    clock = Clock()
    with refining(tmp_path) as world:
        world.refinements._now = world.refinements.keys._now = clock
        clock.now += KEY_SECONDS - PREVIOUS_SECONDS / 2
        world.look()
        before, _, _ = world.question()
        write_offer(tmp_path, 31)
        world.look()
        row = world.store.refinement.standing(NAME)
        clock.now += PREVIOUS_SECONDS / 2 + 60
        world.look()
        assert ids(world.offered()) == [1, 1, 2]
        after = world.store.refinement.standing(NAME)
        assert (after.previous, after.at) == (row.previous, row.at)
        scored(world.ask(before))
        clock.now = row.at + PREVIOUS_SECONDS + 1
        world.look()
        assert world.ask(before).status == 409


def test_a_retired_secret_is_gone_after_a_day(tmp_path: Path) -> None:
    clock = Clock()
    with refining(tmp_path) as world:
        world.refinements._now = world.refinements.keys._now = clock
        clock.now += KEY_SECONDS + 1
        world.look()
        assert numbers(world) == [1, 2]
        clock.now += BOTH_SECONDS - 60
        world.look()
        assert numbers(world) == [1, 2]
        clock.now += 61
        world.look()
        assert numbers(world) == [2]


# --- the file


def test_a_file_in_the_middle_of_being_written_is_not_read(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        file = tmp_path / "store.csv"
        whole = file.read_text()
        write_offer(tmp_path, 40)
        longer, lines = file.read_text(), file.read_text().splitlines(keepends=True)
        file.write_text(whole)
        world.look()
        for count in (5, 20, 35):
            file.write_text("".join(lines[:count]))
            world.refinements.look()
        file.write_text(longer)
        world.look()
        assert len(world.offered()) == 2
        assert world.sides()[0].items == 40


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        with (tmp_path / "store.csv").open("r+b") as file:
            os.truncate(file.fileno(), 1 << 40)  # no block of it is on the disk
        world.look()
        assert "1,099,511,627,776 bytes" in world.store.refinement.standing(NAME).problem
        scored(world.ask(world.question()[0]))


# --- what is kept


@pytest.fixture
def many(tmp_path: Path) -> Iterator[tuple[World, list[RefinementOffer]]]:
    with refining(tmp_path) as world:
        for items in range(31, 40):
            write_offer(tmp_path, items)
            world.look()
        offered = world.offered()
        assert len({one.model for one in offered}) == 10
        yield world, offered


def test_the_bodies_of_the_last_eight_are_kept(
    many: tuple[World, list[RefinementOffer]], tmp_path: Path
) -> None:
    world, offered = many
    kept = world.store.references()
    for one in offered[:2]:
        assert {one.model.hex(), one.table.hex()}.isdisjoint(kept)
    for one in offered[2:]:
        assert {one.model.hex(), one.table.hex()} <= kept
    GarbageCollector(world.store, world.bodies)(time.time() + 7200)
    with pytest.raises(StoreError):
        world.bodies.get(offered[1].model.hex())
    world.bodies.get(offered[2].model.hex())
    back_up(world.store._database, world.bodies, tmp_path / "all.zip", time.time())
    assert inspect(tmp_path / "all.zip").log == len(world.store.log.entries(0, 1000))
    with world.http() as http:
        assert http.get(f"/v1/models/{offered[1].model.hex()}").status_code == 503


def test_the_newest_is_had_by_who_has_one_that_was_forgotten(
    many: tuple[World, list[RefinementOffer]],
) -> None:
    world, offered = many
    GarbageCollector(world.store, world.bodies)(time.time() + 7200)
    with world.http() as http:
        old, new = offered[1].model.hex(), offered[-1].model.hex()
        answer = http.get(f"/v1/models/{new}", params={"from": old})
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == new
