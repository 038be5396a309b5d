"""How much noise each sum of a population has: public before its first round, and what the rounds pay."""

from dataclasses import replace
from functools import lru_cache

from confidante.coordinator.config.measures import noise_of
from confidante.coordinator.config.population import Population
from confidante.packs.registry import pack_named
from confidante.training import noise
from confidante.training.noise import TrainingBudget

TRAINING = "training"

_training_budget = lru_cache(maxsize=16)(noise.training_budget)


def training_budget(population: Population) -> TrainingBudget:
    """Return what a training of a population costs; all of it is public before the first sum."""
    epsilon = population.training_epsilon if population.noise else None
    found = _training_budget(
        population.cohort.devices, epsilon, population.delta, repeat=population.repeat, likes=population.likes
    )
    constants = pack_named(population.catalogue.pack).training
    return replace(found, settings=replace(found.settings, **constants)) if constants else found


def costs(population: Population) -> dict[str, tuple[float, ...]]:
    """Return the noise multipliers that a whole training, and the next of each measure, would pay."""
    if not population.noise:
        return {}
    measures = {
        one.prefix.strip(): (noise_of(one.config.epsilon, population.delta),) for one in population.tasks
    }
    return {TRAINING: tuple(training_budget(population).multipliers.values()), **measures}
