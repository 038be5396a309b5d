"""Known answers, laws of composition, and refusals of the accountant."""

import math

import numpy as np
import pytest
from dp_accounting import rdp

from confidante.core.errors import PlanError
from confidante.privacy.accounting import (
    account,
    calibrate,
    epsilon_of,
    gaussian_delta,
    gaussian_mu,
)
from confidante.privacy.plan import Cohort, SumPlan, plan_sum

COHORT = Cohort(1000)


@pytest.mark.parametrize("multiplier", [0.3, 0.5, 1.0, 3.0, 30.0, 1000.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-9])
def test_one_gaussian_sum_has_its_closed_form(multiplier, delta):
    epsilon = epsilon_of([multiplier], delta)
    exact = gaussian_delta(epsilon, 1 / multiplier)
    assert exact <= delta  # the bound is on the safe side
    assert gaussian_delta(epsilon * 0.998 - 1e-4 / multiplier, 1 / multiplier) > delta or epsilon < 1e-6


def test_published_figures():
    """Balle and Wang 2018: delta of (epsilon 1, mu 1) is 0.12693674; mu for (1, 1e-5) is 1/3.7306."""
    assert gaussian_delta(1.0, 1.0) == pytest.approx(0.12693674, abs=1e-7)
    assert 1 / gaussian_mu(1.0, 1e-5) == pytest.approx(3.7306, abs=1e-3)


@pytest.mark.parametrize("multipliers", [[2.0, 2.0], [3.0, 4.0, 12.0], [1.0, 50.0], [5.0] * 12])
def test_sums_compose_to_one_of_their_root_sum_square(multipliers):
    single = 1 / math.sqrt(sum(m**-2 for m in multipliers))
    assert epsilon_of(multipliers, 1e-5) == pytest.approx(epsilon_of([single], 1e-5), rel=2e-3)


def test_more_noise_or_delta_costs_less_and_another_sum_costs_more():
    base = epsilon_of([2.0, 3.0], 1e-5)
    assert epsilon_of([2.1, 3.0], 1e-5) < base
    assert epsilon_of([2.0, 3.0], 1e-4) < base
    assert epsilon_of([2.0, 3.0, 20.0], 1e-5) > base


def test_nothing_released_costs_nothing_and_no_noise_costs_everything():
    assert epsilon_of([], 1e-5) == 0.0
    assert epsilon_of([2.0, 0.0], 1e-5) == math.inf


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 8.0, 50.0])
@pytest.mark.parametrize("shares", [[1.0], [0.46, 0.30, 0.20, 0.04]])
def test_calibration_comes_back_to_the_wanted_epsilon(epsilon, shares):
    multipliers = calibrate(epsilon, 1e-5, shares)
    assert epsilon_of(multipliers, 1e-5) <= epsilon
    assert epsilon_of([m * 0.995 for m in multipliers], 1e-5) > epsilon
    parts = [m**-2 for m in multipliers]
    assert [p / sum(parts) for p in parts] == pytest.approx([s / sum(shares) for s in shares])


@pytest.mark.parametrize(
    ("epsilon", "delta", "shares"),
    [
        (0.0, 1e-5, [1.0]),
        (-1.0, 1e-5, [1.0]),
        (math.nan, 1e-5, [1.0]),
        (math.inf, 1e-5, [1.0]),
        (1.0, 0.0, [1.0]),
        (1.0, -1e-5, [1.0]),
        (1.0, 1.0, [1.0]),
        (1.0, math.nan, [1.0]),
        (1.0, 1e-5, []),
        (1.0, 1e-5, [0.0, 1.0]),
        (1.0, 1e-5, [math.nan]),
        (1.0, 1e-5, [-1.0, 2.0]),
    ],
)
def test_impossible_budgets_are_refused(epsilon, delta, shares):
    with pytest.raises(PlanError):
        calibrate(epsilon, delta, shares)


@pytest.mark.parametrize("multiplier", [-1.0, math.nan, math.inf])
def test_impossible_multipliers_are_refused(multiplier):
    with pytest.raises(PlanError):
        epsilon_of([multiplier], 1e-5)


@pytest.fixture(scope="module")
def plans():
    return [
        plan_sum("popularity", 1000, 1.0, 0.2, 8.0, COHORT, bits=24),
        plan_sum("gram", 50_000, 1.0, 0.1, 2.0, COHORT, bits=32),
    ]


def test_the_coordinator_faces_the_guaranteed_noise_and_others_all_of_it(plans):
    worst = account(plans, 1e-5)
    assert worst.server_epsilon == epsilon_of([8.0, 2.0], 1e-5)
    assert worst.release_epsilon < worst.server_epsilon
    everyone = account(plans, 1e-5, survivors=[1000, 1000])
    assert everyone.release_epsilon < worst.release_epsilon
    assert everyone.server_epsilon == worst.server_epsilon
    assert "zero-out" in worst.adjacency


def test_survivors_that_no_round_could_have_are_refused(plans):
    for survivors in ([699, 700], [1001, 700], [700]):
        with pytest.raises(PlanError):
            account(plans, 1e-5, survivors)


def test_a_sum_without_noise_has_no_epsilon(plans):
    bare = plan_sum("bare", 10, 1.0, 1.0, 0.0, COHORT, bits=16)
    guarantee = account([*plans, bare], 1e-5)
    assert guarantee.server_epsilon == guarantee.release_epsilon == math.inf


def skellam_rdp_epsilon(plan: SumPlan, delta: float) -> float:
    """An independent upper bound of the server-facing epsilon, by Renyi divergence.

    Agarwal, Kairouz and Liu 2021, theorem 3.5: Skellam noise of variance V is (a, e)-Renyi private for
    integer vectors of norms d1, d2 with e = a d2^2 / 2V + min(((2a - 1) d2^2 + 6 d1) / 4V^2, 3 d1 / 2V).
    """
    orders = 1 + np.geomspace(0.01, 4096, 400)
    variance = float(plan.noise_variance(plan.cohort.honest_survivors))
    l2_squared = plan.l2_int_squared
    l1 = min(math.sqrt(plan.length * l2_squared), l2_squared)  # integers: |v| <= v^2
    correction = ((2 * orders - 1) * l2_squared + 6 * l1) / (4 * variance**2)
    divergence = orders * l2_squared / (2 * variance) + np.minimum(correction, 3 * l1 / (2 * variance))
    return float(rdp.compute_epsilon(orders, divergence, delta)[0])


@pytest.mark.parametrize("multiplier", [0.5, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("bits", [14, 32])
def test_the_renyi_theorem_for_skellam_noise_agrees(multiplier, bits):
    """Another proof of nearly the same figure: never below ours, and at most 12 % above."""
    plan = plan_sum("t", 500, 1.0, 0.2, multiplier, Cohort(300), bits)
    ours, theirs = account([plan], 1e-5).server_epsilon, skellam_rdp_epsilon(plan, 1e-5)
    assert ours <= theirs <= 1.12 * ours
