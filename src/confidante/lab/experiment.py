"""One training over simulated devices, from a wanted epsilon to a model, a guarantee and what it cost."""

import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.lab.batch_sum import Adder
from confidante.lab.entropy import SeededEntropy
from confidante.lab.people import Crowd
from confidante.lab.simulation import Engine, Progress, Simulator, SumRecord
from confidante.privacy.accounting import Guarantee, account, calibrate
from confidante.privacy.plan import Cohort
from confidante.tasks.likes import SLATE
from confidante.training.publish import publish
from confidante.training.recipe import Learnt, Settings, budget, settings_for, train, weakness


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


def run_training(
    histories: Crowd,
    catalogue: Catalogue,
    *,
    epsilon: float | None,
    delta: float = 1e-5,
    seed: int = 0,
    repeat: bool = False,
    picks: float = 0.0,
    settings: Settings | None = None,
    engine: Engine = "aggregate",
    adder: Adder | None = None,
    max_dropout: float = 0.3,
    max_collusion: float = 0.1,
    dropout: float = 0.0,
    bits: int = 20,
    max_upload: int = 3_000_000,
    progress: Progress | None = None,
) -> Run:
    """Train on `histories`, one simulated device a person, and account for it.

    epsilon: what the coordinator faces at worst, user-level, all sums together, with `max_dropout` of the
    devices gone and `max_collusion` of them telling it their noise; None for secure aggregation without
    noise. repeat: whether people take the same item again (their own items are then candidates). picks: share
    of the budget for the sum that speaks for picks, 0 for no such sum. settings: other constants than
    `settings_for` gives. adder: see `Simulator`. dropout: part of the devices that really vanish during each
    sum. Raises `DataError` for data that cannot be trained on, `PlanError` for what cannot be promised, and
    `ProtocolError` when more devices vanish than `max_dropout` allows for.
    """
    started = time.perf_counter()
    _check(histories, catalogue)
    cohort = Cohort(histories.people, max_dropout, max_collusion)
    weak = 1.0
    if epsilon is not None:
        weak = weakness(histories.people, calibrate(epsilon, delta, (1.0,))[0])
    shares = budget(weak, picks)
    noise = calibrate(epsilon, delta, tuple(shares.values())) if epsilon is not None else (0.0,) * len(shares)
    simulator = Simulator(
        histories,
        dict(zip(shares, noise, strict=True)),
        SeededEntropy(seed, "simulation"),
        engine=engine,
        adder=adder,
        cohort=cohort,
        dropout=dropout,
        bits=bits,
        max_upload=max_upload,
        progress=progress,
    )
    if settings is None:
        settings = settings_for(noise=epsilon is not None, repeat=repeat, weak=weak)
        settings = replace(settings, slate=SLATE if picks else 0)
    learnt = train(catalogue, simulator, settings)
    records = tuple(simulator.records)
    guarantee = account([r.plan for r in records], delta, [r.survivors for r in records])
    return Run(publish(learnt, catalogue), learnt, records, guarantee, time.perf_counter() - started)


def _check(histories: Crowd, catalogue: Catalogue) -> None:
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
