"""Two models compared on the very same people, in one sum: `quality`, twice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from confidante.core.errors import DataError
from confidante.core.values import Histories, SparseRows
from confidante.models.scoring import ModelName, Scores
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    NEWEST,
    PREVIOUS,
    Digest,
    Events,
    Models,
    NoisySum,
    Rows,
    TaskContext,
    TaskForm,
    TaskKind,
)
from confidante.tasks.quality import (
    GradingConfig,
    ModelWanted,
    Quality,
    digest_of,
    estimate,
    grade_people,
    grade_rows,
    within,
)
from confidante.wire.catalogue import CatalogueWire

_UNIT = 1 / math.sqrt(5)  # five entries of at most this have an l2 norm of at most 1


@final
@dataclass(frozen=True, slots=True, eq=False)
class CompareTask:
    """As `QualityTask` for two models at once: both are graded on the same hidden items.

    Entries, each at 1 / sqrt(5): graded; hits and discounted hits of `a`; hits and discounted hits of `b`.
    """

    a: Scores
    b: Scores
    k: int = 10
    name: str = "comparison of lists"
    l2_bound: float = 1.0
    linf_bound: float = _UNIT

    @property
    def length(self) -> int:
        """Graded, hits and discounted hits of each."""
        return 5

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person."""
        return grade_people(histories, (self.a, self.b), self.k, _UNIT)


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

    @property
    def grades(self) -> tuple[Quality, Quality]:
        """Both."""
        return self.a, self.b

    @property
    def verdict(self) -> str:
        """Which of the two models is better, if that can be told, in words."""
        apart = f"NDCG of the second minus that of the first: {self.ndcg:+.4f}"
        errors = f"(noise ± {self.error:.4f}, sampling at most ± {self.sampling:.4f})"
        better = {"a": "the first is better", "b": "the second is better"}
        return f"{better.get(self.better, 'cannot be told apart')}: {apart} {errors}"

    def rows(self, models: Sequence[str]) -> Rows:
        """Return the grades of both, and the verdict."""
        return grade_rows(self.grades, models, self.verdict)


def comparison(total: NoisySum) -> Comparison:
    """Return what the sum of a `CompareTask` says."""
    graded, *entries = (total.values / _UNIT).tolist()
    sd = math.sqrt(total.variance) / _UNIT
    a, b = (estimate(graded, entries[i], entries[i + 1], sd) for i in (0, 2))
    people, ndcg = max(graded, 1.0), b.ndcg - a.ndcg
    # Grades are in [0, 1]: the mean square of their difference is at most the sum of their means.
    sampling = math.sqrt(within(a.ndcg) + within(b.ndcg)) / math.sqrt(people)
    error = sd * math.sqrt(2 + ndcg**2) / people
    leads = abs(ndcg) > 2 * math.hypot(error, sampling)
    better = ("b" if ndcg > 0 else "a") if leads else ""
    return Comparison(a, b, b.hit_rate - a.hit_rate, ndcg, error, sampling, better)


@final
class _Form(TaskForm, tag="compare 1", frozen=True):
    a: Digest
    b: Digest
    k: Events

    @classmethod
    def of(cls, task: CompareTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, digest_of(task.a), digest_of(task.b), task.k)

    def task(self, wire: CatalogueWire, models: Models) -> CompareTask:
        return CompareTask(models(self.a), models(self.b), self.k)

    @property
    def models(self) -> tuple[bytes, ...]:
        return (self.a, self.b) if self.a != self.b else (self.a,)

    def found(self, total: NoisySum, wire: CatalogueWire, released: bytes) -> Comparison:
        return comparison(total)


@final
class CompareConfig(GradingConfig, tag="compare", frozen=True):
    """`[[task]] kind = "compare"`."""

    a: ModelWanted = PREVIOUS
    b: ModelWanted = NEWEST

    @property
    def models(self) -> tuple[str, ...]:
        """Both."""
        return self.a, self.b

    def check(self, wire: CatalogueWire) -> None:
        """Refuse to compare a model with itself."""
        if self.a == self.b:
            raise DataError(f"task.b: {self.name or 'compare'!r} compares a model with itself: name another")

    def task(self, context: TaskContext) -> CompareTask:
        """Return the task for the models of these names today."""
        a, b = context.models
        return CompareTask(ModelName(a), ModelName(b), self.k)


KIND = TaskKind(
    task=CompareTask,
    form=_Form,
    purposes=(Purpose.QUALITY,),
    reads_order=True,
    config=CompareConfig,
    example="""\
# [[task]]
# kind = "compare"        # the same for two models, on the same people
# a = "previous"
# b = "newest"
# k = 10
# every_hours = 168.0
# epsilon = 0.5
""",
)
