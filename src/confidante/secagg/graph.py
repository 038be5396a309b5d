"""Who shares secrets with whom: a k-regular graph over a public random circle (Bell et al. 2020, section 3).

Clients are put on a circle by a permutation that the round's public seed decides, and each is joined to the
k/2 before and the k/2 after it (a Harary graph). `graph_size` says how large k must be; its derivation is in
docs/explanation/secure-sum.md and the names (a), (b), (c) below are from there.
"""

from functools import lru_cache
from math import comb
from typing import NamedTuple, final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from confidante.core.errors import PlanError
from confidante.core.proportions import whole_part
from confidante.crypto.masks import hkdf

MIN_CLIENTS = 3
COMPLETE_UP_TO = 64
"""Up to so many clients everybody is everybody's neighbour, and every signature is checked."""
MISS_BITS = 8
"""A client of a larger round checks so many confirmations that it misses a false story with P <= 2^-8."""
LIVENESS_BITS = 20
"""A round that loses all the clients it was planned to lose ends without a sum with P < 2^-20."""


class GraphSize(NamedTuple):
    """Degree, shares that give a secret back, survivors that any two windows keep."""

    k: int
    t: int
    spread: int


@lru_cache(maxsize=256)
def graph_size(n: int, max_dropout: float, max_collusion: float, security_bits: int = 40) -> GraphSize:
    """Return the smallest degree, and its thresholds, that keep a round of `n` clients safe and alive.

    At most the fraction `max_dropout` of clients vanishes and at most `max_collusion` works with the server.
    All probabilities are exact, those of leaking united to at most 2^-security_bits and those of ending
    without a sum to at most 2^-LIVENESS_BITS. Raises PlanError when no graph will do.
    """
    if not (0 <= max_dropout < 1 and 0 <= max_collusion < 1) or security_bits < 1:
        raise PlanError("max_dropout and max_collusion are fractions in [0, 1), security_bits at least 1")
    if n < MIN_CLIENTS:
        raise PlanError(f"{n} clients are too few for a secure sum: gather at least {MIN_CLIENTS}")
    dropped, corrupt = whole_part(n, max_dropout), whole_part(n, max_collusion)
    survivors = n - dropped
    if 2 * survivors <= n + corrupt:
        raise PlanError(
            f"with {dropped} of {n} clients gone and {corrupt} colluding, two halves could be told different "
            "stories: lower max_dropout or max_collusion so that 2 * (1 - dropout) > 1 + collusion"
        )
    pairs = n * n // 2  # more than there are pairs of disjoint runs of k/2 places
    for k in range(4, n - 1, 2) if n > COMPLETE_UP_TO else []:
        t = k - _worst_count(n, dropped, k, n, LIVENESS_BITS)
        spread = k - _worst_count(n, dropped, k, pairs, LIVENESS_BITS)
        if t < 2 or _worst_count(n, corrupt, k, pairs, security_bits) >= spread:
            continue
        if _keeps_one_secret(n, corrupt, k, t, security_bits):
            return GraphSize(k, t, spread)
    k, t = n - 1, survivors - 1
    # In a small round every signature is checked, so that nobody misses a false story.
    if (
        t < 2
        or corrupt >= t
        or (n > COMPLETE_UP_TO and not _keeps_one_secret(n, corrupt, k, t, security_bits))
    ):
        raise PlanError(
            f"{n} clients with {dropped} gone and {corrupt} colluding leave no safe threshold: gather more "
            "clients, or lower max_dropout or max_collusion"
        )
    return GraphSize(k, t, t)


def _worst_count(n: int, marked: int, k: int, sets: int, bits: int) -> int:
    """(b), (c): the count of marked clients that one of `sets` sets of k places exceeds with P <= 2^-(s + 1).

    Any k fixed places hold Hypergeometric(n, marked, k) marked clients.
    """
    limit = comb(n, k)
    scale = sets << (bits + 1)
    tail = 0
    for count in range(min(marked, k), -1, -1):
        tail += comb(marked, count) * comb(n - marked, k - count) * scale
        if tail > limit:
            return count
    return 0


def signatures_checked(n: int, min_survivors: int, max_corrupt: int) -> int:
    """Return how many confirmations, drawn in secret, each client checks: all of them in a small round.

    Of a false story's confirmations at most the fraction (n + max_corrupt) / (2 * min_survivors) is genuine,
    except for one story, which is then the true one; so each check misses with at most that probability.
    """
    checks = 1
    while n > COMPLETE_UP_TO and (n + max_corrupt) ** checks << MISS_BITS > (2 * min_survivors) ** checks:
        checks += 1
        if checks >= min_survivors:
            return n
    return checks if n > COMPLETE_UP_TO else n


def _keeps_one_secret(n: int, corrupt: int, k: int, t: int, security_bits: int) -> bool:
    """(a): whether t of some client's neighbours collude or miss a false story with P <= 2^-(s + 1).

    The colluders of a neighbourhood are hypergeometric, and each other neighbour misses by itself with
    P <= 2^-MISS_BITS: of c colluders, t - c chosen ones miss with P <= 2^-(MISS_BITS * (t - c)).
    """
    scaled = 0  # times 2^(MISS_BITS * t) and the number of ways to choose a neighbourhood
    for count in range(min(corrupt, k) + 1):
        missing = max(t - count, 0)
        ways = comb(corrupt, count) * comb(n - corrupt, k - count) * comb(k - count, missing)
        scaled += ways << MISS_BITS * (t - missing)
    return (n * scaled) << (security_bits + 1) <= comb(n, k) << (MISS_BITS * t)


@final
class Graph:
    """The circle of one round. Neighbours are listed in increasing order of their index."""

    __slots__ = ("k", "n", "order", "place")

    def __init__(self, seed: bytes, n: int, k: int) -> None:
        """Lay the circle of `n` clients that the public 32-byte `seed` decides; `k` is even or n - 1."""
        key = hkdf(b"confidante graph", seed, b"", 16)
        stream = Cipher(algorithms.AES128(key), modes.CTR(bytes(16))).encryptor().update(bytes(8 * n))
        self.n, self.k = n, k
        self.order: NDArray[np.int64] = np.argsort(np.frombuffer(stream, dtype="<u8"), kind="stable")
        self.place: NDArray[np.int64] = np.empty(n, dtype=np.int64)
        self.place[self.order] = np.arange(n)

    @property
    def complete(self) -> bool:
        """Whether everybody is everybody's neighbour."""
        return self.k == self.n - 1

    def neighbours(self, client: int) -> NDArray[np.int64]:
        """Return the neighbours of `client`, int64 [k], increasing."""
        if self.complete:
            return np.delete(np.arange(self.n), client)
        steps = np.arange(1, self.k // 2 + 1)
        steps = np.concatenate((steps, -steps))
        return np.sort(self.order[(self.place[client] + steps) % self.n])

    def table(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (neighbours, slots), both int64 [n, k].

        `slots[i, s]` is the slot of client i in the row of its neighbour `neighbours[i, s]`.
        """
        if self.complete:
            rows = np.stack([self.neighbours(client) for client in range(self.n)])
        else:
            steps = np.arange(-(self.k // 2), self.k // 2 + 1)
            steps = steps[steps != 0]
            rows = np.sort(self.order[(self.place[:, None] + steps) % self.n], axis=1)
        here = (np.arange(self.n)[:, None] * self.n + rows).ravel()  # sorted: one key an edge and direction
        there = (rows * self.n + np.arange(self.n)[:, None]).ravel()
        return rows, (np.searchsorted(here, there) % self.k).reshape(self.n, self.k)

    def fewest_in_windows(self, present: NDArray[np.bool_]) -> int:
        """Return the fewest present clients in any two disjoint runs of k/2 places of the circle.

        When fewer than so many of any pair are corrupt, the honest ones present are connected: nobody's sum
        can be cut off from the others'. In a complete graph: the number present, less one.
        """
        if self.complete:
            return int(present.sum()) - 1
        half, n = self.k // 2, self.n
        circle = present[self.order].astype(np.int64)
        running = np.concatenate(([0], np.cumsum(np.concatenate((circle, circle)))))
        counts = running[half : half + n] - running[:n]  # present in the window that starts at each place
        # The smallest count among the n - 2 * half + 1 windows that start half or more places further on.
        span = n - 2 * half + 1
        least = np.concatenate((counts, counts, counts))
        width = 1
        while width < span:
            step = min(width, span - width)
            least = np.minimum(least[: len(least) - step], least[step:])
            width += step
        return int((counts + least[half : half + n]).min())
