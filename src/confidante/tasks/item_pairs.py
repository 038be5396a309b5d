"""The sequential linear model in a learnt item basis, from one private sum.

Each device sums, over pairs of its events at most `window` apart, a weight that halves every `half_life`
events of distance, into the symmetric matrix of item pairs, at l2 norm 1 a person. Where all events of a
person have one time, no distance is known, and all pairs count alike. The sum S is a noisy, symmetric
item-by-item matrix whose noise level is known, so the server separates signal from noise for free:
eigenvalues inside the noise's spectral edge 2 sd sqrt(M) are noise and are removed, the others shrink to
sqrt(e^2 - edge^2) (the optimal Frobenius shrinker of a spiked Wigner matrix: Perry et al. 2018; Gavish and
Donoho 2017), and the diagonal, which no pair fills, is imputed from the low-rank fit. Raising the spectrum to
a power below 1 undoes the dominance of popular clusters, as the inverse Gram matrix does in EASE.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Histories, SparseRows
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    Events,
    Models,
    NoisySum,
    Positive,
    TaskForm,
    TaskKind,
    items_in,
    items_out,
    require,
)
from confidante.tasks.rows import add_repeats, unit_rows
from confidante.wire.catalogue import CatalogueWire

_IMPUTATIONS = 3


@final
@dataclass(frozen=True, slots=True, eq=False)
class ItemPairTask:
    """Which items follow each other closely, as one symmetric matrix over `basis`.

    basis: int64 [M], distinct item indices; pair_weights: float64 [M], public weight of each basis item: a
    pair counts by the product of its two. catalogue_size: items in the catalogue. window: largest distance of
    a pair, in events of basis items; half_life: distance over which a pair's weight halves. history: newest
    events used.
    """

    basis: NDArray[np.int64]
    pair_weights: NDArray[np.float64]
    catalogue_size: int
    window: int
    half_life: float
    history: int
    name: str = "item pairs"
    l2_bound: float = 1.0
    linf_bound: float = 0.2

    @property
    def length(self) -> int:
        """Pairs of different basis items: M (M - 1) / 2."""
        size = len(self.basis)
        return size * (size - 1) // 2

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person: the pairs of its newest events, at l2 norm 1."""
        recent = histories.last(self.history)
        place = np.full(self.catalogue_size, -1, dtype=np.int64)
        place[self.basis] = np.arange(len(self.basis))
        known = place[recent.items] >= 0
        item = place[recent.items[known]]
        person = recent.person_of_event[known]
        unordered = recent.unordered
        ordered = ~unordered[person]
        keys, people, weights = [], [], []
        for one in np.flatnonzero(unordered):
            first, end = np.searchsorted(person, (one, one + 1))
            mine, times = np.unique(item[first:end], return_counts=True)
            low, high = np.triu_indices(len(mine), 1)
            said = times * self.pair_weights[mine]
            keys.append(pair_index(mine[low], mine[high], len(self.basis)))
            people.append(np.full(len(low), one))
            weights.append(said[low] * said[high])
        for distance in range(1, min(self.window, max(len(item) - 1, 0)) + 1):
            low, high = (
                np.minimum(item[:-distance], item[distance:]),
                np.maximum(item[:-distance], item[distance:]),
            )
            pair = (person[:-distance] == person[distance:]) & (low != high) & ordered[:-distance]
            low, high = low[pair], high[pair]
            keys.append(pair_index(low, high, len(self.basis)))
            people.append(person[distance:][pair])
            decay = 0.5 ** ((distance - 1) / self.half_life)
            weights.append(decay * self.pair_weights[low] * self.pair_weights[high])
        if not keys:
            empty = np.zeros(0, dtype=np.int64)
            return SparseRows(np.zeros(histories.people + 1, np.int64), empty, np.zeros(0), self.length)
        rows = add_repeats(
            np.concatenate(people),
            np.concatenate(keys),
            np.concatenate(weights),
            histories.people,
            self.length,
        )
        return unit_rows(rows)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ItemBasis:
    """What the sum becomes: the score of item j after item i is `history_weights[i] V_i diag(strengths) V_j`.

    items: int64 [M]; vectors: float32 [M, k], rows V; strengths: float32 [k], largest magnitude 1;
    history_weights: float32 [M]; reliability: part of the kept eigenvalues' energy that is signal, in [0, 1].
    """

    items: NDArray[np.int64]
    vectors: NDArray[np.float32]
    strengths: NDArray[np.float32]
    history_weights: NDArray[np.float32]
    reliability: float


def pair_index(low: NDArray[np.int64], high: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the place of pairs `low < high` in the row-wise upper triangle of a [size, size] matrix."""
    return low * (2 * size - low - 1) // 2 + high - low - 1


def basis_size(popularity: NDArray[np.float64], noise_sd: float, ratio: float, max_length: int) -> int:
    """Return how many of the most popular items can be told from noise.

    popularity: float64 [items], sorted from high to low. An item's row of the pair matrix stands out when its
    popularity is at least `ratio` times the spectral noise sd * sqrt(size); noise_sd is that of a pair entry.
    At least 2 and at most so many items that the vector has `max_length` entries.
    """
    largest = int((1 + np.sqrt(1 + 8 * max_length)) / 2)
    size = np.arange(1, len(popularity) + 1)
    stands_out = popularity >= ratio * noise_sd * np.sqrt(size)
    count = int(size[stands_out].max(initial=0))
    return max(2, min(count, largest, len(popularity)))


def item_basis(
    task: ItemPairTask, total: NoisySum, *, power: float, history_weights: NDArray[np.float64], max_rank: int
) -> ItemBasis:
    """Denoise the summed pair matrix and return its basis.

    power: exponent of the spectrum, in (0, 1]; history_weights: float64 [M], public; max_rank: most columns.
    """
    size = len(task.basis)
    matrix = np.zeros((size, size))
    matrix[np.triu_indices(size, 1)] = total.values
    matrix += matrix.T
    edge = 2 * float(np.sqrt(total.variance * size))
    values, vectors = _above(matrix, edge, max_rank)
    if edge > 0:
        for _ in range(_IMPUTATIONS - 1):
            np.fill_diagonal(matrix, (vectors**2) @ _shrink(values, edge))
            values, vectors = _above(matrix, edge, max_rank)
    shrunk = _shrink(values, edge)
    observed = float(np.sum(values**2))
    largest = float(np.abs(shrunk).max(initial=0)) or 1.0
    strengths = np.sign(shrunk) * (np.abs(shrunk) / largest) ** power
    return ItemBasis(
        items=task.basis,
        vectors=vectors.astype(np.float16).astype(np.float32),
        strengths=strengths.astype(np.float32),
        history_weights=history_weights.astype(np.float32),
        reliability=float(np.sum(shrunk**2)) / observed if observed > 0 else 0.0,
    )


def _above(
    matrix: NDArray[np.float64], edge: float, max_rank: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues of magnitude above `edge`, largest first, and their vectors as columns."""
    values, vectors = np.linalg.eigh(matrix)
    order = np.argsort(-np.abs(values), kind="stable")[:max_rank]
    order = order[np.abs(values[order]) > edge]
    return values[order], vectors[:, order]


def _shrink(values: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    shrunk: NDArray[np.float64] = np.sign(values) * np.sqrt(np.maximum(values**2 - edge**2, 0))
    return shrunk


@final
class _Form(TaskForm, tag="item pairs 1", frozen=True):
    """basis: as `items_out`; pair_weights: little-endian float64 each."""

    basis: bytes
    pair_weights: bytes
    window: Events
    half_life: Positive
    history: Events

    @classmethod
    def of(cls, task: ItemPairTask, catalogue: bytes) -> "_Form":
        weights = task.pair_weights.astype("<f8").tobytes()
        return cls(catalogue, items_out(task.basis), weights, task.window, task.half_life, task.history)

    def task(self, wire: CatalogueWire, models: Models) -> ItemPairTask:
        items = len(wire.catalogue)
        require(
            8 <= len(self.basis) <= 4 * items and len(self.pair_weights) == 2 * len(self.basis),
            "a task over item pairs has a basis of the wrong size",
        )
        basis = items_in(self.basis, items)
        assert basis is not None  # noqa: S101  (it has bytes)
        weights = np.frombuffer(self.pair_weights, dtype="<f8").astype(np.float64)
        sound = np.isfinite(weights) & (weights > 0) & (weights <= 1e100)
        require(bool(sound.all()), "a task weighs an item by a number that is not finite and above 0")
        return ItemPairTask(basis, weights, items, self.window, self.half_life, self.history)


KIND = TaskKind(task=ItemPairTask, form=_Form, purposes=(Purpose.TRAIN,), reads_order=True, large=True)
