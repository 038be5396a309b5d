"""The whole pipeline attacked as the coordinator could: is the claimed figure a lie?

One coordinate, the worst pair (everything or nothing), the worst dropout, colluders' noise known. The optimal
attack is a threshold (the likelihood ratio is monotone). Bounds by Clopper and Pearson at 1 - 1e-6: a true
claim fails with a chance below 1e-5 a test, thresholds counted.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from confidante.core.values import SparseRows
from confidante.privacy.accounting import account
from confidante.privacy.clipping import decode, encode
from confidante.privacy.mechanisms.skellam import sample
from confidante.privacy.plan import Cohort, SumPlan, plan_sum

RUNS = 300_000
DELTA = 1e-5
COHORT = Cohort(10)


def views(plan: SumPlan, value: float, seed: int, shares: int) -> np.ndarray:
    """What the coordinator sees in RUNS rounds but for what it knows: one person's term, honest shares."""
    rows = SparseRows(np.arange(RUNS + 1), np.zeros(RUNS, dtype=np.int64), np.full(RUNS, value), 1)
    dither = np.random.default_rng(seed).integers(0, 2**64, RUNS, dtype=np.uint64)
    noise = sample(plan.share_variance, RUNS * shares, seed.to_bytes(32, "little"))
    return decode(encode(rows, plan, dither).values + noise.reshape(RUNS, shares).sum(axis=1), plan)


def found(plan: SumPlan, shares: int) -> tuple[float, float]:
    """Lower bounds of epsilon (at DELTA) and of mu = 1/multiplier that the views of RUNS rounds prove."""
    absent, present = views(plan, 0.0, 1, shares), views(plan, 1e9, 2, shares)
    epsilon = mu = 0.0
    for threshold in np.linspace(0, 4, 9) * plan.l2_bound * plan.noise_multiplier:
        false_alarms, hits = int((absent >= threshold).sum()), int((present >= threshold).sum())
        most_false = stats.beta.ppf(1 - 1e-6, false_alarms + 1, RUNS - false_alarms)
        least_hits = stats.beta.ppf(1e-6, hits, RUNS - hits + 1) if hits else 0.0
        if least_hits > DELTA:
            epsilon = max(epsilon, math.log((least_hits - DELTA) / most_false))
            mu = max(mu, stats.norm.isf(most_false) - stats.norm.isf(least_hits))
    return epsilon, mu


@pytest.fixture(scope="module", params=[12, 24], ids=["coarse", "fine"])
def plan(request):
    return plan_sum("audit", 1, 2.0, 2.0, 1.0, COHORT, bits=request.param)


def test_the_claim_holds_in_the_worst_case(plan):
    epsilon, mu = found(plan, COHORT.honest_survivors)
    assert epsilon < account([plan], DELTA).server_epsilon
    assert 0.95 < mu < 1 / plan.noise_multiplier  # the attack is as good as it can be, and no better


def test_the_release_claim_holds(plan):
    epsilon, mu = found(plan, COHORT.minimum_survivors)
    assert epsilon < account([plan], DELTA).release_epsilon
    assert mu < 1 / plan.release_multiplier


def test_half_the_noise_would_be_found_out(plan):
    epsilon, mu = found(replace(plan, noise_multiplier=0.5), COHORT.honest_survivors)
    assert epsilon > account([plan], DELTA).server_epsilon
    assert mu > 1.9


def test_one_share_too_few_would_be_found_out(plan):
    _, mu = found(plan, COHORT.honest_survivors - 1)
    assert mu > 1 / plan.noise_multiplier
