"""Real processes reach the simulator's model: bit for bit without noise, within the planned noise with it."""

from pathlib import Path

import numpy as np
import pytest

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.lab.rehearsal import rehearse

PEOPLE, ITEMS = 5, 40


def crowd() -> tuple[Histories, Catalogue]:
    drawn = np.random.default_rng(0)
    met = [np.sort(drawn.choice(ITEMS, drawn.integers(3, 12), replace=False)) for _ in range(PEOPLE)]
    ends = np.concatenate([[0], np.cumsum([len(one) for one in met])]).astype(np.int64)
    times = (1_600_000_000 + np.arange(ends[-1]) * 100).astype(np.int64)
    items = tuple(f"item-{item}" for item in range(ITEMS))
    labels = tuple((f"kind {item % 5}",) for item in range(ITEMS))
    titles = tuple(f'The "{item}", so called' for item in range(ITEMS))
    return Histories(ends, np.concatenate(met).astype(np.int32), times), Catalogue(items, titles, labels)


@pytest.mark.parametrize("epsilon", [None, 8.0], ids=["without noise", "with noise"])
def test_device_processes_with_vaults_learn_what_the_simulator_learns(
    tmp_path: Path, epsilon: float | None
) -> None:
    ended = rehearse(*crowd(), tmp_path, epsilon=epsilon, limit=300)
    assert [one.devices for one in ended.sums] == [PEOPLE] * len(ended.sums)
    assert {one.task for one in ended.sums} >= {"popularity 1", "feature pairs 1", "item pairs 1"}
    if epsilon is None:
        assert ended.same
        assert {one.noise for one in ended.sums} == {0.0}
    else:
        entries = sum(one.entries for one in ended.sums)
        spread = np.sqrt(sum(one.entries * one.noise**2 for one in ended.sums) / entries)
        assert abs(spread - 1) < 5 / np.sqrt(2 * entries)
        assert max(one.largest for one in ended.sums) < 6


def test_two_models_are_trained_for_a_task_that_compares_them(tmp_path: Path) -> None:
    ended = rehearse(*crowd(), tmp_path, epsilon=8.0, task="compare", limit=300)
    names = [one.task for one in ended.sums]
    assert names.index("popularity 2") > names.index("item pairs 1")
    assert names[-1] == "measure compare 1"
    assert ended.sums[-1].entries == 5


def test_without_noise_there_are_no_two_models_to_compare(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="each training gives the same one: rehearse it with noise"):
        rehearse(*crowd(), tmp_path, epsilon=None, task="compare")
