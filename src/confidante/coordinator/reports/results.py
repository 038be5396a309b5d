"""What the rounds of a population found: read from the store and the bodies, nothing is changed or spent."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from confidante.coordinator.config.measures import PREFIX
from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.training_replay import Result, noisy_sum
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import PublishedRound
from confidante.core.errors import StoreError, WireError
from confidante.privacy.accounting import epsilon_of
from confidante.tasks.base import Found, Rows
from confidante.tasks.quality import Graded, GradingConfig
from confidante.tasks.registry import kind_of, read_form
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan


@final
@dataclass(frozen=True, slots=True)
class RoundReport:
    """One published round.

    id: its id; task: its name; at: when it ended, seconds since 1970; devices: in the sum; epsilon: what it
    cost alone (infinite without noise, NaN if damaged); kind: "training", "measure" if damaged, or of the
    task's kind. found: what a measure found; None for a sum of a training, and for one
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


def results(store: Store, bodies: Bodies, population: Population, limit: int = 100) -> list[RoundReport]:
    """Return what was published, the newest first. Raises StoreError."""
    wire = CatalogueWire(population.catalogue)
    found = store.rounds.published(population.name, limit)
    return [_outcome(row, bodies, population, wire) for row in found]


def newest_found(store: Store, bodies: Bodies, population: Population) -> dict[str, Rows]:
    """Return what each measure found last, by its name, as a table. Raises StoreError."""
    wire, shown = CatalogueWire(population.catalogue), dict[str, Rows]()
    for one in population.tasks:
        for row in store.rounds.published(population.name, 1, begins=one.prefix):
            outcome = _outcome(row, bodies, population, wire)
            if outcome.found is not None:
                shown[one.name] = outcome.found.rows(outcome.models)
    return shown


def quality_curve(store: Store, bodies: Bodies, population: Population, limit: int = 100) -> list[CurvePoint]:
    """Return how good the graded models were, the oldest first; comparisons count for both models."""
    wire = CatalogueWire(population.catalogue)
    rows = store.rounds.published(population.name, limit, begins=PREFIX)
    outcomes = [_outcome(row, bodies, population, wire) for row in rows]
    return [point for outcome in reversed(outcomes) for point in _points(outcome, population)]


def _points(outcome: RoundReport, population: Population) -> Iterator[CurvePoint]:
    found: object = outcome.found
    if not isinstance(found, Graded):
        return
    of = next((one.config for one in population.tasks if outcome.task.startswith(one.prefix)), None)
    lines = of.curves if isinstance(of, GradingConfig) else ()
    for place, (model, one) in enumerate(zip(outcome.models, found.grades, strict=False)):
        line = lines[place] if place < len(lines) else outcome.task.rpartition(" ")[0]
        error = math.hypot(one.error, one.sampling)
        said = found.verdict if place else ""
        yield CurvePoint(outcome.at, model, one.hit_rate, one.ndcg, error, line, said)


def _outcome(row: PublishedRound, bodies: Bodies, population: Population, wire: CatalogueWire) -> RoundReport:
    """Return what became of a round; of one that is damaged, only what its row says."""
    try:
        return _read(row, bodies, population, wire)
    except (StoreError, WireError) as error:
        kind = "measure" if row.task.startswith(PREFIX) else "training"
        return RoundReport(row.id, row.task, kind, row.ended, row.survivors, math.nan, None, (), str(error))


def _read(row: PublishedRound, bodies: Bodies, population: Population, wire: CatalogueWire) -> RoundReport:
    plan = decode_plan(row.plan)
    kept = Result.read(bodies.get(row.result))
    epsilon = _epsilon(plan.noise_multiplier, population.delta)
    form = read_form(row.task_body)
    models = tuple(model.hex() for model in form.models) or ((kept.model,) if kept.model else ())
    kind, found = "training", None
    if row.task.startswith(PREFIX):
        kind = kind_of(form).name
        released = bodies.get(kept.release) if kept.release else b""
        found = form.found(noisy_sum(kept.total, row.plan, row.survivors), wire, released)
    return RoundReport(row.id, row.task, kind, row.ended, row.survivors, epsilon, found, models)


@lru_cache(maxsize=256)
def _epsilon(multiplier: float, delta: float) -> float:
    return epsilon_of((multiplier,), delta)
