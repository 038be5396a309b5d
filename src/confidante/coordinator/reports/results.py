"""What the rounds of a population found: read from the store and the bodies, nothing is changed or spent."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.config.measures import NEWEST, PREFIX, PREVIOUS
from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.training import Result, noisy_sum
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import PublishedRound
from confidante.core.errors import StoreError, WireError
from confidante.privacy.accounting import epsilon_of
from confidante.tasks.base import NoisySum
from confidante.tasks.codec import CatalogueWire, decode_plan, kind_of, models_named
from confidante.tasks.cohort_release import CohortRelease
from confidante.tasks.quality import Comparison, Quality, comparison, quality

_SHOWN = 20


@final
@dataclass(frozen=True, slots=True)
class ItemCounts:
    """The items with the largest sums, largest first: (item id, title, value).

    value: people, for contributors; for popularity people who met that item only, others by 1 / sqrt(items
    they met). error: standard error that the noise adds to each value. Sums are as they came out: noise can
    make one negative.
    """

    top: tuple[tuple[str, str, float], ...]
    error: float


@final
@dataclass(frozen=True, slots=True)
class GroupSeen:
    """One cohort. depth: how many groups it is part of; size: devices in it, by the noisy sum, and error:
    standard deviation of the noise in that. served_by: name of the group whose table it reads: its own, or of
    the one above that it folded into.
    """

    name: str
    depth: int
    size: float
    error: float
    served_by: str

    @property
    def folded(self) -> bool:
        """Whether it was too small for a table of its own."""
        return self.name != self.served_by


@final
@dataclass(frozen=True, slots=True)
class Groups:
    """What was published of cohorts, in the order of their tree. gate: devices that a group needed."""

    groups: tuple[GroupSeen, ...]
    gate: float


Found = ItemCounts | Quality | Comparison | Groups


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """One published round.

    id: its id; task: its name; at: when it ended, seconds since 1970; devices: in the sum; epsilon: what it
    cost alone (infinite without noise, NaN if damaged); kind: "training", "popularity", "contributors",
    "quality", "compare" or "cohorts". found: what a measure found; None for a sum of a training, and for one
    of another catalogue than today's. models: sha256 in hex of those that were graded, or of the one that the
    round completed. damaged: why it cannot be read, empty when it can.
    """

    id: bytes
    task: str
    kind: str
    at: float
    devices: int
    epsilon: float
    found: Found | None
    models: tuple[str, ...]
    damaged: str = ""


@final
@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How good a model's lists were. at: seconds since 1970; error: of the hit rate, noise and sampling.

    line: which points may be compared: which model of the population it was, and how long the lists.
    verdict: what a comparison came to, with the second of its models.
    """

    at: float
    model: str
    hit_rate: float
    ndcg: float
    error: float
    line: str = ""
    verdict: str = ""


def results(store: Store, bodies: Bodies, population: Population, limit: int = 100) -> list[Outcome]:
    """Return what was published, the newest first. Raises StoreError."""
    wire = CatalogueWire(population.catalogue)
    found = store.rounds.published(population.name, limit)
    return [_outcome(row, bodies, population, wire) for row in found]


def newest_groups(store: Store, bodies: Bodies, population: Population) -> Groups | None:
    """Return what was last published of cohorts, None before there is any. Raises StoreError."""
    of = next((one for one in population.tasks if one.tree is not None), None)
    rows = [] if of is None else store.rounds.published(population.name, 1, begins=of.prefix)
    found = [_outcome(row, bodies, population, CatalogueWire(population.catalogue)).found for row in rows]
    return next((one for one in found if isinstance(one, Groups)), None)


def quality_curve(store: Store, bodies: Bodies, population: Population, limit: int = 100) -> list[CurvePoint]:
    """Return how good the graded models were, the oldest first; comparisons count for both models."""
    wire = CatalogueWire(population.catalogue)
    rows = store.rounds.published(population.name, limit, begins=PREFIX)
    outcomes = [_outcome(row, bodies, population, wire) for row in rows]
    return [point for outcome in reversed(outcomes) for point in _points(outcome, population)]


def verdict(found: Comparison) -> str:
    """Return which of two models is better, if that can be told, in words."""
    apart = f"NDCG of the second minus that of the first: {found.ndcg:+.4f}"
    errors = f"(noise ± {found.error:.4f}, sampling at most ± {found.sampling:.4f})"
    said = {"a": "the first is better", "b": "the second is better"}.get(found.better, "cannot be told apart")
    return f"{said}: {apart} {errors}"


def _points(outcome: Outcome, population: Population) -> Iterator[CurvePoint]:
    found = outcome.found
    graded: Sequence[Quality] = ()
    if isinstance(found, Quality):
        graded = (found,)
    elif isinstance(found, Comparison):
        graded = (found.a, found.b)
    of = next((one for one in population.tasks if outcome.task.startswith(one.prefix)), None)
    lines = [f"{_called(one)}, lists of {of.k}" for one in of.models] if of is not None else []
    for place, (model, one) in enumerate(zip(outcome.models, graded, strict=False)):  # no grade: no point
        line = lines[place] if place < len(lines) else outcome.task.rpartition(" ")[0]
        error = math.hypot(one.error, one.sampling)
        said = verdict(found) if isinstance(found, Comparison) and place else ""
        yield CurvePoint(outcome.at, model, one.hit_rate, one.ndcg, error, line, said)


def _called(model: str) -> str:
    return f"{model} model" if model in (NEWEST, PREVIOUS) else f"model {model[:12]}"


def _outcome(row: PublishedRound, bodies: Bodies, population: Population, wire: CatalogueWire) -> Outcome:
    """Return what became of a round; of one that is damaged, only what its row says."""
    try:
        return _read(row, bodies, population, wire)
    except (StoreError, WireError) as error:
        kind = "measure" if row.task.startswith(PREFIX) else "training"
        return Outcome(row.id, row.task, kind, row.ended, row.survivors, math.nan, None, (), str(error))


def _read(row: PublishedRound, bodies: Bodies, population: Population, wire: CatalogueWire) -> Outcome:
    plan = decode_plan(row.plan)
    kept = Result.read(bodies.get(row.result))
    epsilon = _epsilon(plan.noise_multiplier, population.delta)
    graded = tuple(model.hex() for model in models_named(row.task_body))
    kind = "training"
    found: Found | None = None
    if row.task.startswith(PREFIX):
        kind = kind_of(row.task_body)
        if kind == "cohorts":
            found = groups_of(CohortRelease.decode(bodies.get(kept.cohorts))) if kept.cohorts else None
        else:
            noisy = noisy_sum(kept.total, row.plan, row.survivors)
            found = _found(wire, kind, row.task_body, noisy)
    models = graded or ((kept.model,) if kept.model else ())
    return Outcome(row.id, row.task, kind, row.ended, row.survivors, epsilon, found, models)


def groups_of(release: CohortRelease) -> Groups:
    """Return what an operator sees of a release; everybody may see it."""
    tree, serves = release.table.tree, release.table.serves
    rows = zip(tree.groups, release.sizes, release.spreads, serves, strict=True)
    return Groups(
        tuple(
            GroupSeen(group.name, len(tree.path(place)) - 1, size, spread, tree.groups[by].name)
            for place, (group, size, spread, by) in enumerate(rows)
        ),
        release.gate,
    )


def _found(wire: CatalogueWire, kind: str, body: bytes, total: NoisySum) -> Found | None:
    match kind:
        case "quality":
            return quality(total)
        case "compare":
            return comparison(total)
        case _:
            return _counts(wire, total) if wire.names(body) else None


def _counts(wire: CatalogueWire, total: NoisySum) -> ItemCounts:
    largest: NDArray[np.int64] = np.argsort(-total.values, kind="stable")[:_SHOWN]
    ids, titles = wire.catalogue.ids, wire.catalogue.titles
    top = tuple((ids[i], titles[i], float(total.values[i])) for i in largest.tolist())
    return ItemCounts(top, math.sqrt(total.variance))


@lru_cache(maxsize=256)
def _epsilon(multiplier: float, delta: float) -> float:
    return epsilon_of((multiplier,), delta)
