"""Secret sharing over the prime field of 2^256 - 189 elements (Shamir 1979).

A secret is 32 bytes, little-endian, below 2^255. Holder number `x` (1, 2, ...) gets the polynomial's value at
`x`. Any `t` shares give the secret back; fewer say nothing about it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import factorial, prod

import numpy as np

PRIME = 2**256 - 189
SHARE_BYTES = 32
SECRET_BYTES = 32
SEED_BYTES = 32
_SECRET_LIMIT = 1 << 255


def split(secret: bytes, threshold: int, holders: int, seed: bytes, label: bytes) -> list[int]:
    """Return the shares of holders 1 to `holders`; any `threshold` of them give `secret` back.

    `seed` (32 bytes) decides the polynomial: its coefficients of degree 1 to threshold - 1 are successive
    64-byte little-endian numbers of SHAKE-256(seed || label) modulo the prime, so that they are within 2^-255
    of uniform. Two secrets may share a seed when their labels differ and none begins with another.
    """
    constant = int.from_bytes(secret, "little")
    if len(secret) != SECRET_BYTES or constant >= _SECRET_LIMIT or len(seed) != SEED_BYTES:
        raise ValueError("a secret has 32 bytes, is below 2^255, and its seed has 32 bytes")
    stream = hashlib.shake_256(seed + label).digest(64 * (threshold - 1))
    falling = [
        int.from_bytes(stream[64 * i : 64 * i + 64], "little") % PRIME for i in range(threshold - 2, -1, -1)
    ]
    falling.append(constant)
    shares = []
    for x in range(1, holders + 1):
        value = 0
        for coefficient in falling:  # x is small: reducing once at the end is faster than at each step
            value = value * x + coefficient
        shares.append(value % PRIME)
    return shares


@lru_cache(maxsize=256)
def _inverse_factorial(number: int) -> int:
    return pow(factorial(number), -1, PRIME)


@lru_cache(maxsize=4096)
def lagrange_at_zero(points: tuple[int, ...]) -> tuple[int, ...]:
    """Return the coefficients that turn shares at `points` into the secret; kept, as owners share points.

    Coefficient x is the product of the other points over that of their distances from x. With m the largest
    point, x times that product of distances divides x! (m - x)! and so m!: only m! has to be inverted.
    """
    largest = max(points)
    at = np.array(points, dtype=np.int64)
    factors = at - at[:, None]  # [x, y]: y - x, and x itself on the diagonal
    np.fill_diagonal(factors, at)
    together = 63 // largest.bit_length()  # so many factors' product fits 64 bits
    parts = np.multiply.reduceat(factors, range(0, len(points), together), axis=1).tolist()
    whole, scale = factorial(largest), prod(points) * _inverse_factorial(largest) % PRIME
    return tuple([whole // prod(row) * scale % PRIME for row in parts])


def combine(points: Sequence[int], shares: Sequence[int]) -> bytes | None:
    """Return the secret whose polynomial takes the values `shares` at the distinct `points`.

    None when that is no secret (2^255 or more), which proves that a share is wrong.
    """
    coefficients = lagrange_at_zero(tuple(points))
    value = sum(c * s for c, s in zip(coefficients, shares, strict=True)) % PRIME
    if value >= _SECRET_LIMIT:
        return None
    return value.to_bytes(SECRET_BYTES, "little")


def candidates(
    shares: Mapping[int, int], threshold: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield ways to choose `threshold` of `shares` (point -> value): every run around the sorted circle.

    The first is enough among honest holders; the others get round a few wrong shares.
    """
    points = sorted(shares)
    for start in range(len(points) if len(points) > threshold else 1):
        turned = points[start:] + points[:start]
        chosen = tuple(sorted(turned[:threshold]))
        yield chosen, tuple(shares[x] for x in chosen)


def decode_share(data: bytes) -> int:
    """Return the share in 32 bytes, little-endian; it is one only when it is below PRIME."""
    return int.from_bytes(data, "little")


def encode_share(share: int) -> bytes:
    """Return a share as 32 bytes, little-endian."""
    return share.to_bytes(SHARE_BYTES, "little")
