"""What each task asks of a device: which devices take it on, and how many bytes they upload."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import final

from confidante.coordinator.config.message_sizes import other_bytes
from confidante.coordinator.config.noise import costs
from confidante.coordinator.config.population import Population
from confidante.core.errors import PlanError
from confidante.privacy.limits import refusals
from confidante.privacy.plan import Cohort, SumPlan, plan_sum
from confidante.tasks.base import Task, TaskContext
from confidante.tasks.registry import kind_of
from confidante.training.recipe import largest_tasks
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.rounds import Tier

_WIDTHS = (8, 12, 16, 20, 24, 28, 32)


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


def tier_of(task: Task, plan: SumPlan, small_bytes: int) -> Tier:
    """Return who takes on a task: its kind may be for large devices, as uploads above `small_bytes` are."""
    return Tier.LARGE if kind_of(task).large or plan.upload_bytes > small_bytes else Tier.SMALL


def upload_sizes(population: Population) -> list[Upload]:
    """Return the uploads of all tasks of a population, the training's first.

    Raises PlanError naming the task when one does not fit `max_bytes`, or its sum the bits: then with the
    fewest that would do.
    """
    found = []
    for name, task, multiplier in _tasks(population):
        length = task.length
        if length > population.max_length:
            raise PlanError(
                f"upload.max_bytes is {population.max_bytes}: {name} has {length} entries, which at "
                f"{population.bits} bits need {bytes_of(population, length)}"
            )
        shape = (task.name, length, task.l2_bound, task.linf_bound, multiplier, population.cohort)
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
                tier_of(task, plan, population.small_bytes),
                plan.rounding,
                refusals(plan),
            )
        )
    return found


def bytes_of(population: Population, length: int) -> int:
    """Return what a device sends in a round with so many entries."""
    return (length * population.bits + 7) // 8 + other_bytes(population.cohort)


def _tasks(population: Population) -> Iterator[tuple[str, Task, float]]:
    """Give each task at its largest, by its name for people, with its noise multiplier."""
    noise = costs(population)
    wire, longest = CatalogueWire(population.catalogue), population.max_length
    trained = largest_tasks(wire.catalogue, longest, likes=population.likes > 0)
    for task, multiplier in zip(trained, noise.get("training", repeat(0.0)), strict=False):
        yield task.name, task, multiplier
    for measure in population.tasks:
        name, models = measure.prefix.strip(), (bytes(32),) * len(measure.config.models)
        task = measure.config.task(TaskContext(wire, longest, models))
        yield name, task, noise.get(name, (0.0,))[0]


def _fits(shape: tuple[str, int, float, float, float, Cohort], bits: int) -> bool:
    try:
        plan_sum(*shape, bits)
    except PlanError:
        return False
    return True
