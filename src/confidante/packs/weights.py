"""What each event of one person says, in numbers: the same on the device and in its rounds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.packs.base import Pack
from confidante.packs.ratings import rating_weights
from confidante.packs.signals import OUT_OF, plain_kind


@final
@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What events say, float64 [events].

    weights: for what is like their items; below 0: against, 0: nothing. order: for what comes next, where
    that is learnt: a low rating is a step in a sequence like any other if it is for its item, else none.
    words: of ratings, what they are beside the person's usual one; empty for other events.
    """

    weights: NDArray[np.float64]
    order: NDArray[np.float64]
    words: tuple[str, ...]


def top_of(context: Mapping[str, str]) -> float | None:
    """Return the best value of the scale that the context of an event names, or None."""
    try:
        top = float(context.get(OUT_OF, ""))
    except ValueError:
        return None
    return top if 0 < top < math.inf else None


def weigh(
    pack: Pack,
    kinds: Sequence[str],
    items: NDArray[np.integer],
    values: Sequence[float | None],
    tops: Sequence[float | None],
) -> Weighed:
    """Return how much each event of one person says for what is like its item.

    Args:
        pack: Says what kinds mean.
        kinds: Of the events, oldest first.
        items: Their items, as any numbers that tell items apart.
        values: Their values.
        tops: The best value on the scale of each where the event itself says it (`OUT_OF`).

    Returns:
        Weights; 0 for what teaches nothing, as what was only shown, or taken back later. How ratings count is
        said in `ratings.py`; a 0 among stars is no rating.
    """
    says = {kind: pack.event(kind) for kind in set(kinds)}
    weights = np.array([says[kind].weight for kind in kinds], dtype=np.float64)
    order, words = weights.copy(), [""] * len(kinds)
    places = [place for place, kind in enumerate(kinds) if says[kind].rated and values[place] is not None]
    if places:
        given = np.array([values[place] for place in places], dtype=np.float64)
        known = [tops[place] or says[kinds[place]].top for place in places]
        found, said = rating_weights(given, known, [plain_kind(kinds[place]) for place in places])
        weights[places] *= found
        order[places] *= found > 0
        for place, text in zip(places, said, strict=True):
            words[place] = text
    for place in [place for place, kind in enumerate(kinds) if says[kind].undoes]:
        undone = says[kinds[place]].undoes
        for before in np.flatnonzero(items[:place] == items[place]).tolist():
            if plain_kind(kinds[before]) in undone:
                weights[before] = order[before] = 0.0
    return Weighed(weights, order, tuple(words))
