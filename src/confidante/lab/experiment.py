"""One training over simulated devices, from a wanted epsilon to a model, a guarantee and what it cost."""

import time
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from confidante.core.errors import DataError, PlanError
from confidante.core.values import Catalogue, Histories
from confidante.lab.batch_sum import SumBackend
from confidante.lab.data.dataset import Dataset
from confidante.lab.entropy import SeededEntropy
from confidante.lab.people import SimulatedPeople
from confidante.lab.ratings import liked
from confidante.lab.simulation import Engine, Progress, Simulator, SumRecord
from confidante.packs.registry import pack_named, with_features
from confidante.privacy.accounting import Guarantee, account
from confidante.privacy.plan import Cohort
from confidante.training.noise import training_budget
from confidante.training.publish import publish
from confidante.training.recipe import Learnt, TrainingSettings, train


@final
@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A training that has ended. published: the model as every device would install it."""

    published: bytes
    learnt: Learnt
    records: tuple[SumRecord, ...]
    guarantee: Guarantee
    seconds: float

    @property
    def rounds(self) -> int:
        """Secure sums taken."""
        return sum(record.rounds for record in self.records)

    @property
    def upload_bytes(self) -> int:
        """Bytes of masked vectors that a device uploads in all."""
        return sum(record.upload_bytes for record in self.records)

    @property
    def largest_upload(self) -> int:
        """Bytes of the largest single upload."""
        return max(record.largest_upload for record in self.records)


@final
@dataclass(frozen=True, slots=True)
class Training:
    """How to train.

    epsilon: what the coordinator faces at worst, user-level, all sums together, with `max_dropout` of the
    devices gone and `max_collusion` of them telling it their noise; None for secure aggregation without
    noise. dropout: part of the devices that really vanish during each sum; at most `max_dropout`. repeat:
    repurchase data, where people take the same item again (their own items are then candidates). likes: share
    of the budget for the sum that speaks for likes, 0 for no such sum. settings: other constants than
    `training_budget` and the catalogue's pack give. Raises PlanError for what cannot be.
    """

    epsilon: float | None = 4.0
    delta: float = 1e-5
    seed: int = 0
    engine: Engine = "aggregate"
    max_dropout: float = 0.3
    max_collusion: float = 0.1
    dropout: float = 0.0
    bits: int = 20
    max_upload: int = 3_000_000
    repeat: bool = False
    likes: float = 0.0
    settings: TrainingSettings | None = None

    def __post_init__(self) -> None:
        """Refuse what no later check would name as clearly."""
        if self.seed < 0:
            raise PlanError(f"the seed is {self.seed}: give 0 or more")
        if not 0 <= self.dropout <= self.max_dropout:  # NaN fails too
            raise PlanError(
                f"dropout is {self.dropout}, and the noise is planned for at most {self.max_dropout}: "
                "give a part from 0 to max_dropout"
            )
        if not 8 <= self.bits <= 32:
            raise PlanError(f"bits is {self.bits}: the ring has 8 to 32 bits")

    def run(self, dataset: Dataset, progress: Progress | None = None) -> Run:
        """Train on all interactions of a data set. Raises ConfidanteError."""
        if len(dataset.catalogue) < 2:
            raise DataError(
                "has one item only: give at least two to choose between", path=dataset.report.source
            )
        return self.train(dataset.histories, dataset.catalogue, progress)

    def train(
        self,
        crowd: SimulatedPeople,
        catalogue: Catalogue,
        progress: Progress | None = None,
        adder: SumBackend | None = None,
    ) -> Run:
        """Train on all events of a crowd, one simulated device a person, and account for it.

        adder: see `Simulator`. Raises `DataError` for data that cannot be trained on, `PlanError` for what
        cannot be promised, and `ProtocolError` when a sum has too few devices.
        """
        started = time.perf_counter()
        if isinstance(crowd, Histories):
            crowd = liked(crowd)
        _check(crowd, catalogue)
        budget = training_budget(crowd.people, self.epsilon, self.delta, repeat=self.repeat, likes=self.likes)
        simulator = Simulator(
            crowd,
            budget.multipliers,
            SeededEntropy(self.seed, "simulation"),
            engine=self.engine,
            adder=adder,
            cohort=Cohort(crowd.people, self.max_dropout, self.max_collusion),
            dropout=self.dropout,
            bits=self.bits,
            max_upload=self.max_upload,
            progress=progress,
        )
        settings = self.settings or replace(budget.settings, **pack_named(catalogue.pack).training)
        learnt = train(with_features(catalogue), simulator, settings)
        records = tuple(simulator.records)
        guarantee = account([r.plan for r in records], self.delta, [r.survivors for r in records])
        return Run(publish(learnt, catalogue), learnt, records, guarantee, time.perf_counter() - started)


def costs(run: Run, training: Training) -> dict[str, Any]:
    """Return what a training took and promises, ready for JSON: a figure that does not exist is None."""
    private = training.epsilon is not None
    guarantee = run.guarantee
    return {
        "sums": run.rounds,
        "tasks": [
            {
                "task": record.plan.task,
                "sums": record.rounds,
                "entries": record.plan.length,
                "upload_bytes": record.upload_bytes,
                "noise_multiplier": record.plan.noise_multiplier,
                "survivors": record.survivors,
                "dropped": record.dropped,
            }
            for record in run.records
        ],
        "upload_bytes": run.upload_bytes,
        "largest_upload_bytes": run.largest_upload,
        "noise": private,
        "epsilon": training.epsilon,
        "epsilon_server": guarantee.server_epsilon if private else None,
        "epsilon_release": guarantee.release_epsilon if private else None,
        "delta": guarantee.delta if private else None,
        "adjacency": guarantee.adjacency if private else None,
        "assumes": "the list of items is public, also of those that only events name" if private else None,
    }


def _check(histories: SimulatedPeople, catalogue: Catalogue) -> None:
    """Refuse a catalogue without pairs of items, and events that it does not know."""
    if len(catalogue) < 2:
        raise DataError(f"the catalogue has {len(catalogue)} items: at least 2 are needed to choose between")
    if not isinstance(histories, Histories):  # made up as they are asked for
        return
    strange = np.flatnonzero((histories.items < 0) | (histories.items >= len(catalogue)))
    if len(strange):
        event = int(strange[0])
        raise DataError(
            f"person {int(histories.person_of_event[event])} has an event of item "
            f"{int(histories.items[event])}, and the catalogue has items 0 to {len(catalogue) - 1} "
            f"({len(strange)} such events): give every event an item of the catalogue"
        )
