"""What people who have one of a few well-known items have besides: so that three likes say much.

A cohort for each item of a public slate, and a device is in as many of them as it has of these items. One
private sum has a row a slate item: each device adds its popularity vector to the rows of its own slate items.
What a row has more or less than its share of everyone's popularity is a ratio (lift); likes speak for items
by the logarithms of their lifts, as in naive Bayes. Lifts are noisy: what they have in common is found by
singular values, those above the known noise alone and shrunk for it (Gavish and Donoho 2017), and what is
left of the noise shrinks each lift towards 1 once more.

In the model this is one more part. It speaks for likes only (`models/shrinkage.py`): a like says what a
person loves, not what comes next. On the wire, in plans and in names of rounds the task is called "picks".
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Histories, SparseRows
from confidante.models.factors import PICK_PART, Factors
from confidante.models.features import FeatureBasis
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    MOST_ENTRIES,
    Models,
    NoisySum,
    TaskForm,
    TaskKind,
    items_in,
    items_out,
    require,
)
from confidante.tasks.popularity import PopularityTask
from confidante.wire.catalogue import CatalogueWire

SLATE = 40
"""Items that have a row."""

MOST_SLATE = 512
"""Items of the longest slate."""

RANK = 12
"""Most tastes that lifts are written in."""

STRENGTH = 1.2
"""Exponent of a lift. Chosen on validation people of MovieLens-1M and 100K."""

_POOL = 300  # the most popular items, of which the slate is taken
_CLIP = math.log(5.0)  # no lift counts for more, up or down
_FOREVER = 1e9  # half-life, in events: likes do not age


def slate_items(popular: NDArray[np.float64], features: FeatureBasis, size: int = SLATE) -> NDArray[np.int64]:
    """Return items that are popular and of different kinds, int64 [size or fewer], the first taken first.

    popular: float64 [items]. One after the other, the item with most of popularity times what its features
    have that the most alike of those before it has not.
    """
    pool = np.argsort(-popular, kind="stable")[:_POOL]
    rows = features.matrix[pool].astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    share, alike = popular[pool] / popular[pool].max(), np.zeros(len(pool))
    left = np.ones(len(pool), dtype=np.bool_)
    chosen = []
    for _ in range(min(size, len(pool))):
        worth = np.where(left, share * np.maximum(1 - alike, 1e-6), -1.0)
        best = int(np.argmax(worth))
        left[best] = False
        chosen.append(best)
        alike = np.maximum(alike, rows @ rows[best])
    return pool[chosen]


@final
@dataclass(frozen=True, slots=True, eq=False)
class LikesTask:
    """Each device's distinct items, in a row for each slate item that it has.

    slate: int64, different items; items: size of the catalogue; columns: int64, the different items that are
    counted, None for all. A device with s slate items and n counted ones has 1 / sqrt(s n) in the s times n
    entries where they meet, but for those where an item meets itself: a vector of norm 1 at most. Entry
    `row * columns + column`. Who has none of the slate sends zeros.
    """

    slate: NDArray[np.int64]
    items: int
    columns: NDArray[np.int64] | None = None
    name: str = "picks"
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    @property
    def width(self) -> int:
        """How many items are counted."""
        return self.items if self.columns is None else len(self.columns)

    @property
    def length(self) -> int:
        """One entry a slate item and counted item."""
        return len(self.slate) * self.width

    @property
    def column_of(self) -> NDArray[np.int64]:
        """The column of each item, int64 [items], -1 for what is not counted."""
        return _places(np.arange(self.items) if self.columns is None else self.columns, self.items)

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person; see the class."""
        met = PopularityTask(self.items).client_update(histories)
        person, item = met.row_of_entry, met.indices
        row_of, column_of = _places(self.slate, self.items), self.column_of
        rows, columns = row_of[item] >= 0, column_of[item] >= 0
        s = np.bincount(person[rows], minlength=histories.people)
        n = np.bincount(person[columns], minlength=histories.people)
        width = n[person[rows]]
        starts = np.concatenate(([0], np.cumsum(n)))
        # each slate item of a person meets all counted items of the same person
        owner = np.repeat(person[rows], width)
        own_row = np.repeat(item[rows], width)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(width) - width, width)
        other = item[columns][starts[owner] + offset]
        kept = own_row != other
        owner, own_row, other = owner[kept], own_row[kept], other[kept]
        place = row_of[own_row] * self.width + column_of[other]
        order = np.lexsort((place, owner))
        values = (1 - 2.0**-40) / np.sqrt(s[owner] * n[owner])
        indptr = np.searchsorted(owner[order], np.arange(histories.people + 1)).astype(np.int64)
        return SparseRows(indptr, place[order], values[order], self.length)


def likes_part(
    task: LikesTask, total: NoisySum, popular: NDArray[np.float64], prior: NDArray[np.floating]
) -> Factors:
    """Return the part of the model that speaks for likes.

    popular: float64 [items], above 0, see `popularity`; prior: of the model, [items]. A like adds to an item
    half the item's prior times STRENGTH times the logarithm of the lift: to first order, what multiplying its
    popularity by the lift does. DataError for pieces of different catalogues.
    """
    if total.values.shape != (task.length,) or popular.shape != (task.items,) or prior.shape != popular.shape:
        raise DataError("likes: the sum, the task and the prior are not of one catalogue")
    counted = np.arange(task.items) if task.columns is None else task.columns
    lifts = log_lifts(task, total, popular[counted])
    found = np.zeros((task.items, len(task.slate)))
    found[counted] = lifts.T
    # Both ways alike between slate items, and nothing of an item to itself.
    among = found[task.slate]
    among = (among + among.T) / 2
    np.fill_diagonal(among, 0.0)
    found[task.slate] = among
    left, values, right = np.linalg.svd(found, full_matrices=False)
    left, values, right = left[:, :RANK], values[:RANK], right[:RANK]
    said, meant = left * np.sqrt(values), np.zeros((task.items, len(values)))
    meant[task.slate] = right.T * np.sqrt(values)
    of_others = np.ones(task.items)
    of_others[task.slate] = 0.5  # between slate items both products below are there
    # <meant_i, said_j> + <said_i, meant_j> is half the difference of two symmetric products.
    vectors = np.concatenate((said + meant, said - meant), axis=1) / math.sqrt(2)
    strengths = np.concatenate((np.ones(len(values)), -np.ones(len(values))))
    speaks = np.zeros(task.items)
    speaks[task.slate] = 1.0
    weights = STRENGTH / 2 * prior * of_others
    return Factors(
        PICK_PART,
        vectors.astype(np.float32),
        strengths.astype(np.float32),
        speaks.astype(np.float32),
        weights.astype(np.float32),
        _FOREVER,
    )


def log_lifts(task: LikesTask, total: NoisySum, popular: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of each shrunk lift, float64 [slate, columns]; 0 where nothing is known.

    popular: float64 [columns], above 0.
    """
    sums = total.values.reshape(len(task.slate), task.width)
    own = task.column_of[task.slate]
    itself = np.zeros(sums.shape, dtype=np.bool_)
    itself[np.flatnonzero(own >= 0), own[own >= 0]] = True
    share = np.where(itself, 0.0, popular)
    mass = (sums * share).sum(axis=1) / np.maximum((share**2).sum(axis=1), np.finfo(np.float64).tiny)
    expected = np.maximum(mass, 0.0)[:, None] * popular
    if not expected.any():
        return np.zeros(sums.shape)
    entry = min(total.contributors / float(expected.sum()), 1.0)  # what a person adds where two items meet
    spread = np.sqrt(entry * expected + total.variance)
    spread = np.maximum(spread, np.finfo(np.float64).tiny)
    odd = np.where(itself, 0.0, (sums - expected) / spread)
    common, kept = _above_noise(odd)
    if kept == 0:
        return np.zeros(sums.shape)
    rows, columns = odd.shape
    error = kept * (rows + columns - kept) / (rows * columns)  # of the noise, so much is in what is kept
    weights = (expected / spread) ** 2
    deviation = max(float((weights * (odd**2 - 1)).sum()), 0.0) / float((weights * weights).sum())
    signal = deviation * weights
    lift = common * (signal / (signal + error)) * spread / np.maximum(expected, np.finfo(np.float64).tiny)
    clipped: NDArray[np.float64] = np.clip(np.log1p(np.maximum(lift, -0.99)), -_CLIP, _CLIP)
    return clipped


def _above_noise(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return what of a matrix stands out of noise of variance 1, by least squares, and its rank."""
    rows, columns = sorted(matrix.shape)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    beta, values = rows / columns, values / math.sqrt(columns)
    out = values > 1 + math.sqrt(beta)
    kept = values[out]
    shrunk = np.sqrt(np.maximum((kept**2 - beta - 1) ** 2 - 4 * beta, 0.0)) / kept * math.sqrt(columns)
    return (left[:, out] * shrunk) @ right[out], int(out.sum())


def _places(chosen: NDArray[np.int64], items: int) -> NDArray[np.int64]:
    places = np.full(items, -1, dtype=np.int64)
    places[chosen] = np.arange(len(chosen))
    return places


@final
class _Form(TaskForm, tag="picks 1", frozen=True):
    """slate, columns: as `items_out`; no columns for all items."""

    slate: bytes
    columns: bytes

    @classmethod
    def of(cls, task: LikesTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, items_out(task.slate), items_out(task.columns))

    def task(self, wire: CatalogueWire, models: Models) -> LikesTask:
        items = len(wire.catalogue)
        require(0 < len(self.slate) <= 4 * MOST_SLATE, "a task over likes has a slate out of bounds")
        slate = items_in(self.slate, items)
        assert slate is not None  # noqa: S101  (it has bytes)
        task = LikesTask(slate, items, items_in(self.columns, items))
        require(0 < task.length <= MOST_ENTRIES, f"a task over likes has {task.length} entries: too many")
        return task


KIND = TaskKind(task=LikesTask, form=_Form, purposes=(Purpose.TRAIN,), reads_order=False)
