"""Which rows of a file say what is remembered already: the same row, or the same play in another export.

One remembered event stands for one row. So repeats stay repeats: two rows of one day without a time of day,
or a song that is played twice, are two events, and importing them again adds none.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from confidante.formats.records import ForeignEvent
from confidante.packs.base import Pack
from confidante.packs.signals import Signal, ValueOf

_DAY = 86_400.0
_ZONES = 12 * 3600.0  # a day over there may begin so much before or after the same day of UTC
_CLOCKS = 90.0  # seconds: some exports round to minutes, and clocks differ
_LONGEST = 1.5 * _DAY

_Moment = tuple[int, float, Signal]


@final
@dataclass(frozen=True, slots=True)
class Remembered:
    """An event of the vault; item: the item's key."""

    number: int
    item: int
    at: float
    kind: str
    value: float | None


@final
class Repeats:
    """Tells rows that are new from those that are there already.

    rated: the numbers of remembered events without a rating, and the kind and rating that the file has.
    """

    def __init__(self, pack: Pack, remembered: Iterable[Remembered] = ()) -> None:
        self._pack = pack
        self._there: dict[_Moment, list[Remembered]] = defaultdict(list)
        for event in remembered:
            self._there[event.item, event.at, self._says(event.kind)].append(event)
        self._read: dict[_Moment, list[ForeignEvent]] = defaultdict(list)
        self.rated: dict[int, tuple[str, float]] = {}

    def again(self, key: int, row: ForeignEvent) -> bool:
        """Whether a row is there already, or was read before in this file, to the second."""
        moment = (key, row.at, self._says(row.kind))
        before = len(self._read[moment])
        if before and (row.at % _DAY or not row.at):
            return True
        self._read[moment].append(row)
        there = self._there.get(moment, ())
        if before < len(there):
            self._rate(there[before], row)
        return before < len(there)

    def in_other_words(self, rows: Sequence[tuple[int, ForeignEvent]]) -> set[int]:
        """Return the places of the rows that another export told already, at about the same time.

        A play is told by its start or by its end, so two times of one play are at most its length apart, and
        no two whole plays are as near. rows: of those that are not there to the second, oldest first.
        """
        there: dict[tuple[int, Signal], list[Remembered]] = defaultdict(list)
        left: dict[tuple[int, Signal], list[Remembered]] = defaultdict(list)
        known: dict[tuple[int, Signal], list[ForeignEvent]] = defaultdict(list)
        for (item, at, says), events in sorted(self._there.items()):
            read = self._read.get((item, at, says), [])
            there[item, says] += events
            left[item, says] += events[len(read) :]
            known[item, says] += read[: len(events)]
        new: dict[tuple[int, Signal], list[tuple[int, ForeignEvent]]] = defaultdict(list)
        for place, (key, row) in enumerate(rows):
            if left.get((key, self._says(row.kind))):
                new[key, self._says(row.kind)].append((place, row))
        told: set[int] = set()
        for of, places in new.items():
            pairs = self._pairs(left[of], places)
            # A song in a loop ends when it starts again: then rows stand a play beside the events they mean.
            every = sorted([*places, *((-1, row) for row in known[of])], key=lambda one: one[1].at)
            other = self._pairs(there[of], every)
            best = other if len(other) > len(pairs) + len(known[of]) else pairs
            for event, place, row in best:
                self._rate(event, row)
                told.add(place)
        return told - {-1}

    def _pairs(
        self, events: Sequence[Remembered], rows: Sequence[tuple[int, ForeignEvent]]
    ) -> list[tuple[Remembered, int, ForeignEvent]]:
        """Return which events rows mean, in the order of time, each once."""
        free, waiting = list(events), list(rows)
        pairs = []
        for same_day in (True, False):
            still = []
            for place, row in waiting:
                found = None
                for k in range(bisect_left(free, row.at - _LONGEST, key=lambda event: event.at), len(free)):
                    if free[k].at > row.at + _LONGEST:
                        break
                    if self._one(free[k], row, same_day=same_day):
                        found = free.pop(k)
                        break
                if found is None:
                    still.append((place, row))
                else:
                    pairs.append((found, place, row))
            waiting = still
        return pairs

    def _one(self, event: Remembered, row: ForeignEvent, *, same_day: bool) -> bool:
        """Whether an event and a row may be one. same_day: where one has no time of day, only on that day."""
        if event.at % _DAY and row.at % _DAY:
            return abs(event.at - row.at) <= max(self._seconds(event), self._seconds(row)) + _CLOCKS
        day, moment = (event.at, row.at) if row.at % _DAY else (row.at, event.at)
        if not day or not moment % _DAY:
            return False
        around = 0.0 if same_day else _ZONES
        return day - around <= moment < day + _DAY + around

    def _seconds(self, event: Remembered | ForeignEvent) -> float:
        """Return how long a play took, as far as that is known."""
        minutes = event.value or 0.0
        known = self._pack.event(event.kind).unit == "minutes" and 0 < minutes * 60 < _DAY
        return minutes * 60 if known else 0.0

    def _says(self, kind: str) -> Signal:
        signal = self._pack.event(kind).signal
        return Signal.FOR if signal is Signal.SEEN else signal

    def _rate(self, event: Remembered, row: ForeignEvent) -> None:
        says = self._pack.event(row.kind)
        if row.value is not None and event.value is None and says.value is ValueOf.RATING:
            stretch = says.top / row.scale if says.top and row.scale else 1.0
            self.rated[event.number] = (row.kind, row.value * stretch)
