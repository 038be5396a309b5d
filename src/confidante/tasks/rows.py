"""Build sparse rows from entries that come in any order and may repeat."""

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Histories, SparseRows


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


def newest_distinct(
    histories: Histories, items: int, of: NDArray[np.int64] | None, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each person's newest `most` distinct items at most, as people and items, int64 [found] both.

    items: size of the catalogue; of: only these items, None for all. In order of people, then of items.
    """
    person, item = histories.person_of_event.astype(np.int64), histories.items.astype(np.int64)
    if of is not None:
        wanted = np.zeros(items, dtype=np.bool_)
        wanted[of] = True
        person, item = person[wanted[item]], item[wanted[item]]
    keys, age = np.unique((person * items + item)[::-1], return_index=True)  # the newest event of each
    order = np.lexsort((age, keys // items))
    starts = np.searchsorted(keys // items, np.arange(histories.people))
    newer = np.arange(len(keys)) - starts[keys[order] // items]
    kept = np.sort(order[newer < most])
    return keys[kept] // items, keys[kept] % items
