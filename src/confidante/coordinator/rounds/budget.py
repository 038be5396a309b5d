"""One budget for everything that a population ever sums: what was paid, and what still fits.

Engine, page, `doctor`, metrics and command line all ask `standing`, so none can say what another denies.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from confidante.coordinator.config.measures import PREFIX
from confidante.coordinator.config.noise import TRAINING, costs, training_budget
from confidante.coordinator.config.population import Population
from confidante.coordinator.store import Store
from confidante.core.errors import WireError
from confidante.privacy.accounting import epsilon_of
from confidante.tasks.registry import read_form
from confidante.wire.catalogue import CatalogueWire

_MODEL = "model"  # what the public log says that a training's last sum became
_MOST_TRAININGS = 1000
_LOOKED_AT = 100  # newest sums of trainings: those of one, also when its catalogue was changed some times


@final
@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """How much of a population's budget is used up, and what still fits.

    noise: False for secure sums only, where nothing is limited and the figures are 0. paid: rounds ever paid
    for. trainings: how many more, from first to last sum, the budget holds. problems: why the next training
    (`TRAINING`; what it still needs, when it has begun) or the next of a measure does not fit, by what it is
    called, empty when it does; a measure has to leave a training that has begun what that needs, unless the
    training cannot end any more. stopped: nothing fits, so no further round will ever be opened. words: all
    of it for a person.
    """

    noise: bool
    spent: float
    limit: float
    delta: float
    paid: int
    trainings: int
    problems: Mapping[str, str]
    stopped: bool
    words: str

    @property
    def left(self) -> float:
        """Epsilon that is left."""
        return max(self.limit - self.spent, 0.0)

    @property
    def fits(self) -> dict[str, bool]:
        """Whether the next training, and the next of each measure, fits."""
        return {name: not problem for name, problem in self.problems.items()}


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


def standing(store: Store, population: Population, wire: CatalogueWire | None = None) -> BudgetStanding:
    """Return how a population stands, worked out from its payments and rounds: each worker finds the same.

    wire: the population's catalogue, if the caller has it at hand.
    """
    spent = tuple(sorted(store.payments.spent(population.name)))
    if not population.noise:
        words = f"secure sums without noise, so nothing is limited; {len(spent)} rounds were paid for"
        whats = (TRAINING, *(one.prefix.strip() for one in population.tasks))
        return BudgetStanding(
            False, 0.0, 0.0, 0.0, len(spent), 0, dict.fromkeys(whats, ""), stopped=False, words=words
        )
    ahead = costs(population)
    whole, begun = ahead[TRAINING], _begun(store, population, wire)
    problems = {TRAINING: overspends(population, spent, begun or whole, TRAINING)}
    reserved = () if problems[TRAINING] else begun
    for name, cost in ahead.items():
        if name != TRAINING:
            problems[name] = overspends(population, spent, (*cost, *reserved), name)
    used, stopped = _epsilon(spent, population.delta), all(problems.values())
    trainings = _trainings(spent, population.delta, population.epsilon, whole)
    words = (
        f"the budget is spent: {problems[TRAINING]}; no further round is opened"
        if stopped
        else f"epsilon {used:.4g} of {population.epsilon:g} spent by {len(spent)} rounds "
        f"(delta {population.delta:g}); {max(population.epsilon - used, 0.0):.4g} is left: "
        f"{_many(trainings)} more whole training{'' if trainings == 1 else 's'}"
    )
    missing = [name for name, problem in problems.items() if problem]
    if missing and not stopped:
        kept = " beside what the training that has begun needs for its end" if reserved else ""
        words += f"; does not fit any more{kept}: {', '.join(missing)}"
    return BudgetStanding(
        True, used, population.epsilon, population.delta, len(spent), trainings, problems, stopped, words
    )


def _begun(store: Store, population: Population, wire: CatalogueWire | None) -> tuple[float, ...]:
    """Return what a training that has begun still needs; empty when none has."""
    rows = store.rounds.published(population.name, _LOOKED_AT, otherwise=PREFIX)
    if not rows or store.rounds.ended_with(rows[0].id) == _MODEL:
        return ()
    multipliers = training_budget(population).multipliers
    names = list(multipliers)
    ours, number = wire or CatalogueWire(population.catalogue), rows[0].task.rpartition(" ")[2]
    done = {
        name
        for name, _, of in (one.task.rpartition(" ") for one in rows if _is_of(ours, one.task_body))
        if of == number
    }
    if not done & set(names):
        return ()
    first = next((at for at, name in enumerate(names) if name not in done), len(names))
    return tuple(multipliers[name] for name in names[first:])


def _is_of(wire: CatalogueWire, task_body: bytes) -> bool:
    try:
        return read_form(task_body).catalogue == wire.digest
    except WireError:
        return False


def _many(trainings: int) -> str:
    return f"{_MOST_TRAININGS} or" if trainings == _MOST_TRAININGS else str(trainings or "no")


@lru_cache(maxsize=64)
def _epsilon(multipliers: tuple[float, ...], delta: float) -> float:
    return epsilon_of(multipliers, delta)


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
