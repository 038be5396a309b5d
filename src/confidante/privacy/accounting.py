"""What all private sums of a population cost together, and how much noise a wanted epsilon takes.

Runs in the lab and at the coordinator; devices never import it.

Adjacency: two populations are neighbours when one person's vectors are replaced by zeros in every sum
(zero-out; dp-accounting calls it REPLACE_SPECIAL). The number of devices is public, and everyone may take
part in every sum: no amplification by sampling is claimed. Each sum is released once, and is at least as
private as a Gaussian mechanism of its plan's noise multiplier: what `Mechanism.gaussian_multiplier` answers
for is all that is asked of the noise (docs/explanation/privacy.md). So sums compose
as Gaussians do, also when the vectors of a later sum depend on an earlier one (but not its noise multiplier:
the budget is divided beforehand). dp-accounting's privacy loss distribution of the composition, rounded
pessimistically, gives epsilon: an upper bound.

dp-accounting and scipy are loaded when something is first accounted for: they take seconds, which a process
that only answers devices, or sums without noise, need not spend.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from confidante.core.errors import PlanError
from confidante.privacy.plan import SumPlan

ADJACENCY = "zero-out of one person's vectors in all sums; the number of devices is public"

_MAX_EPSILON = 100.0
_MIN_DELTA, _MAX_DELTA = 1e-15, 0.5


@final
@dataclass(frozen=True, slots=True)
class Guarantee:
    """(epsilon, delta) of a population's sums together.

    server_epsilon: what the coordinator faces, with the worst allowed dropout and its colluders' noise known
    to it; release_epsilon: what anyone else faces who sees the sums or any model made of them. Infinite when
    a sum has no noise.
    """

    server_epsilon: float
    release_epsilon: float
    delta: float
    adjacency: str = ADJACENCY


def account(plans: Sequence[SumPlan], delta: float, survivors: Sequence[int] | None = None) -> Guarantee:
    """Return the guarantee of all plans together, each sum released once.

    survivors: devices in each opened sum, for the release-facing figure; by default each plan's minimum.
    Raises `PlanError` for an impossible delta, or survivors that no round could have had.
    """
    if survivors is None:
        survivors = [plan.cohort.minimum_survivors for plan in plans]
    if len(survivors) != len(plans):
        raise PlanError(f"{len(plans)} plans but {len(survivors)} counts of survivors: give one a plan")
    for plan, count in zip(plans, survivors, strict=True):
        if not plan.cohort.minimum_survivors <= count <= plan.cohort.devices:
            raise PlanError(
                f"{plan.task}: {count} survivors of {plan.cohort.devices} devices: "
                f"a sum opens with {plan.cohort.minimum_survivors} at least"
            )
    released = [plan.multiplier_of(count) for plan, count in zip(plans, survivors, strict=True)]
    return Guarantee(
        server_epsilon=epsilon_of([plan.noise_multiplier for plan in plans], delta),
        release_epsilon=epsilon_of(released, delta),
        delta=delta,
    )


def epsilon_of(noise_multipliers: Sequence[float], delta: float) -> float:
    """Return an upper bound of the epsilon of Gaussian sums with these multipliers, composed.

    0.0 without sums; infinite when a multiplier is 0. Raises `PlanError` for impossible arguments.
    """
    _check_delta(delta)
    for multiplier in noise_multipliers:
        if not 0 <= multiplier < math.inf:
            raise PlanError(f"a noise multiplier is {multiplier}: give finite numbers from 0")
    if 0 in noise_multipliers:
        return math.inf
    if len(noise_multipliers) == 0:
        return 0.0
    import dp_accounting
    from dp_accounting import pld

    # Together they are one Gaussian (Dong, Roth, Su 2022, corollary 2). A thousand steps to the loss's
    # standard deviation put the rounding error below 1e-4 of epsilon or so.
    mu = math.sqrt(math.fsum(multiplier**-2 for multiplier in noise_multipliers))
    accountant = pld.PLDAccountant(dp_accounting.NeighboringRelation.REPLACE_SPECIAL, mu / 1000)
    accountant.compose(dp_accounting.GaussianDpEvent(1 / mu))
    return float(accountant.get_epsilon(delta))


def calibrate(epsilon: float, delta: float, shares_of_budget: Sequence[float]) -> tuple[float, ...]:
    """Return the least noise multipliers with which the sums together stay within (epsilon, delta).

    shares_of_budget: for each sum a positive number; they divide 1/multiplier^2 in this proportion, which is
    how Gaussian sums use up a budget. The multipliers are at most 0.1 % above what the accountant would
    allow.

    Raises `PlanError` for an epsilon outside (0, 100], a delta outside [1e-15, 0.5], or shares that are not
    positive.
    """
    if not 0 < epsilon <= _MAX_EPSILON:
        raise PlanError(f"epsilon is {epsilon}: give a number above 0, up to {_MAX_EPSILON:.0f}")
    _check_delta(delta)
    if len(shares_of_budget) == 0:
        raise PlanError("no shares of the budget: give one for each sum")
    if not all(0 < share < math.inf for share in shares_of_budget):
        raise PlanError(f"shares of the budget are {list(shares_of_budget)}: give positive, finite numbers")
    whole = math.fsum(shares_of_budget)
    units = [math.sqrt(whole / share) for share in shares_of_budget]

    def cost(scale: float) -> float:
        return epsilon_of([scale * unit for unit in units], delta)

    # The closed form is the answer but for the accountant's rounding, which is on the safe side.
    low = 1 / gaussian_mu(epsilon, delta)
    high = low
    while cost(high) > epsilon:
        low, high = high, high * 1.01
    while high - low > 5e-4 * low:
        middle = (low + high) / 2
        if cost(middle) > epsilon:
            low = middle
        else:
            high = middle
    return tuple(high * unit for unit in units)


def gaussian_delta(epsilon: float, mu: float) -> float:
    """Return the exact delta of a Gaussian sum of multiplier 1/mu (Balle, Wang 2018, theorem 8)."""
    from scipy import special

    a, b = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    return float(special.ndtr(a) - math.exp(epsilon + special.log_ndtr(b)))


def gaussian_mu(epsilon: float, delta: float) -> float:
    """Return the mu = 1/multiplier with which one Gaussian mechanism is exactly (epsilon, delta)-private."""
    from scipy import optimize

    return float(
        math.exp(optimize.brentq(lambda x: gaussian_delta(epsilon, math.exp(x)) - delta, -30, 6, xtol=1e-13))
    )


def _check_delta(delta: float) -> None:
    if not _MIN_DELTA <= delta <= _MAX_DELTA:
        raise PlanError(f"delta is {delta}: give a number from {_MIN_DELTA} to {_MAX_DELTA}")
