"""What a store keeps, on whichever database: tests that a module imports beside a fixture `url`."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from store_world import DIGEST, IDENTITIES, ROUND, SEATS, claimed, filled, opened, say_all
from stores import counted, hear, let_wait, seat_of, sent_to

from confidante.coordinator.store import (
    ABORTED,
    COLLECTING,
    PUBLISHED,
    Accepted,
    Late,
    Payment,
    Repeated,
    Store,
    Waiting,
)
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import metadata
from confidante.core.errors import StoreError


class TestTables:
    def test_the_migrations_make_the_tables_that_the_code_uses(self, url: str, store: Store) -> None:
        database = Database(url)
        with database.reading() as sql:
            assert compare_metadata(MigrationContext.configure(sql), metadata) == []
        database.close()

    def test_migrating_again_changes_nothing(self, store: Store) -> None:
        store.log.append("plan", b"first", 1.0)
        store.migrate()
        assert store.log.verify() == 1

    def test_an_empty_database_says_what_to_do(self, url: str) -> None:
        with (
            Store.open(url) as store,
            pytest.raises(StoreError, match="`confidante coordinator run` makes them"),
        ):
            store.pool.all("films")

    def test_all_is_there_after_a_restart(self, url: str, store: Store) -> None:
        opened(store)
        hear(store, ROUND.id, "ADVERTISE", 2, DIGEST, 5, "hello", 3.0)
        entry = store.log.append("plan", b"first", 1.0)
        counted(store, "rounds", 3)
        before = store.rounds.get(ROUND.id)
        store.close()
        with Store.open(url) as again:
            assert again.rounds.get(ROUND.id) == before
            assert again.messages.heard(ROUND.id, "ADVERTISE") == [(2, "hello")]
            assert again.log.entries() == [entry]
            assert again.operator.counts() == {"rounds": 3}
            assert seat_of(again, IDENTITIES[2]) == (ROUND.id, 2)


class TestPool:
    def test_who_joins_again_keeps_place_and_seat(self, store: Store) -> None:
        first = let_wait(store, "films", IDENTITIES[0], SEATS[0], 1.0)
        assert let_wait(store, "films", IDENTITIES[0], SEATS[1], 2.0) == first
        assert store.pool.all("films") == [first] == [Waiting(IDENTITIES[0], SEATS[0], 1.0)]

    def test_the_longest_waiting_come_first_and_populations_do_not_mix(self, store: Store) -> None:
        for at, population in ((3.0, "films"), (1.0, "books"), (2.0, "films")):
            let_wait(store, population, IDENTITIES[int(at)], SEATS[0], at)
        assert [waiting.since for waiting in store.pool.all("films")] == [2.0, 3.0]

    def test_who_waited_too_long_is_let_go_and_may_join_again(self, store: Store) -> None:
        filled(store)
        assert store.pool.forget("films", 1.0) == 0
        assert store.pool.forget("films", 1.5) == len(IDENTITIES)
        assert let_wait(store, "films", IDENTITIES[0], SEATS[0], 9.0) is not None

    def test_who_sits_in_a_running_round_cannot_wait_for_another(self, store: Store) -> None:
        opened(store)
        assert let_wait(store, "films", IDENTITIES[0], SEATS[0], 3.0) is None
        assert [one.identity for one in store.pool.all("films")] == list(IDENTITIES[4:])
        store.rounds.abort(ROUND.id, "too few", 4.0)
        assert let_wait(store, "films", IDENTITIES[0], SEATS[0], 5.0) is not None


class TestOpening:
    def test_opening_seats_the_chosen_and_costs_nothing_yet(self, store: Store) -> None:
        opened(store)
        assert [waiting.identity for waiting in store.pool.all("films")] == list(IDENTITIES[4:])
        assert seat_of(store, IDENTITIES[3]) == (ROUND.id, 3)
        assert seat_of(store, IDENTITIES[4]) is None
        assert store.payments.all("films") == []
        state = store.rounds.get(ROUND.id)
        assert state is not None
        assert (state.number, state.cost) == (1, Payment(1.5, 0.25))
        assert (state.row, state.phase, state.deadline, state.outcome) == (ROUND, "ADVERTISE", 10.0, "")

    def test_a_round_is_paid_for_when_its_vectors_may_come_and_never_again(self, store: Store) -> None:
        opened(store)
        for at, phase in enumerate(COLLECTING[:-1]):
            assert store.payments.spent("films") == ([1.5] if at > COLLECTING.index("SHARE") else [])
            claimed(store, 20.0)
            for _ in range(2):
                store.rounds.advance(ROUND.id, phase, COLLECTING[at + 1], 10.0, {}, 20.0)
        assert store.payments.all("films") == [Payment(1.5, 0.25)]
        assert store.payments.spent("books") == []

    def test_a_round_that_dies_before_its_vectors_may_come_costs_nothing(self, store: Store) -> None:
        opened(store)
        claimed(store, 20.0)
        assert store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 30.0, {}, 20.0)
        assert store.rounds.abort(ROUND.id, "too few", 30.0)
        assert store.payments.all("films") == []
        assert store.rounds.failures("films") == 1
        assert store.rounds.failures("books") == 0

    def test_opening_the_same_round_again_opens_one(self, store: Store) -> None:
        opened(store)
        assert store.rounds.open(ROUND, 10.0, Payment(1.5, 0.25), 2.0, after=0)
        assert len(store.rounds.newest("films")) == 1

    def test_a_round_id_is_used_once(self, store: Store) -> None:
        opened(store)
        other = replace(ROUND, task="another")
        with pytest.raises(StoreError, match="another round"):
            store.rounds.open(other, 10.0, Payment(1.5, 0.25), 2.0)

    def test_a_device_that_waits_no_more_stops_the_opening(self, store: Store) -> None:
        opened(store)
        overlapping = replace(ROUND, id=b"s" * 32, roster=IDENTITIES[3:7], seats=SEATS[3:7])
        assert not store.rounds.open(overlapping, 10.0, Payment(1.5, 0.25), 2.0)
        assert store.rounds.get(overlapping.id) is None
        assert len(store.pool.all("films")) == len(IDENTITIES) - 4

    def test_devices_of_another_population_cannot_be_drawn(self, store: Store) -> None:
        filled(store)
        assert not store.rounds.open(replace(ROUND, population="books"), 10.0, Payment(1.5, 0.25), 2.0)

    def test_two_workers_cannot_spend_the_same_money(self, store: Store) -> None:
        opened(store)
        second = replace(ROUND, id=b"s" * 32, roster=IDENTITIES[4:8], seats=SEATS[4:8])
        assert not store.rounds.open(second, 10.0, Payment(1.5, 0.25), 2.0, after=0)
        assert store.rounds.open(second, 10.0, Payment(2.5, 0.25), 2.0, after=1)
        assert [one.number for one in store.rounds.newest("films")] == [2, 1]
        assert [one.cost.noise_multiplier for one in store.rounds.newest("films")] == [2.5, 1.5]

    def test_the_newest_rounds_come_first(self, store: Store) -> None:
        opened(store)
        second = replace(ROUND, id=b"s" * 32, roster=IDENTITIES[4:8], seats=SEATS[4:8])
        store.rounds.open(second, 10.0, Payment(1.5, 0.25), 3.0)
        assert [state.row.id for state in store.rounds.newest("films")] == [second.id, ROUND.id]
        assert [state.row.id for state in store.rounds.newest("films", 1)] == [second.id]

    def test_a_round_of_many_devices_fits(self, store: Store) -> None:
        identities = tuple(number.to_bytes(64, "big") for number in range(600))
        for identity in identities:
            let_wait(store, "films", identity, SEATS[0], 1.0)
        large = replace(ROUND, roster=identities, seats=(SEATS[0],) * 600)
        assert store.rounds.open(large, 10.0, Payment(1.5, 0.25), 2.0)
        state = store.rounds.get(large.id)
        assert state is not None
        assert state.row == large
        assert store.pool.all("films") == []


class TestMessages:
    def test_the_first_message_counts_and_the_same_again_is_fine(self, store: Store) -> None:
        opened(store)
        assert hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 3.0) == Accepted()
        assert hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 3.0) == Repeated(same=True)
        assert hear(store, ROUND.id, "ADVERTISE", 1, bytes(32), 5, "two", 3.0) == Repeated(same=False)
        assert store.messages.heard(ROUND.id, "ADVERTISE") == [(1, "one")]

    def test_after_the_deadline_a_message_is_late(self, store: Store) -> None:
        opened(store)
        assert hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 10.0) == Late()

    def test_after_the_claim_a_message_is_late_and_an_accepted_one_known(self, store: Store) -> None:
        opened(store)
        hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 3.0)
        claimed(store, 10.0)
        assert hear(store, ROUND.id, "ADVERTISE", 2, DIGEST, 5, "two", 9.0) == Late()
        assert hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 9.0) == Repeated(same=True)
        assert store.messages.heard(ROUND.id, "ADVERTISE") == [(1, "one")]

    def test_a_phase_that_is_not_open_hears_nobody(self, store: Store) -> None:
        opened(store)
        assert hear(store, ROUND.id, "SHARE", 1, DIGEST, 5, "one", 3.0) == Late()

    def test_only_who_was_sent_something_may_answer(self, store: Store) -> None:
        opened(store)
        claimed(store, 10.0)
        store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 20.0, {0: "a", 1: "b"}, 10.0)
        assert sent_to(store, ROUND.id, "SHARE", 1) == "b"
        assert sent_to(store, ROUND.id, "SHARE", 2) is None
        assert hear(store, ROUND.id, "SHARE", 1, DIGEST, 5, "one", 11.0) == Accepted()
        assert hear(store, ROUND.id, "SHARE", 2, DIGEST, 5, "two", 11.0) == Late()

    def test_who_is_not_in_the_roster_is_not_heard(self, store: Store) -> None:
        opened(store)
        assert hear(store, ROUND.id, "ADVERTISE", 4, DIGEST, 5, "one", 3.0) == Late()
        assert hear(store, b"?" * 32, "ADVERTISE", 1, DIGEST, 5, "one", 3.0) == Late()


class TestClaims:
    def test_nothing_is_due_while_devices_are_missing_and_there_is_time(self, store: Store) -> None:
        opened(store)
        assert store.rounds.claim_due(9.0, "a", 5.0) is None

    def test_a_round_is_due_when_all_have_answered(self, store: Store) -> None:
        opened(store)
        say_all(store, "ADVERTISE")
        state = store.rounds.claim_due(4.0, "a", 5.0)
        assert state is not None
        assert (state.row, state.phase, state.closed) == (ROUND, "ADVERTISE", True)

    def test_a_round_is_due_at_its_deadline(self, store: Store) -> None:
        opened(store)
        assert store.rounds.claim_due(10.0, "a", 5.0) is not None

    def test_a_claim_ends_with_its_lease_and_the_phase_stays_closed(self, store: Store) -> None:
        opened(store)
        say_all(store, "ADVERTISE")
        assert store.rounds.claim_due(4.0, "a", 5.0) is not None
        assert store.rounds.claim_due(8.9, "b", 5.0) is None
        state = store.rounds.claim_due(9.0, "b", 5.0)
        assert state is not None
        assert state.closed

    def test_the_first_to_advance_wins(self, store: Store) -> None:
        opened(store)
        claimed(store, 10.0)
        claimed(store, 20.0)
        assert store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 30.0, {0: "a"}, 20.0)
        assert not store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 31.0, {0: "other"}, 21.0)
        state = store.rounds.get(ROUND.id)
        assert state is not None
        assert (state.phase, state.deadline, state.closed) == ("SHARE", 30.0, False)
        assert sent_to(store, ROUND.id, "SHARE", 0) == "a"

    def test_a_phase_that_still_hears_devices_cannot_be_ended(self, store: Store) -> None:
        opened(store)
        with pytest.raises(StoreError, match="claim the round"):
            store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 30.0, {0: "a"}, 3.0)

    def test_phases_come_in_order(self, store: Store) -> None:
        opened(store)
        claimed(store, 10.0)
        with pytest.raises(StoreError, match="does not follow"):
            store.rounds.advance(ROUND.id, "ADVERTISE", "MASK", 30.0, {}, 10.0)


class TestEnds:
    def test_a_round_goes_through_its_phases_and_is_published_with_its_log_entry(self, store: Store) -> None:
        opened(store)
        now = 10.0
        for phase, following in pairwise(COLLECTING):
            claimed(store, now)
            assert store.rounds.advance(ROUND.id, phase, following, now + 10, {0: "a", 2: "b"}, now)
            now += 10
        claimed(store, now)
        assert store.rounds.publish(ROUND.id, "sum", (0, 2), ("model", b"digest"), now)
        state = store.rounds.get(ROUND.id)
        assert state is not None
        assert (state.phase, state.outcome, state.result, state.survivors, state.ended) == (
            PUBLISHED, "published", "sum", (0, 2), now,
        )  # fmt: skip
        assert [(entry.kind, entry.body) for entry in store.log.entries()] == [("model", b"digest")]
        assert seat_of(store, IDENTITIES[0]) is None
        assert not store.rounds.publish(ROUND.id, "sum", (0, 2), ("model", b"digest"), now)
        assert store.log.verify() == 1
        assert store.rounds.claim_due(1e6, "a", 5.0) is None

    def test_a_round_cannot_be_published_from_an_early_phase(self, store: Store) -> None:
        opened(store)
        claimed(store, 10.0)
        assert not store.rounds.publish(ROUND.id, "sum", (0,), ("model", b""), 10.0)
        assert store.log.entries() == []

    def test_an_abort_lets_devices_go_and_refunds_nothing(self, store: Store) -> None:
        opened(store)
        for at, phase in enumerate(COLLECTING[:2]):
            claimed(store, 20.0)
            assert store.rounds.advance(ROUND.id, phase, COLLECTING[at + 1], 30.0, {}, 3.0)
        assert store.rounds.abort(ROUND.id, "too few", 4.0)
        state = store.rounds.get(ROUND.id)
        assert state is not None
        assert (state.phase, state.outcome, state.reason) == (ABORTED, "aborted", "too few")
        assert seat_of(store, IDENTITIES[0]) is None
        assert store.payments.spent("films") == [1.5]
        assert not store.rounds.abort(ROUND.id, "again", 5.0)
        assert hear(store, ROUND.id, "ADVERTISE", 1, DIGEST, 5, "one", 5.0) == Late()
        assert store.rounds.claim_due(1e6, "a", 5.0) is None

    def test_who_sat_in_a_round_is_forgotten_after_it_and_counts_stay(self, store: Store) -> None:
        opened(store)
        assert store.messages.forget_seats(1e6) == 0
        for phase, following in pairwise(COLLECTING):
            claimed(store, 10.0)
            assert store.rounds.advance(ROUND.id, phase, following, 10.0, {0: "to 0"}, 10.0)
        claimed(store, 10.0)
        assert store.rounds.publish(ROUND.id, "sum", (1, 3, 2), None, 20.0)
        store.messages.clear(ROUND.id)
        before, spent = store.rounds.published("films", 5), store.payments.spent("films")
        assert store.messages.forget_seats(20.0) == 0
        assert store.messages.forget_seats(20.1) == 1
        assert store.messages.forget_seats(1e6) == 0
        state = store.rounds.get(ROUND.id)
        assert state is not None
        assert (state.row.roster, state.row.seats, state.survivors) == ((), (), (0, 0, 0))
        assert store.rounds.published("films", 5) == before
        assert before[0].survivors == 3
        assert store.payments.spent("films") == spent != []

    def test_messages_are_forgotten_when_the_round_is_over_and_not_before(self, store: Store) -> None:
        opened(store)
        say_all(store, "ADVERTISE")
        claimed(store, 10.0)
        store.rounds.advance(ROUND.id, "ADVERTISE", "SHARE", 30.0, {0: "to 0"}, 20.0)
        assert store.messages.leftovers() == []
        with pytest.raises(StoreError, match="still runs"):
            store.messages.clear(ROUND.id)
        store.rounds.abort(ROUND.id, "too few", 21.0)
        assert store.messages.leftovers() == [(ROUND.id, ["from 0", "from 1", "from 2", "from 3", "to 0"])]
        store.messages.clear(ROUND.id)
        assert store.messages.leftovers() == []
        assert store.messages.heard(ROUND.id, "ADVERTISE") == []


class TestBooks:
    def test_each_log_entry_holds_the_hash_of_the_one_before(self, store: Store) -> None:
        entries = [store.log.append("plan", body, 1.0) for body in (b"a", b"b", b"c")]
        assert [entry.previous for entry in entries] == [bytes(32), entries[0].hash, entries[1].hash]
        assert store.log.entries() == entries
        assert store.log.entries(since=1, limit=1) == [entries[1]]
        assert store.log.verify() == 3

    @pytest.mark.parametrize(
        "forgery",
        [
            "UPDATE log SET kind = 'other' WHERE number = 2",
            "UPDATE log SET at = 2 WHERE number = 1",
            "DELETE FROM log WHERE number = 2",
            "DELETE FROM log WHERE number = 3",
            "DELETE FROM log",
            "UPDATE log_head SET number = 2",
        ],
    )
    def test_a_changed_log_is_noticed(self, url: str, store: Store, forgery: str) -> None:
        for body in (b"a", b"b", b"c"):
            store.log.append("plan", body, 1.0)
        database = Database(url)
        with database.writing() as sql:
            sql.exec_driver_sql(forgery)
        database.close()
        with pytest.raises(StoreError, match="public log"):
            store.log.verify()

    def test_counters_add_up(self, store: Store) -> None:
        counted(store, "published")
        counted(store, "published", 4)
        counted(store, "rejected:late", (1 << 40))
        assert store.operator.counts() == {"published": 5, "rejected:late": 1 << 40}


class TestHostileInput:
    @pytest.mark.parametrize("identity", [b"", bytes(63), bytes(65), bytes(1 << 20)])
    def test_identities_have_one_size(self, store: Store, identity: bytes) -> None:
        with pytest.raises(StoreError, match="give 64"):
            let_wait(store, "films", identity, SEATS[0], 1.0)

    @pytest.mark.parametrize("population", ["", "x" * 201, "nul\0", "\ud800"])
    def test_names_are_short_text(self, store: Store, population: str) -> None:
        with pytest.raises(StoreError, match="population"):
            let_wait(store, population, IDENTITIES[0], SEATS[0], 1.0)

    @pytest.mark.parametrize("now", [math.nan, math.inf, -1.0, 1e12])
    def test_times_are_times(self, store: Store, now: float) -> None:
        with pytest.raises(StoreError, match="seconds since 1970"):
            let_wait(store, "films", IDENTITIES[0], SEATS[0], now)

    def test_messages_have_bounds(self, store: Store) -> None:
        opened(store)
        for phase, index, digest, size, ref in (
            ("POOL", 0, DIGEST, 5, "a"),
            ("x" * 10_000, 0, DIGEST, 5, "a"),
            ("ADVERTISE", -1, DIGEST, 5, "a"),
            ("ADVERTISE", 1 << 70, DIGEST, 5, "a"),
            ("ADVERTISE", 0, DIGEST[:-1], 5, "a"),
            ("ADVERTISE", 0, DIGEST, -1, "a"),
            ("ADVERTISE", 0, DIGEST, 1 << 63, "a"),
            ("ADVERTISE", 0, DIGEST, 5, ""),
            ("ADVERTISE", 0, DIGEST, 5, "a" * 501),
        ):
            with pytest.raises(StoreError):
                hear(store, ROUND.id, phase, index, digest, size, ref, 3.0)
        assert store.messages.heard(ROUND.id, "ADVERTISE") == []
        assert hear(store, ROUND.id, "ADVERTISE", 0, DIGEST, (1 << 63) - 1, "a", 3.0) == Accepted()

    def test_a_round_must_hold_together(self, store: Store) -> None:
        filled(store)
        for wrong in (
            replace(ROUND, id=b"short"),
            replace(ROUND, roster=()),
            replace(ROUND, seats=ROUND.seats[:-1]),
            replace(ROUND, roster=ROUND.roster[:1] * 4),
            replace(ROUND, roster=(b"short", *ROUND.roster[1:])),
            replace(ROUND, plan=bytes((64 << 20) + 1)),
        ):
            with pytest.raises(StoreError):
                store.rounds.open(wrong, 10.0, Payment(1.5, 0.25), 2.0)
        for noise, share in ((math.nan, 0.5), (-1.0, 0.5), (1.0, 0.0), (1.0, math.inf)):
            with pytest.raises(StoreError, match="payment"):
                store.rounds.open(ROUND, 10.0, Payment(noise, share), 2.0)
        assert store.rounds.newest("films") == []

    @pytest.mark.parametrize("since", [-1, 1 << 64])
    def test_a_log_is_asked_for_by_number(self, store: Store, since: int) -> None:
        with pytest.raises(StoreError):
            store.log.entries(since)

    def test_text_that_looks_like_sql_is_text(self, store: Store) -> None:
        name = "'; DROP TABLE pool; --"
        let_wait(store, name, IDENTITIES[0], SEATS[0], 1.0)
        assert len(store.pool.all(name)) == 1
