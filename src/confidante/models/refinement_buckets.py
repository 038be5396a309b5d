"""Items in buckets of about one size, by likeness: spherical k-means (Dhillon and Modha 2001)."""

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.models.refinement import MOST_BUCKETS
from confidante.protocol.scoring import LARGEST

_ROUNDS = 12
_ROOM = 1.25  # a bucket holds at most so many times its even share: answers are padded to the fullest


def clustered(
    vectors: NDArray[np.int8], buckets: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.uint16]]:
    """Return centroids, int8 [buckets, D], and the bucket of each item, uint16 [m]; nothing for 0 buckets.

    vectors: int8 [m, D]. The same input and seed give the same buckets. DataError for more buckets than
    items, or than 4,096.
    """
    items, columns = vectors.shape
    if buckets == 0:
        return np.zeros((0, columns), dtype=np.int8), np.zeros(0, dtype=np.uint16)
    if not 1 <= buckets <= min(items, MOST_BUCKETS):
        raise DataError(f"{items} items go into 1 to {min(items, MOST_BUCKETS)} buckets, not {buckets}")
    rows = _unit(vectors.astype(np.float32))
    rng = np.random.default_rng(seed)
    centres = rows[np.sort(rng.choice(items, buckets, replace=False))]
    for _ in range(_ROUNDS):
        nearest = np.argmax(rows @ centres.T, axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, rows)
        empty = ~sums.any(axis=1)
        sums[empty] = centres[empty]
        centres = _unit(sums)
    largest = np.abs(centres).max(axis=1, keepdims=True)
    rounded = np.rint(centres / np.where(largest > 0, largest, 1) * LARGEST).astype(np.int8)
    return rounded, _within(rows @ centres.T, int(np.ceil(_ROOM * items / buckets)))


def _within(alike: NDArray[np.float32], room: int) -> NDArray[np.uint16]:
    """Return a bucket for each item, the most alike that has room; the most decided items choose first."""
    belongs = np.empty(len(alike), dtype=np.uint16)
    left = np.full(alike.shape[1], room, dtype=np.int64)
    waiting = np.argsort(-alike.max(axis=1), kind="stable")
    while len(waiting):
        wanted = np.argmax(np.where(left > 0, alike[waiting], -np.inf), axis=1)
        order = np.argsort(wanted, kind="stable")
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
