"""Rows that can only be added to: each carries the hash of the one before, and the head is kept beside them.

An edit, a reorder, a missing row in the middle, and a missing newest row are all noticed. What is not:
somebody who holds the key of the vault and writes every row and the head anew. Who fears that notes `head`
down elsewhere.
"""

import hashlib
import json
import struct
from collections.abc import Iterable
from typing import Any, final

from confidante.core.errors import VaultError
from confidante.device.storage.vault import Vault

GENESIS = bytes(32)
"""What stands in for the hash before the first row."""

_GAPS = ".gaps"
_HEAD = struct.Struct("<Q32s")


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted names, no spaces.

    ValueError for what JSON has no form for.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def link(previous: bytes, record: str) -> bytes:
    """Return the hash of a row: sha256 of the hash before it and its canonical text."""
    return hashlib.sha256(previous + record.encode()).digest()


@final
class Chain:
    """One chain: its rows in a table of the vault (`number`, `hash`), and its head in a setting."""

    def __init__(self, vault: Vault, setting: str, table: str, what: str) -> None:
        """Keep the head under `setting`; `what` names the chain in errors."""
        self._vault = vault
        self._setting = setting
        self._table = table
        self._what = what

    @property
    def head(self) -> tuple[int, bytes]:
        """Number and hash of the newest row; (0, GENESIS) before the first."""
        kept = self._vault.setting(self._setting)
        if kept is None:
            return 0, GENESIS
        if len(kept) != _HEAD.size:
            raise VaultError(f"the head of {self._what} is damaged: restore a backup of the vault")
        number, digest = _HEAD.unpack(kept)
        return number, digest

    def extend(self, number: int, digest: bytes) -> None:
        """Make (number, digest) the head. Call it in the transaction that adds the row."""
        self._vault.set_setting(self._setting, _HEAD.pack(number, digest))
        self._vault.mark_advanced()

    @property
    def newest(self) -> tuple[int, bytes]:
        """Number and hash of the newest row that is there: other than `head` if one of them is older."""
        found = self._vault.rows(f"SELECT number, hash FROM {self._table} ORDER BY number DESC LIMIT 1")  # noqa: S608
        return found[0] if found else (0, GENESIS)

    def missing(self, noted: tuple[int, bytes] = (0, GENESIS)) -> int:
        """Return how many rows are missing of those that the head, or a `head` noted elsewhere, speaks of.

        At least 1 where they are not the rows of then, or the head is older than the rows. What `mend` went
        on without is not counted again.
        """
        head, newest = self.head, self.newest
        found = self._vault.rows(f"SELECT hash FROM {self._table} WHERE number = ?", (noted[0],))  # noqa: S608
        there = noted == (0, GENESIS) or bool(found and found[0][0] == noted[1])
        lost = max(head[0], noted[0]) - self._count() - self._gaps()
        return 0 if there and head == newest and not lost else max(lost, 1)

    def mend(self) -> None:
        """Go on from the newest row that is there, whatever the head says."""
        newest = self.newest
        if self.head != newest:
            self.extend(*newest)
        gaps = newest[0] - self._count()
        if gaps != self._gaps():
            self._vault.set_setting(self._setting + _GAPS, str(gaps).encode())

    def _count(self) -> int:
        return int(self._vault.rows(f"SELECT count(*) FROM {self._table}")[0][0])  # noqa: S608

    def _gaps(self) -> int:
        return int(self._vault.setting(self._setting + _GAPS) or 0)

    def verify(self, rows: Iterable[tuple[int, bytes, str, bytes]]) -> None:
        """Check every (number, previous, canonical text, hash), oldest first; VaultError where it breaks."""
        number, before = 0, GENESIS
        for number, (given, previous, record, digest) in enumerate(rows, start=1):
            if given != number or previous != before or digest != link(before, record):
                raise VaultError(
                    f"{self._what} was changed at number {number}: its hash does not follow from the one "
                    f"before"
                )
            before = digest
        if self.head != (number, before):
            raise VaultError(f"{self._what} ends at number {number}, but its head says {self.head[0]}")
