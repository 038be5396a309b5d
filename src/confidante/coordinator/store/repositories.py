"""What the operator must be able to prove: the public log, the payments, the counters."""

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from confidante.coordinator.store.tables import counter, log, log_head, payment
from confidante.coordinator.store.values import Payment
from confidante.core.errors import DataError, StoreError
from confidante.wire import transparency_log
from confidante.wire.transparency_log import LogEntry

_PAGE = 1000


def append(sql: Connection, kind: str, body: bytes, now: float) -> LogEntry:
    """Add one entry after the newest."""
    head = sql.execute(select(log_head.c.number, log_head.c.hash).with_for_update()).one()
    entry = transparency_log.entry_after(head.number, head.hash, kind, body, now)
    sql.execute(
        insert(log).values(
            number=entry.number, kind=kind, body=body, at=now, previous=entry.previous, hash=entry.hash
        )
    )
    sql.execute(update(log_head).values(number=entry.number, hash=entry.hash))
    return entry


def entries(sql: Connection, since: int, limit: int) -> list[LogEntry]:
    """Return entries after number `since`, oldest first."""
    rows = sql.execute(select(log).where(log.c.number > since).order_by(log.c.number).limit(limit))
    return [LogEntry(row.number, row.kind, row.body, row.at, row.previous, row.hash) for row in rows]


def verify(sql: Connection) -> int:
    """Check the whole log against its head; return its length."""
    number, previous = 0, transparency_log.GENESIS
    head = sql.execute(select(log_head.c.number, log_head.c.hash)).one()
    try:
        while page := entries(sql, number, _PAGE):
            number, previous = transparency_log.verify(page, number=number, previous=previous)
    except DataError as error:
        raise StoreError(f"{error}: restore a backup") from None
    if (number, previous) != (head.number, head.hash):
        raise StoreError(
            f"the public log ends at entry {number}, but its head says {head.number}: restore a backup"
        )
    return number


def payments(sql: Connection, population: str) -> list[Payment]:
    """Return what was paid, oldest first."""
    rows = sql.execute(
        select(payment.c.noise_multiplier, payment.c.share)
        .where(payment.c.population == population)
        .order_by(payment.c.number)
    )
    return [Payment(row.noise_multiplier, row.share) for row in rows]


def count(sql: Connection, event: str, by: int) -> None:
    """Add to a counter."""
    insert_or = (postgresql.insert if sql.dialect.name == "postgresql" else sqlite.insert)(counter).values(
        event=event, value=by
    )
    sql.execute(
        insert_or.on_conflict_do_update(
            index_elements=[counter.c.event], set_={"value": counter.c.value + insert_or.excluded.value}
        )
    )


def counts(sql: Connection) -> dict[str, int]:
    """Return all counters, by name."""
    return {row.event: row.value for row in sql.execute(select(counter).order_by(counter.c.event))}
