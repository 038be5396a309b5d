"""Secret sharing over the prime field of 2^256 - 189 elements (Shamir 1979).

A secret is 32 bytes, little-endian, below 2^255. Holder number `x` (1, 2, ...) gets the polynomial's value at
`x`. Any `t` shares give the secret back; fewer say nothing about it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import prod

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


@lru_cache(maxsize=4096)
def lagrange_at_zero(points: tuple[int, ...]) -> tuple[int, ...]:
    """Return the coefficients that turn shares at `points` into the secret; kept, as owners share points."""
    numerator = prod(points)
    denominators = [x * prod([y - x for y in points if y != x]) % PRIME for x in points]
    # One modular inverse for all of them (Montgomery's trick).
    running = [1]
    for denominator in denominators:
        running.append(running[-1] * denominator % PRIME)
    inverse = pow(running[-1], -1, PRIME)
    coefficients = [0] * len(points)
    for i in range(len(points) - 1, -1, -1):
        coefficients[i] = numerator * inverse * running[i] % PRIME
        inverse = inverse * denominators[i] % PRIME
    return tuple(coefficients)


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


def encode_share(share: int) -> bytes:
    """Return a share as 32 bytes, little-endian."""
    return share.to_bytes(SHARE_BYTES, "little")
