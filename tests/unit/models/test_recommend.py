"""Recommendations: the best items, never own ones unless wanted, in a fixed order, for exact reasons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.models.recommend import recommend
from confidante.models.sequential import OwnHistory, Part, SequentialModel

ITEMS = 30
HISTORIES = st.lists(st.integers(0, ITEMS - 1), max_size=60).map(lambda e: np.array(e, dtype=np.int64))
OWN = st.sampled_from([None, OwnHistory(0.7, 5.0)])


def model_of(seed, own=None):
    rng = np.random.default_rng(seed)
    parts = tuple(
        Part(
            name,
            *(rng.normal(size=(2, ITEMS, size)).astype(np.float32)),
            half_life,
        )
        for name, size, half_life in (("items", 7, 2.0), ("features", 3, 11.0))
    )
    return SequentialModel(parts, rng.random(ITEMS).astype(np.float32), own)


def tied_model(priors):
    nothing = np.zeros((len(priors), 2), dtype=np.float32)
    return SequentialModel((Part("items", nothing, nothing, 2.0),), np.array(priors, dtype=np.float32))


@given(HISTORIES, st.integers(0, ITEMS + 5), st.booleans(), OWN, st.integers(0, 99))
def test_they_are_what_sorting_every_candidate_by_its_reasons_gives(events, n, repeats, own, seed):
    model = model_of(seed, own)
    found = recommend(model, events, n, allow_repeats=repeats)
    candidates = [i for i in range(ITEMS) if repeats or i not in events]
    scores = [model.contributions(events, i).score for i in candidates]
    assert len(found) == min(n, len(candidates))
    assert {r.item for r in found} <= set(candidates)
    wanted = sorted(scores, reverse=True)[: len(found)]
    assert [r.score for r in found] == pytest.approx(wanted, rel=1e-4, abs=1e-4)  # scores are float32
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)


@given(HISTORIES, OWN, st.integers(0, 99))
def test_the_reasons_add_up_to_the_score(events, own, seed):
    model = model_of(seed, own)
    for r in recommend(model, events, 5):
        why = r.contributions
        assert why.prior + why.by_event.sum() == pytest.approx(why.score, abs=1e-9)
        assert why.score == pytest.approx(r.score, rel=1e-4, abs=1e-4)


@given(HISTORIES, OWN, st.integers(0, 99))
def test_reasons_of_many_items_are_those_of_each(events, own, seed):
    model, items = model_of(seed, own), np.array([3, 0, 29, 3])
    for item, many in zip(items, model.contributions_of(events, items), strict=True):
        one = model.contributions(events, int(item))
        assert many.parts == one.parts
        assert many.prior == one.prior
        assert many.by_event.shape == one.by_event.shape
        np.testing.assert_allclose(many.by_event, one.by_event, rtol=1e-9, atol=1e-12)
        assert many.score == pytest.approx(one.score, abs=1e-9)


def test_equal_scores_come_in_the_order_of_the_catalogue():
    model = tied_model([1, 3, 2, 3, 2, 2, 0])
    empty = np.zeros(0, dtype=np.int64)
    for n, items in ((1, [1]), (2, [1, 3]), (3, [1, 3, 2]), (4, [1, 3, 2, 4]), (6, [1, 3, 2, 4, 5, 0])):
        assert [r.item for r in recommend(model, empty, n)] == items


def test_a_kept_state_gives_the_same():
    model, events = model_of(1), np.array([4, 9, 4, 17])
    state = model.begin()
    for item in events:
        state = model.fold_in(state, int(item))
    kept, fresh = recommend(model, events, 10, state=state), recommend(model, events, 10)
    assert [r.item for r in kept] == [r.item for r in fresh]


def test_somebody_who_has_everything_gets_nothing_unless_repeats_are_wanted():
    everything = np.arange(ITEMS)
    assert recommend(model_of(1), everything, 10) == ()
    assert len(recommend(model_of(1), everything, 10, allow_repeats=True)) == 10


@pytest.mark.parametrize(("events", "n"), [([ITEMS], 1), ([-1], 1), ([0], -1)])
def test_unknown_items_and_negative_counts_are_refused(events, n):
    with pytest.raises(DataError):
        recommend(model_of(1), np.array(events), n)
