"""Items in buckets of about one size, by likeness: spherical k-means (Dhillon and Modha 2001)."""

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.crypto.he.scheme import LARGEST
from confidante.models.refinement.model import MOST_BUCKETS

_ROUNDS = 12
_CELLS = 1 << 22  # similarities held at once
_ROOM = 1.25  # a bucket holds at most so many times its even share: answers are padded to the fullest


def clustered(
    vectors: NDArray[np.int8], buckets: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.uint16]]:
    """Return centroids, int8 [buckets, D], and the bucket of each item, uint16 [m]; nothing for 0 buckets.

    vectors: int8 [m, D], public. The same input and seed give the same buckets at every worker: a seed says
    where the search begins, and protects nothing. DataError for more buckets than items, or than 4,096.
    """
    items, columns = vectors.shape
    if buckets == 0:
        return np.zeros((0, columns), dtype=np.int8), np.zeros(0, dtype=np.uint16)
    if not 1 <= buckets <= min(items, MOST_BUCKETS):
        raise DataError(f"{items} items go into 1 to {min(items, MOST_BUCKETS)} buckets, not {buckets}")
    rows = _unit(vectors.astype(np.float32))
    rng = np.random.default_rng(seed)
    centres = rows[np.sort(rng.choice(items, buckets, replace=False))]
    everywhere = np.ones(buckets, dtype=np.bool_)
    for _ in range(_ROUNDS):
        nearest, _ = _nearest(rows, centres, everywhere)
        order = np.argsort(nearest, kind="stable")
        filled, first = np.unique(nearest[order], return_index=True)
        centres[filled] = _unit(np.add.reduceat(rows[order], first))
    largest = np.abs(centres).max(axis=1, keepdims=True)
    rounded = np.rint(centres / np.where(largest > 0, largest, 1) * LARGEST).astype(np.int8)
    return rounded, _within(rows, centres, int(np.ceil(_ROOM * items / buckets)))


def _nearest(
    rows: NDArray[np.float32], centres: NDArray[np.float32], among: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each row the centre that is most like it, of those marked, and how much alike they are."""
    nearest = np.empty(len(rows), dtype=np.int64)
    alike = np.empty(len(rows), dtype=np.float32)
    step = max(1, _CELLS // len(centres))
    for start in range(0, len(rows), step):
        block = np.where(among, rows[start : start + step] @ centres.T, -np.inf)
        nearest[start : start + step] = best = np.argmax(block, axis=1)
        alike[start : start + step] = block[np.arange(len(block)), best]
    return nearest, alike


def _within(rows: NDArray[np.float32], centres: NDArray[np.float32], room: int) -> NDArray[np.uint16]:
    """Return a bucket for each item, the most alike that has room; the most decided items choose first."""
    belongs = np.empty(len(rows), dtype=np.uint16)
    left = np.full(len(centres), room, dtype=np.int64)
    waiting = np.arange(len(rows))
    while len(waiting):
        wanted, alike = _nearest(rows[waiting], centres, left > 0)
        order = np.lexsort((-alike, wanted))
        place = np.arange(len(order)) - np.searchsorted(wanted[order], wanted[order])
        fits = np.zeros(len(waiting), dtype=np.bool_)
        fits[order] = place < left[wanted[order]]
        belongs[waiting[fits]] = wanted[fits]
        left -= np.bincount(wanted[fits], minlength=len(left))
        waiting = waiting[~fits]
    return belongs


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    found: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return found
