"""Each task keeps its contract and computes what a plain double loop computes."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import people, random_people, some_people

from confidante.core.values import Histories, SparseRows
from confidante.privacy.clipping import encode
from confidante.privacy.plan import Cohort, plan_sum
from confidante.tasks.base import NoisySum
from confidante.tasks.feature_pairs import FeaturePairTask
from confidante.tasks.item_pairs import ItemPairTask, pair_index
from confidante.tasks.popularity import PopularityTask, popularity
from confidante.testing.task_contract import check_task

ITEMS = 12
BASIS = np.array([7, 2, 9, 0, 4, 11])  # 1, 3, 5, 6, 8, 10 are unknown to it
WINDOW, HALF_LIFE, HISTORY = 4, 2.5, 15
FEATURES = np.random.default_rng(5).random((ITEMS, 4)).astype(np.float32)

POPULARITY = PopularityTask(ITEMS)
FEATURE_PAIRS = FeaturePairTask(FEATURES, WINDOW, HALF_LIFE, HISTORY)
ITEM_PAIRS = ItemPairTask(BASIS, np.linspace(0.5, 2, len(BASIS)), ITEMS, WINDOW, HALF_LIFE, HISTORY)
TASKS = [POPULARITY, FEATURE_PAIRS, ITEM_PAIRS]


def by_name(task):
    return task.name


def popularity_by_loop(events):
    vector = np.zeros(ITEMS)
    for item in events:
        vector[item] = 1
    return vector


def item_pairs_by_loop(events, window=WINDOW, half_life=HALF_LIFE):
    vector = np.zeros(ITEM_PAIRS.length)
    places = [BASIS.tolist().index(item) for item in events[-HISTORY:] if item in BASIS]
    order = list(combinations(range(len(BASIS)), 2))
    for a, b in combinations(range(len(places)), 2):
        low, high = sorted((places[a], places[b]))
        if b - a <= window and low != high:
            weights = ITEM_PAIRS.pair_weights[low] * ITEM_PAIRS.pair_weights[high]
            vector[order.index((low, high))] += 0.5 ** ((b - a - 1) / half_life) * weights
    return vector


def feature_pairs_by_loop(events, window=WINDOW, half_life=HALF_LIFE):
    recent = events[-HISTORY:]
    matrix = np.zeros((4, 4))
    for a, b in combinations(range(len(recent)), 2):
        if b - a <= window and recent[a] != recent[b]:
            pair = np.outer(FEATURES[recent[a]], FEATURES[recent[b]]).astype(np.float64)
            matrix += 0.5 ** ((b - a - 1) / half_life) * (pair + pair.T)
    return matrix[np.triu_indices(4)]


@pytest.mark.parametrize(
    ("task", "by_loop", "tolerance"),
    [
        (POPULARITY, popularity_by_loop, 1e-12),
        (ITEM_PAIRS, item_pairs_by_loop, 1e-12),
        (FEATURE_PAIRS, feature_pairs_by_loop, 1e-5),  # features are float32
    ],
    ids=["popularity", "item pairs", "feature pairs"],
)
@given(histories=some_people(ITEMS))
def test_a_task_keeps_its_contract_and_agrees_with_a_plain_loop(task, by_loop, tolerance, histories):
    rows = check_task(task, histories)
    for person in range(histories.people):
        events = histories.slice(person, person + 1).items.tolist()
        expected = by_loop(events)
        norm = np.linalg.norm(expected)
        found = rows.dense(person)
        # Whoever has anything to say says it at full length, and nobody else says anything.
        assert np.linalg.norm(found) == pytest.approx(1 if norm > 0 else 0, abs=1e-12)
        assert found == pytest.approx(expected / (norm or 1), abs=tolerance)


@pytest.mark.parametrize("task", TASKS, ids=by_name)
def test_what_a_device_sends_keeps_the_integer_bounds(task):
    """Rows at norm 1 may exceed linf_bound in an entry: the plan clips them."""
    histories = people([2], [2, 7], [2, 7, 2, 7, 2], list(range(ITEMS)) * 2, [])
    rows = check_task(task, histories)
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 1.0, Cohort(100), 20)
    values = encode(rows, plan, np.arange(5, dtype=np.uint64))
    assert np.abs(values.values).max() <= plan.linf_int
    assert max(int((values.dense(p) ** 2).sum()) for p in range(5)) <= plan.l2_int_squared


@pytest.mark.parametrize("task", TASKS, ids=by_name)
def test_nobody_and_nothing_are_fine(task):
    assert check_task(task, people()).rows == 0
    empty = check_task(task, people([], []))
    assert empty.rows == 2
    assert not empty.values.any()


@pytest.mark.parametrize("task", [FEATURE_PAIRS, ITEM_PAIRS], ids=by_name)
@pytest.mark.parametrize("events", [[7], [7, 7, 7, 7]], ids=["one event", "one item again and again"])
def test_without_two_different_items_there_is_no_pair(task, events):
    assert not check_task(task, people(events)).values.any()


def test_items_outside_the_basis_make_no_pair_and_take_no_room():
    unknown = check_task(ITEM_PAIRS, people([1, 3, 5, 6, 8, 10]))
    assert not unknown.values.any()
    with_gap, without = check_task(ITEM_PAIRS, people([7, 1, 3, 2])), check_task(ITEM_PAIRS, people([7, 2]))
    assert with_gap.dense(0).tolist() == without.dense(0).tolist()


@pytest.mark.parametrize("task", [FEATURE_PAIRS, ITEM_PAIRS], ids=by_name)
def test_events_older_than_the_history_cap_are_not_used(task):
    recent = [7, 2, 9, 0, 4, 11, 7, 9, 2, 4, 0, 7, 11, 9, 2]
    assert len(recent) == HISTORY
    rows = check_task(task, people([4, 0, 4, 0, *recent], recent))
    assert rows.dense(0).tolist() == rows.dense(1).tolist()


def test_pairs_at_the_window_count_and_beyond_it_do_not():
    near = check_task(ITEM_PAIRS, people([7, 2, 2, 2, 9]))  # 7 and 9 are WINDOW apart
    far = check_task(ITEM_PAIRS, people([7, 2, 2, 2, 2, 9]))
    assert near.dense(0)[pair_index(np.int64(0), np.int64(2), len(BASIS))] > 0
    assert far.dense(0)[pair_index(np.int64(0), np.int64(2), len(BASIS))] == 0


def at_once(*histories):
    """The same people, each with all events at one time."""
    given_ = people(*histories)
    return Histories(given_.indptr, given_.items, np.full(len(given_.items), 9, dtype=np.int64))


@given(histories=some_people(ITEMS))
def test_events_of_one_time_pair_all_alike_in_whatever_order_they_stand(histories):
    events = [histories.slice(p, p + 1).items.tolist()[-HISTORY:] for p in range(histories.people)]
    turned = at_once(*(one[::-1] for one in events))
    items, features = check_task(ITEM_PAIRS, at_once(*events)), check_task(FEATURE_PAIRS, at_once(*events))
    assert check_task(ITEM_PAIRS, turned).values == pytest.approx(items.values, abs=1e-12)
    assert check_task(FEATURE_PAIRS, turned).values == pytest.approx(features.values, abs=1e-6)
    for person, one in enumerate(events):
        for found, expected in (
            (items.dense(person), item_pairs_by_loop(one, window=HISTORY, half_life=np.inf)),
            (features.dense(person), feature_pairs_by_loop(one, window=HISTORY, half_life=np.inf)),
        ):
            norm = np.linalg.norm(expected)
            assert found == pytest.approx(expected / (norm or 1), abs=1e-5)


def test_nobody_elses_order_is_lost_where_one_has_none():
    mixed = people([7, 2, 9, 0, 4, 11, 7], [4, 0, 9, 9, 2])
    times = mixed.times.copy()
    times[7:] = 5
    rows = check_task(ITEM_PAIRS, Histories(mixed.indptr, mixed.items, times))
    assert rows.dense(0).tolist() == check_task(ITEM_PAIRS, people([7, 2, 9, 0, 4, 11, 7])).dense(0).tolist()
    assert rows.dense(1).tolist() == check_task(ITEM_PAIRS, at_once([4, 0, 9, 9, 2])).dense(0).tolist()


@pytest.mark.parametrize("size", [2, 3, 10, 57])
def test_pair_index_counts_the_upper_triangle_row_by_row(size):
    low, high = np.triu_indices(size, 1)
    assert pair_index(low, high, size).tolist() == list(range(size * (size - 1) // 2))


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    variance=st.floats(0, 1e6),
)
def test_popularity_is_positive_and_never_below_the_noise(values, variance):
    result = popularity(NoisySum(np.array(values), variance, 3))
    assert (result > 0).all()
    assert (result >= np.sqrt(variance)).all()
    assert np.array_equal(result[np.array(values) > max(np.sqrt(variance), 1)], [
        value for value in values if value > max(np.sqrt(variance), 1)
    ])  # fmt: skip


def test_a_batch_of_hundreds_gives_the_rows_of_each_alone():
    rng = np.random.default_rng(8)
    features = rng.random((200, 41)).astype(np.float32)
    histories = random_people(300, 200, 60, seed=9)
    check_task(FeaturePairTask(features, 20, 5.0, 50), histories)
    check_task(ItemPairTask(rng.permutation(200)[:90], rng.random(90) + 0.5, 200, 20, 5.0, 50), histories)
    check_task(PopularityTask(200), histories)


def row_of(people_count, value, indices=(0,)):
    count = len(indices)
    return SparseRows(
        np.arange(people_count + 1, dtype=np.int64) * count,
        np.tile(np.array(indices, dtype=np.int64), people_count),
        np.full(people_count * count, value, dtype=np.float64),
        5,
    )


@dataclass
class Broken:
    """A task whose row is what the test says."""

    rows: object
    name: str = "broken"
    length: int = 5
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    def client_update(self, histories):
        return self.rows(histories)


def vandal(histories):
    histories.items[:] = 0
    return row_of(histories.people, 0.5)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (lambda h: row_of(h.people, 1.001), "l2 norm"),
        (lambda h: row_of(h.people, 0.8, (0, 1)), "l2 norm"),
        (lambda h: row_of(h.people, np.nan), "finite"),
        (lambda h: row_of(h.people, 0.1, (1, 0)), "sorted"),
        (lambda h: row_of(h.people, 0.1, (1, 1)), "repeat"),
        (lambda h: row_of(h.people, 0.1, (5,)), "outside"),
        (lambda h: row_of(h.people, 0.1, (-1,)), "outside"),
        (lambda h: row_of(h.people + 1, 0.1), "3 rows for 2 people"),
        (lambda h: row_of(h.people, 0.1 * h.people), "alone"),
        (vandal, "changed items"),
    ],
)
def test_the_contract_refuses_a_broken_task(rows, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_task(Broken(rows), people([1, 2], [3]))


def test_the_contract_takes_a_sound_task():
    check_task(Broken(lambda h: row_of(h.people, 0.7, (0, 3))), people([1, 2], [3]))
