"""A plan that exists can be kept; one that cannot is refused with a text that says why."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from confidante.core.errors import PlanError
from confidante.privacy.plan import Cohort, SumPlan, plan_sum

GOOD = plan_sum("good", 1000, 1.0, 0.1, 2.0, Cohort(1000), bits=20)


def test_honest_survivors_are_what_the_worst_case_leaves():
    assert Cohort(1000).honest_survivors == 600
    assert Cohort(1000).minimum_survivors == 700
    assert Cohort(10, 0.3, 0.1).honest_survivors == 6  # decimals as written: 0.3 of 10 is 3
    assert Cohort(19, 0.1, 0.0).minimum_survivors == 18  # at most one of 19 may drop out, not 1.9


@pytest.mark.parametrize(
    "cohort",
    [
        (0,),
        (1,),
        (-5,),
        (2, 0.5, 0.0),
        (10, 0.5, 0.4),
        (10, 1.0),
        (10, -0.1),
        (10, math.nan),
        (10, 0.3, math.inf),
    ],
)
def test_a_cohort_in_which_nobody_can_hide_is_refused(cohort):
    with pytest.raises(PlanError):
        Cohort(*cohort)


@pytest.mark.parametrize(
    "change",
    [
        {"task": ""},
        {"length": 0},
        {"l2_bound": math.nan},
        {"l2_bound": 0.0},
        {"linf_bound": math.inf},
        {"linf_bound": -1.0},
        {"scale": math.nan},
        {"scale": 0.0},
        {"bits": 7},
        {"bits": 33},
        {"noise_multiplier": math.nan},
        {"noise_multiplier": -1.0},
        {"noise_multiplier": math.inf},
    ],
    ids=str,
)
def test_impossible_fields_are_refused(change):
    with pytest.raises(PlanError):
        replace(GOOD, **change)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"scale": GOOD.scale * 4}, "could wrap"),
        ({"bits": 16}, "could wrap"),
        ({"cohort": Cohort(10_000_000)}, "could wrap"),
        ({"scale": 9.0}, "too coarse"),
        ({"scale": 1e9}, "lower the scale"),
        ({"noise_multiplier": 1e-3, "scale": 100.0}, "more noise"),
    ],
    ids=str,
)
def test_plans_that_cannot_be_kept_say_why(change, problem):
    with pytest.raises(PlanError, match=problem):
        replace(GOOD, **change)


def test_no_scale_for_too_few_bits():
    with pytest.raises(PlanError, match="could wrap"):
        plan_sum("t", 1000, 1.0, 0.1, 2.0, Cohort(1000), bits=8)


@given(
    st.integers(1, 10**6),
    st.floats(1e-3, 1e3),
    st.floats(1e-2, 1),
    st.just(0.0) | st.floats(0.05, 50),
    st.integers(10, 10**5),
    st.integers(8, 32),
)
def test_every_plan_keeps_its_promises(length, l2, ratio, multiplier, devices, bits):
    try:
        plan = plan_sum("t", length, l2, l2 * ratio, multiplier, Cohort(devices), bits)
    except PlanError:
        return
    wanted = Fraction(multiplier) ** 2 * plan.l2_int_squared
    guaranteed = plan.noise_variance(plan.cohort.honest_survivors)
    assert guaranteed >= wanted
    if multiplier:
        assert plan.multiplier_of(plan.cohort.honest_survivors) >= multiplier * (1 - 1e-12)
        assert plan.release_multiplier > multiplier
        assert (2**16 * plan.share_variance).denominator == 1
        assert float(guaranteed) < float(wanted + 1) + plan.cohort.honest_survivors * 2**-16
    assert devices * plan.linf_int + plan.headroom < 2 ** (bits - 1)


def test_a_finer_scale_would_wrap():
    plan = plan_sum("t", 1000, 1.0, 0.1, 2.0, Cohort(1000), bits=16)
    with pytest.raises(PlanError, match="could wrap"):
        replace(plan, scale=plan.scale * 1.05)


@pytest.mark.parametrize("variance", [60.0, 4000.0])
def test_headroom_holds_the_noise(variance):
    """Against the exact Skellam tail: P(an entry exceeds it) < 2^-40, and it is not wildly large."""
    cohort = Cohort(100, 0.0, 0.0)
    plan = SumPlan("t", 10_000, 100.0, 1.0, 1.0, 32, math.sqrt(variance - 0.4) / 100, cohort)
    magnitude = np.arange(2000)
    tail = 2 * np.cumsum(special.ive(magnitude, float(plan.noise_variance(100)))[::-1])[::-1]
    assert plan.length * tail[plan.headroom + 1] < 2**-40
    assert plan.length * tail[int(plan.headroom * 0.7)] > 2**-40


def test_without_noise_there_is_none():
    plan = plan_sum("t", 10, 1.0, 1.0, 0.0, Cohort(10), bits=16)
    assert plan.share_variance == 0
    assert plan.headroom == 0
    assert plan.release_multiplier == 0.0


def test_upload_is_packed():
    assert plan_sum("t", 1001, 1.0, 1.0, 0.0, Cohort(10), bits=19).upload_bytes == math.ceil(1001 * 19 / 8)


def test_shares_outnumber_the_wanted_noise_by_the_cohort_left_out():
    ratio = GOOD.release_multiplier / GOOD.noise_multiplier
    assert np.isclose(ratio, math.sqrt(7 / 6), rtol=1e-3)
