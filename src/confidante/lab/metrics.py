"""How good a ranking is: HR@k, NDCG@k, recall@k over the full catalogue, with bootstrap intervals.

Each held-out item is ranked against every item the person does not have. Ties count against the model, so a
constant score earns nothing; NaN is refused. Definitions agree with the independent judge's for one held-out
item, and with Krichene & Rendle (KDD 2020) in using the full catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories

UNREACHED = np.iinfo(np.int64).max
"""The rank of an item that was given no finite score."""

_CELLS = 4_000_000  # scores held at once: 32 MB of float64


class Scorer(Protocol):
    """Anything that scores the whole catalogue for people by their histories."""

    def score(self, histories: Histories) -> NDArray[np.floating]:
        """Return [people, items], higher is better; -inf means never."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """1-based ranks of each person's held-out items, best first.

    indptr: int64 [people + 1]; ranks: int64 [held-out items].
    """

    indptr: NDArray[np.int64]
    ranks: NDArray[np.int64]

    @property
    def people(self) -> int:
        """Number of people."""
        return len(self.indptr) - 1


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over people with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return like `.1485 (.1262 to .1718)`."""
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def full_ranks(
    scorer: Scorer,
    history: Histories,
    relevant: Histories,
    *,
    also_hidden: Histories | None = None,
    repeat: bool = False,
    cells: int = _CELLS,
) -> Ranks:
    """Return the ranks of each person's `relevant` items among the whole catalogue.

    history: what the scorer is given; its items are no candidates unless `repeat`. also_hidden: further items
    that are no candidates (the test item while grading valid). cells: how many scores are held at once.
    Among equal scores the held-out items come last. Raises DataError for NaN, a wrong shape, a person without
    relevant items, and a relevant item that is no candidate.
    """
    if not history.people == relevant.people == (also_hidden or history).people:
        raise DataError(f"histories of {history.people} people, held-out items of {relevant.people}")
    if np.any(relevant.lengths == 0):
        raise DataError("a person has no held-out item: leave such people out of the split")
    parts: list[NDArray[np.int64]] = []
    sizes: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
    start, step = 0, 1
    while start < history.people:
        stop = min(start + step, history.people)
        scores = _scores(scorer, history.slice(start, stop))
        step = max(1, cells // scores.shape[1])
        masks = [] if repeat else [history.slice(start, stop)]
        if also_hidden is not None:
            masks.append(also_hidden.slice(start, stop))
        ranks, lengths = _rank_rows(scores, masks, relevant.slice(start, stop))
        parts.append(ranks)
        sizes.append(lengths)
        start = stop
    return Ranks(np.cumsum(np.concatenate(sizes)), np.concatenate(parts))


def hr_at_k(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Return [people]: 1 when any held-out item is among the first k, else 0."""
    return (ranks.ranks[ranks.indptr[:-1]] <= _positive(k)).astype(np.float64)


def recall_at_k(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Return [people]: the share of the held-out items that are among the first k."""
    found = _sum_per_person(ranks, (ranks.ranks <= _positive(k)).astype(np.float64))
    return found / np.diff(ranks.indptr)


def ndcg_at_k(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Return [people]: sum of 1 / log2(1 + rank) over held-out items in the first k, over the best sum."""
    within = ranks.ranks <= _positive(k)
    gain = np.where(within, 1 / np.log2(1 + np.minimum(ranks.ranks, k).astype(np.float64)), 0.0)
    ideal: NDArray[np.float64] = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    best: NDArray[np.float64] = ideal[np.minimum(np.diff(ranks.indptr), k) - 1]
    return _sum_per_person(ranks, gain) / best


def estimate(
    per_person: NDArray[np.float64], generator: np.random.Generator | None = None, *, resamples: int = 1000
) -> Estimate:
    """Return the mean with its 95 % percentile-bootstrap interval over people (seed 0 by default)."""
    if not len(per_person):
        raise DataError("there are no people to average over")
    generator = np.random.default_rng(0) if generator is None else generator
    size = len(per_person)
    means = [per_person[generator.integers(0, size, size)].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(per_person.mean()), float(low), float(high))


def _positive(k: int) -> int:
    if k < 1:
        raise DataError(f"k is {k}: give 1 or more")
    return k


def _sum_per_person(ranks: Ranks, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.add.reduceat(values, ranks.indptr[:-1])


def _scores(scorer: Scorer, histories: Histories) -> NDArray[np.floating]:
    """Return a checked score matrix [people, items]."""
    scores = np.asarray(scorer.score(histories))
    if scores.dtype.kind != "f":
        scores = scores.astype(np.float64)
    if scores.ndim != 2 or scores.shape[0] != histories.people or not scores.shape[1]:
        raise DataError(
            f"scores have shape {scores.shape} for {histories.people} people: give [people, items]"
        )
    if np.isnan(scores).any():
        raise DataError("scores hold NaN: a model must give every item a number or -inf")
    return scores


def _rank_rows(
    scores: NDArray[np.floating], masks: list[Histories], relevant: Histories
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ranks of each row's relevant items, best first, and how many each row has.

    rank = (candidates that are not relevant with a score >= own) + (position among the relevant ones).
    """
    items = scores.shape[1]
    keys = np.unique(relevant.person_of_event * items + relevant.items)  # an item bought twice counts once
    row, item = np.divmod(keys, items)
    own = scores[row, item]
    candidates = scores.copy()
    for mask in masks:
        candidates[mask.person_of_event, mask.items] = np.nan
    if np.isnan(candidates[row, item]).any():
        raise DataError("a held-out item is in the history or hidden: grade repurchase data with repeat=True")
    candidates[row, item] = np.nan
    candidates.sort(axis=1)  # NaN goes last
    size = np.bincount(row, minlength=len(scores))
    indptr = np.concatenate(([0], np.cumsum(size)))
    order = np.lexsort((-own, row))
    own = own[order]
    above = np.empty(len(own), dtype=np.int64)
    for person in range(len(scores)):  # one binary search per person: the sort is the work
        part = slice(indptr[person], indptr[person + 1])
        valid = items - int(np.isnan(candidates[person]).sum())
        above[part] = valid - np.searchsorted(candidates[person, :valid], own[part], side="left")
    position = np.arange(len(own)) - indptr[row] + 1
    return np.where(np.isfinite(own), above + position, UNREACHED), size


@final
@dataclass(frozen=True, slots=True)
class GroupRow:
    """One line of the table: a group, its number of people and the mean of each metric over them."""

    group: str
    people: int
    means: dict[str, float]


def groups_of_people(train: Histories) -> dict[str, NDArray[np.bool_]]:
    """Return bool [people] per group: thirds by history length, thirds by mean popularity of what they have.

    light / medium / heavy: shortest, middle, longest third of histories (equal lengths stay together).
    niche / middle / mainstream: by the mean, over the person's train events, of the number of people who have
    that item. People without events belong to light and niche.
    """
    items = int(train.items.max()) + 1 if len(train.items) else 1
    pairs = np.unique(train.person_of_event * items + train.items)
    popularity = np.bincount(pairs % items, minlength=items).astype(np.float64)
    total = np.bincount(train.person_of_event, weights=popularity[train.items], minlength=train.people)
    taste = total / np.maximum(train.lengths, 1)
    return {
        **_thirds(train.lengths.astype(np.float64), ("light", "medium", "heavy")),
        **_thirds(taste, ("niche", "middle", "mainstream")),
    }


def group_table(metrics: Mapping[str, NDArray[np.float64]], train: Histories) -> list[GroupRow]:
    """Return one row for everybody and one per group that has people. metrics: name -> [people] values."""
    for name, values in metrics.items():
        if values.shape != (train.people,):
            raise DataError(f"metric {name} has shape {values.shape} for {train.people} people")
    members = {"everybody": np.ones(train.people, dtype=bool), **groups_of_people(train)}
    return [
        GroupRow(group, int(who.sum()), {name: float(values[who].mean()) for name, values in metrics.items()})
        for group, who in members.items()
        if who.any()
    ]


def _thirds(values: NDArray[np.float64], names: tuple[str, str, str]) -> dict[str, NDArray[np.bool_]]:
    low, high = np.quantile(values, [1 / 3, 2 / 3]) if len(values) else (0.0, 0.0)
    return {
        names[0]: values <= low,
        names[1]: (values > low) & (values <= high),
        names[2]: values > high,
    }
