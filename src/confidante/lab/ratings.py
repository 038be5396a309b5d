"""What ratings of many people say, as their devices would read them (`packs/ratings.py`)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Histories
from confidante.packs.ratings import on_scale, place_weights


def rated_weights(histories: Histories) -> NDArray[np.float64]:
    """Return how much each event counts, float64 [events], below 0: against; 1 where it has no rating.

    The scale is learnt from the ratings of everyone: a file has one.
    """
    weights = np.ones(len(histories.items))
    if histories.ratings is None or np.isnan(histories.ratings).all():
        return weights
    rated = ~np.isnan(histories.ratings)
    places = np.zeros(len(weights))
    places[rated] = on_scale(histories.ratings[rated])
    for start, stop in zip(histories.indptr[:-1].tolist(), histories.indptr[1:].tolist(), strict=True):
        own = start + np.flatnonzero(rated[start:stop])
        weights[own] = place_weights(places[own])
    return weights


def weighed(histories: Histories) -> Histories:
    """Return histories with what events count in place of ratings, so that parts keep their meaning."""
    return replace(histories, ratings=None if histories.ratings is None else rated_weights(histories))


def liked(histories: Histories) -> Histories:
    """Return what enters private sums: the events that speak for their item, without ratings."""
    if histories.ratings is None:
        return histories
    return replace(histories.where(rated_weights(histories) > 0), ratings=None)
