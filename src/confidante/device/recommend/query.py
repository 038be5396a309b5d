"""One request for recommendations as linear terms, and its exact answer.

    score(j) = prior_j  +  sum over own events e: weight_e 2^-(age_e / half-life) <context_e, item_j>
               -  sum over requests x: max(0, <context_x, item_j>)  +  sum over edited labels of j: points
               -  sum over own events e against an item of j's creator: |weight_e| 2^-(age_e / 50) points

The prior is the model's; where the person's group has one, that one's share falls with each event of the
person's own, and in some parts of a model picks weigh otherwise than events (`confidante.models.shrinkage`).

A request is an item that the person asked to see less of: it speaks against what is like it, and never for
what is unlike it. Where a server was asked, what it adds is a term of its own (`Added`). Nothing else is in a
score, so the reasons in `reasons.py` are the score, cut into terms.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.device.catalog.index.base import Search
from confidante.device.catalog.library import Library
from confidante.device.catalog.text.encoder import unit_rows
from confidante.device.recommend.group_prior import GroupPrior
from confidante.models.factors import PICK_PART
from confidante.models.shrinkage import group_share, part_weights

TASTE_STEP = 3.0
"""What one step of a taste edit adds to an item, in units of `Library.spread`."""

CREATOR_STEP = 1.0
"""What an event against an item takes from every item of the same creator, in units of `Library.spread`.

What was liked decays with the model's half-life, after 2 or 3 events; that somebody's work is not wanted is
no mood, so this decays as slowly as the picture of tastes.
"""

_CREATOR_HALF_LIFE = 50.0  # events
_OTHER_CONTEXT = 0.25  # weight of an event of another context than the request's
_RELEVANCE_POOL = 5  # a diverse list of n is chosen from so many times n


@final
@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What is known of the person, as rows; oldest event first. Events of unknown items are not in it.

    numbers, rows: int64 [events]; contexts: one mapping an event; weights: float64 [events], 1, or below 0
    for an event that speaks against its item. order: the same for what comes next (`Weighed`); None: as
    weights. ratings: in words, one an event, empty where it is none. seen: int64, rows of what was had; None:
    those of the events. less, never: int64, rows. less_points: float32 [n], what all requests together take
    from every row; None without any. levels: steps by label; removed: labels never to be suggested. picks:
    int64 [events], the number of the choice that an event was picked in, 0 for any other event; None where
    nothing was picked. moments: float64 [events], when each was, in any unit; None where all differ. prior:
    popularity in place of the model's own; None for that.
    """

    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    contexts: tuple[Mapping[str, str], ...] = ()
    order: NDArray[np.float64] | None = None
    ratings: tuple[str, ...] = ()
    seen: NDArray[np.int64] | None = None
    less: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    less_points: NDArray[np.float32] | None = None
    never: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    levels: Mapping[str, int] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    picks: NDArray[np.int64] | None = None
    prior: GroupPrior | None = None
    moments: NDArray[np.floating | np.integer] | None = None

    @property
    def had(self) -> NDArray[np.int64]:
        """The rows of what was had."""
        return self.rows if self.seen is None else self.seen

    def without(self, numbers: Collection[int]) -> "Profile":
        """Return the profile as if these events had never happened, but for what was had."""
        keep = ~np.isin(self.numbers, list(numbers))
        return replace(
            self,
            numbers=self.numbers[keep],
            rows=self.rows[keep],
            weights=self.weights[keep],
            order=None if self.order is None else self.order[keep],
            ratings=tuple(text for text, kept in zip(self.ratings, keep, strict=False) if kept),
            contexts=tuple(c for c, kept in zip(self.contexts, keep, strict=True) if kept),
            seen=self.had,
            picks=None if self.picks is None else self.picks[keep],
            prior=None if self.prior is None else self.prior.without(numbers),
            moments=None if self.moments is None else self.moments[keep],
        )


_IN_A_MOMENT = 20
"""The most events of one time that may be a sequence; of MovieLens-1M, 1 event in 1,000 is of more."""


def event_ages(
    weights: NDArray[np.float64],
    picks: NDArray[np.int64] | None,
    moments: NDArray[np.floating | np.integer] | None = None,
) -> NDArray[np.float64]:
    """Return how many events for something came since each event, oldest first, float64 [events].

    weights, picks, moments: as in `Profile`. What was disliked makes nothing older that was liked. What was
    picked together, or entered together, is all of one age, its newest: it was no sequence. Entered together
    is what has one time, if that is all there is, or more than anybody does in a moment.
    """
    liked = weights > 0
    since = np.cumsum(liked[::-1], dtype=np.float64)[::-1]
    ages: NDArray[np.float64] = since - liked
    if moments is not None and len(moments):
        newest = np.flatnonzero(np.append(moments[1:] != moments[:-1], True))
        size = np.diff(newest, prepend=-1)
        of = np.repeat(np.arange(len(newest)), size)
        together = (size[of] > _IN_A_MOMENT) | (size[of] == len(moments))
        ages = np.where(together, ages[newest][of], ages)
    if picks is not None:
        for choice in np.unique(picks[picks > 0]):
            together = picks == choice
            ages[together] = ages[together].min()
    return ages


NOBODY = Profile(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
"""The profile that no-profiling mode uses: the same for everybody."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """What a server adds to each row of a library.

    refinement: float64 [n], by what it knows; rule: float64 [n], by its operator's rule; there: bool [n],
    False for what cannot be had.
    """

    refinement: NDArray[np.float64]
    rule: NDArray[np.float64]
    there: NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True, eq=False)
class ScoringQuery:
    """A request, ready to be answered.

    ages, weights, order: of the profile's events, float64 [events]; an event of another context than the
    request's counts less in all that it says, and in how far it makes a group and picks say less. queries:
    one vector a part. steps: points added to the items of each edited label. bonus: float32 [n], of all but
    the events and the prior, or None. allowed: bool [n]. added: by a server, None when none was asked.
    """

    library: Library
    profile: Profile
    ages: NDArray[np.float64]
    weights: NDArray[np.float64]
    order: NDArray[np.float64] | None
    queries: tuple[NDArray[np.float64], ...]
    steps: Mapping[str, float]
    bonus: NDArray[np.float32] | None
    allowed: NDArray[np.bool_]
    repeats: bool
    added: Added | None = None

    def with_added(self, added: Added) -> "ScoringQuery":
        """Return the query with what a server adds, without what cannot be had."""
        more = (added.refinement + added.rule).astype(np.float32)
        bonus = more if self.bonus is None else self.bonus + more
        return replace(self, added=added, bonus=bonus, allowed=self.allowed & added.there)

    def scores(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the exact scores of `rows`, float64."""
        scores = self.library.model.scores(rows, self.queries)
        if self.profile.prior is not None:
            scores += self.prior(rows) - self.library.model.prior[rows]
        for label, points in self.steps.items():
            scores[np.isin(rows, self.library.rows_with(label))] += points
        scores += self.less_points(rows).sum(axis=1)
        scores += self.creator_points(rows).sum(axis=1)
        if self.repeats:
            scores += self.own_points(rows).sum(axis=1)
        if self.added is not None:
            scores += self.added.refinement[rows] + self.added.rule[rows]
        return scores

    def prior(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what popularity gives to each row, float64: a group's by its share, else the model's."""
        profile = self.profile
        return faded_prior(self.library, profile.prior, rows, self.weights, profile.picks)

    @property
    def part_weights(self) -> NDArray[np.float64]:
        """What each event counts in each part, float64 [events] where it is the same, or [events, parts]."""
        profile = self.profile
        return part_weights(self.library.model, profile.rows, self.weights, profile.picks, self.order)

    def less_points(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each request takes from each row, float64 [rows, requests], 0 or below."""
        return against(self.library, self.profile.less, rows)

    def creator_points(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each event takes from rows of its item's creator, float64 [rows, events], 0 at most."""
        return creator_points(self.library, self.profile.rows, self.ages, self.weights, rows)

    def own_points(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each event adds to its own item, float64 [rows, events]; zeros unless `repeats`."""
        if not self.repeats:
            return np.zeros((len(rows), len(self.profile.rows)))
        return self.library.model.own_points(self.profile.rows, self.ages, rows, self.weights)


def build_query(
    library: Library,
    profile: Profile,
    *,
    context: Mapping[str, str] | None = None,
    labels: Collection[str] = (),
    exclude: NDArray[np.int64] | None = None,
    repeats: bool = False,
) -> ScoringQuery:
    """Return the query: who asks, and which items may be in the answer.

    context: events of the same context count fully, others a quarter. labels: only items with one of them.
    exclude: rows. repeats: what was had is a candidate too.
    """
    ages = event_ages(profile.weights, profile.picks, profile.moments)
    weights, order = profile.weights, profile.order
    if context:
        agreement = np.array([_agreement(context, known) for known in profile.contexts])
        weights = weights * agreement
        order = None if order is None else order * agreement
    by_part = part_weights(library.model, profile.rows, weights, profile.picks, order)
    queries = library.model.queries(profile.rows, ages, by_part)
    allowed = library.live.copy()
    if labels:
        wanted = np.zeros(len(library), dtype=np.bool_)
        for label in labels:
            wanted[library.rows_with(label)] = True
        allowed &= wanted
    for label in profile.removed:
        allowed[library.rows_with(label)] = False
    for refused in (profile.less, profile.never, exclude):
        if refused is not None:
            allowed[refused] = False
    if not repeats:
        allowed[profile.had] = False
    steps = {label: level * TASTE_STEP * library.spread for label, level in profile.levels.items() if level}
    return ScoringQuery(
        library,
        profile,
        ages,
        weights,
        order,
        queries,
        steps,
        _bonus(library, profile, ages, weights, steps, repeats=repeats),
        allowed,
        repeats,
    )


def top_k(
    query: ScoringQuery,
    index: Search,
    n: int,
    *,
    diversity: float = 0.0,
    keep: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None,
) -> NDArray[np.int64]:
    """Return the rows of the `n` best items, best first, fewer when there are no more; ties by row.

    diversity: 0.0 for the best scores alone, up to 1.0 for items that resemble each other least. keep: tells
    which of some rows may stay; it is asked only about the best, in turn, until there are enough.
    """
    wanted = n if diversity == 0 else n * _RELEVANCE_POOL
    reach = wanted if keep is None else 4 * wanted
    while True:
        found, _ = index.search(query.queries, reach, allowed=query.allowed, bonus=query.bonus)
        exhausted = len(found) < reach
        kept = found if keep is None else found[keep(found)]
        if len(kept) >= wanted or exhausted:
            break
        reach *= 4
    scores = query.scores(kept)
    kept = kept[np.lexsort((kept, -scores))][:wanted]
    if diversity == 0 or len(kept) <= 1:
        return kept[:n]
    return _diverse(query, kept, n, diversity)


def unit_vectors(library: Library, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return rows of norm 1, float32 [rows, d], whose inner products say how much alike items are.

    Each part but that of picks counts alike where both items have it; an item without any vector is like
    nothing.
    """
    columns = []
    for part in library.model.parts:
        if part.name == PICK_PART:
            continue
        vectors = part.vectors[rows] * np.sqrt(np.abs(part.strengths))
        columns.append(unit_rows(vectors.astype(np.float32)))
    stacked = np.concatenate(columns, axis=1)
    return unit_rows(stacked)


def faded_prior(
    library: Library,
    prior: GroupPrior | None,
    rows: NDArray[np.int64],
    weights: NDArray[np.float64],
    picks: NDArray[np.int64] | None,
) -> NDArray[np.float64]:
    """Return what popularity gives to rows, float64: the model's, and a group's by what it still says.

    weights: of the person's events in this request, as in `ScoringQuery`; picks: as in `Profile`.
    """
    everyone = library.model.prior[rows].astype(np.float64)
    if prior is None or not prior.group:
        return everyone
    found: NDArray[np.float64] = everyone + group_share(weights, picks) * (prior.points[rows] - everyone)
    return found


def _agreement(asked: Mapping[str, str], known: Mapping[str, str]) -> float:
    same = sum(known.get(name) == value for name, value in asked.items()) / len(asked)
    return _OTHER_CONTEXT + (1 - _OTHER_CONTEXT) * same


def against(library: Library, requests: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what "less like this" takes from each row, float64 [rows, requests]: its likeness, 0 at most.

    A request weighs as much against what is like it as the newest event weighs for it.
    """
    if len(requests) == 0:
        return np.zeros((len(rows), 0))
    ones = np.ones(len(requests))
    shares = library.model.contributions(requests, np.zeros(len(requests)), ones, rows)
    taken: NDArray[np.float64] = -np.maximum(shares.sum(axis=2), 0.0)
    return taken


def creator_points(
    library: Library,
    events: NDArray[np.int64],
    ages: NDArray[np.float64],
    weights: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return what each event takes from rows whose item has the same creator, float64 [rows, events].

    events: rows of their items; ages, weights: as in `ScoringQuery`. Only events against an item take any.
    """
    taken = np.zeros((len(rows), len(events)))
    speaking = np.flatnonzero((weights < 0) & (library.creators[events] != 0))
    if len(speaking):
        same = library.creators[rows][:, None] == library.creators[events[speaking]]
        taken[:, speaking] = same * _creator_weights(library, ages[speaking], weights[speaking])
    return taken


def _creator_weights(
    library: Library, ages: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    faded: NDArray[np.float64] = weights * 0.5 ** (ages / _CREATOR_HALF_LIFE)
    return CREATOR_STEP * library.spread * faded


def _by_creator(
    library: Library, profile: Profile, ages: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float32] | None:
    """Return the sum of `creator_points` over events for every row, float32 [n]; None where it is 0."""
    speaking = np.flatnonzero((weights < 0) & (library.creators[profile.rows] != 0))
    if len(speaking) == 0:
        return None
    who, of = np.unique(library.creators[profile.rows[speaking]], return_inverse=True)
    points = np.bincount(of, _creator_weights(library, ages[speaking], weights[speaking]))
    place = np.minimum(np.searchsorted(who, library.creators), len(who) - 1)
    return np.where(who[place] == library.creators, points[place], 0.0).astype(np.float32)


def _bonus(
    library: Library,
    profile: Profile,
    ages: NDArray[np.float64],
    weights: NDArray[np.float64],
    steps: Mapping[str, float],
    *,
    repeats: bool,
) -> NDArray[np.float32] | None:
    """Return the points of requests, taste edits, creators and, where items may come again, own history.

    A group's prior is among them, less the model's, which the index adds by itself.
    """
    own = library.model.own if repeats else None
    prior = None if profile.prior is None or not profile.prior.group else profile.prior.points
    by_creator = _by_creator(library, profile, ages, weights)
    nothing = not steps and profile.less_points is None and prior is None and by_creator is None
    if nothing and (own is None or len(profile.rows) == 0):
        return None
    bonus = np.zeros(len(library), dtype=np.float32)
    if prior is not None:
        faded = faded_prior(library, profile.prior, np.arange(len(library)), weights, profile.picks)
        bonus += (faded - library.model.prior).astype(np.float32)
    if profile.less_points is not None:
        bonus += profile.less_points
    if by_creator is not None:
        bonus += by_creator
    for label, points in steps.items():
        bonus[library.rows_with(label)] += np.float32(points)
    if own is not None:
        np.add.at(bonus, profile.rows, (own.weights(ages) * weights).astype(np.float32))
    return bonus


def _diverse(query: ScoringQuery, rows: NDArray[np.int64], n: int, diversity: float) -> NDArray[np.int64]:
    """Return `n` of `rows` by maximal marginal relevance (Carbonell and Goldstein 1998), best score first."""
    scores = query.scores(rows)
    relevance = (scores - scores.min()) / (np.ptp(scores) or 1.0)
    vectors = unit_vectors(query.library, rows)
    alike = vectors @ vectors.T
    chosen = [0]
    nearest = alike[0].copy()
    for _ in range(min(n, len(rows)) - 1):
        worth = (1 - diversity) * relevance - diversity * nearest
        worth[chosen] = -np.inf
        pick = int(np.argmax(worth))
        chosen.append(pick)
        np.maximum(nearest, alike[pick], out=nearest)
    return rows[chosen]
