"""One budget for everything that a population ever sums: what was paid, and what still fits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from confidante.coordinator.definition.measures import PREFIX, noise_of
from confidante.coordinator.definition.population import Population
from confidante.coordinator.rounds.training import budget_of
from confidante.coordinator.store import Store
from confidante.privacy.accounting import epsilon_of


@final
@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """How much of a population's budget is used up. noise: False when nothing is limited.

    rounds: ever paid for. fits: whether the next training, and the next of each measure, fits; by what it is
    called. stopped: nothing fits any more, so no further round will ever be opened. words: the same for a
    person.
    """

    noise: bool
    spent: float
    limit: float
    rounds: int
    fits: Mapping[str, bool]
    stopped: bool
    words: str


def costs(population: Population) -> dict[str, tuple[float, ...]]:
    """Return the noise multipliers that the next training, and the next of each measure, would pay."""
    if not population.noise:
        return {}
    measures = {one.prefix.strip(): (noise_of(one.epsilon, population.delta),) for one in population.tasks}
    return {"training": tuple(_training(population).values()), **measures}


def overspends(population: Population, spent: Sequence[float], ahead: Sequence[float], what: str) -> str:
    """Return why the budget does not hold so much more; empty when it does.

    spent: noise multipliers of all rounds that were ever paid for; ahead: those to come; what: for whom.
    """
    if not population.noise:
        return ""
    needed = _epsilon(tuple(sorted((*spent, *ahead))), population.delta)
    if needed <= population.epsilon:
        return ""
    shown = "no finite epsilon" if needed == math.inf else f"epsilon {needed:.4g}"
    return (
        f"{len(spent)} rounds used up epsilon {_epsilon(tuple(sorted(spent)), population.delta):.4g} of "
        f"{population.epsilon:g}, and {what} needs {shown} in all"
    )


def standing(store: Store, population: Population) -> BudgetStanding:
    """Return how a population stands, worked out from its payments and rounds: each worker finds the same.

    A training that has begun needs only what its sums to come cost.
    """
    spent = [payment.noise_multiplier for payment in store.payments(population.name)]
    if not population.noise:
        words = f"secure sums without noise: nothing is limited, {len(spent)} rounds were paid for"
        return BudgetStanding(False, 0.0, 0.0, len(spent), {}, False, words)
    used = _epsilon(tuple(sorted(spent)), population.delta)
    ahead = costs(population) | _begun(store, population)
    problems = {name: overspends(population, spent, cost, name) for name, cost in ahead.items()}
    fits = {name: not problem for name, problem in problems.items()}
    words = f"{len(spent)} rounds used up epsilon {used:.4g} of {population.epsilon:g}"
    if not any(fits.values()):
        words = f"the budget is spent: {words}; no further round is opened"
    elif not all(fits.values()):
        words += "; no longer fits: " + ", ".join(name for name, fit in fits.items() if not fit)
    return BudgetStanding(
        True,
        used,
        population.epsilon,
        len(spent),
        fits,
        not any(fits.values()),
        words,
    )


def _begun(store: Store, population: Population) -> dict[str, tuple[float, ...]]:
    """Return what a training that has begun still needs, by the name of its newest sum."""
    newest = store.published(population.name, 1, otherwise=PREFIX)
    multipliers = _training(population)
    names = list(multipliers)
    done = newest[0].task.rpartition(" ")[0] if newest else names[-1]
    if done not in names[:-1]:
        return {}
    return {"training": tuple(multipliers[name] for name in names[names.index(done) + 1 :])}


def _training(population: Population) -> Mapping[str, float]:
    return budget_of(
        population.cohort.devices,
        population.training_epsilon,
        population.delta,
        noise=True,
        repeat=population.repeat,
    ).multipliers


@lru_cache(maxsize=64)
def _epsilon(multipliers: tuple[float, ...], delta: float) -> float:
    return epsilon_of(multipliers, delta)
