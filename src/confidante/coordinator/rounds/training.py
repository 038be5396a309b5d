"""A training over rounds that take days, by re-execution: nothing of it is kept but the sums.

`train` is run from its start with the sums that were published. Where one is missing it ends with
NotYetError, which says which round to open. What comes out is a function of the population and the sums
alone, so every worker finds the same, whenever it looks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.config.population import Population
from confidante.core.errors import WireError
from confidante.models.snapshot import publish
from confidante.privacy.accounting import calibrate
from confidante.privacy.clipping import decode
from confidante.tasks.base import NoisySum, Task
from confidante.tasks.codec import CatalogueWire, decode_plan
from confidante.tasks.likes import SLATE
from confidante.training.recipe import Settings, budget, settings_for, train, weakness


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
    sum of its training, else empty. cohorts: name of the body of what was published of cohorts, else empty.
    wide: name of the whole model where devices are given a narrower one, else empty.
    """

    total: bytes
    model: str = ""
    cohorts: str = ""
    wide: str = ""

    @classmethod
    def of(cls, total: NDArray[np.int64], model: str = "", cohorts: str = "", wide: str = "") -> "Result":
        """Return the result that holds a sum, int64 [length]."""
        return cls(total.astype("<i8").tobytes(), model, cohorts, wide)

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
class Published:
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
@dataclass(frozen=True, slots=True, eq=False)
class Budget:
    """What the sums of one training cost: by task, in the order in which they are taken.

    multipliers: of the noise, 0.0 for none; shares: of the training's budget; settings: of the training.
    """

    multipliers: Mapping[str, float]
    shares: Mapping[str, float]
    settings: Settings


@lru_cache(maxsize=16)
def budget_of(
    devices: int, epsilon: float, delta: float, *, noise: bool, repeat: bool, picks: float
) -> Budget:
    """Return what a training of a population costs; all of it is public before the first sum.

    picks: share of the sum that speaks for picks, 0 for none.
    """
    weak = weakness(devices, calibrate(epsilon, delta, (1.0,))[0]) if noise else 1.0
    shares = budget(weak, picks)
    chosen = calibrate(epsilon, delta, tuple(shares.values())) if noise else (0.0,) * len(shares)
    return Budget(
        MappingProxyType(dict(zip(shares, chosen, strict=True))),
        MappingProxyType(shares),
        replace(settings_for(noise=noise, repeat=repeat, weak=weak), slate=SLATE if picks else 0),
    )


@final
class Training:
    """The one kind of training of a population, ready to be executed again and again."""

    def __init__(self, population: Population) -> None:
        """Work out what is public: the catalogue's bytes, the noise of each sum, the constants."""
        self.population = population
        self.wire = CatalogueWire(population.catalogue)
        self.budget = budget_of(
            population.cohort.devices,
            population.training_epsilon,
            population.delta,
            noise=population.noise,
            repeat=population.repeat,
            picks=population.picks,
        )

    def go_on(self, sums: Sequence[Published]) -> Task | Model:
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

    def __init__(self, training: Training, sums: Sequence[Published]) -> None:
        self._training = training
        self._sums = {one.task_body: one for one in sums}

    @property
    def max_length(self) -> int:
        return self._training.population.max_length

    def noise_sd(self, name: str) -> float:
        cohort = self._training.population.cohort
        return self._training.budget.multipliers[name] * math.sqrt(cohort.devices / cohort.honest_survivors)

    def take(self, task: Task) -> NoisySum:
        found = self._sums.get(self._training.wire.encode_task(task))
        if found is None:
            raise NotYetError(task)
        return noisy_sum(found.total, found.plan, found.survivors)
