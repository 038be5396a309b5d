"""Seeded randomness, for the lab only. Functions that protect people do not accept this type."""

import hashlib
from typing import final


@final
class SeededEntropy:
    """A reproducible stream of bytes (SHAKE-256 of seed and label, in counter mode)."""

    __slots__ = ("_counter", "_key")

    def __init__(self, seed: int, *label: str | int) -> None:
        self._key = repr((seed, *label)).encode()
        self._counter = 0

    def draw(self, size: int) -> bytes:
        """Return the next `size` bytes of the stream."""
        self._counter += 1
        return hashlib.shake_256(self._key + b"|" + str(self._counter).encode()).digest(size)
