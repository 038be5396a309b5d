"""What has been given away about a person, as one figure that the device works out itself.

Every private sum that a device joins is at least as private as one Gaussian mechanism with the plan's
`noise_multiplier` s (docs/explanation/privacy.md), that is, 1/s-Gaussian differentially private for this
person, whose vector is replaced by zeros. Such sums compose exactly, also when a later one depends on an
earlier one: mu^2 = sum of 1/s^2 (Dong, Roth, Su 2022, corollary 2), and a mu-Gaussian mechanism is
(epsilon, delta)-private with

    delta = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)

(Balle and Wang 2018, theorem 8). So each round is kept with its own epsilon at one delta, from which its mu
follows, and what is shown is the epsilon of all of them together: never more than the sum of the rounds'
own, never less than the truth. It is the server-facing figure: the worst dropout and collusion that the
plan allows.

What is no sum and is private by itself, with a delta of 0 (a bucket that is named in a question), is kept
with that delta. Of such the epsilons add up, and add to that of the sums; or each counts as a Gaussian
mechanism with mu = 2 Phi^-1(e^epsilon / (1 + e^epsilon)), and all compose by squares. For the trade-off
function of pure privacy (Dong, Roth, Su 2022, section 2) is made of two straight lines with their kink where
both errors are equal, and a convex function through the kink and both ends lies below them. Both hold, so
the smaller is shown.
"""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

from confidante.privacy.limits import DELTA

NO_LIMIT = sys.float_info.max
"""The limit of somebody who wants none: sums without noise are joined, too, and count as this much each."""

_MOST = 100.0  # no epsilon above it is told apart: it protects nobody
_CLOSE = 1 + 1e-9


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """What was given away so far, and how much may be.

    Attributes:
        epsilon_spent: Of all rounds that were spent, together; inf after a sum without noise.
        epsilon_limit: For the lifetime of the vault.
        delta: At which both hold.
        rounds: How many were spent.

    Stability: provisional
    """

    epsilon_spent: float
    epsilon_limit: float
    delta: float
    rounds: int

    @property
    def epsilon_left(self) -> float:
        """Limit minus spent, never below 0.

        Rounds compose by squares: one round of this size may still not fit.
        """
        return max(0.0, self.epsilon_limit - self.epsilon_spent)

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.epsilon_limit < NO_LIMIT

    @property
    def unbounded(self) -> bool:
        """Whether something was given to a sum without noise, so that no epsilon holds."""
        return not math.isfinite(self.epsilon_spent)

    @property
    def sentence(self) -> str:
        """The spent part for a person to read."""
        return odds_sentence(self.epsilon_spent, self.delta)


def odds(epsilon: float) -> float:
    """Return how sure somebody could become who was undecided: e^epsilon / (1 + e^epsilon), from 0.5 to 1."""
    return 1 / (1 + math.exp(-epsilon))


def odds_sentence(epsilon: float, delta: float = DELTA) -> str:
    """Return what `odds` means, rounded against us, as one sentence."""
    if epsilon <= 0:
        return "Nobody learned anything about you: 50 in 100 stays 50 in 100."
    sure = math.ceil(odds(epsilon) * 100)
    chance = f" (but for a chance of 1 in {round(1 / delta):,})" if delta > 0 else ""
    guess = f"Whoever guessed whether your history is in the sums{chance} could be right at most"
    if sure < 100:
        return f"{guess} {sure} in 100 times instead of 50."
    finer = math.ceil(odds(epsilon) * 10_000)
    figure = f"{finer:,} in 10,000 times instead of 5,000" if finer < 10_000 else "nearly always"
    return f"{guess} {figure}: in the worst case, that is little protection."


def gaussian_epsilon(mu: float, delta: float = DELTA) -> float:
    """Return the least epsilon of a mu-Gaussian mechanism at `delta`, rounded up; inf above 100.

    mu: one over the noise multiplier, at least 0. delta: in (0, 1).
    """
    if not (mu >= 0 and 0 < delta < 1):
        raise ValueError(f"mu is {mu} and delta {delta}: mu is at least 0 and delta in (0, 1)")
    if mu == 0 or _delta(0.0, mu) <= delta:
        return 0.0
    if not math.isfinite(mu) or _delta(_MOST, mu) > delta:
        return math.inf
    low, high = 0.0, _MOST
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if _delta(middle, mu) > delta else (low, middle)
    return high * _CLOSE


def gaussian_mu(epsilon: float, delta: float = DELTA) -> float:
    """Return the largest mu whose Gaussian mechanism is (epsilon, delta)-private, rounded up; inf for inf."""
    if not (epsilon >= 0 and 0 < delta < 1):
        raise ValueError(f"epsilon is {epsilon} and delta {delta}: epsilon is at least 0 and delta in (0, 1)")
    if not epsilon <= _MOST * _CLOSE:
        return math.inf
    low, high = 0.0, 64.0
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if _delta(epsilon, middle) > delta else (middle, high)
    return high


def pure_mu(epsilon: float) -> float:
    """Return the least mu whose Gaussian mechanism gives away as much as epsilon at delta 0, rounded up.

    inf above 100. ValueError below 0.
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon is {epsilon}: it is at least 0")
    if not epsilon <= _MOST * _CLOSE:
        return math.inf
    return -2 * NormalDist().inv_cdf(1 / (1 + math.exp(epsilon))) * _CLOSE if epsilon else 0.0


def composed(rounds: Iterable[tuple[float, float]], delta: float = DELTA) -> float:
    """Return the epsilon at `delta` of all rounds together, each given by its own (epsilon, delta).

    A delta of 0 is that of a release that is private by itself.
    """
    gaussian = pure = pure_sum = 0.0
    for own, at in rounds:
        if at == 0:
            pure += pure_mu(own) ** 2
            pure_sum += own
        else:
            gaussian += gaussian_mu(own, at) ** 2
    as_gaussians = gaussian_epsilon(math.sqrt(gaussian + pure), delta)
    return min(as_gaussians, gaussian_epsilon(math.sqrt(gaussian), delta) + pure_sum)


def _delta(epsilon: float, mu: float) -> float:
    return _phi(mu / 2 - epsilon / mu) - math.exp(epsilon) * _phi(-mu / 2 - epsilon / mu)


def _phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2
