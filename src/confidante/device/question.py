"""One request for recommendations as linear terms, and its exact answer.

    score(j) = prior_j + sum over terms t: weight_t 2^-(age_t / half-life) <context_t, item_j>  + bonus_j

A term is an event of the person's own, or an item they asked to see less of (age 0, weight below 0). The
bonus holds what the person's taste edits add to every item with a label. Nothing else is in a score, so the
reasons in `reasons.py` are the score, cut into its terms.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.device.index import Index
from confidante.device.library import Library
from confidante.device.text.encoder import unit_rows

LESS_WEIGHT = -1.0
"""Of a "less like this": as much against similar items as the newest event speaks for its own."""

TASTE_STEP = 0.75
"""What one step of a taste edit adds to an item, in units of `Library.spread`."""

_OTHER_CONTEXT = 0.25  # weight of an event of another context than the request's
_RELEVANCE_POOL = 5  # a diverse list of n is chosen from so many times n


@final
@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What is known of the person, as rows; oldest event first. Events of unknown items are not in it.

    numbers, rows: int64 [events]; contexts: one mapping an event; weights: float64 [events], 1, or below 0
    for an event that speaks against its item. less, never: int64, rows. levels: steps by label; removed:
    labels never to be suggested.
    """

    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    contexts: tuple[Mapping[str, str], ...] = ()
    less: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    never: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    levels: Mapping[str, int] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    def without(self, numbers: Collection[int]) -> "Profile":
        """Return the profile as if these events had never happened."""
        keep = ~np.isin(self.numbers, list(numbers))
        contexts = tuple(c for c, kept in zip(self.contexts, keep, strict=True) if kept)
        return Profile(
            self.numbers[keep],
            self.rows[keep],
            self.weights[keep],
            contexts,
            self.less,
            self.never,
            self.levels,
            self.removed,
        )


NOBODY = Profile(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
"""The profile that no-profiling mode uses: the same for everybody."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A request, ready to be answered.

    rows, ages, weights: of the terms, int64 and float64 [terms]; the first `len(profile.rows)` are the
    profile's events, the others its "less like this". queries: one vector a part. steps: points added to the
    items of each edited label. bonus: float32 [n] or None. allowed: bool [n].
    """

    library: Library
    profile: Profile
    rows: NDArray[np.int64]
    ages: NDArray[np.float64]
    weights: NDArray[np.float64]
    queries: tuple[NDArray[np.float64], ...]
    steps: Mapping[str, float]
    bonus: NDArray[np.float32] | None
    allowed: NDArray[np.bool_]
    repeats: bool

    def scores(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the exact scores of `rows`, float64."""
        scores = self.library.model.scores(rows, self.queries)
        for label, points in self.steps.items():
            scores[np.isin(rows, self.library.rows_with(label))] += points
        if self.repeats:
            scores += self.own_points(rows).sum(axis=1)
        return scores

    def own_points(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each event adds to its own item, float64 [rows, events]; zeros unless `repeats`."""
        events = len(self.profile.rows)
        if not self.repeats:
            return np.zeros((len(rows), events))
        return self.library.model.own_points(
            self.profile.rows, self.ages[:events], rows, self.weights[:events]
        )


def ask(
    library: Library,
    profile: Profile,
    *,
    context: Mapping[str, str] | None = None,
    labels: Collection[str] = (),
    exclude: NDArray[np.int64] | None = None,
    repeats: bool = False,
) -> Question:
    """Return the question: who asks, and which items may be in the answer.

    context: events of the same context count fully, others a quarter. labels: only items with one of them.
    exclude: rows. repeats: own items are candidates too.
    """
    events, requests = len(profile.rows), len(profile.less)
    rows = np.concatenate((profile.rows, profile.less))
    ages = np.concatenate((np.arange(events, dtype=np.float64)[::-1], np.zeros(requests)))
    weights = np.concatenate((profile.weights, np.full(requests, LESS_WEIGHT)))
    if context:
        weights[:events] *= [_agreement(context, known) for known in profile.contexts]
    queries = tuple(library.model.queries(rows, ages, weights))
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
        allowed[profile.rows] = False
    steps = {label: level * TASTE_STEP * library.spread for label, level in profile.levels.items() if level}
    return Question(
        library,
        profile,
        rows,
        ages,
        weights,
        queries,
        steps,
        _bonus(library, profile.rows, ages[:events], weights[:events], steps, repeats=repeats),
        allowed,
        repeats,
    )


def answer(
    question: Question,
    index: Index,
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
        found, _ = index.search(question.queries, reach, allowed=question.allowed, bonus=question.bonus)
        exhausted = len(found) < reach
        kept = found if keep is None else found[keep(found)]
        if len(kept) >= wanted or exhausted:
            break
        reach *= 4
    scores = question.scores(kept)
    kept = kept[np.lexsort((kept, -scores))][:wanted]
    if diversity == 0 or len(kept) <= 1:
        return kept[:n]
    return _diverse(question, kept, n, diversity)


def unit_vectors(library: Library, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return rows of norm 1, float32 [rows, d], whose inner products say how much alike items are.

    Each part counts alike where both items have it; an item without any vector is like nothing.
    """
    columns = []
    for part in library.model.parts:
        vectors = part.vectors[rows] * np.sqrt(np.abs(part.strengths))
        columns.append(unit_rows(vectors.astype(np.float32)))
    stacked = np.concatenate(columns, axis=1)
    return unit_rows(stacked)


def _agreement(asked: Mapping[str, str], known: Mapping[str, str]) -> float:
    same = sum(known.get(name) == value for name, value in asked.items()) / len(asked)
    return _OTHER_CONTEXT + (1 - _OTHER_CONTEXT) * same


def _bonus(
    library: Library,
    rows: NDArray[np.int64],
    ages: NDArray[np.float64],
    weights: NDArray[np.float64],
    steps: Mapping[str, float],
    *,
    repeats: bool,
) -> NDArray[np.float32] | None:
    """Return the points of taste edits, and of own history where items may come again."""
    own = library.model.own if repeats else None
    if not steps and (own is None or len(rows) == 0):
        return None
    bonus = np.zeros(len(library), dtype=np.float32)
    for label, points in steps.items():
        bonus[library.rows_with(label)] += np.float32(points)
    if own is not None:
        np.add.at(bonus, rows, (own.weights(ages) * weights).astype(np.float32))
    return bonus


def _diverse(question: Question, rows: NDArray[np.int64], n: int, diversity: float) -> NDArray[np.int64]:
    """Return `n` of `rows` by maximal marginal relevance (Carbonell and Goldstein 1998), best score first."""
    scores = question.scores(rows)
    relevance = (scores - scores.min()) / (np.ptp(scores) or 1.0)
    vectors = unit_vectors(question.library, rows)
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
