"""The store: all that a coordinator must not forget. Workers share it and keep nothing themselves."""

from collections.abc import Mapping, Sequence
from typing import Self, final

from confidante.coordinator.store import (
    check_ins,
    checks,
    messages,
    operator_queries,
    published_rounds,
    repositories,
    rounds,
    waiting_pool,
)
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.references import references
from confidante.coordinator.store.refinement import RefinementBook
from confidante.coordinator.store.tokens import TokenBook
from confidante.coordinator.store.values import (
    COLLECTING,
    Accepted,
    Joining,
    Late,
    Noted,
    Payment,
    PublishedRound,
    Repeated,
    RoundFacts,
    RoundRow,
    RoundState,
    Sent,
    Standing,
    Waiters,
    Waiting,
)
from confidante.wire.transparency_log import LogEntry

_NOTHING = Noted()
_LOGGED_OUT = "logged out"


@final
class Store:
    """One database. Each method is one transaction: on disk when it returns, without effect when it raises.

    May be used from many threads; another process opens its own. Times are seconds since 1970 and come from
    the caller. All may be repeated when it is not known whether they came through. Every method raises
    StoreError, with `retry` set where trying again may help.
    """

    def __init__(self, database: Database) -> None:
        """Use `Store.open`."""
        self._database = database
        self.tokens = TokenBook(database)
        self.refinement = RefinementBook(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect to sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>."""
        return cls(Database(url))

    def migrate(self) -> None:
        """Bring the tables to this version's, from none or from an older one's."""
        self._database.migrate()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # --- devices that wait

    def admit(self, asked: Sequence[Joining], now: float) -> list[bool]:
        """Let devices wait, and spend their tokens; a device does both or neither.

        Who waits already goes on waiting as it did, with the seat it had; who sits in a running round does
        not wait. A power cut may undo it: the device comes again. Returns False for those whose token was
        spent by another check-in, or has had its seat in a round.
        """
        for one in asked:
            checks.text("the population", one.population)
            checks.exact("an identity", one.identity, checks.IDENTITY_BYTES)
            checks.exact("a seat", one.seat, checks.SEAT_BYTES)
            checks.text("the tier", one.tier, 20)
        checks.moment("now", now)
        with self._database.writing(durable=False) as sql:
            return check_ins.admit(sql, asked, now)

    def see(self, asked: Sequence[Joining], now: float) -> None:
        """Note that devices which wait asked again, and what they take on. Who waits no more stays out."""
        checks.moment("now", now)
        with self._database.writing(durable=False) as sql:
            check_ins.see(sql, asked, now)

    def vanish(self, gone: Sequence[tuple[bytes, float]]) -> None:
        """Let devices that wait go, by identity, unless they were seen later than at the time given."""
        with self._database.writing(durable=False) as sql:
            check_ins.vanish(sql, gone)

    def running(self) -> set[bytes]:
        """Return the rounds that run."""
        with self._database.reading() as sql:
            return check_ins.running(sql)

    def known(self, identities: Sequence[bytes]) -> tuple[dict[bytes, bytes], set[bytes]]:
        """Return the running rounds of those devices that sit in one, and those that wait."""
        with self._database.reading() as sql:
            return check_ins.known(sql, identities)

    def pool(self, population: str) -> list[Waiting]:
        """Return who waits, the longest first."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return waiting_pool.everybody(sql, population)

    def pool_count(self, population: str, seen: float, tier: str, purpose: str) -> tuple[int, int]:
        """Return how many of a tier (empty: any) wait for a purpose, and how many were last seen before."""
        checks.text("the population", population)
        checks.moment("seen", seen)
        with self._database.reading() as sql:
            return waiting_pool.count(sql, population, seen, tier, purpose)

    def pool_forget(self, population: str, before: float) -> int:
        """Let go of devices last seen before `before`, and return how many; they may join again."""
        checks.text("the population", population)
        checks.moment("before", before)
        with self._database.writing() as sql:
            self._database.one_at_a_time(sql)
            return waiting_pool.forget(sql, population, before)

    # --- rounds

    def open_round(
        self, row: RoundRow, deadline: float, cost: Payment, now: float, *, after: int | None = None
    ) -> bool:
        """Open a round in ADVERTISE, and take its devices out of the pool.

        cost: what it takes out of the budget when it gets to MASK. after: how many rounds the population must
        have had so far, so that two workers cannot both spend what is left. Returns False, with nothing done,
        when that differs or one of the roster waits no more; True also when this very round is open already.
        """
        checks.row(row)
        checks.moment("the deadline", deadline)
        checks.moment("now", now)
        checks.payment(cost)
        with self._database.writing() as sql:
            self._database.one_at_a_time(sql)
            return rounds.open_round(sql, row, deadline, cost, now, after)

    def round(self, round_id: bytes) -> RoundState | None:
        """Return a round as it stands, None when there is none."""
        with self._database.reading() as sql:
            return rounds.state(sql, round_id)

    def rounds(self, population: str, limit: int = 100) -> list[RoundState]:
        """Return the rounds of a population, the newest first."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return rounds.newest(sql, population, checks.client(limit))

    def set_back(self, population: str, now: float) -> None:
        """Let rounds that ended in the future have ended now: the clock was wrong then, or is wrong now."""
        checks.text("the population", population)
        checks.moment("now", now)
        with self._database.writing() as sql:
            rounds.set_back(sql, population, now)

    def failures(self, population: str) -> int:
        """Return how many rounds of a population ended without a sum since the last that had one."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return rounds.failures(sql, population)

    def published(
        self, population: str, limit: int = 100, *, begins: str = "", otherwise: str = ""
    ) -> list[PublishedRound]:
        """Return rounds with a sum, the newest first, without their rosters.

        begins: how the name of the task begins; otherwise: how it does not (empty: whatever).
        """
        checks.text("the population", population)
        with self._database.reading() as sql:
            return published_rounds.published(sql, population, checks.client(limit), begins, otherwise)

    def ended_with(self, round_id: bytes) -> str:
        """Return what a published round ended with, as the public log says: "model", "sum", "cohorts"."""
        with self._database.reading() as sql:
            return published_rounds.ended_with(sql, round_id)

    def due(self, now: float, populations: Sequence[str]) -> tuple[bool, float]:
        """Return whether `claim_due` may find a round, and when it does at the latest; without writing."""
        checks.moment("now", now)
        with self._database.reading() as sql:
            return operator_queries.due(sql, now, populations)

    def claim_due(
        self, now: float, worker: str, lease: float, *, populations: Sequence[str] | None = None
    ) -> RoundState | None:
        """Claim a round whose phase has heard all it expects or is past its deadline; None when none is due.

        The phase is closed: it hears nobody from now on, whoever finishes it, so that every replay of it sees
        the same messages. No other worker can claim the round for `lease` seconds. populations: those whose
        rounds may be claimed; None for all.
        """
        checks.moment("now", now)
        checks.moment("the end of the lease", now + lease)
        checks.text("the worker", worker)
        with self._database.writing() as sql:
            return rounds.claim_due(sql, now, worker, lease, populations)

    def advance(
        self,
        round_id: bytes,
        from_phase: str,
        to_phase: str,
        deadline: float,
        outbox: Mapping[int, str],
        now: float,
        *,
        noted: Noted = _NOTHING,
    ) -> bool:
        """Move a claimed round on; outbox: the body for each device that to_phase may hear, by index.

        What the round costs is paid in the same transaction when to_phase is MASK, the first that a vector
        can come in.
        Returns False, with nothing done, when the round is not in from_phase: another worker was first.
        """
        checks.phase(from_phase)
        checks.phase(to_phase)
        checks.moment("the deadline", deadline)
        checks.moment("now", now)
        for client, ref in outbox.items():
            checks.client(client)
            checks.reference(ref)
        with self._database.writing() as sql:
            return rounds.advance(sql, round_id, from_phase, to_phase, deadline, outbox, now, noted)

    def publish(
        self,
        round_id: bytes,
        result_ref: str,
        survivors: tuple[int, ...],
        entry: tuple[str, bytes] | None,
        now: float,
        *,
        noted: Noted = _NOTHING,
    ) -> bool:
        """End a claimed round with its sum; entry: (kind, body) to add to the public log with it.

        Returns False, with nothing done, when the round is not in REVEAL.
        """
        checks.reference(result_ref)
        checks.moment("now", now)
        for client in survivors:
            checks.client(client)
        if entry is not None:
            _check_entry(*entry)
        with self._database.writing() as sql:
            done = rounds.publish(sql, round_id, result_ref, survivors, now, noted)
            if done and entry is not None:
                repositories.append(sql, *entry, now)
            return done

    def abort(self, round_id: bytes, reason: str, now: float, *, noted: Noted = _NOTHING) -> bool:
        """End a running round without a sum; False when none runs. What was paid stays paid: from MASK on."""
        checks.reason(reason)
        checks.moment("now", now)
        with self._database.writing() as sql:
            return rounds.abort(sql, round_id, reason, now, noted)

    def renew(self, round_id: bytes, worker: str, until: float) -> bool:
        """Let a worker keep a claimed round until then; False when it has it no more."""
        checks.text("the worker", worker)
        checks.moment("the end of the lease", until)
        with self._database.writing() as sql:
            return rounds.renew(sql, round_id, worker, until)

    def refusal(self, round_id: bytes, index: int) -> str:
        """Return why the protocol refused what a device said in a running round, empty if it did not."""
        checks.client(index)
        with self._database.reading() as sql:
            return rounds.refusal(sql, round_id, index)

    # --- messages

    def accept_all(self, sent: Sequence[Sent], now: float) -> list[Accepted | Repeated | Late]:
        """Keep what devices said, and return what came of each.

        Only the first message of a device in a phase counts.
        """
        for one in sent:
            checks.phase(one.phase)
            checks.client(one.client)
            checks.exact("a digest", one.digest, checks.DIGEST_BYTES)
            checks.size(one.size)
            checks.reference(one.ref)
        checks.moment("now", now)
        with self._database.writing() as sql:
            return messages.accept(sql, sent, now)

    def standing(self, round_id: bytes, phase: str = COLLECTING[0], index: int = 0) -> Standing | None:
        """Return where a round stands, with what device `index` needs for answering in `phase`."""
        checks.phase(phase)
        checks.client(index)
        with self._database.reading() as sql:
            return messages.standing(sql, round_id, phase, index)

    def messages(self, round_id: bytes, phase: str) -> list[tuple[int, str]]:
        """Return (index, body) of what was accepted in a phase, by index."""
        checks.phase(phase)
        with self._database.reading() as sql:
            return messages.heard(sql, round_id, phase)

    def references(self) -> set[str]:
        """Return the names of all bodies that the database speaks of."""
        with self._database.snapshot() as sql:
            return references(sql)

    def leftovers(self, limit: int = 10) -> list[tuple[bytes, list[str]]]:
        """Return rounds that are over and still keep messages, each with their bodies.

        Delete the bodies, then `clear` the round: killed in between, it is simply done again.
        """
        with self._database.reading() as sql:
            return messages.leftovers(sql, checks.client(limit))

    def clear(self, round_id: bytes) -> None:
        """Forget all that devices said, and were told, in a round that is over."""
        with self._database.writing() as sql:
            messages.clear(sql, round_id)

    def forget_seats(self, before: float) -> int:
        """Forget who sat in rounds that ended before; the counts stay. Return how many rounds these were."""
        checks.moment("before", before)
        with self._database.writing() as sql:
            return messages.forget_seats(sql, before)

    # --- the books

    def append_log(self, kind: str, body: bytes, now: float) -> LogEntry:
        """Add an entry to the public log."""
        _check_entry(kind, body)
        checks.moment("now", now)
        with self._database.writing() as sql:
            return repositories.append(sql, kind, body, now)

    def log(self, since: int = 0, limit: int = 100) -> list[LogEntry]:
        """Return the entries after number `since`, oldest first; check them with `core.publog.verify`."""
        with self._database.reading() as sql:
            return repositories.entries(sql, checks.size(since), checks.client(limit))

    def log_tail(self, limit: int = 10) -> list[LogEntry]:
        """Return the newest entries, the newest first."""
        with self._database.reading() as sql:
            return operator_queries.log_tail(sql, checks.client(limit))

    def verify_log(self) -> int:
        """Check every entry and that none is missing at the end; return how many there are."""
        with self._database.snapshot() as sql:
            return repositories.verify(sql)

    def payments(self, population: str) -> list[Payment]:
        """Return all that was ever paid, oldest first."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return repositories.payments(sql, population)

    def spent(self, population: str) -> list[float]:
        """Return the noise multipliers of all that was ever paid, oldest first."""
        return [payment.noise_multiplier for payment in self.payments(population)]

    def counts(self) -> dict[str, int]:
        """Return every counter."""
        with self._database.reading() as sql:
            return repositories.counts(sql)

    # --- what an operator looks at, and says

    def facts(self, population: str, limit: int = 100) -> list[RoundFacts]:
        """Return the rounds of a population, the newest first, without what makes them large."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            return operator_queries.newest(sql, population, checks.client(limit))

    def fact(self, round_id: bytes) -> RoundFacts | None:
        """Return one round so, None when there is none."""
        with self._database.reading() as sql:
            return operator_queries.one(sql, round_id)

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return how many rounds there are by population and outcome (running, published, aborted)."""
        with self._database.reading() as sql:
            return operator_queries.outcomes(sql)

    def waiters(self) -> list[Waiters]:
        """Return how many devices wait, by population and tier."""
        with self._database.reading() as sql:
            return operator_queries.waiters(sql)

    def paused(self, population: str) -> bool:
        """Whether the operator wants no new round of a population."""
        with self._database.reading() as sql:
            return bool(operator_queries.flags(sql).get(f"paused {population}"))

    def pause(self, population: str, paused: bool) -> None:
        """Open no new round of a population, or go on. A round that runs is not touched."""
        checks.text("the population", population, 190)
        with self._database.writing() as sql:
            operator_queries.set_flag(sql, f"paused {population}", "yes" if paused else "")

    def gave_up(self, population: str) -> str:
        """Return after which round a population paused itself last, empty if it never did."""
        with self._database.reading() as sql:
            return operator_queries.flags(sql).get(f"gave up {population}", "")

    def give_up(self, population: str, after: str) -> bool:
        """Pause a population after a round; False, nothing done, when it was paused for this one before."""
        checks.text("the population", population, 190)
        with self._database.writing() as sql:
            if operator_queries.flags(sql).get(f"gave up {population}") == after:
                return False
            operator_queries.set_flag(sql, f"gave up {population}", after)
            operator_queries.set_flag(sql, f"paused {population}", "yes")
            return True

    def sessions_ended(self) -> int:
        """Return when somebody logged out last, in milliseconds since 1970; 0 when nobody did."""
        with self._database.reading() as sql:
            return int(operator_queries.flags(sql).get(_LOGGED_OUT, "0"))

    def end_sessions(self, now: int) -> None:
        """Let no session that began up to now (milliseconds since 1970) go on."""
        with self._database.writing() as sql:
            operator_queries.set_flag(sql, _LOGGED_OUT, str(now))


def _check_entry(kind: str, body: bytes) -> None:
    checks.text("the kind", kind)
    checks.body("the body of an entry", body)
