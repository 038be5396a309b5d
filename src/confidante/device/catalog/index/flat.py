"""Every row is looked at, and the answer is exact.

The scan works in float32, a block of rows at a time: 8-bit vectors become float32 in a buffer that stays in
the processor's cache, then one matrix-vector product. Its rounding error is bounded, and all rows that the
bound leaves in the running are scored again in float64. Blocks are taken in the order of the most that a row
of theirs can score (Cauchy and Schwarz), and the rest is left out once that is too little: that helps where
rows are ordered by popularity and libraries are large, never where they are in random order. Recall is 1
either way.
"""

from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.device.catalog.index.base import (
    Found,
    Queries,
    best_of,
    check_extension,
    check_removal,
    check_search,
)
from confidante.models.served import ServedModel

_ROUNDING = 2.0**-24  # of float32, relative
_BUFFER = 1 << 17  # most entries of a block as float32: 512 KB
_BLOCK = 1408  # most rows of a block
_GROUP = 64  # rows whose best score is remembered: every (block / 64)th of a block
_FEW = 2048  # so many rows are scored one by one
_NOTHING = np.zeros(0, dtype=np.int64)
_PAUSES = (16, 8, 4, 2)  # after these fractions the scan asks whether the rest can still matter


@final
class FlatIndex:
    """An exact `Index` that adds next to nothing to the model's own arrays.

    looked_at: rows that the last search scored.
    """

    def __init__(self, model: ServedModel) -> None:
        """Index all rows of `model`."""
        widest = max((part.vectors.shape[1] for part in model.parts), default=1)
        self._block = max(_GROUP, min(_BLOCK, _BUFFER // max(widest, 1)) // _GROUP * _GROUP)
        self._buffer = np.empty(self._block * max(widest, 1), dtype=np.float32)
        self._points = np.empty(self._block, dtype=np.float32)
        self._alive = np.zeros(0, dtype=np.bool_)
        self._prior_size = 0.0
        self._prior_reach = np.zeros(0)  # [blocks], largest prior
        self._reach = np.zeros((len(model.parts), 0))  # [parts, blocks], largest |item weight| * |vector|
        self._scores = np.zeros(0, dtype=np.float32)  # [blocks * block]
        self.looked_at = 0
        self._model = model
        self._grow(model, 0)

    @property
    def rows(self) -> int:
        """Rows of the model, removed ones included."""
        return self._model.rows

    @property
    def nbytes(self) -> int:
        """Bytes held for searching: what the model lends (vectors, weights, prior) included."""
        lent = sum(part.vectors.nbytes + part.item_weights.nbytes for part in self._model.parts)
        own = (self._buffer, self._points, self._alive, self._prior_reach, self._reach, self._scores)
        return self._model.prior.nbytes + lent + sum(array.nbytes for array in own)

    def remove(self, rows: NDArray[np.integer]) -> None:
        """Never find these rows again: effective with the next search. DataError for rows there are not."""
        check_removal(self._model, rows)
        self._alive[rows] = False

    def add(self, model: ServedModel) -> None:
        """Take `model` instead: the same rows and parts, with further rows at the end; else DataError."""
        check_extension(self._model, model)
        before, self._model = self._model.rows, model
        self._grow(model, before)

    def search(
        self,
        queries: Queries,
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        bonus: NDArray[np.float32] | None = None,
    ) -> Found:
        """Return the `n` best rows by prior + parts + bonus, best first, ties (as float32) by row.

        Exact; see `Index.search`.
        """
        model = self._model
        check_search(model, queries, n, allowed, bonus)
        open_rows = self._alive if allowed is None else self._alive & allowed
        count = int(np.count_nonzero(open_rows))
        if n == 0 or count <= max(_FEW, n):
            self.looked_at = count
            return best_of(model, np.flatnonzero(open_rows) if n else _NOTHING, queries, n, bonus)
        norms = np.array([float(np.linalg.norm(query)) for query in queries])
        most = self._prior_reach + norms @ self._reach  # [blocks]
        lift = 0.0
        if bonus is not None:
            most += np.maximum.reduceat(bonus, np.arange(0, self.rows, self._block))
            lift = float(np.abs(bonus).max())
        error = self._error(norms, lift)
        best = self._scan(queries, open_rows, bonus, np.argsort(-most, kind="stable"), most, n, error)
        return best_of(model, self._in_the_running(best, n, 2 * error), queries, n, bonus)

    def _scan(
        self,
        queries: Queries,
        open_rows: NDArray[np.bool_],
        bonus: NDArray[np.float32] | None,
        order: NDArray[np.int64],
        most: NDArray[np.float64],
        n: int,
        error: float,
    ) -> NDArray[np.float32]:
        """Fill `_scores` as far as it can matter and return the best of groups, float32 [blocks, groups]."""
        scores = self._scores[: self.rows]
        scores.fill(-np.inf)
        np.copyto(scores, self._model.prior, where=open_rows)
        if bonus is not None:
            scores += bonus
        used = [
            (part.vectors, part.item_weights, query.astype(np.float32), reach > 0)
            for part, query, reach in zip(self._model.parts, queries, self._reach, strict=True)
            if query.any()
        ]
        groups = self._scores.reshape(len(most), _GROUP, -1)
        best = np.full((len(most), groups.shape[2]), -np.inf, dtype=np.float32)
        self.looked_at = self.rows
        pauses = {len(order) // part for part in _PAUSES}
        for place, block in enumerate(order.tolist()):
            if place in pauses and most[block] < _nth(best, n) - 2 * error:
                self.looked_at = min(place * self._block, self.rows)
                break
            start, stop = block * self._block, min((block + 1) * self._block, self.rows)
            total = scores[start:stop]
            for vectors, weights, query, reaches in used:
                if not reaches[block]:
                    continue
                floats = self._buffer[: total.size * query.size].reshape(total.size, query.size)
                np.copyto(floats, vectors[start:stop])
                points = np.dot(floats, query, out=self._points[: total.size])
                np.multiply(points, weights[start:stop], out=points)
                np.add(total, points, out=total)
            np.maximum.reduce(groups[block], axis=0, out=best[block])
        return best

    def _in_the_running(self, best: NDArray[np.float32], n: int, slack: float) -> NDArray[np.int64]:
        """Return the rows whose scanned score is at least the nth best minus `slack`, in any order."""
        scores = self._scores.reshape(len(best), _GROUP, -1)
        # The nth best group's best row: n rows are as good, so the nth best row is in a group as good.
        least = _nth(best, n)
        block, group = np.nonzero(best >= least if least > -np.inf else best > -np.inf)
        least = _nth(scores[block, :, group], n)
        block, group = np.nonzero(best >= least - slack)
        found, place = np.nonzero(scores[block, :, group] >= least - slack)
        rows: NDArray[np.int64] = block[found] * self._block + place * best.shape[1] + group[found]
        return rows

    def _error(self, norms: NDArray[np.float64], lift: float) -> float:
        """Return the most by which a scanned score differs from the exact one."""
        reach = self._reach.max(axis=1, initial=0)  # [parts]
        columns = np.array([part.vectors.shape[1] for part in self._model.parts])
        products = float(np.sum((columns + 4) * norms * reach))
        size = self._prior_size + lift + float(np.sum(norms * reach))
        return _ROUNDING * (products + (len(columns) + 4) * size)

    def _grow(self, model: ServedModel, before: int) -> None:
        """Learn what rows from `before` on can score at most."""
        blocks = -(-model.rows // self._block)
        first = before // self._block
        prior = np.empty(blocks - first)
        reach = np.zeros((len(model.parts), blocks - first))
        for block in range(first, blocks):
            rows = slice(block * self._block, (block + 1) * self._block)
            prior[block - first] = model.prior[rows].max()
            for k, part in enumerate(model.parts):
                vectors = part.vectors[rows].astype(np.float32)
                norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
                reach[k, block - first] = np.abs(norms * part.item_weights[rows]).max()
        self._prior_size = float(np.abs(model.prior).max(initial=0))
        self._prior_reach = np.concatenate((self._prior_reach[:first], prior))
        self._reach = np.concatenate((self._reach[:, :first], reach * (1 + 1e-6)), axis=1)
        self._alive = np.concatenate((self._alive, np.ones(model.rows - before, dtype=np.bool_)))
        self._scores = np.full(blocks * self._block, -np.inf, dtype=np.float32)


def _nth(values: NDArray[np.float32], n: int) -> float:
    """Return the nth largest, -inf when there are fewer."""
    flat = values.ravel()
    return float(np.partition(flat, len(flat) - n)[len(flat) - n]) if 0 < n <= len(flat) else -np.inf
