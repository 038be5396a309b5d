"""The public log: plans and models in the order they were published, each entry bound to all before it.

Pure, and the same on both sides: a coordinator makes entries, a device checks them.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from confidante.core.errors import DataError

GENESIS = bytes(32)
"""What stands in for the hash before the first entry."""

_DOMAIN = b"confidante public log 1\n"
_FORM = struct.Struct("<32sQdI")


@final
@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry: its number from 1, what it is, its bytes, seconds since 1970, the hash before it, its own."""

    number: int
    kind: str
    body: bytes
    at: float
    previous: bytes
    hash: bytes


def entry_after(number: int, previous: bytes, kind: str, body: bytes, at: float) -> LogEntry:
    """Return the entry that follows entry `number` (0: none yet) whose hash is `previous`."""
    name = kind.encode()
    form = _FORM.pack(previous, number + 1, at, len(name))
    return LogEntry(
        number + 1, kind, body, at, previous, hashlib.sha256(_DOMAIN + form + name + body).digest()
    )


def verify(entries: Iterable[LogEntry], *, number: int = 0, previous: bytes = GENESIS) -> tuple[int, bytes]:
    """Check entries that follow entry `number`; return number and hash of the newest.

    Raises DataError, naming the entry, when one is missing, out of order or changed.
    """
    for entry in entries:
        if entry != entry_after(number, previous, entry.kind, entry.body, entry.at):
            raise DataError(
                f"the public log is broken at entry {number + 1}: an entry was changed, or one is missing"
            )
        number, previous = entry.number, entry.hash
    return number, previous
