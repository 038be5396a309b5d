"""What each event of one person says, in numbers: the same on the device, in its rounds and in the lab."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from confidante.packs.base import Pack
from confidante.packs.signals import plain_kind


def event_weights(pack: Pack, kinds: Sequence[str], items: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return how much each event says for what is like its item, float64 [events]; below 0: against.

    Args:
        pack: Says what kinds mean.
        kinds: Of the events of one person, oldest first.
        items: Their items, as any numbers that tell items apart.

    Returns:
        Weights; 0 for what teaches nothing, as what was only shown, or taken back later.
    """
    says = {kind: pack.event(kind) for kind in set(kinds)}
    weights = np.array([says[kind].weight for kind in kinds], dtype=np.float64)
    for place in [place for place, kind in enumerate(kinds) if says[kind].undoes]:
        undone = says[kinds[place]].undoes
        for before in np.flatnonzero(items[:place] == items[place]).tolist():
            if plain_kind(kinds[before]) in undone:
                weights[before] = 0.0
    return weights
