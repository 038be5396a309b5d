"""What a trainer may see and what is held out. No loops over people.

A split's three parts are all histories of the same people, so every metric works on every split.
Leave-one-out holds one event each in `valid` and `test`.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories


@final
@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """train, valid, test: the same people's events, each part later than the one before.

    people: int64 [people], row of each in the histories that were split (others had too few events).
    """

    people: NDArray[np.int64]
    train: Histories
    valid: Histories
    test: Histories

    def __post_init__(self) -> None:
        """Refuse parts of different people."""
        sizes = {len(self.people), self.train.people, self.valid.people, self.test.people}
        if len(sizes) != 1:
            raise DataError(f"a split's parts hold different numbers of people: {sorted(sizes)}")

    def visible(self, *, valid: bool) -> Histories:
        """Return all that a trainer may read: train, and for the final run valid as well. Never test."""
        return join(self.train, self.valid) if valid else self.train


def join(earlier: Histories, later: Histories) -> Histories:
    """Return each person's events of `earlier` followed by those of `later`."""
    if earlier.people != later.people:
        raise DataError(f"cannot join histories of {earlier.people} and {later.people} people")
    person = np.concatenate((earlier.person_of_event, later.person_of_event))
    order = np.argsort(person, kind="stable")
    return Histories(
        earlier.indptr + later.indptr,
        np.concatenate((earlier.items, later.items))[order],
        np.concatenate((earlier.times, later.times))[order],
    )


def leave_one_out(histories: Histories, *, min_train: int = 1) -> Split:
    """Hold out each person's last event as test and the one before as valid; the rest is train.

    People with fewer than `min_train + 2` events are left out (see `Split.people`). For repurchase data the
    held-out items may also stand in train. Raises DataError when nobody is left.
    """
    if min_train < 0:
        raise DataError(f"min_train is {min_train}: give 0 or more")
    people = np.flatnonzero(histories.lengths >= min_train + 2)
    if not len(people):
        raise DataError(f"nobody has {min_train + 2} events: leave-one-out needs some who do")
    kept = histories.select(people)
    from_end = kept.indptr[1:][kept.person_of_event] - np.arange(len(kept.items))
    return Split(people, take(kept, from_end > 2), take(kept, from_end == 2), take(kept, from_end == 1))


def take(histories: Histories, events: NDArray[np.bool_]) -> Histories:
    """Return the same people with only the marked events (bool [events])."""
    counts = np.bincount(histories.person_of_event[events], minlength=histories.people)
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Histories(indptr, histories.items[events], histories.times[events])
