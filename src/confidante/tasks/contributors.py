"""Contributors: how many devices touched each item, which is what a floor on contributors is held against."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from confidante.core.values import Histories, SparseRows
from confidante.tasks.rows import add_repeats


@final
@dataclass(frozen=True, slots=True)
class ContributorTask:
    """One for each of a person's newest distinct items, `most_items` at most: whole numbers.

    items: size of the catalogue. The l2 norm of so many ones is sqrt(most_items): a larger number counts more
    of the people who met much, and costs everybody's count that much more noise.
    """

    items: int
    most_items: int
    name: str = "contributors"
    linf_bound: float = 1.0

    @property
    def length(self) -> int:
        """One entry an item."""
        return self.items

    @property
    def l2_bound(self) -> float:
        """Norm of `most_items` ones, and a hair more: in floating point so many must not look too long."""
        return math.sqrt(self.most_items) * (1 + 2.0**-40)

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class."""
        person = histories.person_of_event[::-1]  # the newest event first
        item = histories.items[::-1].astype(np.int64)
        _, newest = np.unique(person * self.items + item, return_index=True)
        newest.sort()  # people from the last to the first, each one's items from the newest
        person, item = person[newest], item[newest]
        begin = np.flatnonzero(np.concatenate(([True], person[1:] != person[:-1]))) if len(person) else person
        rank = np.arange(len(person)) - np.repeat(begin, np.diff(np.append(begin, len(person))))
        kept = rank < self.most_items
        ones = np.ones(int(np.count_nonzero(kept)))
        return add_repeats(person[kept], item[kept], ones, histories.people, self.items)
