"""Contributors: how many devices touched each item, which is what a floor on contributors is held against."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from confidante.core.values import Histories, SparseRows
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import Events, Many, Models, TaskConfig, TaskContext, TaskKind
from confidante.tasks.popularity import ItemCountForm
from confidante.tasks.rows import add_repeats
from confidante.wire.catalogue import CatalogueWire


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


@final
class _Form(ItemCountForm, tag="contributors 1", frozen=True):
    most_items: Events

    @classmethod
    def of(cls, task: ContributorTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, task.most_items)

    def task(self, wire: CatalogueWire, models: Models) -> ContributorTask:
        return ContributorTask(len(wire.catalogue), self.most_items)


@final
class ContributorConfig(TaskConfig, tag="contributors", frozen=True):
    """`[[task]] kind = "contributors"`. most_items: of one person that are counted."""

    most_items: Many = 50

    def task(self, context: TaskContext) -> ContributorTask:
        """Return the task over all items."""
        return ContributorTask(context.items, self.most_items)


KIND = TaskKind(
    task=ContributorTask,
    form=_Form,
    purposes=(Purpose.COHORT,),
    reads_order=False,
    config=ContributorConfig,
    example="""\
# [[task]]
# kind = "contributors"   # how many devices met each item
# most_items = 50         # of one person, the newest, are counted
# every_hours = 168.0
# epsilon = 1.0
""",
)
