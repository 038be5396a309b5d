"""The model on a device: fold-in is exact, reasons add up, forgetting is arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import people, random_people

from confidante.core.errors import DataError
from confidante.models.sequential import OwnHistory, Part, SequentialModel

ITEMS = 30
RNG = np.random.default_rng(0)


def part(name, rank, half_life):
    context, item = RNG.normal(size=(2, ITEMS, rank)).astype(np.float32)
    return Part(name, context, item, half_life)


PARTS = (part("short", 5, 1.5), part("long", 3, 20.0))
PRIOR = RNG.random(ITEMS).astype(np.float32)
PLAIN = SequentialModel(PARTS, PRIOR)
WITH_OWN = SequentialModel(PARTS, PRIOR, OwnHistory(3.0, 7.0))

events = st.lists(st.integers(0, ITEMS - 1), max_size=400).map(lambda e: np.array(e, dtype=np.int32))


def folded(model, history):
    state = model.begin()
    for item in history:
        state = model.fold_in(state, int(item))
    return state


def size_of(model, history):
    """What the terms of the state add up to without their signs: what rounding is relative to."""
    magnitudes = [Part(p.name, np.abs(p.context), p.item, p.half_life) for p in model.parts]
    return folded(SequentialModel(tuple(magnitudes), model.prior), history)


@given(history=events)
def test_folding_in_event_by_event_gives_the_state_of_the_whole_history(history):
    """Up to the events that `state` no longer counts: below 2^-40 of the weight."""
    difference = np.abs(folded(PLAIN, history) - PLAIN.state(history))
    assert (difference <= 2**-38 * (size_of(PLAIN, history) + 2**-30)).all()


@given(history=events.filter(len), data=st.data())
def test_forgetting_an_event_is_as_if_it_had_never_been(history, data):
    """A device folds what came after onto the state of what came before."""
    forgotten = data.draw(st.integers(0, len(history) - 1))
    rest = np.delete(history, forgotten)
    state = PLAIN.state(history[:forgotten])
    for item in history[forgotten + 1 :]:
        state = PLAIN.fold_in(state, int(item))
    assert np.abs(state - PLAIN.state(rest)).max() <= 2**-36 * (size_of(PLAIN, rest).max() + 1)
    for item in (0, int(history[forgotten])):
        what_if = WITH_OWN.contributions(rest, item).score
        assert WITH_OWN.score(people(rest.tolist()))[0, item] == pytest.approx(what_if, rel=1e-4, abs=1e-4)


def test_forgetting_the_newest_event_takes_its_contribution_and_makes_the_rest_younger():
    history = np.array([3, 8, 3, 21], dtype=np.int32)
    with_it, without = (WITH_OWN.contributions(h, 3) for h in (history, history[:-1]))
    younger = 2 ** (1 / np.array([1.5, 20.0, 7.0]))
    assert without.by_event == pytest.approx(with_it.by_event[:-1] * younger, rel=1e-12)


@pytest.mark.parametrize("model", [PLAIN, WITH_OWN], ids=["plain", "own history"])
@given(history=events)
def test_contributions_add_up_to_the_score(model, history):
    scores = model.score(people(history.tolist()))[0]
    for item in (0, 7, ITEMS - 1, *history[-1:].tolist()):
        why = model.contributions(history, item)
        assert why.parts == ("short", "long", "own history")[: 2 + (model.own is not None)]
        assert why.by_event.shape == (len(history), len(why.parts))
        assert why.prior == pytest.approx(float(PRIOR[item]))
        assert why.prior + why.by_event.sum() == pytest.approx(why.score, rel=1e-12)
        magnitude = why.prior + float(np.abs(why.by_event).sum())
        assert abs(why.score - scores[item]) <= 1e-5 * magnitude + 1e-5  # the score is float32


def test_each_contribution_is_that_of_its_event():
    history = np.array([4, 9, 4], dtype=np.int32)
    why = WITH_OWN.contributions(history, 4)
    short = PARTS[0].context[history].astype(np.float64) @ PARTS[0].item[4].astype(np.float64)
    assert why.by_event[:, 0] == pytest.approx(short * 0.5 ** (np.array([2, 1, 0]) / 1.5))
    assert why.by_event[:, 2] == pytest.approx([3 * 0.5 ** (2 / 7), 0, 3])


@pytest.mark.parametrize("model", [PLAIN, WITH_OWN], ids=["plain", "own history"])
def test_many_people_at_once_score_as_each_alone(model):
    histories = random_people(25, ITEMS, 60, seed=1)
    together = model.score(histories)
    assert together.shape == (25, ITEMS)
    assert together.dtype == np.float32
    for person in range(25):
        alone = model.score(histories.slice(person, person + 1))[0]
        assert alone == pytest.approx(together[person], rel=1e-5, abs=1e-5)


def test_one_state_scores_as_its_history():
    history = np.array([1, 2, 3, 2], dtype=np.int32)
    by_state = PLAIN.score_state(folded(PLAIN, history))
    assert by_state == pytest.approx(PLAIN.score(people(history.tolist()))[0], rel=1e-5, abs=1e-5)


def test_who_has_no_history_gets_the_popular():
    for model in (PLAIN, WITH_OWN):
        assert np.array_equal(model.score(people([]))[0], PRIOR)
        assert np.array_equal(model.score_state(model.begin()), PRIOR)
        nothing = model.contributions(np.zeros(0, dtype=np.int32), 5)
        assert nothing.score == nothing.prior == PRIOR[5]


def test_own_history_adds_up_over_repeats_and_leaves_other_items_alone():
    history = people([6, 2, 6])
    gain = WITH_OWN.score(history)[0] - PLAIN.score(history)[0]
    assert gain[6] == pytest.approx(3 * (1 + 0.5 ** (2 / 7)), rel=1e-5)
    assert gain[2] == pytest.approx(3 * 0.5 ** (1 / 7), rel=1e-5)
    assert np.count_nonzero(gain) == 2


@pytest.mark.parametrize(
    "misfit",
    [
        Part("bad", np.zeros((ITEMS, 2), np.float32), np.zeros((ITEMS, 3), np.float32), 1.0),
        Part("bad", np.zeros((ITEMS + 1, 2), np.float32), np.zeros((ITEMS + 1, 2), np.float32), 1.0),
        Part("bad", np.zeros((ITEMS, 2), np.float32), np.zeros((ITEMS, 2), np.float32), 0.0),
        Part("bad", np.zeros((ITEMS, 2), np.float32), np.zeros((ITEMS, 2), np.float32), -1.0),
    ],
    ids=["ranks differ", "another catalogue", "no half-life", "negative half-life"],
)
def test_parts_that_do_not_fit_are_refused(misfit):
    with pytest.raises(DataError, match="'bad' does not fit"):
        SequentialModel((*PARTS, misfit), PRIOR)
