"""A training keeps the privacy that was asked for, refuses what cannot be, and repeats with its seed."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from checkerboard import checkerboard
from model_worlds import score_people

from confidante.core.errors import ConfidanteError, DataError, PlanError
from confidante.core.values import Catalogue, Histories
from confidante.lab.experiment import Training
from confidante.privacy.accounting import calibrate, epsilon_of
from confidante.training.recipe import BUDGET, EXACT, budget, weakness

ITEMS = 30
CATALOGUE = Catalogue(
    tuple(map(str, range(ITEMS))),
    tuple(f"Title {i} ({1980 + i})" for i in range(ITEMS)),
    tuple((f"kind-{i % 2}",) for i in range(ITEMS)),
)
NEVER = math.inf
BITS = 16


def people(*histories):
    items = np.array([item for events in histories for item in events], dtype=np.int32)
    return Histories(np.cumsum([0, *map(len, histories)], dtype=np.int64), items, np.arange(len(items)))


def crowd(count, seed=0):
    rng = np.random.default_rng(seed)
    return people(*(rng.integers(0, ITEMS, rng.integers(0, 12)).tolist() for _ in range(count)))


CROWD = crowd(40)


@lru_cache
def trained(epsilon, seed=0, dropout=0.0, delta=1e-5):
    """One training of the crowd; a coarse scale, for the sampler's tables are then built at once."""
    return Training(epsilon=epsilon, delta=delta, seed=seed, dropout=dropout, bits=BITS).train(
        CROWD, CATALOGUE
    )


def scores_of(run, histories):
    return score_people(run.learnt.factored, histories)


def same(one, other):
    return one.published == other.published


@pytest.mark.parametrize(("epsilon", "delta"), [(8.0, 1e-5), (1.0, 1e-3)])
def test_the_guarantee_is_the_one_asked_for_and_no_budget_is_wasted(epsilon, delta):
    run = trained(epsilon, delta=delta)
    guarantee = run.guarantee
    assert 0.95 * epsilon <= guarantee.server_epsilon <= epsilon
    assert 0 < guarantee.release_epsilon <= guarantee.server_epsilon
    assert guarantee.delta == delta
    assert [record.plan.task for record in run.records] == list(BUDGET)
    # Worked out anew from the noise that the plans hold, and from half of it: that is no (epsilon, delta).
    multipliers = [record.plan.noise_multiplier for record in run.records]
    assert epsilon_of(multipliers, delta) <= epsilon
    assert epsilon_of([m / 2 for m in multipliers], delta) > 1.5 * epsilon
    spent = np.array(multipliers) ** -2.0
    weak = weakness(CROWD.people, calibrate(epsilon, delta, (1.0,))[0])
    assert spent / spent.sum() == pytest.approx(list(budget(weak).values()))
    assert np.isfinite(scores_of(run, CROWD)).all()


def test_devices_that_vanish_cost_others_privacy_only_as_far_as_planned():
    full, thin = (trained(8.0, dropout=dropout) for dropout in (0.0, 0.3))
    assert full.guarantee.server_epsilon == thin.guarantee.server_epsilon <= 8
    assert full.guarantee.release_epsilon < thin.guarantee.release_epsilon <= 8
    assert {record.dropped for record in thin.records} == {12}
    assert {record.survivors for record in thin.records} == {36}  # a third of them went before the upload


def test_without_noise_epsilon_is_infinite_and_said_to_be():
    run = trained(None)
    assert run.guarantee.server_epsilon == run.guarantee.release_epsilon == NEVER
    assert [record.plan.noise_multiplier for record in run.records] == [0.0, 0.0, 0.0]
    assert run.learnt.factored.parts[0].half_life == EXACT.half_life


def test_without_noise_the_simulated_devices_solve_the_checkerboard():
    board = checkerboard(20)
    for engine in ("secure", "ideal"):
        run = Training(epsilon=None, engine=engine).train(board.histories, board.catalogue)
        scores = scores_of(run, board.histories)
        scores[board.histories.person_of_event, board.histories.items] = -np.inf
        assert scores.argmax(axis=1).tolist() == board.answers.tolist()


def test_the_seed_decides_the_model():
    one, other = trained(8.0), trained(8.0, seed=1)
    again = Training(epsilon=8.0, bits=BITS).train(CROWD, CATALOGUE)
    assert same(one, again)
    assert one.guarantee == again.guarantee
    assert not same(one, other)


@pytest.mark.parametrize("epsilon", [None, 8.0])
def test_the_real_protocol_and_its_ideal_learn_the_same_model(epsilon):
    few = crowd(16)
    options = {"epsilon": epsilon, "dropout": 0.25, "max_upload": 30, "seed": 3, "bits": BITS}
    secure, ideal = (
        Training(engine=engine, **options).train(few, CATALOGUE) for engine in ("secure", "ideal")
    )
    assert same(secure, ideal)
    assert secure.guarantee == ideal.guarantee
    assert (secure.rounds, secure.upload_bytes) == (ideal.rounds, ideal.upload_bytes)
    assert secure.rounds > 3
    assert secure.largest_upload <= 30
    assert sum(record.bytes_up for record in secure.records) > secure.upload_bytes


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 101.0, math.nan, math.inf])
def test_an_impossible_epsilon_is_refused(epsilon):
    with pytest.raises(PlanError, match="epsilon is"):
        Training(epsilon=epsilon).train(CROWD, CATALOGUE)


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan])
@pytest.mark.parametrize("epsilon", [8.0, None])
def test_an_impossible_delta_is_refused(epsilon, delta):
    with pytest.raises(PlanError, match="delta is"):
        Training(epsilon=epsilon, delta=delta).train(CROWD, CATALOGUE)


def test_more_dropouts_than_the_noise_is_planned_for_are_refused():
    with pytest.raises(PlanError, match=r"dropout is 0\.5"):
        Training(epsilon=None, dropout=0.5)


def test_nobody_and_one_person_are_refused():
    for count in (0, 1):
        with pytest.raises(PlanError, match="at least 2 devices"):
            Training(epsilon=None).train(people(*[[1, 2]] * count), CATALOGUE)


def test_two_people_hide_each_other_in_the_ideal_and_are_too_few_for_the_protocol():
    two = people([1, 2, 3], [2, 3, 4])
    run = Training(epsilon=8.0, bits=BITS).train(two, CATALOGUE)
    assert run.guarantee.server_epsilon <= 8
    with pytest.raises(PlanError, match="too few for a secure sum"):
        Training(epsilon=None, engine="secure").train(two, CATALOGUE)


@pytest.mark.parametrize("epsilon", [None, 8.0])
def test_people_without_events_are_trained_on_without_a_word(epsilon):
    run = Training(epsilon=epsilon, bits=BITS).train(people(*[[]] * 10), CATALOGUE)
    assert np.isfinite(scores_of(run, people([], [1, 2]))).all()


@pytest.mark.parametrize("item", [ITEMS, ITEMS + 1000, -1, -ITEMS, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("engine", ["secure", "ideal", "aggregate"])
def test_an_event_of_an_item_that_is_not_in_the_catalogue_is_refused(engine, item):
    hostile = people([1, 2], [3], [4, item, 5, item], *[[0]] * 9)
    with pytest.raises(DataError, match=rf"person 2 .* item {item}, .* 0 to 29 \(2 such events\)"):
        Training(epsilon=None, engine=engine).train(hostile, CATALOGUE)


@pytest.mark.parametrize("size", [0, 1])
def test_a_catalogue_without_a_choice_is_refused(size):
    names = tuple(map(str, range(size)))
    with pytest.raises(DataError, match="at least 2 are needed"):
        Training(epsilon=None).train(people(*[[0] * size] * 10), Catalogue(names, names, ((),) * size))


def test_two_items_are_enough():
    names = ("a", "b")
    run = Training(epsilon=None).train(people(*[[0, 1]] * 10), Catalogue(names, names, ((), ())))
    assert np.isfinite(scores_of(run, people([0]))).all()


@pytest.mark.parametrize(
    "options",
    [
        {"bits": 8, "epsilon": 8.0},
        {"bits": 0},
        {"bits": 40},
        {"max_upload": 0},
        {"max_upload": 7},
        {"max_dropout": 1.0},
        {"max_dropout": 0.95, "max_collusion": 0.05},
        {"max_collusion": -0.1},
        {"dropout": -0.5},
    ],
    ids=str,
)
def test_what_cannot_be_promised_is_refused_in_our_own_words(options):
    """A sum that could wrap in 8 bits, uploads too small for the catalogue, parts that are none."""
    with pytest.raises(ConfidanteError):
        Training(**{"epsilon": None} | options).train(CROWD, CATALOGUE)


def test_settings_are_taken_as_given():
    run = Training(epsilon=None, settings=replace(EXACT, max_rank=4, half_life=9.0)).train(CROWD, CATALOGUE)
    assert run.learnt.basis.vectors.shape[1] == 4
    assert {part.half_life for part in run.learnt.factored.parts} == {9.0}
    assert run.seconds >= sum(record.seconds for record in run.records) > 0
