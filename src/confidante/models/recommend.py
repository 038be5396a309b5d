"""The best items for one history, each with its exact reasons."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.models.sequential import Contributions, SequentialModel


@final
@dataclass(frozen=True, slots=True, eq=False)
class Recommendation:
    """One item (index in the catalogue), its score, and why: see `Contributions`."""

    item: int
    score: float
    contributions: Contributions


def recommend(
    model: SequentialModel,
    events: NDArray[np.integer],
    n: int,
    *,
    allow_repeats: bool = False,
    state: NDArray[np.float64] | None = None,
) -> tuple[Recommendation, ...]:
    """Return the `n` best items, best first; fewer when the catalogue has no more.

    events: own history, item indices, oldest first; its items are left out unless `allow_repeats`. state:
    what folding in the events gave, for a device that keeps it; worked out here otherwise. Deterministic:
    items of equal score come in the order of the catalogue. Raises `DataError` for items that the model does
    not know.
    """
    if n < 0:
        raise DataError(f"cannot recommend {n} items: give 0 or more")
    if len(events) and not 0 <= int(events.min()) <= int(events.max()) < model.items:
        raise DataError(f"the history has items outside the model's catalogue, 0 to {model.items - 1}")
    scores = model.score_state(model.state(events) if state is None else state)
    if model.own is not None:
        age = np.arange(len(events))[::-1]
        np.add.at(scores, events, model.own.weights(age).astype(np.float32))
    candidates = np.ones(model.items, dtype=np.bool_)
    if not allow_repeats:
        candidates[events] = False
    chosen = best(np.flatnonzero(candidates), scores, n)
    return tuple(
        Recommendation(int(item), float(scores[item]), why)
        for item, why in zip(chosen, model.contributions_of(events, chosen), strict=True)
    )


def best(candidates: NDArray[np.int64], scores: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Return the `n` candidates of highest score, ties by index, without sorting the others."""
    if n == 0:
        return candidates[:0]
    found = scores[candidates]
    if n < len(candidates):
        least = np.partition(found, len(found) - n)[len(found) - n]
        candidates = candidates[found >= least]  # all that tie with the last stay in
        found = scores[candidates]
    return candidates[np.argsort(-found, kind="stable")[:n]]
