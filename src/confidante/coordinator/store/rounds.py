"""Rounds: opened, claimed by one worker at a time, moved on by compare-and-set, ended once."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, final

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store import checks, public_log, tokens
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.payments import pay
from confidante.coordinator.store.references import named_in
from confidante.coordinator.store.tables import counter, log, message, outbox, pool, rounds, seated
from confidante.coordinator.store.values import (
    ABORTED,
    COLLECTING,
    PAID_AT,
    PUBLISHED,
    Noted,
    Payment,
    PublishedRound,
    RoundRow,
    RoundState,
)
from confidante.core.errors import StoreError
from confidante.wire.tokens import bound_to

_INDEX = 4
_AS_THEY_ARE = [name for name in RoundRow.__slots__ if name not in ("roster", "seats")]
"""Columns of a round that are fields of `RoundRow`."""

_STANDING = [name for name in RoundState.__slots__ if name not in ("row", "survivors", "cost")]
"""Columns that are fields of `RoundState`."""

_STATE = select(rounds).where(rounds.c.id == bindparam("round_id"))  # made once: it is asked for often
_REFUSAL = (
    select(message.c.refused)
    .where(message.c.round_id == bindparam("round_id"), message.c.client == bindparam("client"))
    .where(message.c.refused.is_not(None))
    .limit(1)
)
_CHUNK = 500  # values in one IN (...): SQLite has a limit
_SKEW = 60.0  # seconds by which the clocks of two hosts may differ
_ENTRIES = 50  # of the log, read at once: the end of a round is soon after its announcement
_RUNNING = select(rounds.c.id).where(rounds.c.outcome == "")
HEARD = (
    select(func.count())
    .select_from(message)
    .where(message.c.round_id == rounds.c.id, message.c.phase == rounds.c.phase)
    .scalar_subquery()
)
"""Messages of the phase that a round is in."""

_PUBLISHED = [rounds.c[name] for name in PublishedRound.__slots__ if name != "survivors"]
_NOTHING = Noted()
_AT_REST = {"closed": False, "worker": "", "claims": 0, "leased_until": 0.0}
"""A phase that hears devices, and that nobody claims."""


@final
class Rounds:
    """Rounds. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
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
            standing = _get(sql, row.id)
            if standing is not None:
                if standing.row != row:
                    raise StoreError("this round id belongs to another round: draw 32 random bytes for each")
                return True
            newest_number = select(func.max(rounds.c.number)).where(rounds.c.population == row.population)
            before = sql.scalar(newest_number) or 0
            if after is not None and before != after:
                return False
            chosen = [
                (pool.c.population == row.population)
                & pool.c.identity.in_(row.roster[start : start + _CHUNK])
                for start in range(0, len(row.roster), _CHUNK)
            ]
            waiting = sum(len(sql.execute(select(pool.c.seat).where(some)).all()) for some in chosen)
            if waiting != len(row.roster):
                return False
            for some in chosen:
                sql.execute(delete(pool).where(some))
            sql.execute(
                insert(rounds).values(
                    **{name: getattr(row, name) for name in _AS_THEY_ARE},
                    **_AT_REST,
                    number=before + 1,
                    roster=b"".join(row.roster),
                    seats=b"".join(row.seats),
                    clients=len(row.roster),
                    phase=COLLECTING[0],
                    deadline=deadline,
                    expected=len(row.roster),
                    since=now,
                    outcome="",
                    reason="",
                    result="",
                    survivors=b"",
                    opened=now,
                    ended=0.0,
                    noise_multiplier=cost.noise_multiplier,
                    share=cost.share,
                )
            )
            sql.execute(
                insert(seated),
                [{"identity": who, "round_id": row.id, "client": at} for at, who in enumerate(row.roster)],
            )
            tokens.seat(sql, [bound_to(*one) for one in zip(row.roster, row.seats, strict=True)])
            return True

    def get(self, round_id: bytes) -> RoundState | None:
        """Return a round as it stands, None when there is none."""
        with self._database.reading() as sql:
            return _get(sql, round_id)

    def newest(self, population: str, limit: int = 100) -> list[RoundState]:
        """Return the rounds of a population, the newest first."""
        checks.text("the population", population)
        checks.client(limit)
        with self._database.reading() as sql:
            wanted = select(rounds).where(rounds.c.population == population)
            ordered = wanted.order_by(rounds.c.number.desc()).limit(limit)
            return [_state(row) for row in sql.execute(ordered)]

    def running(self) -> set[bytes]:
        """Return the rounds that run."""
        with self._database.reading() as sql:
            return set(sql.scalars(_RUNNING))

    def set_back(self, population: str, now: float) -> None:
        """Let rounds that ended in the future have ended now: the clock was wrong then, or is wrong now."""
        checks.text("the population", population)
        checks.moment("now", now)
        with self._database.writing() as sql:
            ahead = (rounds.c.population == population, rounds.c.outcome != "", rounds.c.ended > now)
            sql.execute(update(rounds).where(*ahead).values(ended=now))

    def failures(self, population: str) -> int:
        """Return how many rounds of a population ended without a sum since the last that had one."""
        checks.text("the population", population)
        with self._database.reading() as sql:
            ours = rounds.c.population == population
            published = select(func.max(rounds.c.number)).where(ours, rounds.c.phase == PUBLISHED)
            since = func.coalesce(published.scalar_subquery(), 0)
            failed = select(func.count()).select_from(rounds)
            return sql.scalar(failed.where(ours, rounds.c.phase == ABORTED, rounds.c.number > since)) or 0

    def published(
        self, population: str, limit: int = 100, *, begins: str = "", otherwise: str = ""
    ) -> list[PublishedRound]:
        """Return rounds with a sum, the newest first, without their rosters.

        begins: how the name of the task begins; otherwise: how it does not (empty: whatever).
        """
        checks.text("the population", population)
        checks.client(limit)
        with self._database.reading() as sql:
            wanted = select(*_PUBLISHED, func.length(rounds.c.survivors).label("survivors")).where(
                rounds.c.population == population
            )
            wanted = wanted.where(
                rounds.c.phase == PUBLISHED, rounds.c.task.startswith(begins, autoescape=True)
            )
            if otherwise:
                wanted = wanted.where(~rounds.c.task.startswith(otherwise, autoescape=True))
            found = sql.execute(wanted.order_by(rounds.c.number.desc()).limit(limit))
            return [PublishedRound(**{**row._mapping, "survivors": row.survivors // _INDEX}) for row in found]

    def ended_with(self, round_id: bytes) -> str:
        """Return what a published round ended with, as the public log says: "model", "sum", "cohorts"."""
        with self._database.reading() as sql:
            after = select(rounds.c.entry).where(rounds.c.id == round_id).scalar_subquery()
            wanted = select(log.c.kind, log.c.body).where(log.c.number > after).order_by(log.c.number)
            with sql.execute(wanted, execution_options={"yield_per": _ENTRIES}) as entries:
                return next((row.kind for row in entries if named_in(row.body).get("round") == round_id), "")

    def due(self, now: float, populations: Sequence[str]) -> tuple[bool, float]:
        """Return whether `claim_due` may find a round, and when it does at the latest; without writing."""
        checks.moment("now", now)
        with self._database.reading() as sql:
            looked = select(
                rounds.c.deadline,
                (rounds.c.closed | (rounds.c.expected <= HEARD)).label("ready"),
                rounds.c.since,
            )
            running = rounds.c.outcome == "", rounds.c.population.in_(populations)
            found = sql.execute(looked.where(*running)).all()
            claimable = any(one.ready or one.deadline <= now or one.since > now for one in found)
            return claimable, min((float(one.deadline) for one in found), default=math.inf)

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
            _set_back(sql, now)
            due = (
                select(rounds)
                .where(
                    rounds.c.outcome == "",
                    true() if populations is None else rounds.c.population.in_(populations),
                    or_(
                        rounds.c.leased_until <= now,
                        rounds.c.leased_until > now + lease + _SKEW,
                        rounds.c.worker == worker,  # it failed at it a moment ago
                    ),
                    or_(rounds.c.closed, rounds.c.deadline <= now, rounds.c.expected <= HEARD),
                )
                .order_by(rounds.c.deadline, rounds.c.id)
                .limit(1)
                .with_for_update(skip_locked=True, of=rounds)
            )
            row = sql.execute(due).one_or_none()
            if row is None:
                return None
            sql.execute(
                update(rounds)
                .where(rounds.c.id == row.id)
                .values(
                    closed=True,
                    worker=worker,
                    claims=rounds.c.claims + int(row.worker != worker),
                    leased_until=now + lease,
                )
            )
            claimed = _get(sql, row.id)
            assert claimed is not None  # noqa: S101  (we hold its lock)
            return claimed

    def advance(
        self,
        round_id: bytes,
        from_phase: str,
        to_phase: str,
        deadline: float,
        out: Mapping[int, str],
        now: float,
        *,
        noted: Noted = _NOTHING,
    ) -> bool:
        """Move a claimed round on; out: the body for each device that to_phase may hear, by index.

        What the round costs is paid in the same transaction when to_phase is MASK, the first that a vector
        can come in.
        Returns False, with nothing done, when the round is not in from_phase: another worker was first.
        """
        checks.phase(from_phase)
        checks.phase(to_phase)
        checks.moment("the deadline", deadline)
        checks.moment("now", now)
        for client, ref in out.items():
            checks.client(client)
            checks.reference(ref)
        with self._database.writing() as sql:
            if COLLECTING.index(to_phase) != COLLECTING.index(from_phase) + 1:
                raise StoreError(f"{to_phase} does not follow {from_phase}: a round goes from phase to phase")
            moved = _leave(
                sql,
                round_id,
                from_phase,
                {"phase": to_phase, "deadline": deadline, "expected": len(out), "since": now, **_AT_REST},
            )
            if moved:
                _note(sql, round_id, from_phase, noted)
            if moved and to_phase == PAID_AT:
                pay(sql, rounds.c.id == round_id, now=now)
            if moved and out:
                sql.execute(
                    insert(outbox),
                    [
                        {"round_id": round_id, "phase": to_phase, "client": client, "ref": ref}
                        for client, ref in out.items()
                    ],
                )
            return moved

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
            public_log.check(*entry)
        with self._database.writing() as sql:
            done = _leave(
                sql,
                round_id,
                COLLECTING[-1],
                {
                    "phase": PUBLISHED,
                    "outcome": "published",
                    "result": result_ref,
                    "survivors": struct.pack(f"<{len(survivors)}I", *survivors),
                    "ended": now,
                },
            )
            if done:
                _release(sql, round_id)
                _note(sql, round_id, COLLECTING[-1], noted)
                if entry is not None:
                    public_log.append(sql, *entry, now)
            return done

    def abort(self, round_id: bytes, reason: str, now: float, *, noted: Noted = _NOTHING) -> bool:
        """End a running round without a sum; False when none runs. What was paid stays paid: from MASK on."""
        checks.reason(reason)
        checks.moment("now", now)
        with self._database.writing() as sql:
            ended = sql.execute(
                update(rounds)
                .where(rounds.c.id == round_id, rounds.c.outcome == "")
                .values(phase=ABORTED, outcome="aborted", reason=reason, ended=now)
            ).rowcount
            if ended:
                _release(sql, round_id)
                _note(sql, round_id, "", noted)
            return bool(ended)

    def renew(self, round_id: bytes, worker: str, until: float) -> bool:
        """Let a worker keep a claimed round until then; False when it has it no more."""
        checks.text("the worker", worker)
        checks.moment("the end of the lease", until)
        with self._database.writing() as sql:
            mine = (rounds.c.id == round_id, rounds.c.worker == worker, rounds.c.outcome == "")
            return bool(sql.execute(update(rounds).where(*mine).values(leased_until=until)).rowcount)

    def refusal(self, round_id: bytes, index: int) -> str:
        """Return why the protocol refused what a device said in a running round, empty if it did not."""
        checks.client(index)
        with self._database.reading() as sql:
            why: str | None = sql.scalar(_REFUSAL, {"round_id": round_id, "client": index})
            return why or ""


def _get(sql: Connection, round_id: bytes) -> RoundState | None:
    row = sql.execute(_STATE, {"round_id": round_id}).one_or_none()
    return None if row is None else _state(row)


def _set_back(sql: Connection, now: float) -> None:
    """Give a phase that began in the future its time from now: the clock was wrong then, or is wrong now."""
    length = rounds.c.deadline - rounds.c.since
    sql.execute(
        update(rounds)
        .where(rounds.c.outcome == "", rounds.c.since > now + _SKEW)
        .values(deadline=now + length, since=now)
    )


def _note(sql: Connection, round_id: bytes, phase: str, noted: Noted) -> None:
    for event, by in sorted(noted.counts.items()):  # in one order, so that no two workers wait for each other
        _count(sql, event, by)
    for client, why in noted.refused.items():
        where = (message.c.round_id == round_id, message.c.phase == phase, message.c.client == client)
        sql.execute(update(message).where(*where).values(refused=why))


def _leave(sql: Connection, round_id: bytes, phase: str, values: dict[str, Any]) -> bool:
    """Change a running round that is in `phase`; False when it is not."""
    there = (rounds.c.id == round_id, rounds.c.phase == phase, rounds.c.outcome == "")
    if sql.execute(update(rounds).where(*there, rounds.c.closed).values(**values)).rowcount:
        return True
    if sql.scalar(select(rounds.c.id).where(*there)) is not None:
        raise StoreError(f"{phase} still hears devices: claim the round before you end the phase")
    return False


def _release(sql: Connection, round_id: bytes) -> None:
    sql.execute(delete(seated).where(seated.c.round_id == round_id))


def _state(row: Row[*tuple[Any, ...]]) -> RoundState:
    found = row._mapping
    roster, seats = _cut(row.roster, checks.IDENTITY_BYTES), _cut(row.seats, checks.SEAT_BYTES)
    return RoundState(
        row=RoundRow(**{name: found[name] for name in _AS_THEY_ARE}, roster=roster, seats=seats),
        survivors=struct.unpack(f"<{len(row.survivors) // _INDEX}I", row.survivors),
        cost=Payment(row.noise_multiplier, row.share),
        **{name: found[name] for name in _STANDING},
    )


def _cut(joined: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(joined[at : at + size] for at in range(0, len(joined), size))


def _count(sql: Connection, event: str, by: int) -> None:
    """Add to a counter."""
    insert_or = (postgresql.insert if sql.dialect.name == "postgresql" else sqlite.insert)(counter).values(
        event=event, value=by
    )
    sql.execute(
        insert_or.on_conflict_do_update(
            index_elements=[counter.c.event], set_={"value": counter.c.value + insert_or.excluded.value}
        )
    )
