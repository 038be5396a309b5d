"""One random number a device, for any range of devices, without drawing those of all the others."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.lab.entropy import SeededEntropy

BLOCK = 1 << 16  # devices whose numbers are one draw of the stream


@final
class DeviceStreams:
    """A random number for each device, uint64, from a seeded stream; one block of them is held at a time."""

    __slots__ = ("_block", "_entropy", "_numbers")

    def __init__(self, entropy: SeededEntropy) -> None:
        self._entropy = entropy
        self._block = -1
        self._numbers = np.zeros(0, dtype=np.uint64)

    def of(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Return the numbers of devices `start` to `stop - 1`."""
        parts = [np.zeros(0, dtype=np.uint64)]
        while start < stop:
            block, skip = divmod(start, BLOCK)
            part = self._of_block(block)[skip : skip + stop - start]
            parts.append(part)
            start += len(part)
        return np.concatenate(parts)

    def _of_block(self, block: int) -> NDArray[np.uint64]:
        if block != self._block:
            drawn = self._entropy.after(block).draw(8 * BLOCK)
            self._block, self._numbers = block, np.frombuffer(drawn, dtype="<u8").astype(np.uint64)
        return self._numbers


def smallest(stream: DeviceStreams, devices: int, count: int) -> int:
    """Return the largest of the `count` smallest numbers of the first `devices`; -1 for a count of 0.

    Sixteen bits at a time, from the highest, so that only one block is held. Two equal numbers among n
    devices have a chance of n^2 / 2^65; where they meet at the limit, both are in or both are out.
    """
    if count == 0:
        return -1
    found = 0
    for shift in (48, 32, 16, 0):
        tally = np.zeros(1 << 16, dtype=np.int64)
        for start in range(0, devices, BLOCK):
            block = stream.of(start, min(start + BLOCK, devices))
            if shift < 48:
                block = block[block >> np.uint64(shift + 16) == np.uint64(found)]
            digits = (block >> np.uint64(shift)) & np.uint64(0xFFFF)
            tally += np.bincount(digits.astype(np.int64), minlength=1 << 16)
        upto = np.cumsum(tally)
        digit = int(np.searchsorted(upto, count))
        count -= int(upto[digit] - tally[digit])
        found = found << 16 | digit
    return found
