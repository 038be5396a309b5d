"""New people in the lab: cut in two, graded on the rest, and in no sum."""

import numpy as np
import pytest

from _cold_start import NewPerson, Shares, later_ranks, new_people, ranks_of, train_cold
from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.lab.metrics import ndcg_at_k
from confidante.models.factors import PICK_PART
from confidante.models.snapshot import decode
from confidante.tasks.cohorts.tree import everyone_by

ITEMS = 40


def histories(people=60, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(ITEMS)[: rng.integers(1, 20)] for _ in range(people)]
    indptr = np.cumsum([0, *map(len, rows)])
    return Histories(indptr, np.concatenate(rows).astype(np.int32), np.arange(indptr[-1]))


def test_a_person_is_cut_in_two_by_time_and_short_histories_are_left_out():
    everyone = histories()
    ratings = np.arange(len(everyone.items))
    found = new_people(everyone, ratings, np.arange(everyone.people))
    assert [one.number for one in found] == np.flatnonzero(everyone.lengths >= 4).tolist()
    for one in found:
        start, stop = everyone.indptr[one.number : one.number + 2]
        assert np.concatenate((one.first, one.later)).tolist() == everyone.items[start:stop].tolist()
        assert one.ratings.tolist() == list(range(start, start + len(one.first)))


def test_the_best_rated_of_the_slate_are_picked_then_the_newest():
    person = NewPerson(0, np.array([9, 3, 7, 5, 1]), np.array([5, 4, 5, 4, 2]), np.array([2]))
    assert person.picks(np.array([1, 3, 5, 7, 8])).tolist() == [7, 5, 3]
    assert person.picks(np.array([1, 8])).tolist() == [1]
    assert person.picks(np.array([8])).tolist() == []


def test_ranks_leave_out_what_is_known_and_ties_count_against():
    person = NewPerson(0, np.array([0, 1]), np.array([1, 1]), np.array([4, 2]))
    scores = np.array([9.0, 8.0, 3.0, 3.0, 5.0, 1.0])
    assert later_ranks(scores, person).tolist() == [1, 3]
    assert later_ranks(np.zeros(6), person).tolist() == [3, 4]
    best = later_ranks(np.array([9, 9, 5, 0, 5, 0.0]), person)
    assert ndcg_at_k(ranks_of([best]), 10).tolist() == [1.0]


def test_all_sums_keep_one_budget_and_the_cohorts_are_those_of_the_people():
    everyone = histories(400)
    names = tuple(map(str, range(ITEMS)))
    catalogue = Catalogue(names, names, tuple((f"kind {n % 3}",) for n in range(ITEMS)))
    tree = everyone_by({"age": ("young", "old")})
    groups = np.where(np.arange(400) < 300, 1, 2)
    cold = train_cold(
        everyone,
        catalogue,
        epsilon=64.0,
        delta=1e-5,
        seed=1,
        shares=Shares(0.2, 0.3),
        tree=tree,
        groups=groups,
        gate=200,
    )
    assert cold.guarantee.server_epsilon == pytest.approx(64.0, rel=1e-3)
    assert cold.table.serves == (0, 1, 0)
    assert PICK_PART in decode(cold.published).model.names
    plain = train_cold(everyone, catalogue, epsilon=64.0, delta=1e-5, seed=1, shares=Shares(0, 0))
    assert plain.table is None
    assert plain.guarantee.server_epsilon == pytest.approx(64.0, rel=1e-3)
    assert PICK_PART not in decode(plain.published).model.names
    with pytest.raises(DataError, match="group of each person"):
        train_cold(everyone, catalogue, epsilon=8.0, delta=1e-5, seed=1, shares=Shares(), tree=tree)
