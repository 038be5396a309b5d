"""What a trainer may see and what is held out: leave-one-out and by time. No loops over people.

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
    negatives: int32 [people, n], items for the sampled metric, when the split came with them.
    """

    people: NDArray[np.int64]
    train: Histories
    valid: Histories
    test: Histories
    negatives: NDArray[np.int32] | None = None

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


def temporal(
    histories: Histories,
    *,
    test_from: int | None = None,
    test_fraction: float = 0.1,
    valid_fraction: float = 0.1,
    min_train: int = 1,
    min_test: int = 1,
) -> Split:
    """Cut everybody's history at the same two moments, as a live service would be judged.

    test_from: seconds; events at or after it are test. Without it the cut is the time by which a share
    `1 - test_fraction` of all events has happened. valid is the last `valid_fraction` of the events before
    the cut, found the same way. People with fewer than `min_train` or `min_test` events are left out; valid
    may be empty for a person. Raises DataError for impossible shares and when nobody is left.
    """
    if not (0 < test_fraction < 1 and 0 <= valid_fraction < 1):
        raise DataError(
            f"test_fraction {test_fraction} and valid_fraction {valid_fraction} must lie between 0 and 1"
        )
    if not len(histories.items):
        raise DataError("there are no events to split")
    cut = _moment(histories.times, test_fraction) if test_from is None else test_from
    before = histories.times[histories.times < cut]
    valid_from = cut if valid_fraction == 0 or not len(before) else min(_moment(before, valid_fraction), cut)
    part = (histories.times >= valid_from).astype(np.int64) + (histories.times >= cut)
    counts = np.zeros((histories.people, 3), dtype=np.int64)
    np.add.at(counts, (histories.person_of_event, part), 1)
    people = np.flatnonzero((counts[:, 0] >= min_train) & (counts[:, 2] >= min_test))
    if not len(people):
        raise DataError(
            f"nobody has {min_train} events before {valid_from} and {min_test} from {cut} on: move the cut"
        )
    train, valid, test = (take(histories, part == number).select(people) for number in range(3))
    return Split(people, train, valid, test)


def take(histories: Histories, events: NDArray[np.bool_]) -> Histories:
    """Return the same people with only the marked events (bool [events])."""
    counts = np.bincount(histories.person_of_event[events], minlength=histories.people)
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Histories(indptr, histories.items[events], histories.times[events])


def _moment(times: NDArray[np.int64], fraction: float) -> int:
    """Return the time at which the last `fraction` of the events begins."""
    row = min(int(np.ceil(len(times) * (1 - fraction))), len(times) - 1)
    return int(np.partition(times, row)[row])
