"""Exact samples of symmetric Skellam noise.

Skellam noise of variance V is the difference of two independent Poisson variables of mean V/2 (Agarwal,
Kairouz and Liu 2021). Shares of variance v from n devices add up to Skellam noise of variance n*v, of which
each device knows only its own share.

The sample is the inverse of the distribution function at a uniform real number U, of whose binary digits
only as many are drawn as are needed (Knuth and Yao 1976). Integer thresholds floor(2^64 F(k)) come from
integer arithmetic with a proved error; the first 64 digits of U lie strictly between two of them, or else
equal one (a chance of about 2^-55 a sample), and then more digits of U and of F(k) are worked out until the
answer is certain. No floating-point number decides a sample: the law of the output is the Skellam law itself,
given that the digits are uniform. They are the ChaCha20 keystream of a 32-byte seed.

Rounded Gaussians are not that: their tails and their low bits tell on the value (Mironov 2012).
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

SEED_BYTES = 32

LEAST_VARIANCE = 4
"""Least variance for which the Gaussian bound is verified (docs/explanation/privacy.md)."""

VARIANCE_LOSS = Fraction(2, 5)
"""Skellam noise of variance V >= 4 protects at least as well as Gaussian noise of variance V - 2/5."""

_LOG_WRAP_ODDS = 40 * math.log(2)  # an entry of the sum wraps with a chance below 2^-40
_PREFIX = 64  # digits of U drawn at once
_BITS = 192  # digits of F worked out at first
_CELLS = 1 << 15
_TABLE_VARIANCE = 1 << 26  # largest variance with one table (about 150,000 thresholds)


@final
@dataclass(frozen=True, slots=True)
class Skellam:
    """The `Mechanism` of this noise.

    Stability: provisional.
    """

    name = "skellam"
    entropy_bytes = SEED_BYTES
    least_variance = LEAST_VARIANCE
    most_variance = 1 << 36  # the noise of a whole sum becomes slow to sample

    def share(self, variance: Fraction | int, size: int, entropy: bytes) -> NDArray[np.int64]:
        """Return `sample` of these."""
        return sample(variance, size, entropy)

    def variance_for(self, noise_multiplier: float, l2_squared: int) -> Fraction:
        """Return the Gaussian's variance and what Skellam noise loses to it."""
        return Fraction(noise_multiplier) ** 2 * l2_squared + VARIANCE_LOSS

    def gaussian_multiplier(self, variance: Fraction, l2_squared: int) -> float:
        """Return the multiplier of a Gaussian of variance V - 2/5, rounded down."""
        if variance < LEAST_VARIANCE:
            raise ValueError(f"variance {float(variance):.3g}: the bound is verified from {LEAST_VARIANCE}")
        return math.sqrt((variance - VARIANCE_LOSS) / l2_squared) * (1 - 2**-50)

    def headroom(self, variance: Fraction, size: int) -> int:
        """Return it by Bernstein's form of the Chernoff bound.

        E exp(t X) = exp(V (cosh t - 1)) <= exp(V t^2 / (2 - 2t/3)).
        """
        odds = _LOG_WRAP_ODDS + math.log(2 * size)
        most = float(variance) * (1 + 1e-9)
        return 0 if most == 0 else math.ceil(odds / 3 + math.sqrt(odds * odds / 9 + 2 * most * odds))


SKELLAM = Skellam()


def sample(variance: Fraction | int, size: int, seed: bytes) -> NDArray[np.int64]:
    """Return `size` independent Skellam numbers of the given variance, int64 [size].

    seed: 32 bytes from `SystemEntropy`, used once. Equal arguments give equal numbers. The first sample of a
    variance builds a table (about 15 ms for 2,000, half a second for 2^26), which is kept.

    A variance above 2^26 is drawn as the sum of equal parts below it, which has the same law.
    Raises `ValueError` for a negative variance or size, or a seed of another length.
    """
    if variance < 0 or size < 0 or len(seed) != SEED_BYTES:
        raise ValueError(f"variance {variance} and size {size} must not be negative, the seed is 32 bytes")
    if variance == 0:
        return np.zeros(size, dtype=np.int64)
    parts = -(-Fraction(variance) // _TABLE_VARIANCE)
    table = _table(Fraction(variance) / parts)
    total = np.zeros(size, dtype=np.int64)
    for part in range(parts):
        prefixes = np.frombuffer(_keystream(seed, 2 * part, 8 * size), dtype="<u8")
        numbers, unsure = table.look_up(prefixes)
        for i in unsure:
            more = _Digits(int(prefixes[i]), seed, 2 * part + 1, int(i))
            numbers[i] = _refine(table.variance, more)
        total += numbers
    return total


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The distribution function of one variance to 64 digits, and a guide into it.

    thresholds: uint64, floor(2^64 F(k)) for k = first, first + 1, ...: from 0 to 2^64 - 1.
    guide: int32 [2^guide_bits], by the leading digits of U: the sample, or `_SPLIT` where a threshold lies.
    """

    variance: Fraction
    first: int
    thresholds: NDArray[np.uint64]
    guide: NDArray[np.int32]
    guide_bits: int

    def look_up(self, prefixes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sample for each 64-digit prefix of U, and where the prefix leaves it open.

        The sample is the k with F(k-1) <= U < F(k): the number of thresholds at or below the prefix, from
        `first`. An equal threshold T leaves it open, as U and F(k) are both in [T, T+1) 2^-64.
        """
        cells = (prefixes >> np.uint64(64 - self.guide_bits)).astype(np.intp)
        numbers = self.guide[cells].astype(np.int64)
        split = np.flatnonzero(numbers == _SPLIT)
        hard = prefixes[split]
        below = np.searchsorted(self.thresholds, hard, side="right")
        numbers[split] = self.first + below
        return numbers, split[self.thresholds[np.maximum(below - 1, 0)] == hard]


_SPLIT = np.iinfo(np.int32).min


@lru_cache(maxsize=16)
def _table(variance: Fraction) -> _Table:
    """Return the table of a variance."""
    bits = _BITS
    while True:
        tails = upper_tails(variance, bits)
        thresholds = _thresholds(tails, bits)
        if thresholds is not None:
            break
        bits *= 2
    upper = np.array(thresholds, dtype=np.uint64)  # floor(2^64 P(X > k)), k = 0, 1, ..., down to 0
    # F(-k-1) = P(X > k), and F(k) = 1 - P(X > k), no multiple of 2^-64, so that its floor is the complement.
    both = np.concatenate((upper[::-1], ~upper))
    first = -len(upper)
    guide_bits = min(max(len(both).bit_length() + 6, 12), 20)
    guide = np.empty(1 << guide_bits, dtype=np.int32)
    for cell in range(0, len(guide), _CELLS):  # by parts: all at once would take ten times the guide's memory
        part = guide[cell : cell + _CELLS]
        edges = np.arange(cell, cell + len(part), dtype=np.uint64) << np.uint64(64 - guide_bits)
        ends = edges | np.uint64((1 << (64 - guide_bits)) - 1)
        below, at_most = np.searchsorted(both, edges, side="left"), np.searchsorted(both, ends, side="right")
        part[:] = np.where(below == at_most, first + below, _SPLIT)
    return _Table(variance, first, both, guide, guide_bits)


def _thresholds(tails: list[int], bits: int) -> list[int] | None:
    """Return floor(2^64 P(X > k)) down to the first 0, or None where the error bound leaves one open."""
    shift = bits - _PREFIX
    out = []
    for tail in tails:
        low, high = max(tail - 2, 0) >> shift, (tail + 2) >> shift
        if low != high:
            return None
        out.append(low)
        if low == 0:
            return out
    return None


def upper_tails(variance: Fraction, bits: int) -> list[int]:
    """Return 2^bits P(X > k) for k = 0, 1, ... until nothing is left, each less than 2 off.

    P(X = k) = I_k(V) / (I_0(V) + 2 I_1(V) + 2 I_2(V) + ...), and the Bessel functions obey
    I_{k-1} = I_{k+1} + (2k/V) I_k, of positive terms, taken downward (Miller) from f_{N+1} = 0, f_N = 2^g:

    - rounding down to integers of g digits or more loses at most a relative N 2^-g in any f_k;
    - the wrong start changes f_k/f_0, k <= K, by at most a relative N (f_N/f_K)^2, because by the Casoratian
      successive ratios of two solutions differ by f_N^2 / (f_k f_{k-1}); this is checked below;
    - what lies beyond K is below 2^-(bits+6), by Chernoff's bound.

    With g = bits + 32 and f_K/f_N >= 2^(bits/2 + 32) the three stay below 2^-(bits+3) together for N < 2^24;
    the last division rounds down by less than 1.
    """
    numerator, denominator = variance.numerator, variance.denominator
    last = _reach(variance, bits + 8)
    start = _reach(variance, bits + 8 + bits // 2 + 40)
    f = [0] * (last + 1)
    above, here = 0, 1 << (bits + 32)
    for k in range(start, 0, -1):  # `here` is f_k
        above, here = here, above + 2 * k * denominator * here // numerator
        if k - 1 <= last:
            f[k - 1] = here
    if start >= 1 << 24 or f[last] >> (bits + 32) < 1 << (bits // 2 + 32):
        raise AssertionError(f"the recurrence for variance {variance} began too late")
    tails = []
    beyond = 0
    for value in reversed(f):
        tails.append(beyond)
        beyond += value
    whole = 2 * beyond - f[0]
    return [(tail << bits) // whole for tail in reversed(tails)]


def _reach(variance: Fraction, bits: int) -> int:
    """Return t with P(X > t) < 2^-bits, by Chernoff's bound V (cosh u - 1) - u t at u = asinh(t/V)."""
    v, wanted = float(variance), bits * math.log(2) + 1  # the 1 covers the rounding here
    low, high = 0, 1
    while True:
        u = math.asinh(high / v)
        if high * u - 2 * v * math.sinh(u / 2) ** 2 >= wanted:
            break
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        u = math.asinh(middle / v)
        if middle * u - 2 * v * math.sinh(u / 2) ** 2 >= wanted:
            high = middle
        else:
            low = middle
    return high


@final
class _Digits:
    """More binary digits of one U: its 64-digit prefix and a keystream of its own."""

    def __init__(self, prefix: int, seed: bytes, stream: int, index: int) -> None:
        self._prefix = prefix
        self._seed = seed
        self._stream = stream
        self._index = index

    def first(self, bits: int) -> int:
        """Return the first `bits` (a multiple of 8, at least 64) digits as an integer."""
        more = _keystream(self._seed, self._stream, (bits - _PREFIX) // 8, self._index)
        return self._prefix << (bits - _PREFIX) | int.from_bytes(more, "big")


def _refine(variance: Fraction, digits: _Digits) -> int:
    """Return the sample for one U by as many digits as it takes."""
    bits = _BITS
    while True:
        u = digits.first(bits)
        top = 1 << bits
        positive = u >= top >> 1  # then, by symmetry, 1 - U gives the sample's negative
        magnitude = _count(upper_tails(variance, bits), top - 1 - u if positive else u)
        if magnitude is not None:
            return magnitude if positive else -magnitude
        bits *= 2


def _count(tails: list[int], rest: int) -> int | None:
    """Return the k >= 0 with P(X > k) <= r < P(X > k-1), r in [rest, rest + 1] units; None when unsure."""
    for k, tail in enumerate(tails):
        if tail + 2 <= rest:
            return k
        if tail - 2 < rest + 1:
            return None
    return None


def _keystream(seed: bytes, stream: int, size: int, index: int = 0) -> bytes:
    """Return `size` bytes of ChaCha20 keystream, a separate stream for each (stream, index)."""
    nonce = bytes(4) + stream.to_bytes(4, "little") + index.to_bytes(8, "little")
    return Cipher(algorithms.ChaCha20(seed, nonce), None).encryptor().update(bytes(size))
