"""The public log in the database: hash-chained, with a head that shows when the newest entries are gone."""

from typing import final

from sqlalchemy import Connection, insert, select, update

from confidante.coordinator.store import checks
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import log, log_head
from confidante.core.errors import DataError, StoreError
from confidante.wire import transparency_log
from confidante.wire.transparency_log import LogEntry

_PAGE = 1000


@final
class PublicLog:
    """The public log. Like `Store`: each method is one transaction; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, kind: str, body: bytes, now: float) -> LogEntry:
        """Add an entry to the public log."""
        check(kind, body)
        checks.moment("now", now)
        with self._database.writing() as sql:
            return append(sql, kind, body, now)

    def entries(self, since: int = 0, limit: int = 100) -> list[LogEntry]:
        """Return the entries after number `since`, oldest first: `transparency_log.verify` checks them."""
        checks.size(since)
        checks.client(limit)
        with self._database.reading() as sql:
            return _entries(sql, since, limit)

    def tail(self, limit: int = 10) -> list[LogEntry]:
        """Return the newest entries, the newest first."""
        checks.client(limit)
        with self._database.reading() as sql:
            rows = sql.execute(select(log).order_by(log.c.number.desc()).limit(limit))
            return [LogEntry(*row) for row in rows]

    def verify(self) -> int:
        """Check every entry and that none is missing at the end; return how many there are."""
        with self._database.snapshot() as sql:
            return verify(sql)


def check(kind: str, body: bytes) -> None:
    """Refuse an entry that the log has no room for."""
    checks.text("the kind", kind)
    checks.body("the body of an entry", body)


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


def _entries(sql: Connection, since: int, limit: int) -> list[LogEntry]:
    """Return entries after number `since`, oldest first."""
    rows = sql.execute(select(log).where(log.c.number > since).order_by(log.c.number).limit(limit))
    return [LogEntry(*row) for row in rows]


def verify(sql: Connection) -> int:
    """Check the whole log against its head; return its length."""
    number, previous = 0, transparency_log.GENESIS
    head = sql.execute(select(log_head.c.number, log_head.c.hash)).one()
    try:
        while page := _entries(sql, number, _PAGE):
            number, previous = transparency_log.verify(page, number=number, previous=previous)
    except DataError as error:
        raise StoreError(f"{error}: restore a backup") from None
    if (number, previous) != (head.number, head.hash):
        raise StoreError(
            f"the public log ends at entry {number}, but its head says {head.number}: restore a backup"
        )
    return number
