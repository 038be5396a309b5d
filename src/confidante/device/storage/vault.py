"""The vault: one person's encrypted database in one folder, for one process."""

import hashlib
import hmac
import math
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self, final

import apsw

from confidante.core.errors import VaultError
from confidante.device.storage import database, files, generations
from confidante.device.storage.keyfile import Keys, protection_of
from confidante.device.storage.keys import AnchorStore, KeySource
from confidante.device.storage.schema import MIGRATIONS

LATEST = 4_102_444_800.0
"""2100-01-01, seconds since 1970: no clock and no event is later."""

_CLOCK = "vault.clock"
_TOLD = "vault.clock told"  # what the system's clock said then
_ADVANCES = "vault.advances"
_RENEWAL_DUE = "vault.renewal_due"  # holds the generation that must go: of no effect in the next
_FLOAT = struct.Struct("<d")


class Sql(Protocol):
    """Runs one statement inside a transaction and returns its rows."""

    def __call__(self, statement: str, arguments: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        """Run `statement` with its `?` filled in."""


@final
class Vault:
    """The open vault of a folder. All methods may be called from any thread; `lock` spans several calls.

    Every VaultError says what to do; after one, all that was acknowledged is still there.
    """

    def __init__(
        self,
        folder: Path,
        source: KeySource,
        held: files.FolderLock,
        opened: tuple[apsw.Connection, Keys],
        clock: Callable[[], float],
    ) -> None:
        """Use `Vault.open`."""
        self.folder = folder
        self.lock = threading.RLock()
        self._source = source
        self._held = held
        self._connection: apsw.Connection | None
        self._connection, self._keys = opened
        self._clock = clock
        self._depth = 0
        self._to_settle = self._advanced = False
        self._anchor: Callable[[], None] | None = None
        self._anchored = ""
        stored = self.setting(_CLOCK)
        self._stored_time = 0.0 if stored is None else _FLOAT.unpack(stored)[0]
        self._time: float = self._stored_time
        told = self.setting(_TOLD)
        self._told: float = self._stored_time if told is None else _FLOAT.unpack(told)[0]
        self._stored_told = self._told

    @classmethod
    def open(
        cls,
        folder: Path,
        key: KeySource,
        *,
        create: bool = False,
        clock: Callable[[], float] = time.time,
        migrations: Sequence[str] = MIGRATIONS,
    ) -> Self:
        """Open the vault in `folder`; with `create`, make one where there is none.

        clock: seconds since 1970. migrations: the tables, one text a version. Whatever a killed process left
        half done is finished or undone. Raises VaultError.
        """
        database.check_encrypts()
        folder = folder.absolute()
        if create:
            files.make_folder(folder)
        elif files.read_key_file(folder) is None:
            raise VaultError(f"{folder}: there is no vault here: check the name, or make one")
        files.check_folder(folder)
        held = files.FolderLock(folder)
        try:
            opened = generations.open_or_make(folder, key, migrations, create=create)
        except BaseException:
            held.release()
            raise
        try:
            vault = cls(folder, key, held, opened, clock)
        except BaseException:
            opened[0].close()
            held.release()
            raise
        vault.now()  # from here on time goes by, wherever the system's clock was set meanwhile
        vault._renew_if_due()
        return vault

    def __enter__(self) -> Self:
        """Return the vault."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Show where, and nothing secret."""
        return f"<Vault in {str(self.folder)!r}, {'closed' if self.closed else 'open'}>"

    @property
    def closed(self) -> bool:
        """Whether it was closed or erased."""
        return self._connection is None

    @property
    def protection(self) -> str:
        """What guards the key: "passphrase", "keyring", or "beside" (nothing)."""
        return protection_of(self._keys.guard)

    @property
    def generation(self) -> int:
        """How many keys the vault has had."""
        return self._keys.generation

    # --- reading and writing

    def rows(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises VaultError."""
        with self.lock, database.refused(self.folder):
            return self._open().execute(sql, args).fetchall()

    @contextmanager
    def write(self) -> Iterator[Sql]:
        """Run the block as one transaction, on disk when it ends, undone when it raises.

        Gives a function that runs a statement and returns its rows. A block inside a block is part of it,
        and when it raises only its own statements are undone.
        """
        with self.lock:
            connection = self._open()

            def sql(statement: str, arguments: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
                with database.refused(self.folder):
                    return connection.execute(statement, arguments).fetchall()

            name = f"nested_{self._depth}"
            sql(f"SAVEPOINT {name}" if self._depth else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield sql
                if self._depth > 1:
                    sql(f"RELEASE {name}")
                else:
                    self._store_time(sql)
                    if self._advanced:
                        self.count_advances(self.advances + 1)
                    sql("COMMIT")
                    self._stored_time, self._stored_told = max(self._stored_time, self._time), self._told
            except BaseException:
                with database.refused(self.folder):
                    if self._depth == 1:
                        self._to_settle = self._advanced = False
                        database.roll_back(connection)
                    elif connection.in_transaction:
                        connection.execute(f"ROLLBACK TO {name}")
                        connection.execute(f"RELEASE {name}")
                raise
            finally:
                self._depth -= 1
            if self._to_settle and not self._depth:
                with suppress(VaultError):  # it is committed, and settled when the vault closes
                    self.settle()
            if self._advanced and not self._depth:
                self._write_anchor()

    def settle(self) -> None:
        """Move all that was committed from the log into the database: cutting the log then undoes none of it.

        For what nobody may take back, such as a consent withdrawn. Inside `write` it is done once the whole
        transaction is committed. Raises VaultError when there is no room; all is as durable as before.
        """
        with self.lock:
            self._to_settle = self._depth > 0
            if not self._to_settle:
                self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def anchor(self) -> str | None:
        """Return what was last kept outside the folder of how far the vault is, or None.

        Raises VaultError when the place that keeps it cannot be read.
        """
        if not isinstance(self._source, AnchorStore):
            return None
        return self._source.anchor(self._keys.vault, self._keys.guard)

    def set_anchor(self, text: str) -> None:
        """Keep outside the folder how far the vault is, where the key source can (VaultError)."""
        if text != self._anchored:
            if isinstance(self._source, AnchorStore):
                self._source.set_anchor(self._keys.vault, self._keys.guard, text)
            self._anchored = text

    def anchor_when_advanced(self, write: Callable[[], None]) -> None:
        """Call `write` after each transaction in which `mark_advanced` was called, and after a new key."""
        self._anchor = write

    def mark_advanced(self) -> None:
        """Say inside `write` that the vault got somewhere from where nobody may put it back unnoticed."""
        self._advanced = True

    @property
    def advances(self) -> int:
        """How many transactions called `mark_advanced` since the vault was made."""
        kept = self.setting(_ADVANCES)
        return 0 if kept is None else int(kept)

    def count_advances(self, number: int) -> None:
        """Go on counting from `number`: past what another copy of this vault got to."""
        self.set_setting(_ADVANCES, str(number).encode())

    def setting(self, name: str) -> bytes | None:
        """Return a setting, None when it is not set."""
        found = self.rows("SELECT value FROM setting WHERE name = ?", (name,))
        return found[0][0] if found else None

    def set_setting(self, name: str, value: bytes | None) -> None:
        """Set a setting, or with None remove it."""
        with self.write() as sql:
            if value is None:
                sql("DELETE FROM setting WHERE name = ?", (name,))
            else:
                sql("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (name, value))

    def read_body(self, name: str) -> bytes | None:
        """Return a large body, None when there is none. VaultError when it is not what was written."""
        found = self.rows("SELECT digest, body FROM snapshot WHERE name = ?", (name,))
        if not found:
            return None
        digest, body = found[0]
        if hashlib.sha256(body).digest() != digest:
            raise VaultError(f"{self.folder}: {name!r} is damaged: restore a backup, or install it again")
        return bytes(body)

    def write_body(self, name: str, body: bytes | None) -> None:
        """Store a large body in place of the one of that name, or with None remove it."""
        with self.write() as sql:
            if body is None:
                sql("DELETE FROM snapshot WHERE name = ?", (name,))
            else:
                sql(
                    "INSERT OR REPLACE INTO snapshot (name, digest, made, body) VALUES (?, ?, ?, ?)",
                    (name, hashlib.sha256(body).digest(), self.now(), body),
                )

    def now(self) -> float:
        """Return seconds since 1970. Never less than before, nor than what any transaction stored.

        Where the system's clock was set back, time goes on from there as fast as that clock: what waits for
        its time, such as what can still be undone, does not wait until the clock has caught up.
        """
        with self.lock:
            told = self._clock()
            if math.isfinite(told):
                passed = max(told - self._told, 0.0)
                self._time = min(told if told >= self._time else self._time + passed, LATEST)
                self._told = told
            return self._time

    # --- the whole vault

    @property
    def renewal_due(self) -> bool:
        """Whether something was deleted that an old key could still bring back."""
        return self.setting(_RENEWAL_DUE) == str(self._keys.generation).encode()

    def mark_renewal_due(self) -> None:
        """Have the vault rotated at the latest when it is next closed or opened. Call it where you delete."""
        self.set_setting(_RENEWAL_DUE, str(self._keys.generation).encode())

    def rotate(self) -> None:
        """Copy what remains under a new key and destroy the old one: what was deleted is then gone for good.

        Raises VaultError, with nothing changed, when there is no room; it is then tried again at the next
        closing and opening if `mark_renewal_due` was called. Not inside `write`.
        """
        with self.lock:
            if self._depth:
                raise RuntimeError("a vault cannot be rotated inside a transaction")
            self._renew(self._keys.following())

    def change_key(self, source: KeySource) -> None:
        """Guard the vault by another key source from now on; the earlier one opens only earlier backups.

        Raises VaultError, with nothing changed, when there is no room, or the key source refuses.
        """
        with self.lock:
            if self._depth:
                raise RuntimeError("the key of a vault cannot be changed inside a transaction")
            self._open()
            guard, wrapping = source.guard(self._keys.vault)
            before, before_guard, self._source = self._source, self._keys.guard, source
            try:
                self._renew(replace(self._keys.following(), guard=guard, wrapping=wrapping))
            except BaseException:
                self._source = before
                raise
            if self._anchored and isinstance(before, AnchorStore) and not isinstance(source, AnchorStore):
                with suppress(VaultError):  # what it still opens is older than this
                    before.set_anchor(self._keys.vault, before_guard, self._anchored)

    def is_opened_by(self, source: KeySource) -> bool:
        """Return whether a key source is the one that opens this vault."""
        try:
            return hmac.compare_digest(source.unlock(self._keys.vault, self._keys.guard), self._keys.wrapping)
        except VaultError:
            return False

    def backup(self, folder: Path) -> None:
        """Write an encrypted copy to an empty or new folder. The same key source opens it.

        It has a database key of its own. What is forgotten later stays in it; with a key ring it can no
        longer be opened when the vault has been erased.
        """
        with self.lock:
            if self._depth:
                raise RuntimeError("a vault cannot be copied inside a transaction")
            generations.back_up(self._open(), self._keys, folder.absolute())

    def erase(self) -> None:
        """Destroy the keys, then every file, and close. Raises VaultError when a file cannot be removed."""
        with self.lock:
            connection = self._open()
            self._connection = None
            try:
                generations.destroy(connection, self.folder, self._keys, self._source)
            finally:
                self._held.remove()

    def close(self) -> None:
        """Rotate if that is due, and let go of the folder. More than once does no harm."""
        with self.lock:
            if self._connection is None:
                return
            if self._depth:
                raise RuntimeError("a vault cannot be closed inside a transaction")
            self._renew_if_due()
            try:
                with database.refused(self.folder):
                    self._connection.close()
            finally:
                self._connection = None
                self._held.release()

    # --- within

    def _renew(self, following: Keys) -> None:
        self._connection, self._keys = generations.renew(self._open(), self.folder, self._keys, following)
        self._write_anchor()

    def _write_anchor(self) -> None:
        self._advanced = False
        if self._anchor is not None:
            self._anchor()

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            raise VaultError(f"{self.folder}: the vault is closed: open it again")
        return self._connection

    def _renew_if_due(self) -> None:
        """Without room for a copy it stays due; that is no reason not to open or close."""
        with suppress(VaultError):
            if self.renewal_due:
                self.rotate()

    def _store_time(self, sql: Sql) -> None:
        if self._time > self._stored_time or self._told < self._stored_told:
            for name, value in ((_CLOCK, self._time), (_TOLD, self._told)):
                sql("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (name, _FLOAT.pack(value)))
