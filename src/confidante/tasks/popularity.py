"""Popularity: how many people met each item, each person with the same total say."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Histories, SparseRows
from confidante.tasks.base import NoisySum
from confidante.tasks.rows import add_repeats

UNMET = 1e-3
"""Popularity of an item that nobody met, where there is no noise to hide the difference."""


@final
@dataclass(frozen=True, slots=True)
class PopularityTask:
    """Each person's distinct items, at 1 / sqrt(distinct items) each: a unit vector.

    items: size of the catalogue.
    """

    items: int
    name: str = "popularity"
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    @property
    def length(self) -> int:
        """One entry an item."""
        return self.items

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class."""
        ones = np.ones(len(histories.items))
        rows = add_repeats(
            histories.person_of_event, histories.items.astype(np.int64), ones, histories.people, self.items
        )
        distinct = np.diff(rows.indptr)
        return SparseRows(
            rows.indptr, rows.indices, np.repeat(1 / np.sqrt(np.maximum(distinct, 1)), distinct), rows.length
        )


def popularity(total: NoisySum) -> NDArray[np.float64]:
    """Return each item's popularity, float64 [items], at least the noise's standard deviation (and above 0).

    The unit is a person who met that item only; a person with n distinct items adds 1 / sqrt(n) to each.
    """
    floor = max(float(np.sqrt(total.variance)), UNMET)
    result: NDArray[np.float64] = np.maximum(total.values, floor)
    return result
