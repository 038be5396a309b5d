"""Where a population stands, for whoever operates it: read from the store, nothing is changed."""

import math
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, final

from confidante.coordinator.definition.population import Population
from confidante.coordinator.rounds.budgeting import costs
from confidante.coordinator.store import Store
from confidante.coordinator.store.values import RoundFacts, Waiters
from confidante.privacy.accounting import epsilon_of

_MOST_TRAININGS = 1000


@final
@dataclass(frozen=True, slots=True)
class Spending:
    """What a population spent of its budget, and has left.

    noise: False for secure sums only, where nothing is limited and the figures are 0. paid: rounds ever paid
    for. trainings: how many more, from first to last sum, the budget holds.
    """

    noise: bool
    spent: float
    limit: float
    delta: float
    paid: int
    trainings: int

    @property
    def left(self) -> float:
        """Epsilon that is left."""
        return max(self.limit - self.spent, 0.0)


@final
@dataclass(frozen=True, slots=True)
class Overview:
    """A population at one moment. running: the round that runs, if any; rounds: the newest, newest first."""

    name: str
    items: int
    devices: int
    paused: bool
    running: RoundFacts | None
    rounds: tuple[RoundFacts, ...]
    waiting: tuple[Waiters, ...]
    spending: Spending

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        found: dict[str, Any] = asdict(self)
        found["spending"]["left"] = self.spending.left
        for one in (*found["rounds"], *([found["running"]] if found["running"] else ())):
            one["id"] = one["id"].hex() if isinstance(one["id"], bytes) else one["id"]
        return found

    def lines(self) -> list[tuple[str, str]]:
        """Return everything in words, as (what, said)."""
        return [
            ("population", f"{self.name}: {self.items:,} items, {self.devices} devices a round"),
            ("round", self._round()),
            ("waiting", ", ".join(f"{one.devices} {one.tier}" for one in self.waiting) or "no devices"),
            ("budget", budget_words(self.spending)),
        ]

    def _round(self) -> str:
        one = self.running
        if one is None:
            return "paused: no new round is opened" if self.paused else "none runs"
        left = max(one.deadline - time.time(), 0)
        return (
            f"{one.id.hex()[:12]} ({one.task}) at {one.phase}, {one.heard} of {one.expected} heard, "
            f"at most {left:.0f} seconds more{'; then a pause' if self.paused else ''}"
        )


def overview(store: Store, population: Population, *, rounds: int = 20) -> Overview:
    """Return where a population stands. Raises StoreError."""
    found = tuple(store.facts(population.name, rounds))
    return Overview(
        population.name,
        len(population.catalogue),
        population.cohort.devices,
        store.paused(population.name),
        next((one for one in found if not one.outcome), None),
        found,
        tuple(one for one in store.waiters() if one.population == population.name),
        spending(store, population),
    )


def spending(store: Store, population: Population) -> Spending:
    """Return what a population spent; worked out anew only when it paid."""
    paid = tuple(store.spent(population.name))
    if not population.noise:
        return Spending(noise=False, spent=0.0, limit=0.0, delta=0.0, paid=len(paid), trainings=0)
    return Spending(
        noise=True,
        spent=_epsilon(paid, population.delta),
        limit=population.epsilon,
        delta=population.delta,
        paid=len(paid),
        trainings=_trainings(paid, population.delta, population.epsilon, costs(population)["training"]),
    )


def budget_words(spending: Spending) -> str:
    """Return what was spent and is left, in words."""
    if not spending.noise:
        return f"secure sums without noise, so nothing is limited; {spending.paid} rounds were held"
    return (
        f"epsilon {spending.spent:.4g} of {spending.limit:g} spent by {spending.paid} rounds "
        f"(delta {spending.delta:g}); {spending.left:.4g} is left: "
        f"{_many(spending.trainings)} more whole training{'' if spending.trainings == 1 else 's'}"
    )


def _many(trainings: int) -> str:
    return f"{_MOST_TRAININGS} or" if trainings == _MOST_TRAININGS else str(trainings or "no")


@lru_cache(maxsize=64)
def _epsilon(paid: tuple[float, ...], delta: float) -> float:
    return epsilon_of(paid, delta)


@lru_cache(maxsize=64)
def _trainings(paid: tuple[float, ...], delta: float, limit: float, costs: tuple[float, ...]) -> int:
    """Return how many more trainings fit. Gaussian sums compose to one, so each try costs one sum."""
    if 0 in paid:
        return 0
    before, each = (math.fsum(one**-2 for one in some) for some in (paid, costs))

    def fits(count: int) -> bool:
        return epsilon_of([(before + count * each) ** -0.5], delta) <= limit

    low, high = 0, 1
    while high <= _MOST_TRAININGS and fits(high):
        low, high = high, 2 * high
    high = min(high, _MOST_TRAININGS + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
