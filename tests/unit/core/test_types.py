"""Frozen values refuse what does not fit, and their views are what a plain list would give."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import ConfidanteError, DataError
from confidante.core.values import Catalogue, Histories, SparseRows

lists_of_items = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=6)


def histories_of(lists):
    indptr = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    items = np.array([item for row in lists for item in row], dtype=np.int32)
    return Histories(indptr, items, 100 + np.arange(len(items), dtype=np.int64))


def plain(histories):
    ends = histories.indptr.tolist()
    assert len(histories.items) == len(histories.times)
    return [histories.items[a:b].tolist() for a, b in pairwise(ends)]


@given(lists=lists_of_items)
def test_people_lengths_and_persons_are_those_of_the_lists(lists):
    histories = histories_of(lists)
    assert histories.people == len(lists)
    assert histories.lengths.tolist() == list(map(len, lists))
    assert histories.person_of_event.tolist() == [p for p, row in enumerate(lists) for _ in row]
    assert plain(histories) == lists


@given(lists=lists_of_items, ends=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_slice_is_a_slice_of_the_lists(lists, ends):
    start, stop = sorted(min(end, len(lists)) for end in ends)
    assert plain(histories_of(lists).slice(start, stop)) == lists[start:stop]


@given(lists=lists_of_items, data=st.data())
def test_select_takes_people_in_the_given_order_with_repeats(lists, data):
    chosen = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8))
    histories = histories_of(lists)
    selected = histories.select(np.array(chosen, dtype=np.int64))
    assert plain(selected) == [lists[p] for p in chosen]
    times = [histories.times[histories.indptr[p] : histories.indptr[p + 1]].tolist() for p in chosen]
    assert selected.times.tolist() == [time for row in times for time in row]


@given(lists=lists_of_items, n=st.integers(0, 10))
def test_last_keeps_the_newest_events(lists, n):
    assert plain(histories_of(lists).last(n)) == [row[len(row) - min(n, len(row)) :] for row in lists]


@pytest.mark.parametrize(
    ("indptr", "items", "times"),
    [
        ([], [], []),
        ([1, 2], [0, 0], [0, 0]),
        ([0, 1], [0, 0], [0, 0]),
        ([0, 3], [0, 0], [0, 0]),
        ([0, 2, 1, 3], [0, 0, 0], [0, 0, 0]),
        ([0, 2], [0, 0], [0]),
    ],
    ids=["no indptr", "late start", "events left over", "events missing", "decreasing", "a time missing"],
)
def test_histories_that_do_not_fit_are_refused(indptr, items, times):
    with pytest.raises(DataError, match="histories"):
        Histories(
            np.array(indptr, dtype=np.int64),
            np.array(items, dtype=np.int32),
            np.array(times, dtype=np.int64),
        )


@pytest.mark.parametrize(
    ("ids", "titles", "labels"),
    [(("a",), (), ((),)), (("a",), ("A",), ()), (("a", "a"), ("A", "B"), ((), ()))],
    ids=["a title missing", "labels missing", "an id twice"],
)
def test_a_catalogue_that_does_not_fit_is_refused(ids, titles, labels):
    with pytest.raises(DataError, match="catalogue"):
        Catalogue(ids, titles, labels)


def test_a_catalogue_knows_its_length():
    assert len(Catalogue(("a", "b"), ("A", "B"), ((), ("x",)))) == 2
    assert len(Catalogue((), (), ())) == 0


@given(
    rows=st.lists(st.dictionaries(st.integers(0, 6), st.floats(-9, 9), max_size=5), min_size=1, max_size=5),
    data=st.data(),
)
def test_sparse_rows_hold_and_select_what_a_dense_matrix_does(rows, data):
    dense = np.zeros((len(rows), 7))
    for r, row in enumerate(rows):
        for index, value in row.items():
            dense[r, index] = value
    sparse = SparseRows(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([index for row in rows for index in row], dtype=np.int64),
        np.array([value for row in rows for value in row.values()], dtype=np.float64),
        7,
    )
    assert sparse.rows == len(rows)
    assert sparse.row_of_entry.tolist() == [r for r, row in enumerate(rows) for _ in row]
    assert np.array_equal([sparse.dense(r) for r in range(len(rows))], dense)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6))
    selected = sparse.select(np.array(chosen))
    assert np.array_equal([selected.dense(r) for r in range(len(chosen))], dense[chosen])


def test_an_error_says_where_when_it_is_known():
    assert str(DataError("bad row", path="a.csv", line=3)) == "a.csv, line 3: bad row"
    assert str(DataError("bad file", path="a.csv")) == "a.csv: bad file"
    assert str(DataError("bad")) == "bad"
    assert isinstance(DataError("bad"), ConfidanteError)
