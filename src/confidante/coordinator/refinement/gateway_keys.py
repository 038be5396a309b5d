"""The key that questions are sealed to: one for all devices, as the public log shows it.

Made once, kept in the database, and shared by all workers. It is replaced seldom, so that no device could be
known by the key that it was shown; the one before is taken for a day longer.
"""

import math
import threading
from collections.abc import Callable
from typing import final

from confidante.coordinator.store import Store
from confidante.coordinator.store.values import GatewayRow
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import StoreError, WireError
from confidante.crypto.oblivious_http import GatewayKey, Reply
from confidante.wire.tokens import LEAST_KEY_SECONDS

KEY_SECONDS = 30 * 86400.0
"""From one key to the next."""

BOTH_SECONDS = 86400.0
"""For which the key before is taken, too."""

_SECRET_BYTES = 32
_IDS = 256
_LOOK_SECONDS = 30.0
_LEAST_LOOK_SECONDS = 1.0


def config_of(row: GatewayRow) -> bytes:
    """Return what devices are told of a key."""
    return _key(row).config


def _key(row: GatewayRow) -> GatewayKey:
    return GatewayKey(row.secret, row.number % _IDS)


@final
class GatewayKeys:
    """The gateway's keys. May be used from many threads."""

    def __init__(self, store: Store, *, now: Callable[[], float], seconds: float = KEY_SECONDS) -> None:
        """now: seconds since 1970; seconds: from one key to the next, `LEAST_KEY_SECONDS` at least."""
        self._store, self._now, self._seconds = store, now, max(seconds, LEAST_KEY_SECONDS)
        self._lock = threading.Lock()
        self._kept: tuple[tuple[GatewayRow, GatewayKey], ...] = ()
        self._looked = -math.inf

    def keep_up(self) -> None:
        """Make a key when one is due. To be called often: it seldom looks. Raises StoreError."""
        with self._lock:
            self._look(_LOOK_SECONDS)

    @property
    def config(self) -> bytes:
        """What devices are told of the newest key. Raises StoreError."""
        with self._lock:
            self._look(_LOOK_SECONDS)
            return self._kept[-1][1].config

    def open(self, sealed: bytes) -> tuple[bytes, Reply]:
        """Return a request and the way back; WireError for what is sealed to no key of these."""
        wanted = sealed[0] if sealed else None
        with self._lock:
            if not any(row.number % _IDS == wanted for row, _ in self._kept):
                self._look(_LEAST_LOOK_SECONDS)  # another worker may have made one just now
            now = self._now()
            both = now < self._kept[-1][0].made + BOTH_SECONDS
            taken = [key for row, key in self._kept[-2 if both else -1 :] if row.number % _IDS == wanted]
        if not taken:
            raise WireError("a request is sealed to another key: read the public log, and fetch it anew")
        return taken[0].open(sealed)

    def _look(self, every: float) -> None:
        now = self._now()
        if self._kept and self._looked <= now < self._looked + every:
            return
        book = self._store.refinement
        rows = book.keys()
        if not rows or now >= rows[-1].made + self._seconds:
            number = rows[-1].number + 1 if rows else 1
            book.add_key(GatewayRow(number, SystemEntropy().draw(_SECRET_BYTES), now))
            rows = book.keys()
        if not rows:
            raise StoreError("the gateway's key is gone: restart the coordinator", retry=True)
        newest = rows[-1]
        oldest = newest.number if now >= newest.made + BOTH_SECONDS else newest.number - 1
        if rows[0].number < oldest:  # so that nobody who takes the disk can open what was sealed to it
            book.forget_keys(oldest)
        self._kept = tuple((row, _key(row)) for row in rows if row.number >= oldest)
        self._looked = now
