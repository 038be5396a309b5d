import numpy as np
import pytest
from checkerboard import checkerboard

import _baselines as baselines
from _frozen_splits import load_frozen
from confidante.core.errors import DataError
from confidante.core.values import Histories
from confidante.lab.baselines import fit_popularity
from confidante.lab.metrics import full_ranks, hr_at_k, ndcg_at_k


def best_new(scores, histories):
    scores = np.array(scores)
    scores[histories.person_of_event, histories.items] = -np.inf
    return scores.argmax(axis=1)


def one(*items):
    times = np.arange(len(items), dtype=np.int64)
    return Histories(np.array([0, len(items)], dtype=np.int64), np.array(items, dtype=np.int32), times)


@pytest.mark.parametrize(
    "fit",
    [
        baselines.fit_ease,
        lambda h, n: baselines.fit_ease(h, n, half_life=5),
        baselines.fit_item_knn,
        lambda h, n: baselines.fit_item_knn(h, n, neighbours=3, shrink=0.0),
    ],
)
def test_learners_fill_the_missing_square_of_the_checkerboard(fit):
    board = checkerboard(20)
    model = fit(board.histories, 20)
    scores = model.score(board.histories)
    assert scores.shape == (20, 20)
    assert best_new(scores, board.histories).tolist() == board.answers.tolist()


def test_popularity_is_the_same_for_everybody_and_counts_people():
    board = checkerboard(20)
    model = fit_popularity(board.histories, 21)
    assert model.weights.tolist() == [9.0] * 20 + [0.0]
    assert model.score(one(3)).tolist() == [model.weights.tolist()]
    assert fit_popularity(one(1, 1, 2), 4).weights.tolist() == [0, 1, 1, 0]


def test_own_frequency_counts_and_breaks_ties_by_popularity():
    everybody = Histories(np.array([0, 3, 4]), np.array([0, 0, 1, 2], dtype=np.int32), np.arange(4))
    model = baselines.fit_own_frequency(everybody, 4)
    assert np.argsort(-model.score(one(3, 2, 3)))[0, :2].tolist() == [3, 2]
    recent = baselines.fit_own_frequency(everybody, 4, half_life=0.5)
    assert np.argmax(recent.score(one(3, 3, 2))) == 2


def test_ease_agrees_with_its_closed_form_by_ridge_regression():
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 6)) < 0.4).astype(np.float64)
    person, item = np.nonzero(dense)
    indptr = np.concatenate(([0], np.cumsum(dense.sum(axis=1)))).astype(np.int64)
    model = baselines.fit_ease(Histories(indptr, item.astype(np.int32), person), 6, l2=3.0)
    for target in range(6):
        others = [i for i in range(6) if i != target]
        X = dense[:, others]
        ridge = np.linalg.solve(X.T @ X + 3.0 * np.eye(5), X.T @ dense[:, target])
        assert model.weights[others, target] == pytest.approx(ridge)
        assert model.weights[target, target] == 0


def test_recent_events_weigh_more_and_an_item_counts_at_its_newest_event():
    assert baselines.event_weights(one(0, 1, 2), 1.0).tolist() == [0.25, 0.5, 1.0]
    assert baselines.history_matrix(one(0, 1, 0), 3, 1.0).toarray().tolist() == [[1.0, 0.5, 0.0]]
    assert baselines.history_matrix(one(0, 1, 0), 3).toarray().tolist() == [[1.0, 1.0, 0.0]]


def test_a_person_without_history_gets_finite_scores():
    board = checkerboard(8)
    for fit in (
        fit_popularity, baselines.fit_ease, baselines.fit_item_knn, baselines.fit_own_frequency
    ):  # fmt: skip
        assert np.isfinite(fit(board.histories, 8).score(one())).all()


def test_one_item_and_one_person_do_not_break_anything():
    for fit in (
        fit_popularity, baselines.fit_ease, baselines.fit_item_knn, baselines.fit_own_frequency
    ):  # fmt: skip
        assert np.isfinite(fit(one(0), 1).score(one(0))).all()


def test_impossible_settings_are_refused():
    with pytest.raises(DataError, match="l2"):
        baselines.fit_ease(one(0), 1, l2=0)
    with pytest.raises(DataError, match="half_life"):
        baselines.event_weights(one(0), 0.0)
    with pytest.raises(DataError, match="beyond the 1"):
        fit_popularity(one(1), 1)
    with pytest.raises(DataError, match="keep at most"):
        baselines.fit_ease(one(0), 50_000)
    with pytest.raises(DataError, match="even size"):
        checkerboard(7)


def test_ease_reaches_the_reference_figures_on_movielens_100k(shared):
    frozen = load_frozen(shared / "data/splits/ml-100k_loo.npz")
    seen, items = frozen.split.visible(valid=True), len(frozen.catalogue)
    for half_life, hr, ndcg in ((None, 0.1485, 0.0723), (5.0, 0.1888, 0.1008)):
        model = baselines.fit_ease(seen, items, l2=100.0, half_life=half_life)
        ranks = full_ranks(model, seen, frozen.split.test)
        assert hr_at_k(ranks, 10).mean() == pytest.approx(hr, abs=1e-4)
        assert ndcg_at_k(ranks, 10).mean() == pytest.approx(ndcg, abs=1e-4)
