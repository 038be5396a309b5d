"""The whole training on tiny data with known answers, its sums taken without noise."""

import numpy as np
import pytest
from checkerboard import checkerboard
from model_worlds import ExactSums, catalogue_of, people, random_people, score_people

from confidante.core.values import Catalogue
from confidante.models.served import quantise
from confidante.testing.task_contract import check_task
from confidante.training.blend import FEATURE_PART, ITEM_PART
from confidante.training.recipe import (
    BUDGET,
    EXACT,
    ITEMS,
    POPULARITY,
    PRIVATE,
    budget,
    settings_for,
    train,
    weakness,
)


def best_new(learnt, histories):
    scores = score_people(learnt.factored, histories)
    scores[histories.person_of_event, histories.items] = -np.inf
    return scores.argmax(axis=1).tolist()


@pytest.mark.parametrize("settings", [EXACT, PRIVATE], ids=["exact", "private"])
@pytest.mark.parametrize("size", [8, 20, 50])
def test_the_missing_square_of_the_checkerboard_comes_first_for_everybody(settings, size):
    board = checkerboard(size)
    learnt = train(board.catalogue, ExactSums(board.histories), settings)
    assert best_new(learnt, board.histories) == board.answers.tolist()


@pytest.mark.parametrize("settings", [EXACT, PRIVATE], ids=["exact", "private"])
def test_around_a_circle_the_next_item_comes_first(settings):
    """Item i is always followed by i + 1: whoever walked from s to s + 5 is offered s + 6."""
    walks = [[(start + step) % 40 for step in range(6)] for start in range(40)]
    learnt = train(catalogue_of(40), ExactSums(people(*walks)), settings)
    assert best_new(learnt, people(*walks)) == [(start + 6) % 40 for start in range(40)]


def test_items_that_nobody_met_have_finite_vectors_and_a_score_from_their_features():
    histories = random_people(60, 30, 20, seed=1)
    learnt = train(catalogue_of(36), ExactSums(histories), EXACT)  # 30 to 35 are new
    scores = score_people(learnt.factored, histories)
    assert scores.shape == (60, 36)
    assert np.isfinite(scores).all()
    model = quantise(learnt.factored)
    of_items, of_features = (model.names.index(name) for name in (ITEM_PART, FEATURE_PART))
    events, candidates = np.array([3, 7]), np.arange(30, 36)
    shares = model.contributions(events, np.array([1.0, 0.0]), np.ones(2), candidates).sum(axis=1)
    assert (shares[:, of_items] == 0).all()
    assert (shares[:, of_features] != 0).all()
    from_a_new_one = model.contributions(np.array([35]), np.zeros(1), np.ones(1), np.array([2]))
    assert from_a_new_one[0, 0, of_features] != 0


def test_who_has_no_history_gets_the_items_of_most_people():
    histories = people(*([[0, 1, 2]] * 9), *([[1, 2]] * 5), *([[2, 3]] * 3), [3, 4])
    learnt = train(catalogue_of(5), ExactSums(histories), EXACT)
    assert np.argsort(-score_people(learnt.factored, people([]))[0])[:2].tolist() == [2, 1]


def test_people_without_any_event_teach_nothing_and_break_nothing():
    for histories in (people(), people([], []), people([1])):
        learnt = train(catalogue_of(7), ExactSums(histories), EXACT)
        assert np.isfinite(score_people(learnt.factored, people([1, 2, 3], []))).all()


def test_three_sums_are_taken_and_each_task_keeps_its_contract():
    board = checkerboard(20)
    taken = []

    class Watching(ExactSums):
        def take(self, task):
            check_task(task, self.histories)
            taken.append(task.name)
            return super().take(task)

    train(board.catalogue, Watching(board.histories), PRIVATE)
    assert taken == list(BUDGET)
    assert sum(BUDGET.values()) == pytest.approx(1)


def test_the_fewer_the_people_for_the_noise_the_more_popularity_gets():
    assert weakness(6040, 4.0) == 1.0
    assert budget(1.0) == pytest.approx(dict(BUDGET))
    few = weakness(943, 3.73)
    assert 1 < few < weakness(943, 7.5) <= weakness(2, 1e6) == 10
    for weak in (1.0, few, 10.0):
        shares = budget(weak)
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) > 0
    assert budget(few)[POPULARITY] > BUDGET[POPULARITY]
    assert budget(few)[ITEMS] < BUDGET[ITEMS]
    assert settings_for(noise=True, repeat=False, weak=few).prior_weight > PRIVATE.prior_weight


def test_the_item_basis_keeps_to_the_agreed_upload():
    board = checkerboard(50)
    learnt = train(board.catalogue, ExactSums(board.histories, max_length=300), EXACT)
    assert len(learnt.basis.items) == 25  # 25 * 24 / 2 = 300


@pytest.mark.parametrize("labelled", [True, False], ids=["labels", "no labels"])
def test_without_shared_labels_no_score_tells_how_long_a_history_is(labelled):
    board = checkerboard(20)
    names = board.catalogue.ids
    catalogue = Catalogue(
        names, names, tuple((f"kind-{i % 2}",) if labelled else () for i in range(len(names)))
    )
    learnt = train(catalogue, ExactSums(board.histories), EXACT)
    (part,) = [part for part in learnt.factored.parts if part.name == FEATURE_PART]
    assert bool(part.item_weights.any()) is labelled
    assert best_new(learnt, board.histories) == board.answers.tolist()
