"""How good the lists are, measured privately: each device tries to foretell its own newest event.

A device hides its newest event, asks the model for a list from the events before it, and tells a private sum
whether the hidden item was in the list and how high (Järvelin and Kekäläinen 2002 for the discount).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, final, runtime_checkable

import numpy as np
from msgspec import Meta

from confidante.core.errors import DataError
from confidante.core.values import Histories, SparseRows
from confidante.models.scoring import ModelName, PublishedScores, Scores
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    NEWEST,
    PREVIOUS,
    Digest,
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

ModelWanted = Annotated[
    str,
    Meta(pattern=r"^(newest|previous|[0-9a-f]{64})\Z", description="newest, previous, or a model's sha256"),
]

_UNIT = 1 / math.sqrt(3)  # three entries of at most this have an l2 norm of at most 1


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
        return grade_people(histories, (self.model,), self.k, _UNIT)


def grade_people(histories: Histories, models: tuple[Scores, ...], k: int, unit: float) -> SparseRows:
    """Return a row a person: whether graded, then hits and discounted hits of each model, times `unit`."""
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

    @property
    def grades(self) -> tuple["Quality", ...]:
        """This one."""
        return (self,)

    @property
    def verdict(self) -> str:
        """Nothing: one model is better than none."""
        return ""

    def rows(self, models: Sequence[str]) -> Rows:
        """Return the grade of the one model."""
        return grade_rows(self.grades, models)


@runtime_checkable
class Graded(Protocol):
    """What grades models, for a curve over time.

    grades: of the models that the task names, in its order; verdict: what a comparison came to, or empty.
    """

    @property
    def grades(self) -> tuple[Quality, ...]:
        """See the class."""

    @property
    def verdict(self) -> str:
        """See the class."""


def quality(total: NoisySum) -> Quality:
    """Return what the sum of a `QualityTask` says; the errors tell when that is little."""
    graded, hits, discounted = (total.values / _UNIT).tolist()
    return estimate(graded, hits, discounted, math.sqrt(total.variance) / _UNIT)


def estimate(graded: float, hits: float, discounted: float, sd: float) -> Quality:
    """Return means, and their errors to first order: numerator and denominator are both noised."""
    people = max(graded, 1.0)
    hit_rate = hits / people
    rate = within(hit_rate)
    sampling = math.sqrt(rate * (1 - rate) / people)
    return Quality(graded, hit_rate, discounted / people, sd * math.hypot(1, hit_rate) / people, sampling)


def within(part: float) -> float:
    """Return `part`, moved into [0, 1]."""
    return min(max(part, 0.0), 1.0)


def grade_rows(grades: Sequence[Quality], models: Sequence[str], note: str = "") -> Rows:
    """Return a model a row. models: sha256 in hex of each."""
    rows = tuple(
        (model[:12], *_cells(one)) for model, one in zip((*models, *"?" * len(grades)), grades, strict=False)
    )
    return Rows(("Model", "Hit rate", "NDCG", "Noise"), rows, (1, 2, 3), note)


def _cells(one: Quality) -> tuple[str, str, str]:
    hit_rate, noise = estimated(one.hit_rate, one.error, 4)
    ndcg, as_well = estimated(one.ndcg, one.error, 4)
    return hit_rate, ndcg, max(noise, as_well, key=len)


def digest_of(model: Scores) -> bytes:
    """Return the name of a model; DataError for one that was not published."""
    if not isinstance(model, PublishedScores | ModelName):
        raise DataError("a model that was not published has no name: publish it first")
    return model.digest


@final
class _Form(TaskForm, tag="quality 1", frozen=True):
    model: Digest
    k: Events

    @classmethod
    def of(cls, task: QualityTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, digest_of(task.model), task.k)

    def task(self, wire: CatalogueWire, models: Models) -> QualityTask:
        return QualityTask(models(self.model), self.k)

    @property
    def models(self) -> tuple[bytes, ...]:
        return (self.model,)

    def found(self, total: NoisySum, wire: CatalogueWire, released: bytes) -> Quality:
        return quality(total)


class GradingConfig(TaskConfig, frozen=True):
    """The table of a task that grades lists. k: their length."""

    k: Annotated[Many, Meta(description="length of the lists that are graded")] = 10

    @property
    def curves(self) -> tuple[str, ...]:
        """Which points of the curve over time may be compared, for each of `models`."""
        return tuple(
            f"{one} model, lists of {self.k}"
            if one in (NEWEST, PREVIOUS)
            else f"model {one[:12]}, lists of {self.k}"
            for one in self.models
        )


@final
class QualityConfig(GradingConfig, tag="quality", frozen=True):
    """`[[task]] kind = "quality"`."""

    model: ModelWanted = NEWEST

    @property
    def models(self) -> tuple[str, ...]:
        """The one."""
        return (self.model,)

    def task(self, context: TaskContext) -> QualityTask:
        """Return the task for the model of that name today."""
        return QualityTask(ModelName(context.models[0]), self.k)


KIND = TaskKind(
    task=QualityTask,
    form=_Form,
    purposes=(Purpose.QUALITY,),
    reads_order=True,
    config=QualityConfig,
    example="""\
# [[task]]
# kind = "quality"        # hit rate and NDCG at k: does the model foretell what people took last?
# model = "newest"        # or "previous", or the sha256 of a published one
# k = 10
# every_hours = 24.0
# epsilon = 0.5
""",
)
