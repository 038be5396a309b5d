"""Skellam noise of variance V protects at least as well as Gaussian noise of variance V - 2/5.

docs/explanation/privacy.md proves that for every shift this follows from one number of the Skellam law: the
largest step of the normal score of its distribution function, sup_k [z(F(k)) - z(F(k-1))] <= 1/sqrt(V - 2/5),
z the normal quantile. Here that number is computed, and the claim itself is checked by brute force.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import special

from confidante.privacy.accounting import gaussian_delta
from confidante.privacy.mechanisms.skellam import LEAST_VARIANCE, VARIANCE_LOSS, upper_tails

GRID = [Fraction(4), Fraction(17, 4), 5, 6, 8, 11, 16, 30, 77, 200, 1000, 5000, 30_000]
BITS = 1100  # tails down to 2^-1000, about 1e-301


def score_steps(variance: Fraction | int) -> np.ndarray:
    """z(F(k)) - z(F(k-1)) for k = 0, 1, ...; by symmetry the steps below 0 are the same."""
    tails = [t for t in upper_tails(Fraction(variance), BITS) if t > 1 << 100]  # a relative error below 2^-98
    score = -special.ndtri_exp(np.array([math.log(t) - BITS * math.log(2) for t in tails]))
    return np.diff(score, prepend=-score[0])


@pytest.mark.parametrize("variance", GRID)
def test_no_step_exceeds_the_gaussians(variance):
    steps = score_steps(variance)
    assert steps.argmax() == 0  # the steepest place is the middle
    assert steps.max() <= 1 / math.sqrt(variance - VARIANCE_LOSS)
    slack = 1e-10 / math.sqrt(variance)  # what the computation may err by
    assert np.all(np.diff(steps) < slack)  # and it gets flatter from there on, to 1e-301


def test_the_middle_step_on_a_fine_grid_of_variances():
    """By its closed form; from 1e5 on the margin of a relative 1/30V meets the rounding of doubles."""
    variance = np.geomspace(float(LEAST_VARIANCE), 1e5, 20_000)
    middle = 2 * special.ndtri((1 + special.i0e(variance)) / 2)
    assert np.all(middle < 1 / np.sqrt(variance - float(VARIANCE_LOSS)))


def hockey_stick(p: np.ndarray, q: np.ndarray, epsilon: float) -> float:
    return float(np.maximum(p - math.exp(epsilon) * q, 0).sum())


def pair(variance: float, shift: int) -> tuple[np.ndarray, np.ndarray]:
    k = np.arange(-int(40 * math.sqrt(variance)) - 40, int(40 * math.sqrt(variance)) + 41 + shift)
    return special.ive(np.abs(k), variance), special.ive(np.abs(k - shift), variance)


def excess(p: np.ndarray, q: np.ndarray, mu: float) -> float:
    """Largest relative excess of the pair's hockey-stick curve over the Gaussian's."""
    worst = -math.inf
    for epsilon in np.concatenate((np.linspace(0, 6 * mu + mu * mu / 2, 150), [1e-6, 1e-3])):
        gaussian = gaussian_delta(epsilon, mu)
        if gaussian > 1e-11:
            worst = max(worst, hockey_stick(p, q, epsilon) / gaussian - 1)
    return worst


@pytest.mark.parametrize("shift", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("variance", [4.0, 7.3, 20.0, 150.0, 2000.0])
def test_the_whole_privacy_curve_by_brute_force(variance, shift):
    """Every epsilon of a grid, both directions."""
    p, q = pair(variance, shift)
    mu = shift / math.sqrt(variance - float(VARIANCE_LOSS))
    assert excess(p, q, mu) < 1e-6
    assert excess(q, p, mu) < 1e-6


def test_two_coordinates_compose_like_gaussians():
    p1, q1 = pair(9.0, 1)
    p2, q2 = pair(9.0, 2)
    p, q = np.outer(p1, p2).ravel(), np.outer(q1, q2).ravel()
    mu = math.sqrt((1 + 4) / (9.0 - float(VARIANCE_LOSS)))
    assert excess(p, q, mu) < 1e-6
    assert excess(q, p, mu) < 1e-6


@pytest.mark.parametrize("variance", [4.0, 20.0, 150.0])
def test_the_correction_is_needed(variance):
    """The checks above have teeth: without the 2/5 (or with 3/10, in one step) the claim is false."""
    p, q = pair(variance, 1)
    assert excess(p, q, 1 / math.sqrt(variance)) > 1e-4
    assert score_steps(Fraction(variance)).max() > 1 / math.sqrt(variance - 0.3)
