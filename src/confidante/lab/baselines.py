"""Popularity without privacy, to compare with. Nobody's device ever runs this."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories


@final
@dataclass(frozen=True, slots=True, eq=False)
class Popularity:
    """The same score for everybody: how many people have the item. weights: float64 [items]."""

    weights: NDArray[np.float64]

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """Return [people, items]."""
        return np.broadcast_to(self.weights, (histories.people, len(self.weights)))


def fit_popularity(histories: Histories, items: int) -> Popularity:
    """Return the number of people who have each item, over `items` items."""
    check_items(histories, items)
    pairs = np.unique(histories.person_of_event * items + histories.items)
    return Popularity(np.bincount(pairs % items, minlength=items).astype(np.float64))


def check_items(histories: Histories, items: int) -> None:
    """Raise DataError when histories name items beyond the `items` of the catalogue."""
    if items < 1 or (len(histories.items) and int(histories.items.max()) >= items):
        raise DataError(f"histories name items beyond the {items} of the catalogue")
