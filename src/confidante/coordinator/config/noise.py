"""How much noise each sum of a population has: public before its first round, and what the rounds pay."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import final

from confidante.coordinator.config.measures import noise_of
from confidante.coordinator.config.population import Population
from confidante.privacy.accounting import calibrate
from confidante.tasks.likes import SLATE
from confidante.training.recipe import Settings, budget, settings_for, weakness

TRAINING = "training"


@final
@dataclass(frozen=True, slots=True, eq=False)
class TrainingBudget:
    """What the sums of one training cost: by task, in the order in which they are taken.

    multipliers: of the noise, 0.0 for none; shares: of the training's budget; settings: of the training.
    """

    multipliers: Mapping[str, float]
    shares: Mapping[str, float]
    settings: Settings


def training_budget(population: Population) -> TrainingBudget:
    """Return what a training of a population costs; all of it is public before the first sum."""
    return _training_budget(
        population.cohort.devices,
        population.training_epsilon,
        population.delta,
        noise=population.noise,
        repeat=population.repeat,
        likes=population.likes,
    )


@lru_cache(maxsize=16)
def _training_budget(
    devices: int, epsilon: float, delta: float, *, noise: bool, repeat: bool, likes: float
) -> TrainingBudget:
    weak = weakness(devices, calibrate(epsilon, delta, (1.0,))[0]) if noise else 1.0
    shares = budget(weak, likes)
    chosen = calibrate(epsilon, delta, tuple(shares.values())) if noise else (0.0,) * len(shares)
    return TrainingBudget(
        MappingProxyType(dict(zip(shares, chosen, strict=True))),
        MappingProxyType(shares),
        replace(settings_for(noise=noise, repeat=repeat, weak=weak), slate=SLATE if likes else 0),
    )


def costs(population: Population) -> dict[str, tuple[float, ...]]:
    """Return the noise multipliers that a whole training, and the next of each measure, would pay."""
    if not population.noise:
        return {}
    measures = {
        one.prefix.strip(): (noise_of(one.config.epsilon, population.delta),) for one in population.tasks
    }
    return {TRAINING: tuple(training_budget(population).multipliers.values()), **measures}
