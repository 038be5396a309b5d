"""Seeded randomness, for the lab only. Functions that protect people do not accept this type."""

import hashlib
from typing import final


@final
class SeededEntropy:
    """A reproducible stream of bytes (SHAKE-256 of seed and label, in counter mode)."""

    __slots__ = ("_counter", "_label", "_seed")

    def __init__(self, seed: int, *label: str | int) -> None:
        self._seed = seed
        self._label = label
        self._counter = 0

    def child(self, *label: str | int) -> "SeededEntropy":
        """Return the stream of a longer label, from its start, wherever this stream has got to."""
        return SeededEntropy(self._seed, *self._label, *label)

    def after(self, draws: int) -> "SeededEntropy":
        """Return this stream, from its start but for the first so many draws."""
        stream = SeededEntropy(self._seed, *self._label)
        stream._counter = draws
        return stream

    def draw(self, size: int) -> bytes:
        """Return the next `size` bytes of the stream."""
        self._counter += 1
        return hashlib.shake_256(repr((self._seed, self._label, self._counter)).encode()).digest(size)
