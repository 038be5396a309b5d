"""One database behind an address: connections, transactions, migrations, and errors that say what to do."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, final

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, event, exc, text

from confidante.core.errors import StoreError

_BUSY_SECONDS = 30
_MIGRATING = 0x636F6E66  # numbers of PostgreSQL's advisory locks
_SEATING = 0x636F6E67


@final
class Database:
    """An open database. A transaction is on disk when its block ends, and undone when the block raises."""

    def __init__(self, url: str) -> None:
        """Connect. Raises StoreError for an address that cannot be used."""
        self._engine = _engine(url)
        self.dialect = self._engine.dialect.name
        # SQLite has one writer: threads of this process queue here, which is fair and wakes at once, rather
        # than in SQLite's sleeping and trying again. Other processes are still met there.
        self._writer = threading.Lock() if self.dialect == "sqlite" else nullcontext()
        try:
            with self.reading() as sql:
                sql.execute(text("SELECT 1"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that sees one state of the database."""
        with _refused(), self._engine.connect() as sql, sql.begin():
            yield sql

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction that may write. Not durable: a power cut may undo it; a killed process cannot."""
        with _refused(), self._writer, self._engine.connect() as sql:
            sql = sql.execution_options(confidante_writes="FULL" if durable else "NORMAL")
            with sql.begin():
                if self.dialect == "postgresql" and not durable:
                    sql.execute(text("SET LOCAL synchronous_commit TO OFF"))
                yield sql

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One transaction that reads one moment of the database, however many statements it takes."""
        with _refused(), self._engine.connect() as sql:
            if self.dialect == "postgresql":
                sql = sql.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with sql.begin():
                yield sql

    def one_at_a_time(self, sql: Connection) -> None:
        """Let no other transaction that seats or removes devices run beside this one."""
        if self.dialect == "postgresql":
            sql.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SEATING})

    def revision(self, sql: Connection) -> str:
        """Return the version of the tables, empty when there are none."""
        return MigrationContext.configure(sql).get_current_revision() or ""

    def newest_revision(self) -> str:
        """Return the version of the tables that this program works with."""
        return ScriptDirectory.from_config(_migrations()).get_current_head() or ""

    def migrate(self) -> None:
        """Bring the tables to this version's. Several processes may do it at once. Raises StoreError."""
        config = _migrations()
        with self.writing() as sql:
            if self.dialect == "postgresql":
                sql.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATING})
            config.attributes["connection"] = sql
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StoreError(
                    f"the tables cannot be brought to this version ({error}): "
                    "was the database made by a newer one?"
                ) from None


def _migrations() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _engine(url: str) -> Engine:
    # An address may hold a password, also where it cannot be read as one: none is ever shown.
    try:
        address = sqlalchemy.make_url(url)
    except (exc.ArgumentError, ValueError):  # the latter: of a port
        raise StoreError(f"this is not the address of a database: {_FORMS}") from None
    if "@" in (address.host or ""):
        raise StoreError(f"this address has two @: write one in a password as %40; {_FORMS}")
    if address.drivername == "sqlite":
        return _sqlite(address)
    if address.drivername == "postgresql":
        # pre_ping: after a restart of the database the next transaction gets a fresh connection.
        return sqlalchemy.create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=30,
            isolation_level="READ COMMITTED",
        )
    raise StoreError(f"no store for {address.drivername!r}: {_FORMS}")


_FORMS = "give sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>"


def _sqlite(address: sqlalchemy.URL) -> Engine:
    if address.database is None or address.database in ("", ":memory:"):
        raise StoreError("a database in memory forgets everything: name a file, as sqlite:///<path>")
    with suppress(OSError):  # for its owner only, as are -wal and -shm then; SQLite says what is wrong
        os.close(os.open(address.database, os.O_RDWR | os.O_CREAT, 0o600))
    engine = sqlalchemy.create_engine(
        address,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        pool_size=10,
        max_overflow=-1,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("confidante_writes")
        if writes is None:
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql(f"PRAGMA synchronous={writes}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _refused() -> Iterator[None]:
    """Turn what a database raises into StoreError. A broken rule of the tables is our bug: it stays."""
    try:
        yield
    except exc.TimeoutError:
        raise StoreError("all connections to the database are in use: try again", retry=True) from None
    except exc.DBAPIError as error:
        if isinstance(error, exc.IntegrityError | exc.ProgrammingError) and not _no_tables(error):
            raise
        detail = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason given"
        if _no_tables(error):
            raise StoreError(
                f"the database has no tables yet ({detail}): `confidante coordinator run` makes them"
            ) from None
        raise StoreError(
            f"the database refused ({detail}): check that it runs, has room and can be written",
            retry=isinstance(error, exc.OperationalError | exc.InterfaceError),
        ) from None


def _no_tables(error: exc.DBAPIError) -> bool:
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "42P01"
