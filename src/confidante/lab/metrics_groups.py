"""Who gains and who loses: a metric per group of people, so that nobody is hidden in the mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories


@final
@dataclass(frozen=True, slots=True)
class GroupRow:
    """One line of the table: a group, its number of people and the mean of each metric over them."""

    group: str
    people: int
    means: dict[str, float]


def groups_of_people(train: Histories) -> dict[str, NDArray[np.bool_]]:
    """Return bool [people] per group: thirds by history length, thirds by mean popularity of what they have.

    light / medium / heavy: shortest, middle, longest third of histories (equal lengths stay together).
    niche / middle / mainstream: by the mean, over the person's train events, of the number of people who have
    that item. People without events belong to light and niche.
    """
    items = int(train.items.max()) + 1 if len(train.items) else 1
    pairs = np.unique(train.person_of_event * items + train.items)
    popularity = np.bincount(pairs % items, minlength=items).astype(np.float64)
    total = np.bincount(train.person_of_event, weights=popularity[train.items], minlength=train.people)
    taste = total / np.maximum(train.lengths, 1)
    return {
        **_thirds(train.lengths.astype(np.float64), ("light", "medium", "heavy")),
        **_thirds(taste, ("niche", "middle", "mainstream")),
    }


def group_table(metrics: Mapping[str, NDArray[np.float64]], train: Histories) -> list[GroupRow]:
    """Return one row for everybody and one per group that has people. metrics: name -> [people] values."""
    for name, values in metrics.items():
        if values.shape != (train.people,):
            raise DataError(f"metric {name} has shape {values.shape} for {train.people} people")
    members = {"everybody": np.ones(train.people, dtype=bool), **groups_of_people(train)}
    return [
        GroupRow(group, int(who.sum()), {name: float(values[who].mean()) for name, values in metrics.items()})
        for group, who in members.items()
        if who.any()
    ]


def _thirds(values: NDArray[np.float64], names: tuple[str, str, str]) -> dict[str, NDArray[np.bool_]]:
    low, high = np.quantile(values, [1 / 3, 2 / 3]) if len(values) else (0.0, 0.0)
    return {
        names[0]: values <= low,
        names[1]: (values > low) & (values <= high),
        names[2]: values > high,
    }
