"""How good the lists are, measured privately: each device tries to foretell its own newest event.

A device hides its newest event, asks the model for a list from the events before it, and tells a private sum
whether the hidden item was in the list and how high (Järvelin and Kekäläinen 2002 for the discount).
"""

import math
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.types import Histories, SparseRows
from confidante.models.task import NoisySum

_UNIT = 1 / math.sqrt(3)  # three entries of at most this have an l2 norm of at most 1


class Scores(Protocol):
    """A model that scores the whole catalogue for people by their histories."""

    def score(self, histories: Histories) -> NDArray[np.floating]:
        """Return [people, items], higher is better."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class QualityTask:
    """Whether each person's newest item is among the `k` best by `model`, given the events before it.

    Entries, each at 1 / sqrt(3): was there a list to grade (two events or more, the newest of an item that is
    new to the person); was the item in it; 1 / log2(1 + its rank) if so. Equal scores count against the list.
    """

    model: Scores
    k: int = 10
    name: str = "quality of lists"
    l2_bound: float = 1.0
    linf_bound: float = _UNIT

    @property
    def length(self) -> int:
        """Graded, hits, discounted hits."""
        return 3

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class. People are graded one by one, as devices are."""
        rows = np.zeros((histories.people, self.length))
        for person in range(histories.people):
            rows[person] = self._grade(histories.slice(person, person + 1))
        columns = np.tile(np.arange(self.length), histories.people)
        return SparseRows(
            np.arange(histories.people + 1) * self.length, columns, rows.ravel() * _UNIT, self.length
        )

    def _grade(self, person: Histories) -> tuple[float, float, float]:
        known = len(person.items) - 1
        if known < 1 or person.items[-1] in person.items[:-1]:
            return 0.0, 0.0, 0.0
        before = Histories(np.array([0, known]), person.items[:-1], person.times[:-1])
        scores = np.array(self.model.score(before)[0], dtype=np.float64)
        hidden = int(person.items[-1])
        candidates = np.ones(len(scores), dtype=np.bool_)
        candidates[person.items[:-1]] = False
        rank = int(np.count_nonzero(scores[candidates] >= scores[hidden]))  # itself is one of them
        if rank > self.k:
            return 1.0, 0.0, 0.0
        return 1.0, 1.0, 1 / math.log2(1 + rank)


@final
@dataclass(frozen=True, slots=True)
class Quality:
    """Estimates from one noisy sum. graded: people with a list to grade; hit_rate, ndcg: means over them.

    error: standard error that the noise adds to either mean (sampling error comes on top).
    """

    graded: float
    hit_rate: float
    ndcg: float
    error: float


def quality(total: NoisySum) -> Quality:
    """Return what the sum says; `error` tells when that is little."""
    graded, hits, discounted = (total.values / _UNIT).tolist()
    people = max(graded, 1.0)
    return Quality(graded, hits / people, discounted / people, math.sqrt(total.variance) / _UNIT / people)
