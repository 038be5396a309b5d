"""Central models without privacy, to compare with. Nobody's device ever runs these.

Each is learnt by a function from everybody's histories and scores any history over the whole catalogue.
`half_life` weights an event by 0.5^(age / half_life), age = how many events ago; None weights all the same.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from confidante.core.errors import DataError
from confidante.core.values import Histories
from confidante.lab.baselines import check_items, fit_popularity

MAX_DENSE_ITEMS = 20_000
"""Above this, an items x items matrix (3.2 GB) is refused: keep only the items that enough people have."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class OwnFrequency:
    """How often the person had the item, everybody's popularity deciding between equals (repurchase data).

    popularity: float64 [items], in [0, 1).
    """

    popularity: NDArray[np.float64]
    half_life: float | None = None

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """Return [people, items]."""
        weights = event_weights(histories, self.half_life)
        own = sparse.csr_array(
            (weights, histories.items, histories.indptr), shape=(histories.people, len(self.popularity))
        )
        return np.asarray(own.toarray() + 1e-6 * self.popularity)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ItemToItem:
    """score = weighted history @ weights. weights: [items, items], dense (EASE) or sparse (ItemKNN)."""

    weights: NDArray[np.float64] | sparse.csr_array
    half_life: float | None = None

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """Return [people, items]."""
        rows = history_matrix(histories, self.weights.shape[0], self.half_life)
        scores = rows @ self.weights
        return np.asarray(scores.toarray() if sparse.issparse(scores) else scores)


def event_weights(histories: Histories, half_life: float | None) -> NDArray[np.float64]:
    """Return the weight of each event, float64 [events]; the newest event of a person has age 0."""
    if half_life is None:
        return np.ones(len(histories.items))
    if not half_life > 0:
        raise DataError(f"half_life is {half_life}: give a number of events above 0, or None")
    age = histories.indptr[1:][histories.person_of_event] - 1 - np.arange(len(histories.items))
    return np.exp2(-age / half_life)


def history_matrix(histories: Histories, items: int, half_life: float | None = None) -> sparse.csr_array:
    """Return [people, items]: 1 where a person has an item, or the weight of the newest such event."""
    weights = event_weights(histories, half_life)
    person = histories.person_of_event
    keys = person * items + histories.items
    newest = len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]
    place = (person[newest], histories.items[newest])
    return sparse.csr_array((weights[newest], place), shape=(histories.people, items))


def fit_own_frequency(histories: Histories, items: int, *, half_life: float | None = None) -> OwnFrequency:
    """Return the person's own counts with everybody's popularity behind them."""
    popularity = fit_popularity(histories, items).weights
    return OwnFrequency(popularity / (popularity.max() + 1), half_life)


def fit_ease(
    histories: Histories, items: int, *, l2: float = 100.0, half_life: float | None = None
) -> ItemToItem:
    """Return EASE: ridge from a person's items to each item but itself (Steck, WWW 2019, eq. 8).

    l2 > 0 is the paper's lambda. half_life weights the history when scoring, never in the fit. Raises
    DataError above MAX_DENSE_ITEMS items.
    """
    if not l2 > 0:
        raise DataError(f"l2 is {l2}: give a number above 0")
    gram = _gram(histories, items).toarray()
    gram[np.diag_indices(items)] += l2
    inverse = _inverse(gram)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices(items)] = 0.0
    return ItemToItem(weights, half_life)


def fit_item_knn(
    histories: Histories,
    items: int,
    *,
    neighbours: int = 200,
    shrink: float = 50.0,
    half_life: float | None = None,
) -> ItemToItem:
    """Return cosine item-to-item similarity, shrunk by `shrink`, of each item's `neighbours` nearest."""
    gram = _gram(histories, items).toarray()
    norms = np.sqrt(np.diag(gram))
    similarity = gram / (np.outer(norms, norms) + shrink)
    similarity[np.diag_indices(items)] = 0.0
    if neighbours < items:
        weakest = np.partition(similarity, items - neighbours, axis=0)[items - neighbours]
        similarity[similarity < weakest] = 0.0
    return ItemToItem(sparse.csr_array(similarity), half_life)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of a symmetric positive definite matrix, by Cholesky: half the work of LU."""
    factor, failed = linalg.lapack.dpotrf(matrix, lower=1)
    half, failed_too = linalg.lapack.dpotri(factor, lower=1)
    if failed or failed_too:
        raise DataError("the items' Gram matrix is not positive definite: raise l2")
    lower: NDArray[np.float64] = np.tril(half)
    return lower + np.tril(lower, -1).T


def _gram(histories: Histories, items: int) -> sparse.csr_array:
    """Return how many people have both items, [items, items]."""
    check_items(histories, items)
    if items > MAX_DENSE_ITEMS:
        raise DataError(
            f"{items:,} items need {items * items * 8 / 1e9:.0f} GB: keep at most {MAX_DENSE_ITEMS:,} items"
        )
    rows = history_matrix(histories, items)
    return (rows.T @ rows).tocsr()
