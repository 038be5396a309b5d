"""The part of a simulated sum that is spread over many hands: encode devices in batches and add them up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.lab.device_streams import DeviceStreams
from confidante.lab.entropy import SeededEntropy
from confidante.lab.people import SimulatedPeople
from confidante.privacy.clipping import encode
from confidante.privacy.plan import SumPlan
from confidante.tasks.base import Task

BATCH_ENTRIES = 1 << 15
"""Entries of a batch by default: so many stay in the processor's cache."""

_MOST = 1024  # devices of a batch
_LEAST = 8


@final
@dataclass(frozen=True, slots=True)
class SimulatedSum:
    """One sum, without its noise: all that decides what each device sends.

    entropy: of this sum; gone: devices whose number in `vanishing` is at most this vanish before they upload
    (-1: nobody).
    """

    task: Task
    plan: SumPlan
    entropy: SeededEntropy
    gone: int = -1

    @property
    def dither(self) -> DeviceStreams:
        """Each device's random number for rounding."""
        return DeviceStreams(self.entropy.child("dither"))

    @property
    def vanishing(self) -> DeviceStreams:
        """Each device's random number for vanishing: who vanishes is decided by the smallest."""
        return DeviceStreams(self.entropy.child("vanishing"))


class SumBackend(Protocol):
    """Adds up what the devices of one crowd send."""

    def add(self, work: SimulatedSum, progress: Callable[[float], None]) -> tuple[NDArray[np.int64], int]:
        """Return the integer sum, int64 [length], and how many devices are in it.

        progress: called with the part that is done, 0 to 1.
        """


def add_batches(
    work: SimulatedSum,
    crowd: SimulatedPeople,
    start: int,
    stop: int,
    total: NDArray[np.int64],
    *,
    first: int = 0,
    entries: int = BATCH_ENTRIES,
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Add people `start` to `stop - 1` of the crowd to `total`, int64 [length], a batch at a time.

    first: number of the crowd's person 0 among all devices of the sum; entries: about how many a batch has.
    Yields after each batch the devices that were added (their numbers in the sum) and how far it has come.
    The total does not depend on the batches: each device is worked out alone, and integers add up exactly.
    """
    dither, vanishing = work.dither, work.vanishing
    size = _LEAST
    while start < stop:
        end = min(start + size, stop)
        people = np.arange(start, end)
        numbers = dither.of(first + start, first + end)
        if work.gone >= 0:
            stays = vanishing.of(first + start, first + end) > np.uint64(work.gone)
            people, numbers = people[stays], numbers[stays]
        sent = 0
        if len(people):
            rows = encode(work.task.client_update(crowd.select(people)), work.plan, numbers)
            rows.add_to(total)
            sent = len(rows.values)
        fitting = entries * (end - start) // max(sent, 1)
        size = max(_LEAST, min(fitting, 4 * size, _MOST))
        start = end
        yield people + first, end
