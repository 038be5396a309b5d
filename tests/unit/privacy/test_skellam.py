"""The noise follows the Skellam law exactly, and the tests that say so can tell when it does not."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from confidante.privacy.mechanisms import skellam
from confidante.privacy.mechanisms.skellam import sample, upper_tails

FALSE_ALARM = 1e-6
"""Chance that a chi-squared test below rejects the true law. Seeds are fixed: it passes for ever or never."""

MANY = 400_000


def fits(numbers: np.ndarray, variance: float) -> bool:
    """Chi-squared test of the sample against the exact probabilities, cells of at least 20 expected."""
    reach = int(12 * math.sqrt(variance)) + 12
    k = np.arange(-reach, reach + 1)
    expected = len(numbers) * special.ive(np.abs(k), variance)
    inner = np.flatnonzero(expected >= 20)
    low, high = k[inner[0]], k[inner[-1]]
    seen = np.bincount(np.clip(numbers, low, high) - low, minlength=high - low + 1)
    cells = expected[inner].copy()
    cells[0] += expected[: inner[0]].sum()
    cells[-1] += expected[inner[-1] + 1 :].sum()
    statistic = ((seen - cells) ** 2 / cells).sum()
    return stats.chi2.sf(statistic, len(cells) - 1) > FALSE_ALARM


def seed(number: int) -> bytes:
    return number.to_bytes(32, "little")


@pytest.mark.parametrize(
    "variance", [Fraction(1, 100), Fraction(1, 3), 1, Fraction(40503, 2**16), 10, 171, 2000, 12345]
)
def test_samples_follow_the_law(variance):
    assert fits(sample(variance, MANY, seed(1)), float(variance))


@pytest.mark.parametrize("variance", [1, 10, 171, 2000])
def test_a_variance_wrong_by_5_percent_is_noticed(variance):
    assert not fits(sample(Fraction(variance) * Fraction(105, 100), MANY, seed(2)), variance)
    assert not fits(sample(Fraction(variance) * Fraction(95, 100), MANY, seed(3)), variance)


@pytest.mark.parametrize("variance", [Fraction(1, 3), 1, 5])
def test_a_rounded_gaussian_is_noticed(variance):
    rounded = np.rint(np.random.default_rng(4).normal(0, math.sqrt(variance), MANY)).astype(np.int64)
    assert not fits(rounded, float(variance))


@pytest.mark.parametrize("variance", [1, 171, 700])
def test_a_mean_off_by_one_is_noticed(variance):
    assert not fits(sample(variance, MANY, seed(5)) + 1, variance)


@pytest.mark.parametrize("devices", [2, 7, 50])
def test_shares_add_up_to_the_law_of_the_sum(devices):
    shares = sample(Fraction(55, 4), devices * 50_000, seed(6)).reshape(devices, -1)
    assert fits(shares.sum(axis=0), devices * 13.75)


def test_a_large_variance_is_drawn_in_parts():
    """Standardised sums against the normal law they are indistinguishable from at this variance."""
    variance = 3 * 2**26 + 1
    numbers = sample(variance, 100_000, seed(7))
    assert stats.kstest(numbers / math.sqrt(variance), "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("variance", [Fraction(1, 100), Fraction(3, 7), 4, 60])
def test_tail_probabilities_against_arbitrary_precision(variance):
    bits = 192
    tails = upper_tails(Fraction(variance), bits)
    with mpmath.workprec(400):
        x = mpmath.mpf(Fraction(variance).numerator) / Fraction(variance).denominator
        for k in (0, 3, 20):
            terms = range(k + 1, k + 200)
            exact = mpmath.exp(-x) * mpmath.fsum(mpmath.besseli(j, x) for j in terms)
            assert abs(tails[k] - exact * 2**bits) < 2


def test_more_digits_change_nothing_that_was_certain():
    short, long = upper_tails(Fraction(171), 192), upper_tails(Fraction(171), 384)
    assert all(abs(a - (b >> 192)) < 3 for a, b in zip(short, long, strict=False))


@pytest.mark.parametrize("variance", [Fraction(1, 3), Fraction(171)])
def test_a_prefix_on_a_threshold_is_settled_by_further_digits(variance):
    """The 2^-55 case, forced: F(k) cuts the prefix's interval, and both sides must come with its odds."""
    table = skellam._table(variance)
    at = len(table.thresholds) // 2 - 3
    prefix = int(table.thresholds[at])
    numbers, unsure = table.look_up(np.array([prefix], dtype=np.uint64))
    assert unsure.tolist() == [0]
    settled = [skellam._refine(variance, skellam._Digits(prefix, seed(i), 1, 0)) for i in range(400)]
    below = table.first + at
    assert set(settled) == {below, below + 1}
    assert numbers[0] in settled
    exact = upper_tails(variance, 192)[-below - 1]
    odds = (exact & (2**128 - 1)) / 2**128  # of falling below F(k), given the prefix
    assert stats.binomtest(settled.count(below), 400, odds).pvalue > FALSE_ALARM


@pytest.mark.parametrize("prefix", [0, 2**64 - 1])
def test_the_far_tails_are_settled_by_further_digits(prefix):
    table = skellam._table(Fraction(171))
    _, unsure = table.look_up(np.array([prefix], dtype=np.uint64))
    assert unsure.tolist() == [0]
    far = skellam._refine(Fraction(171), skellam._Digits(prefix, seed(8), 1, 0))
    assert abs(far) > 100
    assert (far > 0) == (prefix > 0)


@pytest.mark.parametrize("variance", [Fraction(1, 100), Fraction(7, 3), 171, 2**20 + 1])
def test_the_guide_agrees_with_a_plain_search(variance):
    table = skellam._table(Fraction(variance))
    edges = np.arange(1 << table.guide_bits, dtype=np.uint64) << np.uint64(64 - table.guide_bits)
    near = table.thresholds
    prefixes = np.concatenate((edges, edges - np.uint64(1), near, near - np.uint64(1), near + np.uint64(1)))
    numbers, unsure = table.look_up(prefixes)
    assert np.array_equal(numbers, table.first + np.searchsorted(near, prefixes, side="right"))
    assert np.array_equal(np.sort(unsure), np.flatnonzero(np.isin(prefixes, near)))


def test_one_seed_one_sample_and_other_seeds_others():
    assert np.array_equal(sample(171, 1000, seed(9)), sample(Fraction(171), 1000, seed(9)))
    assert not np.array_equal(sample(171, 1000, seed(9)), sample(171, 1000, seed(10)))


def test_no_variance_no_noise():
    assert not sample(0, 10, seed(1)).any()
    assert sample(3, 0, seed(1)).shape == (0,)


@pytest.mark.parametrize("wrong", [(-1, 5, seed(1)), (1, -5, seed(1)), (1, 5, b"short")])
def test_wrong_arguments_raise(wrong):
    with pytest.raises(ValueError, match="32 bytes"):
        sample(*wrong)
