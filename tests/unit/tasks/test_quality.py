"""Private evaluation: what a device tells of its own list, and what the sum of many says."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from confidante.core.values import Histories
from confidante.tasks.base import NoisySum
from confidante.tasks.compare import CompareTask, comparison
from confidante.tasks.quality import QualityTask, quality
from confidante.testing.task_contract import check_task


class _Favourites:
    """Scores every item by its number, lowest first: the list is 0, 1, 2, ..."""

    def score(self, histories: Histories) -> NDArray[np.float64]:
        return -np.tile(np.arange(30.0), (histories.people, 1))


def _people(*histories: list[int]) -> Histories:
    ends = np.cumsum([0, *(len(h) for h in histories)])
    items = np.array([item for h in histories for item in h], dtype=np.int32)
    return Histories(ends, items, np.arange(len(items)))


def test_the_task_keeps_the_contract() -> None:
    check_task(QualityTask(_Favourites()), _people([3, 0], [], [5], [1, 2, 20], [4, 9, 4]))


def test_ranks_are_among_what_the_person_did_not_have() -> None:
    rows = QualityTask(_Favourites(), k=3).client_update(_people([9, 0], [0, 1, 3], [9, 8], [4], [4, 4]))
    unit = 1 / math.sqrt(3)
    assert rows.dense(0) == pytest.approx([unit, unit, unit])  # item 0 is the first of the list
    assert rows.dense(1) == pytest.approx([unit, unit, unit / math.log2(3)])  # 3 is second after 2
    assert rows.dense(2) == pytest.approx([unit, 0, 0])
    assert not rows.dense(3).any()  # nothing to grade
    assert not rows.dense(4).any()  # a repeat is no discovery


def test_ties_count_against_the_list() -> None:
    class Flat:
        def score(self, histories: Histories) -> NDArray[np.float64]:
            return np.zeros((histories.people, 30))

    rows = QualityTask(Flat(), k=10).client_update(_people([9, 0]))
    assert rows.dense(0)[1] == 0


def test_the_sum_gives_back_the_means_and_how_far_noise_may_move_them() -> None:
    task = QualityTask(_Favourites(), k=3)
    rows = task.client_update(_people(*[[9, 0]] * 30, *[[9, 8]] * 10))
    total = sum(rows.dense(person) for person in range(40))
    found = quality(NoisySum(np.asarray(total), 1.0, 40))
    assert (found.graded, found.hit_rate, found.ndcg) == pytest.approx((40, 0.75, 0.75))
    assert found.error == pytest.approx(math.sqrt(3) * math.hypot(1, 0.75) / 40)
    assert found.sampling == pytest.approx(math.sqrt(0.75 * 0.25 / 40))


class _Backwards:
    def score(self, histories: Histories) -> NDArray[np.float64]:
        return np.tile(np.arange(30.0), (histories.people, 1))


def test_two_models_are_graded_on_the_same_people() -> None:
    task = CompareTask(_Favourites(), _Backwards(), k=3)
    rows = check_task(task, _people([9, 0], [9, 29], [9, 15], [4]))
    unit = 1 / math.sqrt(5)
    assert rows.dense(0) == pytest.approx([unit, unit, unit, 0, 0])
    assert rows.dense(1) == pytest.approx([unit, 0, 0, unit, unit])
    assert rows.dense(2) == pytest.approx([unit, 0, 0, 0, 0])
    assert not rows.dense(3).any()


@pytest.mark.parametrize(("people", "noise", "better"), [(400, 1.0, "a"), (400, 1e4, ""), (8, 1.0, "")])
def test_a_lead_counts_when_it_is_beyond_the_errors(people: int, noise: float, better: str) -> None:
    task = CompareTask(_Favourites(), _Backwards(), k=3)
    rows = task.client_update(_people(*[[9, 0]] * (people // 2), *[[9, 29]] * (people // 4)))
    total = sum(rows.dense(person) for person in range(rows.rows))
    found = comparison(NoisySum(np.asarray(total), noise, people))
    assert (found.a.ndcg, found.b.ndcg) == pytest.approx((2 / 3, 1 / 3))
    assert found.ndcg == pytest.approx(-1 / 3)
    assert found.hit_rate == pytest.approx(-1 / 3)
    assert found.better == better


def test_the_noise_error_of_a_difference_is_what_noise_does() -> None:
    """Spread of 20,000 noised differences within 5 % (5 deviations of such an estimate are 2.5 %)."""
    rng = np.random.default_rng(5)
    exact = np.array([300.0, 120, 90, 100, 60]) / math.sqrt(5)
    noised = [comparison(NoisySum(exact + rng.normal(0, 4, 5), 16.0, 300)) for _ in range(20_000)]
    stated = comparison(NoisySum(exact, 16.0, 300)).error
    assert np.std([found.ndcg for found in noised]) == pytest.approx(stated, rel=0.05)
    assert np.std([found.ndcg for found in noised]) != pytest.approx(stated * 1.2, rel=0.05)
