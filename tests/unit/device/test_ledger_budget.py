"""The budget.

Epsilon is worked out on the device, adds up as Gaussian mechanisms do, and is never exceeded.
"""

import math
from pathlib import Path

import pytest
from device_world import open_device
from hypothesis import given
from hypothesis import strategies as st
from outward_world import drawn, home

from confidante.core.errors import ConsentError
from confidante.device.privacy.budget import (
    NO_LIMIT,
    composed,
    gaussian_epsilon,
    gaussian_mu,
    odds,
    odds_sentence,
    pure_mu,
)
from confidante.device.values import Purpose
from confidante.privacy.accounting import calibrate, epsilon_of
from confidante.privacy.limits import DELTA, EPSILON_LIMIT

PLAN = drawn("plan")


def multiplier(epsilon: float) -> float:
    return 1 / gaussian_mu(epsilon)


def test_the_closed_form_agrees_with_the_accountant_and_is_never_below_the_truth() -> None:
    for noise in (0.4, 0.7, 1.0, 2.0, 5.0, 20.0):
        accounted = epsilon_of([noise], DELTA)
        assert gaussian_epsilon(1 / noise) == pytest.approx(accounted, rel=5e-3)
        assert gaussian_epsilon(1 / noise) <= accounted


@given(mu=st.floats(1e-3, 9.0))
def test_epsilon_and_mu_are_each_others_inverse_rounded_against_us(mu: float) -> None:
    assert mu <= gaussian_mu(gaussian_epsilon(mu)) <= mu * (1 + 1e-6)


@given(epsilons=st.lists(st.floats(0.01, 4.0), max_size=6))
def test_rounds_together_cost_at_least_the_dearest_and_at_most_their_sum(epsilons: list[float]) -> None:
    together = composed([(epsilon, DELTA) for epsilon in epsilons])
    assert max(epsilons, default=0.0) <= together * (1 + 1e-6)
    assert together <= sum(epsilons) * (1 + 1e-6)


def test_a_whole_programme_costs_what_the_accountant_says_of_it() -> None:
    multipliers = calibrate(8.0, DELTA, (0.05, 0.05, 0.9))
    together = composed([(gaussian_epsilon(1 / one), DELTA) for one in multipliers])
    assert together == pytest.approx(8.0, rel=5e-3)
    assert together <= 8.0


def test_pure_privacy_is_counted_as_the_gaussian_that_gives_away_as_much() -> None:
    """At the kink of its trade-off function; the figures are 2 Phi^-1(e^eps / (1 + e^eps)) by tables."""
    for epsilon, mu in ((math.log(0.841344746 / 0.158655254), 2.0), (math.log(3), 1.348979500), (0.0, 0.0)):
        assert pure_mu(epsilon) == pytest.approx(mu, rel=1e-7)
    assert pure_mu(1000.0) == math.inf
    with pytest.raises(ValueError, match="at least 0"):
        pure_mu(-0.1)


@given(epsilon=st.floats(0.01, 8.0), delta=st.floats(1e-9, 0.5))
def test_no_gaussian_counted_for_pure_privacy_gives_away_less(epsilon: float, delta: float) -> None:
    """The (epsilon', delta) curve of the Gaussian lies above that of pure privacy, whose tangents it bounds.

    Pure privacy at `epsilon` is (e', d)-private for every e' below it with d = (e^eps - e^e') / (1 + e^eps).
    """
    for share in (0.0, 0.3, 0.9):
        milder = epsilon * share
        pure = (math.exp(epsilon) - math.exp(milder)) / (1 + math.exp(epsilon))
        if 1e-12 < pure < 1:
            assert gaussian_epsilon(pure_mu(epsilon), pure) >= milder * (1 - 1e-9)


def test_pure_releases_compose_with_rounds_by_the_better_of_two_ways() -> None:
    assert composed([(1.0, 0.0)]) == pytest.approx(1.0)
    assert composed([(0.5, 0.0), (0.25, 0.0), (4.0, DELTA)]) == pytest.approx(4.75)
    many = composed([(0.1, 0.0)] * 400)
    assert many == pytest.approx(gaussian_epsilon(20 * pure_mu(0.1)))
    assert many < 40 * 0.5
    assert composed([(1000.0, 0.0)]) == 1000.0


def test_odds_read_as_a_gambler_would() -> None:
    assert odds(0.0) == 0.5
    assert odds(1.0) == pytest.approx(math.e / (1 + math.e))
    assert "74 in 100" in odds_sentence(1.0)
    assert "1 in 100,000" in odds_sentence(1.0)
    assert odds_sentence(0.0).startswith("Nobody learned")
    assert "9,997 in 10,000" in odds_sentence(8.0)
    assert "little protection" in odds_sentence(8.0)
    assert "nearly always" in odds_sentence(50.0)


def test_a_new_vault_has_spent_nothing_of_eight(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        budget = at.ledger.budget()
        assert (budget.epsilon_spent, budget.epsilon_limit, budget.delta, budget.rounds) == (
            0,
            EPSILON_LIMIT,
            DELTA,
            0,
        )
        assert budget.epsilon_left == EPSILON_LIMIT


def test_the_limit_is_kept_and_can_be_moved_to_any_sane_number(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.ledger.set_budget(2.5)
        for nonsense in (-1.0, math.nan, math.inf):
            with pytest.raises(ConsentError, match="privacy budget"):
                at.ledger.set_budget(nonsense)
    with home(tmp_path / "new", create=False) as again:
        assert again.ledger.budget().epsilon_limit == 2.5


def test_a_round_is_spent_with_the_departure_that_carries_its_epsilon(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        epsilon = at.ledger.rounds.join(drawn("r"), "greeting", PLAN, multiplier(2.0))
        assert epsilon == pytest.approx(2.0)
        at.write(round=drawn("r"))
        assert at.ledger.budget().epsilon_spent == 0
        at.write(round=drawn("r"), epsilon=epsilon, delta=DELTA)
        assert at.ledger.budget().epsilon_spent == pytest.approx(2.0)
        assert at.ledger.budget().rounds == 1
        with pytest.raises(ConsentError, match="joins no round twice"):
            at.write(round=drawn("r"), epsilon=epsilon, delta=DELTA)
        with pytest.raises(ConsentError, match="did not join"):
            at.write(round=drawn("other"), epsilon=epsilon, delta=DELTA)
        assert len(at.ledger.departures()) == 2  # what was refused left no entry
        at.ledger.verify()


def test_epsilon_belongs_to_a_round_and_is_a_number(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        for wrong in ({"epsilon": 1.0}, {"epsilon": -1.0}, {"epsilon": math.nan}, {"delta": 1.0}):
            with pytest.raises(ValueError, match="bounds"):
                at.write(**wrong)


def test_no_round_is_joined_beyond_the_limit_counting_those_under_way(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        at.ledger.set_budget(3.0)
        at.ledger.rounds.join(drawn("first"), "greeting", PLAN, multiplier(2.5))
        with pytest.raises(ConsentError, match="limit"):
            at.ledger.rounds.join(drawn("second"), "greeting", PLAN, multiplier(2.5))
        assert at.ledger.rounds.state(drawn("second")) is None
        at.ledger.rounds.give_up(drawn("first"))
        at.ledger.rounds.join(drawn("third"), "greeting", PLAN, multiplier(2.5))


def test_a_limit_lowered_meanwhile_stops_the_spending(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        epsilon = at.ledger.rounds.join(drawn("r"), "greeting", PLAN, multiplier(2.5))
        at.ledger.set_budget(1.0)
        with pytest.raises(ConsentError, match="limit"):
            at.write(round=drawn("r"), epsilon=epsilon, delta=DELTA)
        assert at.ledger.departures() == ()


def test_a_programme_made_for_just_the_limit_fits_it(tmp_path: Path) -> None:
    noise = multiplier(8.0)
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        for place, share in enumerate((0.05, 0.05, 0.9)):
            name = drawn(f"part {place}")
            epsilon = at.ledger.rounds.join(name, "greeting", PLAN, noise / math.sqrt(share))
            at.write(round=name, epsilon=epsilon, delta=DELTA)
        assert at.ledger.budget().epsilon_spent == pytest.approx(8.0)
        with pytest.raises(ConsentError, match="limit"):
            at.ledger.rounds.join(drawn("one more"), "greeting", PLAN, 50.0)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_a_sum_without_noise_is_joined_within_no_limit(tmp_path: Path, noise: float) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at, pytest.raises(ConsentError, match="little noise"):
        at.ledger.rounds.join(drawn("r"), "greeting", PLAN, noise)


def test_who_wants_no_limit_joins_sums_without_noise_and_no_limit_ever_holds_again(tmp_path: Path) -> None:
    with home(tmp_path / "v") as at:
        rounds = at.ledger.rounds
        at.ledger.set_budget(NO_LIMIT)
        assert not at.ledger.budget().limited
        cost = rounds.join(drawn("1"), "popularity", PLAN, 0.0)
        rounds.spend(drawn("1"), "popularity", cost, DELTA)
        assert at.ledger.budget().unbounded
        assert "nearly always" in at.ledger.budget().sentence
        at.ledger.set_budget(1e300)
        with pytest.raises(ConsentError, match="would reach inf"):
            rounds.join(drawn("2"), "popularity", PLAN, 100.0)


def test_a_round_is_joined_once_even_after_it_was_given_up_and_the_vault_reopened(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.ledger.rounds.join(drawn("r"), "greeting", PLAN, 5.0)
    with home(tmp_path / "new", create=False) as again:
        assert again.ledger.rounds.give_up_unfinished() == 1
        assert again.ledger.rounds.state(drawn("r")) == "over"
        with pytest.raises(ConsentError, match="joins no round twice"):
            again.ledger.rounds.join(drawn("r"), "greeting", PLAN, 5.0)
        assert again.ledger.budget().rounds == 0


def test_what_was_spent_travels_with_an_export_and_counts_once(tmp_path: Path) -> None:
    with open_device(tmp_path / "old") as old:
        for name in ("first", "second"):
            epsilon = old.ledger.rounds.join(drawn(name), "greeting", PLAN, multiplier(2.0))
            old.ledger.rounds.spend(drawn(name), "greeting", epsilon, DELTA)
        old.ledger.rounds.join(drawn("only joined"), "greeting", PLAN, multiplier(2.0))
        spent = old.ledger.budget()
        old.export(tmp_path / "all.jsonl")
    with open_device(tmp_path / "new") as new:
        for dry_run in (True, False, False):  # twice is once
            new.import_history(tmp_path / "all.jsonl", dry_run=dry_run)
            found = new.ledger.budget()
            assert (found.rounds, found.epsilon_spent) == ((0, 0.0) if dry_run else (2, spent.epsilon_spent))
        with pytest.raises(ConsentError, match="joins no round twice"):
            new.ledger.rounds.join(drawn("first"), "greeting", PLAN, multiplier(2.0))
