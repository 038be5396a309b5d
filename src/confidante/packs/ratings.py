"""What a person's ratings say, on that person's own scale: above their mean for, clearly below it against.

A rating becomes its place on its scale, -1 to 1: 3 of 5, 6 of 10 and 60 of 100 are 0, and 5, 10 and 100 are
1; on a scale with values below 0, 0 is 0. The best value of a scale is what the event or its kind says, else
the least of 1, 5, 10 and 100 that no value of the person exceeds. Mean and spread are the person's own,
shrunk towards 0 and `_USUAL_SPREAD` by the weight of `_FEW` ratings. A rating counts by how many spreads it
is below the mean, or below 0 where the mean is lower than that: whoever dislikes nearly everything likes none
of it.

The constants were chosen on validation parts of MovieLens-100K (`docs/benchmarks.md`).
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

_TOPS = (1.0, 5.0, 10.0, 100.0)
_MANY_ONES = 10  # so many ratings of 1 and no other are thumbs, and not the worst of five stars
_FEW = 5.0
_USUAL_SPREAD = 0.5
_SLOPE = 0.35  # what a rating loses for each spread that it is below the mean
_MIDDLING, _RISE = 0.6, 0.8  # what a rating of 0 counts at most, and how fast that rises: 1 from 0.5 on
_LEAST = 0.2  # what a rating above 0 counts at least
_BAD = -0.75  # a rating at or below this is against
_AGAINST = 0.3  # what a rating against counts beside a dislike


@final
class _Scale:
    """The best value of a scale, and whether it goes as far below 0."""

    __slots__ = ("signed", "top")

    def __init__(self, values: NDArray[np.float64], top: float | None) -> None:
        largest = float(np.abs(values).max())
        self.signed = bool((values < 0).any())
        whole = bool((values == np.floor(values)).all())
        thumbs = largest <= 1 and whole and (bool((values == 0).any()) or len(values) >= _MANY_ONES)
        if top is None or largest > top or self.signed or thumbs:
            top = next((one for one in _TOPS if largest <= one), largest)
        self.top = top

    def places(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where values are on the scale, -1 to 1."""
        if self.signed:  # what is below 0 is against, however little
            return np.where(values < 0, _BAD + (1 + _BAD) * values / self.top, values / self.top)
        return np.clip((values - 0.6 * self.top) / (0.4 * self.top), -1.0, 1.0)


def rating_weights(
    values: NDArray[np.float64], tops: Sequence[float | None], of: Sequence[str]
) -> tuple[NDArray[np.float64], list[str]]:
    """Return how much each rating of one person counts, float64 [ratings], below 0: against; and in words.

    Args:
        values: The ratings, finite.
        tops: The best value on the scale of each, None where that is not known.
        of: What each is a rating of; a scale that is not known is learnt from those of the same.

    Returns:
        Weights, -0.3 to 1: 1 for what is rated as the person mostly rates, or better, and well on the whole.
    """
    places = np.zeros(len(values))
    groups: dict[tuple[str, float | None], list[int]] = {}
    for place, key in enumerate(zip(of, tops, strict=True)):
        groups.setdefault(key, []).append(place)
    rated, words = np.ones(len(values), dtype=np.bool_), [""] * len(values)
    for (_, top), group in groups.items():
        scale = _Scale(values[group], top)
        places[group] = scale.places(values[group])
        if top is not None and scale.top > 1 and not scale.signed:
            rated[group] = values[group] != 0  # no star is no rating
        usual = float(values[group][rated[group]].mean()) if rated[group].any() else 0.0
        for place in group:
            if rated[place]:
                words[place] = _said(float(values[place]), scale.top, usual)
    weights = np.ones(len(values))
    weights[rated] = place_weights(places[rated])
    return weights, words


def on_scale(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places, -1 to 1, of finite ratings on one scale, which is learnt from all of them."""
    return _Scale(values, None).places(values)


def _said(value: float, top: float, usual: float) -> str:
    far = "like" if abs(value - usual) < top / 20 else "above" if value > usual else "below"
    return f"you rated it {value:g} of {top:g}, {far} your usual {usual:.2g}"


def place_weights(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the ratings of one person count by their places on the scale; see `rating_weights`."""
    mean = places.sum() / (len(places) + _FEW)
    spread = np.sqrt((((places - mean) ** 2).sum() + _FEW * _USUAL_SPREAD**2) / (len(places) + _FEW))
    below = np.minimum((places - max(mean, 0.0)) / spread, 0.0)
    counted = np.minimum(1 + _SLOPE * below, _MIDDLING + _RISE * places)
    counted = np.where(places > 0, np.maximum(counted, _LEAST), counted)
    weights: NDArray[np.float64] = np.clip(
        np.where(places <= _BAD, np.minimum(counted, places), counted), -1.0, 1.0
    )
    weights[weights < 0] *= _AGAINST
    return weights
