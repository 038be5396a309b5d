import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _frozen_splits import load_frozen
from _temporal_split import temporal
from confidante.core.errors import DataError
from confidante.core.values import Histories
from confidante.lab.data.ml100k import load_ml100k
from confidante.lab.split import Split, join, leave_one_out


def people(*rows):
    """One list of (item, time) a person."""
    lengths = [len(row) for row in rows]
    flat = [event for row in rows for event in row]
    return Histories(
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        np.array([item for item, _ in flat], dtype=np.int32),
        np.array([time for _, time in flat], dtype=np.int64),
    )


def test_leave_one_out_holds_out_the_last_two_and_leaves_out_people_with_too_few():
    split = leave_one_out(
        people([(1, 1), (2, 2), (3, 3), (4, 4)], [(1, 1), (2, 2)], [(5, 1), (6, 2), (7, 3)], [])
    )
    assert split.people.tolist() == [0, 2]
    assert split.train.items.tolist() == [1, 2, 5]
    assert split.valid.items.tolist() == [3, 6]
    assert split.test.items.tolist() == [4, 7]
    assert split.visible(valid=True).items.tolist() == [1, 2, 3, 5, 6]


histories = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=9), max_size=9).map(
    lambda rows: people(*(sorted(row, key=lambda event: event[1]) for row in rows))
)


@given(histories, st.integers(0, 3))
def test_leave_one_out_loses_and_moves_nothing(whole, min_train):
    if not (whole.lengths >= min_train + 2).any():
        with pytest.raises(DataError, match="nobody has"):
            leave_one_out(whole, min_train=min_train)
        return
    split = leave_one_out(whole, min_train=min_train)
    again = join(join(split.train, split.valid), split.test)
    assert again.items.tolist() == whole.select(split.people).items.tolist()
    assert again.indptr.tolist() == whole.select(split.people).indptr.tolist()


@given(histories, st.integers(0, 51), st.sampled_from([0.0, 0.3]))
def test_a_temporal_split_keeps_train_before_valid_before_test_over_everybody(whole, cut, valid_fraction):
    try:
        split = temporal(whole, test_from=cut, valid_fraction=valid_fraction)
    except DataError:
        return
    assert (split.train.lengths >= 1).all()
    assert (split.test.lengths >= 1).all()
    assert split.test.times.min() >= cut > split.train.times.max()
    if len(split.valid.times):
        assert split.train.times.max() < split.valid.times.min() <= split.valid.times.max() < cut
    if valid_fraction == 0:
        assert not len(split.valid.times)
    again = join(join(split.train, split.valid), split.test)
    assert again.items.tolist() == whole.select(split.people).items.tolist()


def test_a_temporal_split_by_share_cuts_where_that_share_of_events_begins():
    whole = people(
        [(item, item) for item in range(8)], [(item, item + 8) for item in range(2)], [(0, 2), (1, 9)]
    )
    split = temporal(whole, test_fraction=0.25, valid_fraction=0.0)
    assert split.people.tolist() == [2]
    assert split.test.items.tolist() == [1]


@pytest.mark.parametrize(
    "arguments", [{"test_fraction": 0.0}, {"test_fraction": 1.0}, {"valid_fraction": -1.0}]
)
def test_impossible_shares_are_refused(arguments):
    with pytest.raises(DataError, match="between 0 and 1"):
        temporal(people([(1, 1), (2, 2)]), **arguments)


def test_parts_of_different_people_are_refused():
    one, two = people([(1, 1)]), people([(1, 1)], [(1, 1)])
    with pytest.raises(DataError, match="different numbers of people"):
        Split(np.arange(1), one, two, one)
    with pytest.raises(DataError, match="cannot join"):
        join(one, two)
    with pytest.raises(DataError, match="no events"):
        temporal(people([]))


def test_leave_one_out_gives_the_frozen_split_of_movielens_100k(shared):
    data = load_ml100k(shared / "data/ml-100k")
    frozen = load_frozen(shared / "data/splits/ml-100k_loo.npz", data.catalogue)
    split = leave_one_out(data.histories)
    rows = [data.user_ids.index(user) for user in frozen.user_ids]
    for ours, theirs in (
        (split.train, frozen.split.train),
        (split.valid, frozen.split.valid),
        (split.test, frozen.split.test),
    ):
        ours = ours.select(np.array(rows))
        names = [data.catalogue.ids[item] for item in ours.items.tolist()]
        assert names == [frozen.catalogue.ids[item] for item in theirs.items.tolist()]
        assert ours.indptr.tolist() == theirs.indptr.tolist()
