"""Who is simulated: people out of a data set, or made up as they are asked for, as many as wanted.

A made-up person follows from the seed and their number alone, so any part of a crowd can be made anywhere, in
any order and in batches of any size, and is the same people: memory does not grow with the crowd.
"""

from dataclasses import dataclass, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories

_GENRES = 20
_STAYS = 0.8  # chance that an event stays in the genre of the one before
_SKEW = 3  # popularity within a genre: the place of an item is size * u^3
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LENGTHS, _MOVES, _GENRE, _ITEMS = range(4)  # streams of one person


class SimulatedPeople(Protocol):
    """People, numbered from 0. `Histories` is one that is held in memory."""

    @property
    def people(self) -> int:
        """Number of people."""

    def select(self, people: NDArray[np.integer]) -> Histories:
        """Return the given people's histories, in the given order."""

    def slice(self, start: int, stop: int) -> "SimulatedPeople":
        """Return the crowd of people `start` to `stop - 1`, numbered from 0 again."""


@final
@dataclass(frozen=True, slots=True)
class SyntheticPeople:
    """People who do not exist, over a catalogue of `items` that does not either (`synthetic_catalogue`).

    Everyone has `events / 2` to `3 events / 2` events. An event mostly stays in the genre of the one before,
    and within a genre few items are met by many: there is an order to be learnt and a head and a tail.
    first: number of the first person, for parts of a larger crowd. Raises DataError for what cannot be.
    """

    people: int
    items: int
    events: int
    seed: int = 0
    first: int = 0

    def __post_init__(self) -> None:
        """Refuse crowds of nobody, and events of nothing."""
        for name, least in (("people", 0), ("items", 2), ("events", 1), ("seed", 0), ("first", 0)):
            if getattr(self, name) < least:
                raise DataError(f"a made-up crowd of {name} {getattr(self, name)}: give {least} or more")
        if self.items > 1 << 24 or self.events > 1 << 20:
            raise DataError(
                f"a made-up crowd of {self.items} items and {self.events} events: give at most 2^24 items "
                "and 2^20 events a person"
            )

    def slice(self, start: int, stop: int) -> "SyntheticPeople":
        """Return people `start` to `stop - 1`."""
        return replace(self, people=stop - start, first=self.first + start)

    def select(self, people: NDArray[np.integer]) -> Histories:
        """Make the given people up."""
        return self._histories(people, self._lengths(people))

    def next_items(self, people: NDArray[np.integer]) -> Histories:
        """Return the one event of each person that comes after their history, to grade a model by."""
        lengths = self._lengths(people)
        longer = self._histories(people, lengths + 1)
        last = longer.indptr[1:] - 1
        return Histories(np.arange(len(people) + 1), longer.items[last], longer.times[last])

    def _lengths(self, people: NDArray[np.integer]) -> NDArray[np.int64]:
        least = max(1, self.events // 2)
        choices = max(1, 2 * self.events - 2 * least + 1)
        drawn = _unit(self._state(people, _LENGTHS), np.zeros(len(people), dtype=np.int64))
        return least + (drawn * choices).astype(np.int64)

    def _histories(self, people: NDArray[np.integer], lengths: NDArray[np.int64]) -> Histories:
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        person = np.repeat(np.arange(len(people)), lengths)
        event = np.arange(indptr[-1])
        place = event - indptr[person]  # of each event in its history
        moves = (place == 0) | (_unit(self._state(people, _MOVES)[person], place) >= _STAYS)
        moved_at = np.maximum.accumulate(np.where(moves, event, 0)) - indptr[person]  # chose the genre
        genres = min(_GENRES, self.items)
        genre = (_unit(self._state(people, _GENRE)[person], moved_at) * genres).astype(np.int64)
        size = (self.items - genre + genres - 1) // genres  # items genre, genre + genres, ...
        drawn = _unit(self._state(people, _ITEMS)[person], place)
        items = genre + genres * (drawn**_SKEW * size).astype(np.int64)
        return Histories(indptr, items.astype(np.int32), place)

    def _state(self, people: NDArray[np.integer], stream: int) -> NDArray[np.uint64]:
        """Return a number for each person and stream, uint64 [people]."""
        number = (people.astype(np.uint64) + np.uint64(self.first)) * np.uint64(4) + np.uint64(stream)
        return _mixed(_mixed(number + np.uint64(1)) + _mixed(np.full(1, self.seed, dtype=np.uint64)))


def synthetic_catalogue(items: int) -> Catalogue:
    """Return the catalogue of a made-up crowd: titles, and each item's genre as its label."""
    genres = min(_GENRES, items)
    return Catalogue(
        ids=tuple(f"item-{item}" for item in range(items)),
        titles=tuple(f"Item {item}" for item in range(items)),
        labels=tuple((f"genre {item % genres}",) for item in range(items)),
    )


def _unit(state: NDArray[np.uint64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each state and place."""
    mixed = _mixed(state + (place.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    unit: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return unit


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the numbers stirred, by SplitMix64's output function (Steele, Lea and Flood 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
