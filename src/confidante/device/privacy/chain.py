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
    """The head of one chain, in a setting of the vault."""

    def __init__(self, vault: Vault, setting: str, what: str) -> None:
        """Keep the head under `setting`; `what` names the chain in errors."""
        self._vault = vault
        self._setting = setting
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
