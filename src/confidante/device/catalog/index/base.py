"""What an index is: the best rows of a served model for a set of queries, exact as far as it says."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.models.served import ServedModel

Queries = Sequence[NDArray[np.float64]]
Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows, best first, and their scores: int64 and float32 [found]."""


class Search(Protocol):
    """Finds the best rows of a `ServedModel`. Not for two threads at once: the caller holds a lock."""

    def search(
        self,
        queries: Queries,
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        bonus: NDArray[np.float32] | None = None,
    ) -> Found:
        """Return the `n` best rows by prior + parts + bonus, best first, ties (as float32) by row.

        queries: `ServedModel.queries`, one a part. allowed: bool [rows], no other row is found. bonus:
        float32 [rows], finite, added to the score. Fewer than n when fewer may be found. DataError for a
        negative n, or arrays of another length.
        """


class Index(Search, Protocol):
    """A search that is kept, and changes with its model."""

    @property
    def rows(self) -> int:
        """Rows of the model, removed ones included."""

    @property
    def nbytes(self) -> int:
        """Bytes held for searching: what the model lends (vectors, weights, prior) included."""

    def remove(self, rows: NDArray[np.integer]) -> None:
        """Never find these rows again: effective with the next search. DataError for rows there are not."""

    def add(self, model: ServedModel) -> None:
        """Take `model` instead: the same rows and parts, with further rows at the end; else DataError."""


def check_search(
    model: ServedModel,
    queries: Queries,
    n: int,
    allowed: NDArray[np.bool_] | None,
    bonus: NDArray[np.float32] | None,
) -> None:
    """Raise DataError for a request that does not fit the model."""
    if n < 0:
        raise DataError(f"cannot find {n} items: give 0 or more")
    if [len(query) for query in queries] != [len(part.strengths) for part in model.parts]:
        raise DataError("the queries are of another model: take them from the model that is indexed")
    for name, array in (("allowed", allowed), ("bonus", bonus)):
        if array is not None and array.shape != (model.rows,):
            raise DataError(
                f"{name} has the shape {array.shape}: give one entry for each of {model.rows} rows"
            )


def check_removal(model: ServedModel, rows: NDArray[np.integer]) -> None:
    """Raise DataError for rows that the model does not have."""
    if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < model.rows:
        raise DataError(f"cannot remove a row outside 0 to {model.rows - 1}")


def check_extension(old: ServedModel, new: ServedModel) -> None:
    """Raise DataError unless `new` has the parts of `old`, and at least its rows."""
    shapes = [[(part.name, part.vectors.shape[1]) for part in model.parts] for model in (old, new)]
    if new.rows < old.rows or shapes[0] != shapes[1]:
        raise DataError("the model does not extend the indexed one: build a new index")


def best_of(
    model: ServedModel,
    rows: NDArray[np.int64],
    queries: Queries,
    n: int,
    bonus: NDArray[np.float32] | None,
) -> Found:
    """Return the `n` best of `rows` by their exact scores, rounded to float32; ties by row."""
    exact = model.scores(rows, queries)
    if bonus is not None:
        exact += bonus[rows]
    scores = exact.astype(np.float32)
    order = np.lexsort((rows, -scores))[:n]
    return rows[order], scores[order]
