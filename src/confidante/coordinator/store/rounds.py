"""Rounds: opened, claimed by one worker at a time, moved on by compare-and-set, ended once."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, literal, or_, select, true, update

from confidante.coordinator.store import repositories, tokens
from confidante.coordinator.store.tables import message, outbox, payment, pool, rounds, seated
from confidante.coordinator.store.values import (
    ABORTED,
    COLLECTING,
    PAID_AT,
    PUBLISHED,
    Noted,
    Payment,
    RoundRow,
    RoundState,
)
from confidante.core.errors import StoreError
from confidante.wire.tokens import bound_to

_IDENTITY, _SEAT, _INDEX = 64, 32, 4
_STATE = select(rounds).where(rounds.c.id == bindparam("round_id"))  # made once: it is asked for often
_REFUSAL = (
    select(message.c.refused)
    .where(message.c.round_id == bindparam("round_id"), message.c.client == bindparam("client"))
    .where(message.c.refused.is_not(None))
    .limit(1)
)
_CHUNK = 500  # values in one IN (...): SQLite has a limit
_SKEW = 60.0  # seconds by which the clocks of two hosts may differ


def open_round(
    sql: Connection, row: RoundRow, deadline: float, cost: Payment, now: float, after: int | None
) -> bool:
    """Seat the chosen; False, nothing done, when one waits no more or another round was opened meanwhile."""
    standing = state(sql, row.id)
    if standing is not None:
        if standing.row != row:
            raise StoreError("this round id belongs to another round: draw 32 random bytes for each")
        return True
    newest_number = select(func.max(rounds.c.number)).where(rounds.c.population == row.population)
    before = sql.scalar(newest_number) or 0
    if after is not None and before != after:
        return False
    chosen = [
        (pool.c.population == row.population) & pool.c.identity.in_(row.roster[start : start + _CHUNK])
        for start in range(0, len(row.roster), _CHUNK)
    ]
    if sum(len(sql.execute(select(pool.c.seat).where(some)).all()) for some in chosen) != len(row.roster):
        return False
    for some in chosen:
        sql.execute(delete(pool).where(some))
    sql.execute(
        insert(rounds).values(
            id=row.id,
            population=row.population,
            number=before + 1,
            task=row.task,
            entry=row.entry,
            task_body=row.task_body,
            plan=row.plan,
            config=row.config,
            roster=b"".join(row.roster),
            seats=b"".join(row.seats),
            clients=len(row.roster),
            phase=COLLECTING[0],
            deadline=deadline,
            expected=len(row.roster),
            closed=False,
            since=now,
            worker="",
            claims=0,
            leased_until=0.0,
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


def state(sql: Connection, round_id: bytes) -> RoundState | None:
    """Return a round as it stands."""
    row = sql.execute(_STATE, {"round_id": round_id}).one_or_none()
    return None if row is None else _state(row)


def newest(sql: Connection, population: str, limit: int) -> list[RoundState]:
    """Return rounds, the newest first: as they were opened, whatever the clocks of their workers said."""
    wanted = select(rounds).where(rounds.c.population == population)
    ordered = wanted.order_by(rounds.c.number.desc()).limit(limit)
    return [_state(row) for row in sql.execute(ordered)]


def failures(sql: Connection, population: str) -> int:
    """Return how many rounds were aborted since one was published."""
    ours = rounds.c.population == population
    published = select(func.max(rounds.c.number)).where(ours, rounds.c.phase == PUBLISHED)
    since = func.coalesce(published.scalar_subquery(), 0)
    failed = select(func.count()).select_from(rounds)
    return sql.scalar(failed.where(ours, rounds.c.phase == ABORTED, rounds.c.number > since)) or 0


def claim_due(
    sql: Connection, now: float, worker: str, lease: float, populations: Sequence[str] | None
) -> RoundState | None:
    """Close the phase of a round that is due and that nobody else works at, and give it to `worker`."""
    _set_back(sql, now)
    heard = (
        select(func.count())
        .select_from(message)
        .where(message.c.round_id == rounds.c.id, message.c.phase == rounds.c.phase)
        .scalar_subquery()
    )
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
            or_(rounds.c.closed, rounds.c.deadline <= now, heard >= rounds.c.expected),
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
    claimed = state(sql, row.id)
    assert claimed is not None  # noqa: S101  (we hold its lock)
    return claimed


def _set_back(sql: Connection, now: float) -> None:
    """Give a phase that began in the future its time from now: the clock was wrong then, or is wrong now."""
    length = rounds.c.deadline - rounds.c.since
    sql.execute(
        update(rounds)
        .where(rounds.c.outcome == "", rounds.c.since > now + _SKEW)
        .values(deadline=now + length, since=now)
    )


def set_back(sql: Connection, population: str, now: float) -> None:
    """Let rounds that ended in the future have ended now."""
    ahead = (rounds.c.population == population, rounds.c.outcome != "", rounds.c.ended > now)
    sql.execute(update(rounds).where(*ahead).values(ended=now))


def renew(sql: Connection, round_id: bytes, worker: str, until: float) -> bool:
    """Let a worker keep the round that it has claimed for longer; False when it has it no more."""
    mine = (rounds.c.id == round_id, rounds.c.worker == worker, rounds.c.outcome == "")
    return bool(sql.execute(update(rounds).where(*mine).values(leased_until=until)).rowcount)


def advance(
    sql: Connection,
    round_id: bytes,
    from_phase: str,
    to_phase: str,
    deadline: float,
    out: Mapping[int, str],
    now: float,
    noted: Noted,
) -> bool:
    """Move a claimed round to its next phase, leave each device what it needs there, and pay for MASK."""
    if COLLECTING.index(to_phase) != COLLECTING.index(from_phase) + 1:
        raise StoreError(f"{to_phase} does not follow {from_phase}: a round goes from phase to phase")
    moved = _leave(
        sql,
        round_id,
        from_phase,
        {
            "phase": to_phase,
            "deadline": deadline,
            "expected": len(out),
            "closed": False,
            "since": now,
            "worker": "",
            "claims": 0,
            "leased_until": 0.0,
        },
    )
    if moved:
        _note(sql, round_id, from_phase, noted)
    if moved and to_phase == PAID_AT:
        _pay(sql, round_id, now)
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
    sql: Connection, round_id: bytes, result: str, survivors: tuple[int, ...], now: float, noted: Noted
) -> bool:
    """End a claimed round well, and let its devices go."""
    done = _leave(
        sql,
        round_id,
        COLLECTING[-1],
        {
            "phase": PUBLISHED,
            "outcome": "published",
            "result": result,
            "survivors": struct.pack(f"<{len(survivors)}I", *survivors),
            "ended": now,
        },
    )
    if done:
        _release(sql, round_id)
        _note(sql, round_id, COLLECTING[-1], noted)
    return done


def abort(sql: Connection, round_id: bytes, reason: str, now: float, noted: Noted) -> bool:
    """End a running round without a sum, and let its devices go."""
    ended = sql.execute(
        update(rounds)
        .where(rounds.c.id == round_id, rounds.c.outcome == "")
        .values(phase=ABORTED, outcome="aborted", reason=reason, ended=now)
    ).rowcount
    if ended:
        _release(sql, round_id)
        _note(sql, round_id, "", noted)
    return bool(ended)


def refusal(sql: Connection, round_id: bytes, client: int) -> str:
    """Return why the protocol refused a message of a device, empty when it refused none."""
    why: str | None = sql.scalar(_REFUSAL, {"round_id": round_id, "client": client})
    return why or ""


def _pay(sql: Connection, round_id: bytes, now: float) -> None:
    """Take what a round costs out of the budget: in the transaction that lets the first vector in."""
    cost = (rounds.c.id, rounds.c.population, rounds.c.noise_multiplier, rounds.c.share, literal(now))
    names = ("round_id", "population", "noise_multiplier", "share", "at")
    sql.execute(insert(payment).from_select(names, select(*cost).where(rounds.c.id == round_id)))


def _note(sql: Connection, round_id: bytes, phase: str, noted: Noted) -> None:
    for event, by in sorted(noted.counts.items()):  # in one order, so that no two workers wait for each other
        repositories.count(sql, event, by)
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
    return RoundState(
        row=RoundRow(
            id=row.id,
            entry=row.entry,
            population=row.population,
            task=row.task,
            task_body=row.task_body,
            plan=row.plan,
            config=row.config,
            roster=_cut(row.roster, _IDENTITY),
            seats=_cut(row.seats, _SEAT),
        ),
        phase=row.phase,
        deadline=row.deadline,
        outcome=row.outcome,
        reason=row.reason,
        closed=row.closed,
        result=row.result,
        survivors=struct.unpack(f"<{len(row.survivors) // _INDEX}I", row.survivors),
        opened=row.opened,
        ended=row.ended,
        since=row.since,
        claims=row.claims,
        number=row.number,
        cost=Payment(row.noise_multiplier, row.share),
    )


def _cut(joined: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(joined[at : at + size] for at in range(0, len(joined), size))
