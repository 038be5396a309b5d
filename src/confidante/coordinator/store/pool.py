"""Devices that wait to be chosen."""

from typing import Any

from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store.tables import pool, seated
from confidante.coordinator.store.values import Waiting

_WAITING = (pool.c.identity, pool.c.seat, pool.c.since)


def join(sql: Connection, population: str, identity: bytes, seat: bytes, now: float) -> Waiting | None:
    """Let a device wait; return how it waits, None when a running round has it."""
    insert = postgresql.insert if sql.dialect.name == "postgresql" else sqlite.insert
    sql.execute(
        insert(pool)
        .values(identity=identity, population=population, seat=seat, since=now)
        .on_conflict_do_nothing()
    )
    # After the insert, not before: it waits for a round that is being opened to take the device away.
    if sql.scalar(select(seated.c.client).where(seated.c.identity == identity)) is not None:
        sql.execute(delete(pool).where(pool.c.identity == identity))
        return None
    return waiting(sql, identity)


def waiting(sql: Connection, identity: bytes) -> Waiting | None:
    """Return how a device waits."""
    row = sql.execute(select(*_WAITING).where(pool.c.identity == identity)).one_or_none()
    return None if row is None else _waiting(row)


def everybody(sql: Connection, population: str) -> list[Waiting]:
    """Return who waits, the longest first."""
    chosen = select(*_WAITING).where(pool.c.population == population)
    return [_waiting(row) for row in sql.execute(chosen.order_by(pool.c.since, pool.c.identity))]


def forget(sql: Connection, population: str, before: float) -> int:
    """Let go of who waits since before `before`; return how many."""
    gone = delete(pool).where(pool.c.population == population, pool.c.since < before)
    return sql.execute(gone).rowcount


def _waiting(row: Row[*tuple[Any, ...]]) -> Waiting:
    return Waiting(row.identity, row.seat, row.since)
