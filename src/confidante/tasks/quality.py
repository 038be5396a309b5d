"""How good the lists are, measured privately: each device tries to foretell its own newest event.

A device hides its newest event, asks the model for a list from the events before it, and tells a private sum
whether the hidden item was in the list and how high (Järvelin and Kekäläinen 2002 for the discount). Two
models are compared on the very same people, in one sum.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from confidante.core.values import Histories, SparseRows
from confidante.models.scoring import Scores
from confidante.tasks.base import NoisySum

_UNIT = 1 / math.sqrt(3)  # three entries of at most this have an l2 norm of at most 1
_UNIT_OF_TWO = 1 / math.sqrt(5)


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
        return _rows(histories, (self.model,), self.k, _UNIT)


@final
@dataclass(frozen=True, slots=True, eq=False)
class CompareTask:
    """The same for two models at once: both are graded on the same hidden items.

    Entries, each at 1 / sqrt(5): graded; hits and discounted hits of `a`; hits and discounted hits of `b`.
    """

    a: Scores
    b: Scores
    k: int = 10
    name: str = "comparison of lists"
    l2_bound: float = 1.0
    linf_bound: float = _UNIT_OF_TWO

    @property
    def length(self) -> int:
        """Graded, hits and discounted hits of each."""
        return 5

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person."""
        return _rows(histories, (self.a, self.b), self.k, _UNIT_OF_TWO)


def _rows(histories: Histories, models: tuple[Scores, ...], k: int, unit: float) -> SparseRows:
    length = 1 + 2 * len(models)
    rows = np.zeros((histories.people, length))
    for person in range(histories.people):
        rows[person] = _grade(histories.slice(person, person + 1), models, k)
    columns = np.tile(np.arange(length), histories.people)
    return SparseRows(np.arange(histories.people + 1) * length, columns, rows.ravel() * unit, length)


def _grade(person: Histories, models: tuple[Scores, ...], k: int) -> list[float]:
    known = len(person.items) - 1
    if known < 1 or person.items[-1] in person.items[:-1]:
        return [0.0] * (1 + 2 * len(models))
    before = Histories(np.array([0, known]), person.items[:-1], person.times[:-1])
    hidden = int(person.items[-1])
    grades = [1.0]
    for model in models:
        scores = np.array(model.score(before)[0], dtype=np.float64)
        candidates = np.ones(len(scores), dtype=np.bool_)
        candidates[person.items[:-1]] = False
        rank = int(np.count_nonzero(scores[candidates] >= scores[hidden]))  # itself is one of them
        grades += [1.0, 1 / math.log2(1 + rank)] if rank <= k else [0.0, 0.0]
    return grades


@final
@dataclass(frozen=True, slots=True)
class Quality:
    """Estimates from one noisy sum. graded: people with a list to grade; hit_rate, ndcg: means over them.

    error: standard error that the noise adds to the hit rate, and at most to the other. sampling: standard
    error, on top, from there being no more people.
    """

    graded: float
    hit_rate: float
    ndcg: float
    error: float
    sampling: float


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models graded on the same people. hit_rate, ndcg: the differences, b minus a.

    error: standard error that the noise adds to a difference. sampling: no more than this on top, from there
    being no more people: a sum does not tell how often the models agreed, so it is an upper bound. better:
    "a" or "b" when its NDCG leads by more than 2 standard errors of both kinds together, else "".
    """

    a: Quality
    b: Quality
    hit_rate: float
    ndcg: float
    error: float
    sampling: float
    better: str


def quality(total: NoisySum) -> Quality:
    """Return what the sum of a `QualityTask` says; the errors tell when that is little."""
    graded, hits, discounted = (total.values / _UNIT).tolist()
    return _quality(graded, hits, discounted, math.sqrt(total.variance) / _UNIT)


def comparison(total: NoisySum) -> Comparison:
    """Return what the sum of a `CompareTask` says."""
    graded, *entries = (total.values / _UNIT_OF_TWO).tolist()
    sd = math.sqrt(total.variance) / _UNIT_OF_TWO
    a, b = (_quality(graded, entries[i], entries[i + 1], sd) for i in (0, 2))
    people, ndcg = max(graded, 1.0), b.ndcg - a.ndcg
    # Grades are in [0, 1]: the mean square of their difference is at most the sum of their means.
    sampling = math.sqrt(_within(a.ndcg) + _within(b.ndcg)) / math.sqrt(people)
    error = sd * math.sqrt(2 + ndcg**2) / people
    leads = abs(ndcg) > 2 * math.hypot(error, sampling)
    better = ("b" if ndcg > 0 else "a") if leads else ""
    return Comparison(a, b, b.hit_rate - a.hit_rate, ndcg, error, sampling, better)


def _quality(graded: float, hits: float, discounted: float, sd: float) -> Quality:
    """Return means, and their errors to first order: numerator and denominator are both noised."""
    people = max(graded, 1.0)
    hit_rate = hits / people
    rate = _within(hit_rate)
    sampling = math.sqrt(rate * (1 - rate) / people)
    return Quality(graded, hit_rate, discounted / people, sd * math.hypot(1, hit_rate) / people, sampling)


def _within(part: float) -> float:
    return min(max(part, 0.0), 1.0)
