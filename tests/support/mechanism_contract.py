"""What every mechanism of noise must keep, as checks that a test calls; each raises AssertionError.

The checks of the law compare figures of many draws with what is stated, and call it wrong beyond five
standard errors: a right mechanism fails one such check with a chance of 6e-7. The entropy is fixed, so that
a mechanism passes for ever or never. A variance that is wrong by 3 % is noticed, and that it would be is
checked as well.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from confidante.privacy.mechanisms.base import Mechanism

DRAWS = 400_000
"""Entries of a share that its law is judged by."""

STANDARD_ERRORS = 5.0
WRONG_SCALE = Fraction(103, 100)
_SHARERS = 7


def check_mechanism(
    mechanism: Mechanism, variances: Sequence[Fraction | int] = (Fraction(1, 3), 5, 400, 10**5)
) -> None:
    """Check all of a mechanism. variances: of shares, in squared integer units."""
    check_arguments(mechanism)
    for variance in map(Fraction, variances):
        check_law(mechanism, variance)
    check_bounds(mechanism)


def check_arguments(mechanism: Mechanism) -> None:
    """Check that equal entropy gives equal integers, other entropy others, and nonsense a ValueError."""
    share, entropy = mechanism.share, _entropy(mechanism, 1)
    once = share(5, 1000, entropy)
    _require(once.dtype == np.int64 and once.shape == (1000,), mechanism, "a share is int64 [size]")
    _require(np.array_equal(once, share(Fraction(5), 1000, entropy)), mechanism, "equal arguments differ")
    _require(
        not np.array_equal(once, share(5, 1000, _entropy(mechanism, 2))), mechanism, "entropy is not used"
    )
    _require(not share(0, 1000, entropy).any(), mechanism, "variance 0 is not silent")
    _require(share(5, 0, entropy).shape == (0,), mechanism, "no entries are not no entries")
    for wrong in ((-1, 10, entropy), (5, -1, entropy), (5, 10, entropy + b"."), (5, 10, b"")):
        try:
            share(*wrong)
        except ValueError:
            continue
        _require(False, mechanism, f"a share of variance {wrong[0]}, size {wrong[1]} is not refused")


def check_law(mechanism: Mechanism, variance: Fraction) -> None:
    """Check mean, variance and independence of a share, and that the shares of several devices add up."""
    numbers = mechanism.share(variance, DRAWS, _entropy(mechanism, 3))
    mean = float(numbers.mean()) / math.sqrt(variance / DRAWS)
    _require(abs(mean) < STANDARD_ERRORS, mechanism, f"variance {variance}: the mean is not 0")
    _require(has_variance(numbers, variance), mechanism, f"variance {variance}: the scale is wrong")
    lag = float((numbers[1:] * numbers[:-1]).mean()) / float(variance) * math.sqrt(DRAWS)
    _require(abs(lag) < STANDARD_ERRORS, mechanism, f"variance {variance}: entries depend on each other")
    shares = [
        mechanism.share(variance / _SHARERS, DRAWS, _entropy(mechanism, 4 + device))
        for device in range(_SHARERS)
    ]
    _require(
        has_variance(np.sum(shares, axis=0), variance),
        mechanism,
        f"variance {variance}: shares do not add up",
    )
    for scale in (WRONG_SCALE, 1 / WRONG_SCALE):
        wrong = mechanism.share(variance * scale, DRAWS, _entropy(mechanism, 3))
        _require(not has_variance(wrong, variance), mechanism, f"variance {variance}: too few draws to tell")


def has_variance(numbers: NDArray[np.int64], variance: Fraction) -> bool:
    """Whether numbers of mean 0 have this variance, within `STANDARD_ERRORS`, and as far as they can tell."""
    squares = numbers.astype(np.float64) ** 2 / float(variance)
    return abs(float(squares.mean()) - 1) < STANDARD_ERRORS * float(squares.std()) / math.sqrt(len(numbers))


def check_bounds(mechanism: Mechanism) -> None:
    """Check that promised and needed noise agree, that too little is refused, and that the headroom holds."""
    for multiplier in (0.5, 1.0, 7.3):
        for l2_squared in (64, 10**6, 10**12):
            needed = mechanism.variance_for(multiplier, l2_squared)
            kept = mechanism.gaussian_multiplier(needed, l2_squared)
            _require(
                multiplier * (1 - 1e-12) <= kept <= multiplier,
                mechanism,
                f"noise for a multiplier of {multiplier} counts as {kept}",
            )
            more = mechanism.gaussian_multiplier(2 * needed, l2_squared)
            _require(more > kept, mechanism, "more noise does not count for more")
    try:
        mechanism.gaussian_multiplier(Fraction(mechanism.least_variance) - Fraction(1, 1000), 1)
    except ValueError:
        pass
    else:
        _require(False, mechanism, "noise below least_variance is not refused")
    _require(mechanism.headroom(Fraction(0), 100) == 0, mechanism, "no noise needs headroom")
    for variance in (Fraction(5), Fraction(10**5)):
        most = int(np.abs(mechanism.share(variance, DRAWS, _entropy(mechanism, 20))).max())
        reach = mechanism.headroom(variance, DRAWS)
        _require(most <= reach, mechanism, f"variance {variance}: {most} is beyond the headroom of {reach}")
        _require(reach < 1 << 24, mechanism, f"variance {variance}: a headroom of {reach} leaves no room")


def _entropy(mechanism: Mechanism, number: int) -> bytes:
    return number.to_bytes(mechanism.entropy_bytes, "little")


def _require(holds: bool, mechanism: Mechanism, problem: str) -> None:
    if not holds:
        raise AssertionError(f"{mechanism.name}: {problem}")
