"""What an operator looks at: read without the rosters and messages that make rounds large."""

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store.tables import flag, log, message, pool, rounds
from confidante.coordinator.store.values import RoundFacts, Waiters
from confidante.wire.transparency_log import LogEntry

_INDEX = 4  # bytes of a survivor
_HEARD = (
    select(func.count())
    .select_from(message)
    .where(message.c.round_id == rounds.c.id, message.c.phase == rounds.c.phase)
    .scalar_subquery()
)
_COLUMNS = (
    *(rounds.c[name] for name in ("id", "population", "task", "phase", "deadline", "expected", "clients")),
    *(rounds.c[name] for name in ("outcome", "reason", "opened", "ended")),
    func.length(rounds.c.survivors).label("survivors"),
    rounds.c.noise_multiplier,
    _HEARD.label("heard"),
)


def newest(sql: Connection, population: str, limit: int) -> list[RoundFacts]:
    """Return the rounds of a population, the newest first."""
    wanted = select(*_COLUMNS).where(rounds.c.population == population)
    found = sql.execute(wanted.order_by(rounds.c.number.desc()).limit(limit))
    return [_facts(row._mapping) for row in found]


def one(sql: Connection, round_id: bytes) -> RoundFacts | None:
    """Return a round."""
    row = sql.execute(select(*_COLUMNS).where(rounds.c.id == round_id)).one_or_none()
    return None if row is None else _facts(row._mapping)


def due(sql: Connection, now: float, populations: Sequence[str]) -> tuple[bool, float]:
    """Return whether a round may be claimed, and when one may be at the latest (infinite: none runs)."""
    looked = select(
        rounds.c.deadline, (rounds.c.closed | (rounds.c.expected <= _HEARD)).label("ready"), rounds.c.since
    )
    running = rounds.c.outcome == "", rounds.c.population.in_(populations)
    found = sql.execute(looked.where(*running)).all()
    claimable = any(one.ready or one.deadline <= now or one.since > now for one in found)
    return claimable, min((float(one.deadline) for one in found), default=math.inf)


def outcomes(sql: Connection) -> dict[tuple[str, str], int]:
    """Return how many rounds there are by population and outcome; those that run have the outcome running."""
    counted = select(rounds.c.population, rounds.c.outcome, func.count().label("n"))
    grouped = counted.group_by(rounds.c.population, rounds.c.outcome)
    return {(row.population, row.outcome or "running"): row.n for row in sql.execute(grouped)}


def waiters(sql: Connection) -> list[Waiters]:
    """Return how many devices wait, by population and tier."""
    counted = select(pool.c.population, pool.c.tier, func.count().label("n"))
    grouped = counted.group_by(pool.c.population, pool.c.tier).order_by(pool.c.population, pool.c.tier)
    return [Waiters(row.population, row.tier, row.n) for row in sql.execute(grouped)]


def log_tail(sql: Connection, limit: int) -> list[LogEntry]:
    """Return the newest entries of the public log, the newest first."""
    rows = sql.execute(select(log).order_by(log.c.number.desc()).limit(limit))
    return [LogEntry(row.number, row.kind, row.body, row.at, row.previous, row.hash) for row in rows]


def flags(sql: Connection) -> dict[str, str]:
    """Return all flags."""
    return {row.name: row.value for row in sql.execute(select(flag).order_by(flag.c.name))}


def set_flag(sql: Connection, name: str, value: str) -> None:
    """Set a flag, or change it."""
    insert = (postgresql.insert if sql.dialect.name == "postgresql" else sqlite.insert)(flag)
    made = insert.values(name=name, value=value)
    sql.execute(made.on_conflict_do_update(index_elements=[flag.c.name], set_={"value": value}))


def _facts(row: Any) -> RoundFacts:
    return RoundFacts(
        **{name: row[name] for name in RoundFacts.__slots__ if name != "survivors"},
        survivors=(row["survivors"] or 0) // _INDEX,
    )
