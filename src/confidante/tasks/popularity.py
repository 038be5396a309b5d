"""Popularity: how many people met each item, each person with the same total say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Histories, SparseRows
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    Models,
    NoisySum,
    Rows,
    TaskConfig,
    TaskContext,
    TaskForm,
    TaskKind,
    estimated,
)
from confidante.tasks.rows import add_repeats
from confidante.wire.catalogue import CatalogueWire

UNMET = 1e-3
"""Popularity of an item that nobody met, where there is no noise to hide the difference."""

_SHOWN = 20


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


@final
@dataclass(frozen=True, slots=True)
class ItemCounts:
    """The items with the largest sums, largest first: (item id, title, value).

    value: people, for contributors; for popularity people who met that item only, others by 1 / sqrt(items
    they met). error: standard error that the noise adds to each value. Sums are as they came out: noise can
    make one negative. among: items that there are, of which these have the largest sums.
    """

    top: tuple[tuple[str, str, float], ...]
    error: float
    among: int

    def rows(self, models: Sequence[str]) -> Rows:
        """Return an item a row."""
        rows = (
            (title or item, *estimated(value, self.error, 2, self.among)) for item, title, value in self.top
        )
        return Rows(("Item", "Count", "Noise"), tuple(rows), (1, 2))


class ItemCountForm(TaskForm, frozen=True):
    """The form of a task with one entry an item."""

    def found(self, total: NoisySum, wire: CatalogueWire, released: bytes) -> ItemCounts | None:
        """Return the largest sums; None for those of another catalogue's items."""
        if self.catalogue != wire.digest:
            return None
        largest: NDArray[np.int64] = np.argsort(-total.values, kind="stable")[:_SHOWN]
        ids, titles = wire.catalogue.ids, wire.catalogue.titles
        top = tuple((ids[i], titles[i], float(total.values[i])) for i in largest.tolist())
        return ItemCounts(top, math.sqrt(total.variance), len(ids))


@final
class _Form(ItemCountForm, tag="popularity 1", frozen=True):
    @classmethod
    def of(cls, task: PopularityTask, catalogue: bytes) -> "_Form":
        return cls(catalogue)

    def task(self, wire: CatalogueWire, models: Models) -> PopularityTask:
        return PopularityTask(len(wire.catalogue))


@final
class PopularityConfig(TaskConfig, tag="popularity", frozen=True):
    """`[[task]] kind = "popularity"`."""

    def task(self, context: TaskContext) -> PopularityTask:
        """Return the task over all items."""
        return PopularityTask(context.items)


KIND = TaskKind(
    task=PopularityTask,
    form=_Form,
    purposes=(Purpose.COHORT, Purpose.TRAIN),
    reads_order=False,
    config=PopularityConfig,
    example="""\
# [[task]]
# kind = "popularity"     # how many people met each item, each person with the same say
# every_hours = 168.0
# epsilon = 1.0           # of one such sum
""",
)
