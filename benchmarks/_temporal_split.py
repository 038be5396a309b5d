"""What is held out by time: everybody's history is cut at the same moments. No loops over people."""

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories
from confidante.lab.split import Split, take


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


def _moment(times: NDArray[np.int64], fraction: float) -> int:
    """Return the time at which the last `fraction` of the events begins."""
    row = min(int(np.ceil(len(times) * (1 - fraction))), len(times) - 1)
    return int(np.partition(times, row)[row])
