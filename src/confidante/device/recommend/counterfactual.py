"""The fewest own events without which an item leaves the top n.

Taking events away is done as `what if` does it: older events move up, and the items of the events taken away
do not come back as candidates, so the change is what the events did to the others. Sets of one are all tried,
sets of two and three among the events of most weight; beyond that the heaviest are taken away one after the
other. Trials run on the best candidates only (an item that falls behind n of them has left the top n), many
sets at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Item
from confidante.device.recommend.query import ScoringQuery, creator_points, event_ages, faded_prior
from confidante.device.values import Counterfactual
from confidante.models.factors import PICK_PART
from confidante.models.shrinkage import part_weights

MOST_EVENTS = 5
"""Largest set of events that is tried."""

_POOL = 2000  # candidates that trials run on
_PAIRS_OF = 24
_TRIPLES_OF = 12
_AT_ONCE = 128
_BLOCK = 8192  # rows scored at a time, to spare memory
_NO_WEIGHT = 1e-6  # an event whose terms weigh less than this, of the newest event's, moves nothing


def counterfactual(
    query: ScoringQuery, ranking: "Ranking", item: Item, n: int, title_of: Callable[[int], str]
) -> Counterfactual:
    """Return the fewest events that keep `item`, whose ranking is given, in the top `n`, if they are few.

    title_of: title of the item of an event, by the event's number.
    """
    row = ranking.row
    name = f"“{item.title}”"

    def nothing(sentence: str) -> Counterfactual:
        return Counterfactual(item.id, n, (), smallest=False, sentence=sentence)

    if ranking.rank is None or ranking.rank > n:
        return nothing(f"{name} is not in your top {n}.")
    heaviest = _by_weight(query, row)
    if not heaviest:
        return nothing(f"None of your own events is behind {name}.")
    trial = _Trial(query, ranking, n)
    places, smallest = _search(trial, heaviest)
    if not places:
        tried = min(MOST_EVENTS, len(heaviest))
        return nothing(
            f"No few of your events keep {name} in your top {n}: it would stay there without "
            + ("your only event." if tried == 1 else f"the {tried} that speak most for it.")
        )
    numbers = tuple(int(query.profile.numbers[place]) for place in places)
    titles = list(dict.fromkeys(f"“{title_of(number)}”" for number in numbers))
    listed = titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
    return Counterfactual(
        item.id,
        n,
        numbers,
        smallest,
        f"Without {listed}, {name} would not be in your top {n}.",
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The place of `row` among all candidates.

    rank: from 1, ties by row; None when it is no candidate, and then the others are empty. rows: int64, the
    candidates, rising; scores: float64, theirs.
    """

    row: int
    rank: int | None
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


def rank(query: ScoringQuery, row: int) -> Ranking:
    """Return the place of `row` among the candidates."""
    if not query.allowed[row]:
        return Ranking(row, None, np.zeros(0, dtype=np.int64), np.zeros(0))
    rows = np.flatnonzero(query.allowed)
    blocks = np.array_split(rows, max(1, len(rows) // _BLOCK))
    scores = np.concatenate([query.scores(block) for block in blocks])
    here = int(np.searchsorted(rows, row))
    better = np.count_nonzero(scores > scores[here]) + np.count_nonzero(scores[:here] == scores[here])
    return Ranking(row, int(better) + 1, rows, scores)


def _by_weight(query: ScoringQuery, row: int) -> list[int]:
    """Return the places of the events that can matter, those that speak most for `row` first."""
    events = len(query.profile.rows)
    slowest = max(part.half_life for part in query.library.model.parts if part.name != PICK_PART)
    own = query.library.model.own if query.repeats else None
    if own is not None:
        slowest = max(slowest, own.half_life)
    recent = 0.5 ** (query.ages[:events] / slowest) >= _NO_WEIGHT
    recent |= (query.weights < 0) & (query.library.creators[query.profile.rows] != 0)
    matter = np.flatnonzero(recent if query.profile.picks is None else recent | (query.profile.picks > 0))
    shares = query.library.model.contributions(
        query.profile.rows, query.ages, query.part_weights, np.array([row])
    )[0].sum(axis=1)[matter]
    at_row = np.array([row])
    shares = shares + query.own_points(at_row)[0][matter] + query.creator_points(at_row)[0][matter]
    return [int(place) for place in matter[np.argsort(-shares, kind="stable")]]


def _search(trial: "_Trial", heaviest: Sequence[int]) -> tuple[tuple[int, ...], bool]:
    """Return the first set that works, small ones first, and whether every smaller one was tried."""
    complete = True
    for size, among in ((1, len(heaviest)), (2, _PAIRS_OF), (3, _TRIPLES_OF)):
        found = trial.first(combinations(heaviest[:among], size))
        if found:
            return found, complete
        complete = complete and len(heaviest) <= among
    more = (tuple(heaviest[:size]) for size in range(4, MOST_EVENTS + 1) if size <= len(heaviest))
    return trial.first(more), False


@final
class _Trial:
    """The best candidates of a query, ready to be scored again without some events."""

    def __init__(self, query: ScoringQuery, ranking: Ranking, n: int) -> None:
        rows = ranking.rows
        if len(rows) > _POOL:
            rows = np.sort(rows[np.argpartition(-ranking.scores, _POOL)[:_POOL]])
        model = query.library.model
        self._query, self._n = query, n
        self._rows = rows
        self._here = int(np.searchsorted(rows, ranking.row))
        self._parts = [
            part.item_weights[rows].astype(np.float64)[:, None] * part.vectors[rows] for part in model.parts
        ]
        fixed = query.prior(rows)
        for label, points in query.steps.items():
            fixed[np.isin(rows, query.library.rows_with(label))] += points
        self._fixed = fixed + query.less_points(rows).sum(axis=1)

    def first(self, sets: Iterator[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the first set of events (places in the profile) that makes the item leave, or none."""
        while batch := list(islice(sets, _AT_ONCE)):
            scores = self._scores(batch)
            own = scores[self._here]
            better = (scores > own).sum(axis=0) + (scores[: self._here] == own).sum(axis=0)
            gone = np.flatnonzero(better >= self._n)
            if len(gone):
                return batch[int(gone[0])]
        return ()

    def _scores(self, sets: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
        """Return scores without each set, float64 [candidates, sets]."""
        query = self._query
        events = len(query.profile.rows)
        model = query.library.model
        scores = np.repeat(self._fixed[:, None], len(sets), axis=1)
        queries: list[tuple[NDArray[np.float64], ...]] = []
        for column, taken in enumerate(sets):
            keep = np.ones(events, dtype=np.bool_)
            keep[list(taken)] = False
            kept, weights = query.profile.rows[keep], query.weights[keep]
            order = None if query.order is None else query.order[keep]
            picks = None if query.profile.picks is None else query.profile.picks[keep]
            moments = None if query.profile.moments is None else query.profile.moments[keep]
            ages = event_ages(weights, picks, moments)
            queries.append(model.queries(kept, ages, part_weights(model, kept, weights, picks, order)))
            scores[:, column] += self._regrouped(~keep)
            taken_by = creator_points(query.library, kept, ages, weights, self._rows)
            scores[:, column] += taken_by.sum(axis=1)
            if query.repeats:
                scores[:, column] += model.own_points(kept, ages, self._rows, weights).sum(axis=1)
        for place, vectors in enumerate(self._parts):
            scores += vectors @ np.stack([one[place] for one in queries], axis=1)
        return scores

    def _regrouped(self, taken: NDArray[np.bool_]) -> NDArray[np.float64] | float:
        """Return what changes for each candidate in what the person's group gives when events are taken away.

        Fewer events leave the group a larger share, and without some picks it may be another group.
        """
        profile, library = self._query.profile, self._query.library
        prior, picks = profile.prior, profile.picks
        if prior is None:
            return 0.0
        if picks is not None and (taken & (picks > 0)).any():
            prior = prior.without(profile.numbers[taken].tolist())
        left = None if picks is None else picks[~taken]
        found = faded_prior(library, prior, self._rows, self._query.weights[~taken], left)
        return found - self._query.prior(self._rows)
