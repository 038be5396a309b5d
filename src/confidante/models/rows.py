"""Build sparse rows from entries that come in any order and may repeat."""

import numpy as np
from numpy.typing import NDArray

from confidante.core.types import SparseRows


def add_repeats(
    row: NDArray[np.int64],
    index: NDArray[np.int64],
    value: NDArray[np.float64],
    rows: int,
    length: int,
) -> SparseRows:
    """Return the entries as rows with increasing indices; entries of the same row and index are added up."""
    key = row * length + index
    order = np.argsort(key, kind="stable")
    key, value = key[order], value[order]
    first = (
        np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if len(key) else np.zeros(0, np.int64)
    )
    if len(first) < len(key):
        value = np.add.reduceat(value, first)
        key = key[first]
    row, index = np.divmod(key, length)
    indptr = np.searchsorted(row, np.arange(rows + 1)).astype(np.int64)
    return SparseRows(indptr, index, value, length)


def unit_rows(rows: SparseRows) -> SparseRows:
    """Return the rows at l2 norm 1 (rows of zeros stay)."""
    row = rows.row_of_entry
    norm = np.sqrt(np.bincount(row, weights=rows.values**2, minlength=rows.rows))
    norm[norm == 0] = 1
    return SparseRows(rows.indptr, rows.indices, rows.values / norm[row], rows.length)
