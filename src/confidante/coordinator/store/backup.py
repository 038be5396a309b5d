"""The whole state of a coordinator in one file, and back: into SQLite or PostgreSQL, whichever it came from.

A backup is a zip: `tables/<name>` (msgpack, in pieces), `bodies/<sha256>`, and last `manifest.json` with the
sha256 of each. It is one moment of the database. What devices sent in rounds that still run stays out: a
restore ends these rounds without a sum, so nobody needs it, and their devices go on to another round. Such
a round counts as paid, as it may have got to its sum after the backup.
"""

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import msgspec
import sqlalchemy
from sqlalchemy import Connection, Table, insert, select, text, update

from confidante.coordinator.store import public_log, tables
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.payments import pay
from confidante.coordinator.store.references import digests
from confidante.coordinator.store.values import ABORTED
from confidante.core.errors import DataError, StoreError
from confidante.core.files import written_whole

FORM = 1
RESTORED = "the coordinator was restored from a backup"
"""Why a round ended that ran when the backup was made."""

_LEFT_OUT = ("seated", "message", "outbox")
_ROWS = 500
_LENGTH = struct.Struct("<I")
_MOST_PIECE = 1 << 30
_NAMED = ("model", "wide", "table", "catalogue", "cohorts")  # of what the public log names, that is kept
_UNREADABLE = (
    KeyError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What zipfile, zlib and msgspec raise on bytes that are not theirs."""


@final
@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds. made: seconds since 1970; log: entries of the public log; rows: by table."""

    made: float
    revision: str
    log: int
    payments: int
    rounds: int
    running: int
    bodies: int
    rows: Mapping[str, int]


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last file of a backup."""

    form: int
    revision: str
    made: float
    rows: dict[str, int]
    running: int
    digests: dict[str, str]


def back_up(database: Database, bodies: Bodies, path: Path, now: float) -> BackupSummary:
    """Write a backup to `path`, whole or not at all, readable by its owner only.

    Raises StoreError when a body is missing that the database names, or the public log is damaged: such a
    state cannot be restored. Raises DataError when the file cannot be written.
    """
    with (
        written_whole(path, private=True) as half,
        database.snapshot() as sql,
        zipfile.ZipFile(half, "w") as archive,
    ):
        public_log.verify(sql)
        digests, rows = dict[str, str](), dict[str, int]()
        for table in _kept_tables():
            name = f"tables/{table.name}"
            rows[table.name], digests[name] = _write_table(archive, name, sql, table)
        refs = _needed(sql, bodies)
        for ref in refs:
            archive.writestr(f"bodies/{ref}", bodies.get(ref))
            digests[f"bodies/{ref}"] = ref
        running = sql.scalar(select(sqlalchemy.func.count()).where(tables.rounds.c.outcome == "")) or 0
        manifest = _Manifest(FORM, database.revision(sql), now, rows, running, digests)
        archive.writestr("manifest.json", json.dumps(msgspec.to_builtins(manifest), indent=1))
    return _told(manifest)


def inspect(path: Path) -> BackupSummary:
    """Check every byte of a backup, and return what it holds. Raises DataError when it is damaged."""
    with _opened(path) as archive:
        return _told(_checked(archive, path))


def restore(path: Path, database: Database, bodies: Bodies, now: float) -> BackupSummary:
    """Fill an empty database and put the bodies back. Rounds that ran are ended without a sum.

    Raises DataError when the backup is damaged or of another version, and StoreError when the database holds
    something already. Nothing is changed then.
    """
    with _opened(path) as archive:
        manifest = _checked(archive, path)
        newest = database.newest_revision()
        if manifest.revision != newest:
            raise DataError(
                f"is a backup of tables of version {manifest.revision}, and this program's are {newest}: "
                "restore it with the version that made it, and upgrade then",
                path=path,
            )
        _refuse_filled(database)
        database.migrate()
        with database.writing() as sql:
            database.one_at_a_time(sql)
            _check_empty(sql, [table.name for table in tables.metadata.sorted_tables])
            sql.execute(sqlalchemy.delete(tables.log_head))
            for table in _kept_tables():
                for rows in _read_table(archive, table):
                    sql.execute(insert(table), rows)
                _move_sequence(sql, table)
            public_log.verify(sql)
            # What was backed up before MASK may have got to its sum afterwards.
            paid = select(tables.payment.c.round_id)
            pay(sql, tables.rounds.c.outcome == "", tables.rounds.c.id.not_in(paid), now=now)
            sql.execute(
                update(tables.rounds)
                .where(tables.rounds.c.outcome == "")
                .values(phase=ABORTED, outcome="aborted", reason=RESTORED, ended=now)
            )
            with _put_back(bodies) as put:
                for name in archive.namelist():
                    if name.startswith("bodies/"):
                        put(archive.read(name))
    return _told(manifest)


# --- writing


def _kept_tables() -> list[Table]:
    return [table for table in tables.metadata.sorted_tables if table.name not in _LEFT_OUT]


def _write_table(archive: zipfile.ZipFile, name: str, sql: Connection, table: Table) -> tuple[int, str]:
    """Write all rows; return how many there are and the sha256."""
    counted, digest = 0, hashlib.sha256()
    found = sql.execution_options(yield_per=_ROWS).execute(select(table).order_by(*table.primary_key.columns))
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as file:
        columns = [str(column.name) for column in table.columns]
        _write_piece(file, digest, [columns])
        for part in found.partitions(_ROWS):
            _write_piece(file, digest, [list(row) for row in part])
            counted += len(part)
    return counted, digest.hexdigest()


def _write_piece(file: Any, digest: Any, value: list[Any]) -> None:
    data = msgspec.msgpack.encode(value)
    for part in (_LENGTH.pack(len(data)), data):
        file.write(part)
        digest.update(part)


def _needed(sql: Connection, bodies: Bodies) -> list[str]:
    """Return the bodies that the database names: sums, and what the public log offers to devices."""
    needed = {ref for ref in sql.scalars(select(tables.rounds.c.result)) if ref}
    offered = set[str]()
    for name, ref in digests(sql):
        (needed if name in _NAMED else offered).add(ref)
    for ref in offered - needed:
        with suppress(StoreError):  # a digest of something else than a body
            bodies.get(ref)
            needed.add(ref)
    return sorted(needed)


# --- reading


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(
            "is not there: name a file that `confidante coordinator backup` wrote", path=path
        ) from None
    except _UNREADABLE as error:
        raise _damaged(path, str(error)) from None


def _checked(archive: zipfile.ZipFile, path: Path) -> _Manifest:
    """Return the manifest, after a look at every byte."""
    try:
        manifest = msgspec.json.decode(archive.read("manifest.json"), type=_Manifest)
        if manifest.form != FORM:
            raise DataError(f"is a backup of form {manifest.form}: this program reads form {FORM}", path=path)
        names = sorted(archive.namelist())
        if names != sorted([*manifest.digests, "manifest.json"]):
            raise _damaged(path, "it does not hold what its manifest names")
        for name, digest in manifest.digests.items():
            with archive.open(name) as file:
                held: Any = file  # a file in all but its type
                if hashlib.file_digest(held, "sha256").hexdigest() != digest:
                    raise _damaged(path, f"{name} was changed")
        for table in _kept_tables():
            rows = sum(map(len, _read_table(archive, table)))
            if rows != manifest.rows.get(table.name):
                raise _damaged(path, f"table {table.name} has {rows} rows")
    except _UNREADABLE as error:
        raise _damaged(path, str(error)) from None
    return manifest


def _read_table(archive: zipfile.ZipFile, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of a table, some at a time."""
    with archive.open(f"tables/{table.name}") as file:
        [columns] = _read_piece(file) or [[]]
        if columns != [column.name for column in table.columns]:
            raise ValueError(f"table {table.name} has other columns")
        while piece := _read_piece(file):
            yield [dict(zip(columns, row, strict=True)) for row in piece]


def _read_piece(file: Any) -> list[list[Any]]:
    """Return the next piece, empty at the end."""
    head = file.read(_LENGTH.size)
    if not head:
        return []
    (length,) = _LENGTH.unpack(head) if len(head) == _LENGTH.size else (_MOST_PIECE + 1,)
    if length > _MOST_PIECE:
        raise ValueError("a piece of a table is cut off")
    return msgspec.msgpack.decode(file.read(length), type=list[list[Any]])


def _damaged(path: Path, how: str) -> DataError:
    return DataError(f"is damaged, or not a backup ({how}): use another one", path=path)


# --- restoring


def _refuse_filled(database: Database) -> None:
    """Raise StoreError unless the database has no tables, or only empty ones; before anything is changed."""
    with database.reading() as sql:
        there = set(sqlalchemy.inspect(sql).get_table_names())
        _check_empty(sql, [table.name for table in tables.metadata.sorted_tables if table.name in there])


def _check_empty(sql: Connection, names: list[str]) -> None:
    for name in names:
        table = tables.metadata.tables[name]
        row = sql.execute(select(sqlalchemy.literal(1)).select_from(table).limit(1)).first()
        if table is tables.log_head:
            row = sql.execute(select(table.c.number).where(table.c.number > 0)).first()
        if row is not None:
            raise StoreError(
                f"the database is in use (its table {name} is not empty): name an empty one to restore into"
            )


def _move_sequence(sql: Connection, table: Table) -> None:
    """Let PostgreSQL count on from the numbers that were put in."""
    column = table.autoincrement_column
    if column is None or sql.dialect.name != "postgresql":
        return
    sequence = sql.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    )
    newest = sql.scalar(select(sqlalchemy.func.max(column)))
    if sequence is not None and newest is not None:
        sql.execute(text("SELECT setval(:sequence, :newest)"), {"sequence": sequence, "newest": newest})


@contextmanager
def _put_back(bodies: Bodies) -> Iterator[Callable[[bytes], None]]:
    """Give what puts a body; those that were not there before are taken away again when the block raises."""
    new: list[str] = []

    def put(data: bytes) -> None:
        ref = hashlib.sha256(data).hexdigest()
        try:
            bodies.get(ref)
        except StoreError:
            new.append(ref)
            bodies.put(data)

    try:
        yield put
    except BaseException:
        for ref in new:
            with suppress(StoreError):
                bodies.delete(ref)
        raise


def _told(manifest: _Manifest) -> BackupSummary:
    rows = manifest.rows
    return BackupSummary(
        manifest.made,
        manifest.revision,
        rows["log"],
        rows["payment"],
        rows["rounds"],
        manifest.running,
        sum(name.startswith("bodies/") for name in manifest.digests),
        rows,
    )
