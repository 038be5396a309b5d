"""What a server knows, merged with what this device knows, row by row of the device's own library.

    refined score(j) = local score(j) - what the shared model says(j) + gain * server's points(j)
                       + the operator's rule(j)

A server's vectors come of the same training as the model that the device has, so its points take the place
of what the parts of the same name say here: said by both, it would count twice against words, popularity and
wishes (on MovieLens-1M that cost most of the gain: benchmarks/bench_refinement_gain.py). A part that
the device does not have is simply added. `gain` brings what an event adds at the server to the spread of
what it adds here. Nothing else changes: who may be in the list, wishes, tastes and reasons are those of the
local list (`query`), and one reason carries the difference, so the points of all reasons add up to the
score as they do there.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.device.recommend.query import Added, ScoringQuery
from confidante.models.refinement.model import QuerySide

REFINE_SPREAD = 0.4
"""Spread of a server's points, of that of all that an event says here, words included.

Chosen on the validation part of MovieLens-1M (1,500 people), where 0.2 to 0.5 are alike.
"""

BUCKET_SPREAD = 0.6
"""The same where only one bucket was scored: its points must compare with what the model says of the others.

What the model's own parts have of the spread of all that an event says, on MovieLens-1M.
"""

_MOST = 1e9  # no model has points beyond
_BLOCK = 8192  # rows worked out at a time, to spare memory


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


def event_weights(side: QuerySide, query: ScoringQuery) -> NDArray[np.float64]:
    """Return what each event counts in each part of a server's, float64 [events, parts].

    As in the device's own part of that name, so that picks and events are told apart as they are here.
    """
    own, names = query.part_weights, query.library.model.names
    if own.ndim == 1:
        return np.repeat(own[:, None], len(side.parts), axis=1)
    columns = [own[:, names.index(p.name)] if p.name in names else query.weights for p in side.parts]
    return np.stack(columns, axis=1)


def added(side: QuerySide, heard: Heard, query: ScoringQuery, places: NDArray[np.int64]) -> Added:
    """Return what is added to each row of the query's library.

    places: int64 [m], the library's row of each of the server's items, -1 for none. WireError for points out
    of all proportion.
    """
    library = query.library
    spread = REFINE_SPREAD if len(heard.rows) == side.items else BUCKET_SPREAD
    gain = spread * library.spread / side.spread
    points = heard.points * gain
    with np.errstate(invalid="ignore"):
        if not ((np.abs(points) <= _MOST).all() and (np.abs(heard.rule) <= _MOST).all()):
            raise WireError("the server's answer contains numbers that are far too large")
    refinement, rule = np.zeros(len(library)), np.zeros(len(library))
    there = np.ones(len(library), dtype=np.bool_)
    scored = places[heard.rows]
    known = scored >= 0
    said = _said(query, {part.name for part in side.parts}, scored[known])
    refinement[scored[known]] = points[known] - said
    here = places >= 0
    rule[places[here]] = heard.rule[here]
    there[places[here]] = heard.there[here]
    return Added(refinement, rule, there)


def _said(query: ScoringQuery, names: set[str], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what the named parts of the device's own model say of rows, float64 like `rows`."""
    said = np.zeros(len(rows))
    for part, vector in zip(query.library.model.parts, query.queries, strict=True):
        if part.name not in names:
            continue
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            products = part.vectors[block].astype(np.float64) @ vector
            said[start : start + _BLOCK] += part.item_weights[block] * products
    return said
