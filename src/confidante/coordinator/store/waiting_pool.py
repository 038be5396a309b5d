"""Devices that wait to be chosen."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, true

from confidante.coordinator.store.tables import pool
from confidante.coordinator.store.values import Waiting

_WAITING = (pool.c.identity, pool.c.seat, pool.c.since, pool.c.tier, pool.c.purposes, pool.c.seen)


def everybody(sql: Connection, population: str) -> list[Waiting]:
    """Return who waits, the longest first."""
    chosen = select(*_WAITING).where(pool.c.population == population)
    return [_waiting(row) for row in sql.execute(chosen.order_by(pool.c.since, pool.c.identity))]


def count(sql: Connection, population: str, seen: float, tier: str, purpose: str) -> tuple[int, int]:
    """Return how many wait of a tier (empty: of any) for a purpose and were seen then or later, and how many
    were not seen since."""
    there = pool.c.seen >= seen
    fit = there & pool.c.purposes.contains(purpose) & ((pool.c.tier == tier) if tier else true())
    counted = select(func.count().filter(fit), func.count().filter(~there))
    found = sql.execute(counted.select_from(pool).where(pool.c.population == population)).one()
    return found[0], found[1]


def forget(sql: Connection, population: str, before: float) -> int:
    """Let go of who was last seen before `before`; return how many."""
    gone = delete(pool).where(pool.c.population == population, pool.c.seen < before)
    return sql.execute(gone).rowcount


def _waiting(row: Row[*tuple[Any, ...]]) -> Waiting:
    return Waiting(row.identity, row.seat, row.since, row.tier, tuple(row.purposes.split()), row.seen)
