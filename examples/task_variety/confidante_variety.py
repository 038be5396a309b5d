"""Variety: how many different labels the recent history of people has, as a private histogram.

A complete task of another package. Each device counts the labels of its newest events and sends one 1, in the
entry of that count. Nobody learns which labels, or whose count it was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from confidante.core.values import Histories, SparseRows
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    Events,
    Many,
    Models,
    NoisySum,
    Rows,
    TaskConfig,
    TaskContext,
    TaskForm,
    TaskKind,
    estimated,
)
from confidante.wire.catalogue import CatalogueWire


@final
@dataclass(frozen=True, slots=True)
class VarietyTask:
    """A 1 for each person, in the entry of the different labels among their newest `events` events.

    labels: of each item of the catalogue; most: the last entry, which also counts everybody with more.
    Whoever has no event sends zeros.
    """

    labels: tuple[tuple[str, ...], ...]
    events: int
    most: int
    name: str = "variety"
    l2_bound: float = 1.0
    linf_bound: float = 1.0

    @property
    def length(self) -> int:
        """One entry for each count from 0 to `most`."""
        return self.most + 1

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class."""
        recent = histories.last(self.events)
        present = np.flatnonzero(recent.lengths > 0)
        counts = [
            len({label for item in recent.slice(person, person + 1).items for label in self.labels[item]})
            for person in present.tolist()
        ]
        indices = np.minimum(np.array(counts, dtype=np.int64), self.most)
        indptr = np.searchsorted(present, np.arange(recent.people + 1)).astype(np.int64)
        return SparseRows(indptr, indices, np.ones(len(indices)), self.length)


@final
@dataclass(frozen=True, slots=True)
class Variety:
    """People by how many different labels they have (the last: or more), and the noise in each."""

    people: tuple[float, ...]
    error: float

    def rows(self, models: Sequence[str]) -> Rows:
        """Return a count a row."""
        rows = tuple(
            (str(count), *estimated(people, self.error, 1, len(self.people)))
            for count, people in enumerate(self.people)
        )
        return Rows(("Different labels", "People", "Noise"), rows, (0, 1, 2))


@final
class _Form(TaskForm, tag="variety 1", frozen=True):
    events: Events
    most: Many

    @classmethod
    def of(cls, task: VarietyTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, task.events, task.most)

    def task(self, wire: CatalogueWire, models: Models) -> VarietyTask:
        return VarietyTask(wire.catalogue.labels, self.events, self.most)

    def found(self, total: NoisySum, wire: CatalogueWire, released: bytes) -> Variety:
        return Variety(tuple(total.values.tolist()), math.sqrt(total.variance))


@final
class VarietyConfig(TaskConfig, tag="variety", frozen=True):
    """`[[task]] kind = "variety"`."""

    events: Events = 50
    most: Many = 10

    def task(self, context: TaskContext) -> VarietyTask:
        """Return the task over the labels of the population's catalogue."""
        return VarietyTask(context.wire.catalogue.labels, self.events, self.most)


KIND = TaskKind(
    task=VarietyTask,
    form=_Form,
    purposes=(Purpose.COHORT,),
    reads_order=False,
    config=VarietyConfig,
    example="""\
# [[task]]
# kind = "variety"        # how many different labels the recent history of people has
# events = 50             # of one person, the newest, are looked at
# most = 10               # different labels; whoever has more is counted here
# every_hours = 168.0
# epsilon = 1.0
""",
)
