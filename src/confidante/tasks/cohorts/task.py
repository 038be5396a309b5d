"""The one private sum that counts for all cohorts at once.

What a device sends is one term of one sum that has room for every group: its popularity vector stands in the
rows of its own group, all other rows are zeros, and under the masks nobody can tell which.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories, SparseRows
from confidante.tasks.cohorts.tree import CohortTree
from confidante.tasks.rows import newest_distinct

SIZE_NORM = 0.3
"""Part of a device's norm that counts it; the rest of the norm is for its items."""

ITEM_NORM = 0.8
"""Part of a device's norm that its items have. The rest is room for rounding: a vector without it would be
shrunk, and with it the entry that counts the device."""

MOST_ITEMS = 100
"""Distinct items of a device that are counted at most: each more rounds to a longer vector."""

Where = int | Callable[[Histories], NDArray[np.int64]]
"""The group of the one person there is, or the group of each of many people, int64 [people]."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class CohortTask:
    """Each device's popularity vector in the rows of its own group, and one entry that counts the device.

    tree: public; items: size of the catalogue; columns: int64, the different items that are counted, None for
    all of them. A device has its newest MOST_ITEMS distinct items among these at one size each, together of
    norm ITEM_NORM, and SIZE_NORM in its group's count; a device without any event sends zeros. Entry
    `group * columns + column`, and after all of these `group`. Without `where` the task can be looked at and
    not computed.
    """

    tree: CohortTree
    items: int
    columns: NDArray[np.int64] | None = None
    where: Where | None = None
    name: str = "cohorts"
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    @property
    def width(self) -> int:
        """How many items are counted."""
        return self.items if self.columns is None else len(self.columns)

    @property
    def length(self) -> int:
        """One entry a group and counted item, and one a group."""
        return len(self.tree) * (self.width + 1)

    def placed(self, where: Where) -> "CohortTask":
        """Return the same task, computable. where: see `Where`; it stays on the device."""
        return replace(self, where=where)

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class. DataError where nobody said who stands in which group."""
        groups = self._groups(histories)
        row, item = newest_distinct(histories, self.items, self.columns, MOST_ITEMS)
        if self.columns is not None:
            column = np.zeros(self.items, dtype=np.int64)
            column[self.columns] = np.arange(len(self.columns))
            item = column[item]
        distinct = np.bincount(row, minlength=histories.people)
        values = ITEM_NORM / np.sqrt(distinct[row])
        present = np.flatnonzero(histories.lengths > 0)
        rows = np.concatenate((row, present))
        places = np.concatenate(
            (groups[row] * self.width + item, len(self.tree) * self.width + groups[present])
        )
        entries = np.concatenate((values, np.full(len(present), SIZE_NORM)))
        order = np.lexsort((places, rows))
        indptr = np.searchsorted(rows[order], np.arange(histories.people + 1)).astype(np.int64)
        return SparseRows(indptr, places[order], entries[order], self.length)

    def _groups(self, histories: Histories) -> NDArray[np.int64]:
        if self.where is None:
            raise DataError("a cohort task is not placed: only a device knows in which group it stands")
        if isinstance(self.where, int):
            groups = np.full(histories.people, self.where, dtype=np.int64)
        else:
            groups = self.where(histories)
        if groups.shape != (histories.people,) or np.any((groups < 0) | (groups >= len(self.tree))):
            raise DataError(f"cohorts: give each person one of the {len(self.tree)} groups, 0 or above")
        return groups
