"""A training over rounds that take days, by re-execution: nothing of it is kept but the sums.

`train` is run from its start with the sums that were published. Where one is missing it ends with
NotYetError, which says which round to open. What comes out is a function of the population and the sums
alone, so every worker finds the same, whenever it looks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.config.noise import training_budget
from confidante.coordinator.config.population import Population
from confidante.core.errors import WireError
from confidante.privacy.clipping import decode
from confidante.tasks.base import NoisySum, Task
from confidante.tasks.registry import encode_task
from confidante.training.publish import publish
from confidante.training.recipe import train
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan


@final
class NotYetError(Exception):
    """The sum of `task` is not there yet."""

    def __init__(self, task: Task) -> None:
        self.task = task
        super().__init__(task.name)


@final
class Result(msgspec.Struct, tag="sum 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    """What is kept of a published round.

    total: the integer sum, little-endian int64 each. model: name of the model's body when this was the last
    sum of its training, else empty. release: name of the body of what was published of a
    measure's sum, else empty.
    wide: name of the whole model where devices are given a narrower one, else empty.
    """

    total: bytes
    model: str = ""
    release: str = ""
    wide: str = ""

    @classmethod
    def of(cls, total: NDArray[np.int64], model: str = "", release: str = "", wide: str = "") -> "Result":
        """Return the result that holds a sum, int64 [length]."""
        return cls(total.astype("<i8").tobytes(), model, release, wide)

    @classmethod
    def read(cls, data: bytes) -> "Result":
        """Return what `encode` made; WireError for anything else."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise WireError(f"the result of a round is malformed ({error}): restore a backup") from None

    def encode(self) -> bytes:
        """Return the bytes to be kept."""
        return msgspec.msgpack.encode(self)


def noisy_sum(total: bytes, plan: bytes, survivors: int) -> NoisySum:
    """Return the sum of a round from what is kept of it: `Result.total`, its plan, and how many are in it."""
    agreed = decode_plan(plan)
    variance = float(agreed.noise_variance(survivors)) / agreed.scale**2
    return NoisySum(decode(np.frombuffer(total, dtype="<i8").astype(np.int64), agreed), variance, survivors)


@final
@dataclass(frozen=True, slots=True)
class PublishedSum:
    """A sum of the running training: its task and plan as bytes, its survivors, and the integers."""

    task_body: bytes
    plan: bytes
    survivors: int
    total: bytes


@final
@dataclass(frozen=True, slots=True)
class Model:
    """A training that has ended: the snapshot that devices install."""

    data: bytes


@final
class TrainingReplay:
    """The one kind of training of a population, ready to be executed again and again."""

    def __init__(self, population: Population) -> None:
        """Work out what is public: the catalogue's bytes, the noise of each sum, the constants."""
        self.population = population
        self.wire = CatalogueWire(population.catalogue)
        self.budget = training_budget(population)

    def go_on(self, sums: Sequence[PublishedSum]) -> Task | Model:
        """Return the task whose sum is wanted next, or the model when there is none.

        sums: those of this training. One that is of another catalogue, or of another task than the training
        asks for, is passed over.
        """
        try:
            learnt = train(self.population.catalogue, _Sums(self, sums), self.budget.settings)
        except NotYetError as wanted:
            return wanted.task
        return Model(publish(learnt, self.population.catalogue))


@final
class _Sums:
    """The sums that were published, as a `SumService`."""

    def __init__(self, training: TrainingReplay, sums: Sequence[PublishedSum]) -> None:
        self._training = training
        self._sums = {one.task_body: one for one in sums}

    @property
    def max_length(self) -> int:
        return self._training.population.max_length

    def noise_sd(self, name: str) -> float:
        cohort = self._training.population.cohort
        return self._training.budget.multipliers[name] * math.sqrt(cohort.devices / cohort.honest_survivors)

    def take(self, task: Task) -> NoisySum:
        found = self._sums.get(encode_task(task, self._training.wire))
        if found is None:
            raise NotYetError(task)
        return noisy_sum(found.total, found.plan, found.survivors)
