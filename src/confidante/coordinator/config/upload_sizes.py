"""What each task asks of a device: which devices take it on, and how many bytes they upload."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from confidante.coordinator.config.message_sizes import other_bytes
from confidante.coordinator.config.noise import costs
from confidante.coordinator.config.population import Population
from confidante.core.errors import PlanError
from confidante.models.features import feature_basis
from confidante.privacy.limits import refusals
from confidante.privacy.plan import Cohort, SumPlan, plan_sum
from confidante.tasks.base import Task
from confidante.tasks.feature_pairs import FeaturePairTask
from confidante.tasks.likes import SLATE, LikesTask
from confidante.tasks.popularity import PopularityTask
from confidante.training.recipe import EXACT, ITEMS, PICKS, pick_columns
from confidante.wire.rounds import Tier

_WIDTHS = (8, 12, 16, 20, 24, 28, 32)
_ITEM_BOUNDS = (1.0, 0.2)  # of `ItemPairTask`; a test holds them to it


@final
@dataclass(frozen=True, slots=True)
class Upload:
    """What one round of a task asks of a device.

    entries: of the vector, at most; bits: of each; bytes: of everything that the device sends in the round,
    without the heads of HTTP; tier: who takes it on ("small": all); rounding: variance that rounding adds at
    most, in parts of the noise's (0.0 without noise). refused: why devices that keep to the usual terms
    take no part in it, if they do not.
    """

    task: str
    entries: int
    bits: int
    bytes: int
    tier: Tier
    rounding: float
    refused: tuple[str, ...]


def tier_of(plan: SumPlan, small_bytes: int) -> Tier:
    """Return who takes on a task: item pairs, and uploads above `small_bytes`, are for large devices."""
    heavy = plan.task == ITEMS or plan.upload_bytes > small_bytes
    return Tier.LARGE if heavy else Tier.SMALL


def upload_sizes(population: Population) -> list[Upload]:
    """Return the uploads of all tasks of a population, the training's first.

    Raises PlanError naming the task when one does not fit `max_bytes`, or its sum the bits: then with the
    fewest that would do.
    """
    noise = costs(population)
    found = []
    for name, task, length, l2_bound, linf_bound, multiplier in _tasks(population, noise):
        if length > population.max_length:
            raise PlanError(
                f"upload.max_bytes is {population.max_bytes}: {name} has {length} entries, which at "
                f"{population.bits} bits need {bytes_of(population, length)}"
            )
        shape = (task, length, l2_bound, linf_bound, multiplier, population.cohort)
        try:
            plan = plan_sum(*shape, population.bits)
        except PlanError as error:
            enough = next((bits for bits in _WIDTHS if bits > population.bits and _fits(shape, bits)), 0)
            would = f"{enough} bits would do" if enough else "no number of bits would do"
            raise PlanError(
                f"upload.bits is {population.bits}, too few for {name} of {population.cohort.devices} "
                f"devices, and {would}: {error}"
            ) from None
        found.append(
            Upload(
                name,
                length,
                plan.bits,
                bytes_of(population, length),
                tier_of(plan, population.small_bytes),
                plan.rounding,
                refusals(plan),
            )
        )
    return found


def bytes_of(population: Population, length: int) -> int:
    """Return what a device sends in a round with so many entries."""
    return (length * population.bits + 7) // 8 + other_bytes(population.cohort)


def _tasks(
    population: Population, noise: dict[str, tuple[float, ...]]
) -> Iterator[tuple[str, str, int, float, float, float]]:
    """Give name for people, name of the task, length, l2 and linf bound, and noise multiplier."""
    items = len(population.catalogue)
    popular, pairs = PopularityTask(items), _feature_task(population)
    multipliers = noise.get("training", (0.0,) * 4)
    first: tuple[Task, ...] = (popular, pairs)
    for task, multiplier in zip(first, multipliers[:2], strict=True):
        yield task.name, task.name, task.length, task.l2_bound, task.linf_bound, multiplier
    # The basis grows to what fits: the largest M with M (M - 1) / 2 entries.
    most = min(items, (1 + math.isqrt(1 + 8 * max(population.max_length, 0))) // 2)
    yield ITEMS, ITEMS, max(most * (most - 1) // 2, 1), *_ITEM_BOUNDS, multipliers[2]
    if population.picks:
        slate = np.arange(min(SLATE, items))
        picks = LikesTask(slate, items, np.arange(pick_columns(items, len(slate), population.max_length)))
        yield PICKS, PICKS, picks.length, picks.l2_bound, picks.linf_bound, multipliers[3]
    for measure in population.tasks:
        columns = None if measure.tree is None else np.arange(measure.width(items, population.max_length))
        one = measure.task(items, [bytes(32)] * len(measure.models), columns)
        name = measure.prefix.strip()
        yield name, one.name, one.length, one.l2_bound, one.linf_bound, noise.get(name, (0.0,))[0]


def _feature_task(population: Population) -> FeaturePairTask:
    return FeaturePairTask(feature_basis(population.catalogue).matrix, EXACT.window, 1.0, EXACT.history)


def _fits(shape: tuple[str, int, float, float, float, Cohort], bits: int) -> bool:
    try:
        plan_sum(*shape, bits)
    except PlanError:
        return False
    return True
