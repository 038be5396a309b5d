"""A graph for large libraries: looks at a few thousand rows instead of all, and may miss one.

A row is its parts' vectors times their item weights, and its prior: its score is one inner product with the
queries and a 1. Rows are stored as f16 in a usearch graph built for inner products (Morozov and Babenko
2018: turning them into distances first, by one more coordinate, found half as many of the best here). The
few longest rows, which f16 might not hold, stay outside and are always looked at. What was found is scored
exactly. Where the graph is no help (a bonus, which it does not know of; a filter that leaves few rows; no
history) the flat scan answers. Building takes about 0.3 ms a row: this is for libraries that change little.
"""

from collections.abc import Iterator
from typing import Any, final

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
from confidante.device.catalog.index.flat import FlatIndex
from confidante.models.served import ServedModel

_CONNECTIVITY = 16
_EXPANSION = 128  # rows in the running while adding
_LEAST_FETCH = 256  # rows in the running while searching, at least
_MOST_FETCH = 2048  # beyond, the flat scan is as fast
_BATCH = 8192  # rows made into floats at once
_LONG = 0.001  # part of the rows that stays outside the graph
_MANY = 0.02  # so large a part outside, and the graph is made anew


@final
class AnnIndex:
    """An approximate `Index`: needs the extra `ann`. Scores are exact, a row may be missed."""

    def __init__(self, model: ServedModel) -> None:
        """Index all rows of `model`. ModuleNotFoundError without usearch."""
        self._model = model
        self._flat = FlatIndex(model)
        self._alive = np.ones(model.rows, dtype=np.bool_)
        self._build()

    @property
    def rows(self) -> int:
        """Rows of the model, removed ones included."""
        return self._model.rows

    @property
    def nbytes(self) -> int:
        """Bytes held for searching: the graph, and what the flat scan has."""
        return int(self._graph.memory_usage) + self._flat.nbytes + self._alive.nbytes

    def remove(self, rows: NDArray[np.integer]) -> None:
        """Never find these rows again: effective with the next search. DataError for rows there are not."""
        check_removal(self._model, rows)
        gone = np.unique(rows[self._alive[rows]])
        self._alive[gone] = False
        self._graph.remove(np.setdiff1d(gone, self._long).astype(np.uint64))

    def add(self, model: ServedModel) -> None:
        """Take `model` instead: the same rows and parts, with further rows at the end; else DataError.

        Where many new rows are longer than all before, the graph is built anew.
        """
        check_extension(self._model, model)
        before, self._model = self._model.rows, model
        self._flat.add(model)
        self._alive = np.concatenate((self._alive, np.ones(model.rows - before, dtype=np.bool_)))
        self._put(before)
        if len(self._long) > max(_MANY * self.rows, _LEAST_FETCH):
            self._build()

    def search(
        self,
        queries: Queries,
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        bonus: NDArray[np.float32] | None = None,
    ) -> Found:
        """Return `n` of the best rows by prior + parts + bonus, best first, ties (as float32) by row.

        Approximate, see the module; exact with a bonus. See `Index.search`.
        """
        check_search(self._model, queries, n, allowed, bonus)
        open_rows = self._alive if allowed is None else self._alive & allowed
        count = int(np.count_nonzero(open_rows))
        fetch = max(_LEAST_FETCH, 8 * n) * self.rows // max(count, 1)
        blind = not any(query.any() for query in queries)
        if bonus is not None or blind or min(n, count) == 0 or fetch > min(_MOST_FETCH, self.rows // 4):
            return self._flat.search(queries, n, allowed=open_rows, bonus=bonus)
        near = self._graph.search(self._towards(queries), fetch, threads=1).keys.astype(np.int64)
        near = np.concatenate((near, self._long))
        near = near[open_rows[near]]
        if len(near) < min(n, count):
            return self._flat.search(queries, n, allowed=open_rows)
        return best_of(self._model, near, queries, n, None)

    def _build(self) -> None:
        """Make the graph of all rows that are not removed."""
        from usearch.index import Index as Graph

        lengths = [np.linalg.norm(self._vectors(rows), axis=1) for rows in self._batches(0)]
        self._length = float(np.quantile(np.concatenate((*lengths, [0.0])), 1 - _LONG))
        self._long = np.zeros(0, dtype=np.int64)
        columns = sum(part.vectors.shape[1] for part in self._model.parts)
        self._graph: Any = Graph(
            ndim=columns + 1,
            metric="ip",
            dtype="f16",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION,
            expansion_search=_LEAST_FETCH,
        )
        self._put(0)

    def _put(self, start: int) -> None:
        """Add the rows from `start` on that are not removed."""
        for rows in self._batches(start):
            vectors = self._vectors(rows)
            lengths = np.linalg.norm(vectors, axis=1)
            short = lengths <= self._length
            self._long = np.concatenate((self._long, rows[~short]))
            if short.any():
                points = (vectors[short] / (self._length or 1.0)).astype(np.float32)
                self._graph.add(rows[short].astype(np.uint64), points, threads=1)

    def _batches(self, start: int) -> Iterator[NDArray[np.int64]]:
        """Give the rows from `start` on that are not removed, some thousands at once."""
        for low in range(start, self.rows, _BATCH):
            yield low + np.flatnonzero(self._alive[low : low + _BATCH])

    def _vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what queries are multiplied with, float64 [rows, columns + 1]."""
        parts = [
            part.vectors[rows] * part.item_weights[rows, None].astype(np.float64)
            for part in self._model.parts
        ]
        return np.column_stack((*parts, self._model.prior[rows].astype(np.float64)))

    def _towards(self, queries: Queries) -> NDArray[np.float32]:
        """Return the queries as one vector of length 1."""
        query = np.concatenate((*queries, (1.0,)))
        towards: NDArray[np.float32] = (query / np.linalg.norm(query)).astype(np.float32)
        return towards
