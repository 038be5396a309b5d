import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _frozen_splits import load_frozen
from confidante.core.errors import DataError
from confidante.core.values import Histories
from confidante.lab.metrics import (
    UNREACHED,
    Ranks,
    estimate,
    full_ranks,
    group_table,
    hr_at_k,
    ndcg_at_k,
    recall_at_k,
)


class Fixed:
    """Scores by row of a matrix; a person's only event time says which row."""

    def __init__(self, scores):
        self.scores = np.asarray(scores)

    def score(self, histories):
        return self.scores[histories.times[histories.indptr[:-1]]]


def lists(*rows):
    return Histories(
        np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64),
        np.array([item for row in rows for item in row], dtype=np.int32),
        np.repeat(np.arange(len(rows)), [len(row) for row in rows]).astype(np.int64),
    )


def test_ranks_by_hand():
    scores = [[9.0, 3.0, 5.0, 4.0], [1.0, 1.0, 1.0, 1.0], [0.0, 4.0, 4.0, -np.inf]]
    history, held_out = lists([0], [0], [0]), lists([3], [3], [3])
    assert full_ranks(Fixed(scores), history, held_out).ranks.tolist() == [2, 3, UNREACHED]
    ranks = full_ranks(Fixed(scores), history, held_out, repeat=True)
    assert ranks.ranks.tolist() == [3, 4, UNREACHED]
    assert hr_at_k(ranks, 3).tolist() == [1, 0, 0]
    assert ndcg_at_k(ranks, 3).tolist() == [0.5, 0, 0]


def test_several_held_out_items_share_the_first_places():
    scores = [[0.0, 9.0, 8.0, 8.0, 1.0, 0.5]]
    ranks = full_ranks(Fixed(scores), lists([0]), lists([1, 3, 4, 4]))
    assert ranks.ranks.tolist() == [1, 3, 4]
    assert recall_at_k(ranks, 3).tolist() == [pytest.approx(2 / 3)]
    assert ndcg_at_k(ranks, 2).tolist() == [pytest.approx(1 / (1 + 1 / np.log2(3)))]
    assert hr_at_k(ranks, 1).tolist() == [1]
    best = full_ranks(Fixed([[0.0, 9, 8, 7, 1, 0]]), lists([0]), lists([1, 2, 3]))
    assert ndcg_at_k(best, 10).tolist() == [pytest.approx(1)]


def test_a_constant_score_earns_nothing():
    ranks = full_ranks(Fixed(np.ones((4, 50))), lists(*[[0]] * 4), lists(*[[7, 8]] * 4))
    assert ranks.ranks.tolist() == [48, 49] * 4
    assert not ndcg_at_k(ranks, 10).any()


def test_nan_wrong_shapes_and_impossible_held_out_items_are_refused():
    history, held_out = lists([0]), lists([1])
    with pytest.raises(DataError, match="NaN"):
        full_ranks(Fixed([[0.0, np.nan]]), history, held_out)
    with pytest.raises(DataError, match="shape"):
        full_ranks(Fixed([0.0]), history, held_out)
    with pytest.raises(DataError, match="repeat=True"):
        full_ranks(Fixed([[0.0, 1.0]]), history, lists([0]))
    with pytest.raises(DataError, match="no held-out item"):
        full_ranks(Fixed([[0.0, 1.0]]), history, lists([]))
    with pytest.raises(DataError, match="k is 0"):
        hr_at_k(Ranks(np.array([0, 1]), np.array([1])), 0)
    with pytest.raises(DataError, match="no people"):
        estimate(np.zeros(0))


@given(st.data())
def test_ranks_are_those_of_a_plain_count_whatever_the_batch(data):
    people, items = data.draw(st.integers(1, 4)), data.draw(st.integers(3, 8))
    scores = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=people * items, max_size=people * items))
    )
    scores = scores.reshape(people, items)
    history = lists(*[[0]] * people)
    targets = data.draw(st.lists(st.integers(2, items - 1), min_size=people, max_size=people))
    hidden = lists(*[[1]] * people)
    batch = data.draw(st.sampled_from([1, 20, 10_000]))
    ranks = full_ranks(
        Fixed(scores), history, lists(*[[t] for t in targets]), also_hidden=hidden, cells=batch
    )
    plain = [sum(row[2:] >= row[t]) for row, t in zip(scores, targets, strict=True)]
    assert ranks.ranks.tolist() == plain


def test_an_interval_covers_the_mean_and_the_same_generator_gives_the_same_one():
    values = np.random.default_rng(1).random(200)
    first, second = (estimate(values, np.random.default_rng(5)) for _ in range(2))
    assert first == second
    assert first.low < values.mean() < first.high
    assert 0.05 < first.high - first.low < 0.12  # 2 * 1.96 * sd / sqrt(n) = .08


def test_groups_tell_who_gains():
    train = lists([0], [0, 1, 2], [0, 1, 2, 3, 4, 5], [9])
    table = {row.group: row for row in group_table({"hr": np.array([1.0, 0.0, 0.0, 1.0])}, train)}
    assert table["everybody"].means == {"hr": 0.5}
    assert (table["light"].people, table["light"].means["hr"]) == (2, 1.0)
    assert (table["heavy"].people, table["heavy"].means["hr"]) == (1, 0.0)
    assert table["niche"].people + table["middle"].people + table["mainstream"].people == 4
    with pytest.raises(DataError, match="shape"):
        group_table({"hr": np.zeros(3)}, train)


def test_the_independent_judge_agrees(shared, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(shared / "tools"), *sys.path])
    judge = pytest.importorskip("judge_ranking")
    path = shared / "data/splits/ml-100k_loo.npz"
    split = load_frozen(path).split
    people, items = split.train.people, 1682
    matrix = np.random.default_rng(3).integers(0, 40, (people, items)).astype(np.float64)  # many ties
    matrix[np.arange(people), split.test.items] += 30
    for phase, seen, target, hidden in (
        ("test", split.visible(valid=True), split.test, None),
        ("valid", split.visible(valid=False), split.valid, split.test),
    ):
        by_row = type("Rows", (), {"at": 0})()

        def score(histories, by_row=by_row):
            by_row.at += histories.people
            return matrix[by_row.at - histories.people : by_row.at]

        by_row.score = score
        ours = full_ranks(by_row, seen, target, also_hidden=hidden)
        theirs = judge.grade(dict(np.load(path)), matrix, phase=phase)
        for k in (5, 10, 20):
            for name, values in ((f"HR@{k}", hr_at_k(ours, k)), (f"NDCG@{k}", ndcg_at_k(ours, k))):
                assert theirs["full"][name]["value"] == pytest.approx(values.mean(), abs=1e-5)
        if phase == "test":
            interval = estimate(ndcg_at_k(ours, 10))
            assert theirs["full"]["NDCG@10"]["ci95"] == pytest.approx([interval.low, interval.high], abs=1e-5)
