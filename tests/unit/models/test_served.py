"""The served model scores as the trained one to within 8 bits, and its reasons are its scores, exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_worlds import people, trained_scores

from confidante.core.errors import DataError
from confidante.models.factors import FactoredModel, Factors, OwnHistory
from confidante.models.served import NewRows, ServedModel, ServedPart, quantise, quantise_part

ITEMS = 40
RNG = np.random.default_rng(5)


def factors(name, columns, half_life, spectrum=1.0):
    strengths = RNG.normal(size=columns) * spectrum ** np.arange(columns)
    context, item = RNG.normal(size=(2, ITEMS)).astype(np.float32)
    vectors = RNG.normal(size=(ITEMS, columns)).astype(np.float32)
    vectors[3] = 0
    return Factors(name, vectors, strengths.astype(np.float32), context, item, half_life)


TRAINED = FactoredModel(
    (factors("short", 9, 1.5), factors("long", 5, 20.0, 0.1)),
    RNG.random(ITEMS).astype(np.float32),
    OwnHistory(3.0, 7.0),
)
SERVED = quantise(TRAINED)
REQUEST = st.lists(
    st.tuples(st.integers(0, ITEMS - 1), st.floats(0, 300), st.floats(-2, 2)), min_size=0, max_size=60
).map(
    lambda events: tuple(
        np.array(column, kind)
        for column, kind in zip(
            zip(*events, strict=True) if events else ((), (), ()),
            (np.int64, np.float64, np.float64),
            strict=True,
        )
    )
)


@given(REQUEST)
def test_prior_contributions_and_own_points_are_the_score(request):
    rows, ages, weights = request
    candidates = np.arange(ITEMS)
    scores = SERVED.scores(candidates, SERVED.queries(rows, ages, weights))
    shares = SERVED.contributions(rows, ages, weights, candidates)
    assert shares.shape == (ITEMS, len(rows), 2)
    size = SERVED.prior + np.abs(shares).sum(axis=(1, 2))
    assert (np.abs(SERVED.prior + shares.sum(axis=(1, 2)) - scores) <= 1e-12 * size).all()


@given(REQUEST)
def test_each_contribution_is_that_of_its_event_alone(request):
    rows, ages, weights = request
    candidates = np.array([0, 3, 39])
    together = SERVED.contributions(rows, ages, weights, candidates)
    for e in range(len(rows)):
        one = slice(e, e + 1)
        alone = SERVED.contributions(rows[one], ages[one], weights[one], candidates)
        assert together[:, one] == pytest.approx(alone, rel=1e-12, abs=1e-300)


def test_quantised_scores_are_those_of_the_trained_model_to_within_8_bits():
    history = [3, 8, 3, 21, 39, 0]
    rows, ages = np.array(history), np.arange(6.0)[::-1]
    trained = trained_scores(TRAINED, people(history))[0]
    np.add.at(trained, rows, 3 * 0.5 ** (ages / 7))
    served = SERVED.scores(np.arange(ITEMS), SERVED.queries(rows, ages, np.ones(6)))
    served += SERVED.own_points(rows, ages, np.arange(ITEMS)).sum(axis=1)
    assert np.abs(served - trained).max() < 0.02 * trained.std()
    assert np.corrcoef(served, trained)[0, 1] > 0.9999


def test_own_points_go_to_the_own_item_and_fade():
    rows, ages = np.array([4, 9, 4]), np.array([2.0, 1.0, 0.0])
    points = SERVED.own_points(rows, ages, np.array([4, 9, 5]))
    faded = 3 * 0.5 ** (ages / 7)
    assert points == pytest.approx(np.array([[faded[0], 0, faded[2]], [0, faded[1], 0], [0, 0, 0]]))
    halved = SERVED.own_points(rows, ages, np.array([4, 9, 5]), np.full(3, 0.5))
    assert halved == pytest.approx(points / 2)
    without = ServedModel(SERVED.parts, SERVED.prior)
    assert not without.own_points(rows, ages, np.array([4])).any()


def test_a_part_that_a_column_rules_keeps_the_others_in_8_bits():
    """Columns are scaled before rounding: a long one of little strength takes no bits from the rest."""
    vectors = RNG.normal(size=(ITEMS, 4)).astype(np.float32)
    vectors[:, 0] *= 1000
    strengths = np.array([1e-8, 1, -1, 0.5], np.float32)
    part = quantise_part(
        Factors("part", vectors, strengths, np.ones(ITEMS, np.float32), np.ones(ITEMS, np.float32), 1.0)
    )
    model = ServedModel((part,), np.zeros(ITEMS, np.float32))
    exact = (vectors.astype(np.float64) * strengths) @ vectors.T.astype(np.float64)
    found = model.contributions(np.arange(ITEMS), np.zeros(ITEMS), np.ones(ITEMS), np.arange(ITEMS))[:, :, 0]
    assert np.abs(found - exact).max() < 0.03 * exact.std()


def test_columns_without_strength_and_rows_of_zeros_take_no_harm():
    nothing = Factors(
        "nothing",
        np.zeros((2, 3), np.float32),
        np.array([0, 1, 0], np.float32),
        np.ones(2, np.float32),
        np.ones(2, np.float32),
        1.0,
    )
    part = quantise_part(nothing)
    assert part.vectors.shape == (2, 1)
    assert not part.item_weights.any()
    assert not part.context_weights.any()


def test_new_rows_score_as_if_they_had_been_trained():
    trained = TRAINED.parts[0]
    scale = np.sqrt(np.abs(trained.strengths))
    again = NewRows(trained.vectors[:5] * scale, trained.context_weights[:5], trained.item_weights[:5])
    longer = SERVED.with_rows(SERVED.prior[:5], {"short": again})
    assert longer.rows == ITEMS + 5
    rows, ages = np.array([7, 11]), np.array([1.0, 0.0])
    shares = longer.contributions(rows, ages, np.ones(2), np.arange(longer.rows))
    assert shares[ITEMS:, :, 0] == pytest.approx(shares[:5, :, 0], rel=1e-6, abs=1e-9)
    assert not shares[ITEMS:, :, 1].any()  # a part that says nothing of them
    assert np.array_equal(longer.prior[ITEMS:], SERVED.prior[:5])
    assert np.array_equal(shares[:ITEMS], SERVED.contributions(rows, ages, np.ones(2), np.arange(ITEMS)))


def test_a_subset_scores_as_its_rows_and_a_part_is_replaced_by_its_name():
    rows = np.array([9, 2, 30])
    few = SERVED.subset(rows)
    whole = SERVED.scores(rows, SERVED.queries(rows, np.zeros(3), np.ones(3)))
    own = np.arange(3)
    assert few.scores(own, few.queries(own, np.zeros(3), np.ones(3))) == pytest.approx(whole)
    text = quantise_part(factors("text", 4, 3.0))
    assert SERVED.with_part(text).names == ("short", "long", "text")
    assert SERVED.with_part(text).with_part(text).names == ("short", "long", "text")


def test_a_row_scores_the_same_whatever_it_is_asked_with():
    rows, ages = np.array([3, 8, 3, 21]), np.arange(4.0)[::-1]
    queries = SERVED.queries(rows, ages, np.ones(4))
    whole = SERVED.scores(np.arange(ITEMS), queries)
    for some in (np.array([17]), np.arange(3, 30, 7), RNG.permutation(ITEMS)):
        assert np.array_equal(SERVED.scores(some, queries), whole[some])


def test_forgetting_an_event_is_as_if_it_had_never_been_and_makes_the_older_ones_younger():
    rows, ages, ones = np.array([4, 9, 30, 4]), np.arange(4.0)[::-1], np.ones(4)
    candidates = np.arange(ITEMS)
    with_it, without = (SERVED.contributions(rows[:n], ages[4 - n :], ones[:n], candidates) for n in (4, 3))
    assert without == pytest.approx(with_it[:, :3] * 2 ** (1 / np.array([1.5, 20.0])), rel=1e-12, abs=1e-300)


def test_who_has_no_history_gets_the_prior():
    nothing = np.zeros(0, dtype=np.int64)
    queries = SERVED.queries(nothing, np.zeros(0), np.zeros(0))
    assert np.array_equal(SERVED.scores(np.arange(ITEMS), queries), SERVED.prior)


@pytest.mark.parametrize(("weight", "half_life"), [(1.0, 0.0), (np.nan, 1.0), (1.0, np.nan), (1.0, np.inf)])
def test_own_history_that_cannot_be_scored_is_refused(weight, half_life):
    with pytest.raises(DataError, match="cannot be scored"):
        OwnHistory(weight, half_life)


def part_of(name="part", rows=4, half_life=1.0, weights=None):
    ones = np.ones(rows, np.float32) if weights is None else weights
    return ServedPart(name, np.ones((rows, 2), np.int8), np.ones(2, np.float32), ones, ones, half_life)


@pytest.mark.parametrize("half_life", [0.0, -1.0, np.nan, np.inf])
def test_impossible_half_lives_are_refused(half_life):
    with pytest.raises(DataError, match="half-life"):
        part_of(half_life=half_life)


@pytest.mark.parametrize(
    "weights",
    [np.ones(3, np.float32), np.ones(4), np.full(4, np.nan, np.float32), np.ones((4, 1), np.float32)],
)
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(DataError, match="finite float32"):
        part_of(weights=weights)


def test_models_that_do_not_hold_together_are_refused():
    prior = np.zeros(4, np.float32)
    with pytest.raises(DataError, match="does not fit"):
        ServedModel((part_of(rows=5),), prior)
    with pytest.raises(DataError, match="same name"):
        ServedModel((part_of(), part_of()), prior)
    with pytest.raises(DataError, match="prior"):
        ServedModel((part_of(),), np.full(4, np.inf, np.float32))
    model = ServedModel((part_of(),), prior)
    nothing = NewRows(np.zeros((1, 3)), np.zeros(1), np.zeros(1))
    with pytest.raises(DataError, match="new vectors"):
        model.with_rows(np.zeros(1), {"part": nothing})
    with pytest.raises(DataError, match="no part"):
        model.with_rows(np.zeros(1), {"other": nothing})
    with pytest.raises(DataError, match="not finite"):
        model.with_rows(np.zeros(1), {"part": NewRows(np.full((1, 2), np.nan), np.zeros(1), np.zeros(1))})


@pytest.mark.parametrize("row", [-1, ITEMS])
def test_rows_outside_the_model_are_refused_everywhere(row):
    rows, one = np.array([row]), np.ones(1)
    known = np.array([0])
    queries = SERVED.queries(known, one, one)
    for attempt in (
        lambda: SERVED.queries(rows, one, one),
        lambda: SERVED.scores(rows, queries),
        lambda: SERVED.contributions(rows, one, one, known),
        lambda: SERVED.contributions(known, one, one, rows),
        lambda: SERVED.subset(rows),
    ):
        with pytest.raises(DataError, match="outside the model"):
            attempt()
