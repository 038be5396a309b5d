"""How much noise each sum of a training has: public before the first, the same in the lab and in rounds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import final

from confidante.privacy.accounting import calibrate
from confidante.tasks.likes import SLATE
from confidante.training.recipe import TrainingSettings, budget, settings_for, weakness


@final
@dataclass(frozen=True, slots=True, eq=False)
class TrainingBudget:
    """What the sums of one training cost: by task, in the order in which they are taken.

    multipliers: of the noise, 0.0 for none; shares: of the training's budget; settings: of the training.
    """

    multipliers: Mapping[str, float]
    shares: Mapping[str, float]
    settings: TrainingSettings


def training_budget(
    devices: int, epsilon: float | None, delta: float, *, repeat: bool, likes: float
) -> TrainingBudget:
    """Return what a training over so many devices costs.

    epsilon: of the whole training against the coordinator, None for no noise. repeat: repurchase data.
    likes: share of the sum that speaks for likes, 0 for no such sum. Raises PlanError.
    """
    weak = 1.0 if epsilon is None else weakness(devices, calibrate(epsilon, delta, (1.0,))[0])
    shares = budget(weak, likes)
    noise = (0.0,) * len(shares) if epsilon is None else calibrate(epsilon, delta, tuple(shares.values()))
    settings = settings_for(noise=epsilon is not None, repeat=repeat, weak=weak)
    return TrainingBudget(
        MappingProxyType(dict(zip(shares, noise, strict=True))),
        MappingProxyType(shares),
        replace(settings, slate=SLATE if likes else 0),
    )
