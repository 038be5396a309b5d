"""What a server knows, added to what this device knows, row by row of the device's own library.

    refined score(j) = local score(j) + gain * server's points(j) + the operator's rule(j)

`gain` brings what an event adds at the server to the spread of what it adds here. Nothing else changes: who
may be in the list, wishes, tastes and reasons are those of the local list (`question`), so the points of all
reasons add up to the score as they do there.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.device.library import Library
from confidante.device.question import Added
from confidante.models.refinement import QuerySide

REFINE_SPREAD = 1.0
"""Spread of a server's points beside those of the device's own model."""

_MOST = 1e9  # no model has points beyond


@final
@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a server answered, in the order of its items.

    rows: int64 [k], those that were scored; points: float64 [k]. rule: float64 [m], what the operator adds;
    there: bool [m], what can be had.
    """

    rows: NDArray[np.int64]
    points: NDArray[np.float64]
    rule: NDArray[np.float64]
    there: NDArray[np.bool_]


def added(side: QuerySide, heard: Heard, library: Library, places: NDArray[np.int64]) -> Added:
    """Return what is added to each row of the library.

    places: int64 [m], the library's row of each of the server's items, -1 for none. WireError for points out
    of all proportion.
    """
    gain = REFINE_SPREAD * library.spread / side.spread
    points = heard.points * gain
    with np.errstate(invalid="ignore"):
        if not ((np.abs(points) <= _MOST).all() and (np.abs(heard.rule) <= _MOST).all()):
            raise WireError("what a server answered is out of all proportion")
    refinement, rule = np.zeros(len(library)), np.zeros(len(library))
    there = np.ones(len(library), dtype=np.bool_)
    scored = places[heard.rows]
    refinement[scored[scored >= 0]] = points[scored >= 0]
    here = places >= 0
    rule[places[here]] = heard.rule[here]
    there[places[here]] = heard.there[here]
    return Added(refinement, rule, there)
