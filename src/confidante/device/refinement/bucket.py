"""Which bucket of a server's items to ask about, chosen so that the choice tells little of a history.

The number of the bucket is sent in the clear, inside the question's envelope. It is drawn by the exponential
mechanism (McSherry and Talwar 2007) with a utility that is 1 for the few buckets nearest to the query and 0
for all others:

    P(bucket) proportional to e^epsilon for the t nearest of k buckets, and to 1 for the rest.

t = k / (1 + e^epsilon), rounded, at least 1 (what suits best, Ye and Barg 2018), depends on public numbers
only. So the weights of any two histories are the same ones in another order, with the same sum, and the
factor of 2 that McSherry and Talwar need for the sum falls away. For any two histories whatever (local
privacy: all of a history against any other, an empty one too) and any bucket b,

    P(b | one history) <= e^epsilon P(b | another history).

Sampling is exact: the weights are whole numbers whose ratio is at most e^epsilon, what is drawn is uniform
below their sum, from the operating system's generator, by rejection. No floating-point number is compared
with anything random. How long the choice takes is no part of the claim.
"""

import math

import numpy as np
from numpy.typing import NDArray

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError

MOST_EPSILON = 10.0
"""The most that one choice may give away."""

_ONE = 1 << 32  # weight of a bucket that is not near


def choose(
    centroids: NDArray[np.integer], query: NDArray[np.integer], epsilon: float, entropy: SystemEntropy
) -> int:
    """Return the bucket to ask about.

    centroids: int8 [k, D], of `QuerySide`; query: int64 [D], `QuerySide.rounded(...).values`; epsilon: above
    0, at most 10. DataError for anything else.
    """
    if centroids.ndim != 2 or len(centroids) == 0 or query.shape != centroids.shape[1:]:
        raise DataError("there is no bucket to choose, or the query is of another width")
    if not (np.issubdtype(centroids.dtype, np.integer) and np.issubdtype(query.dtype, np.integer)):
        raise DataError("a bucket is chosen by whole numbers: round the query first")
    nearest = np.argsort(-(centroids.astype(np.int64) @ query.astype(np.int64)), kind="stable")
    near, weight = weights(len(centroids), epsilon)
    drawn = _below(near * weight + (len(centroids) - near) * _ONE, entropy)
    if drawn < near * weight:
        return int(nearest[drawn // weight])
    return int(nearest[near + (drawn - near * weight) // _ONE])


def weights(buckets: int, epsilon: float) -> tuple[int, int]:
    """Return how many buckets count as near, and what each weighs in 2^-32 of one that does not."""
    if not 0 < epsilon <= MOST_EPSILON:
        raise DataError(f"an epsilon of {epsilon} is not above 0 and at most {MOST_EPSILON:g}")
    near = max(1, round(buckets / (1 + math.exp(epsilon))))
    # One less than rounding could have added; and where e^epsilon is hardly above 1, all weigh the same.
    return near, max(math.floor(math.exp(epsilon) * _ONE) - 1, _ONE)


def _below(bound: int, entropy: SystemEntropy) -> int:
    """Return a uniform whole number from 0 to `bound` - 1."""
    size = (bound.bit_length() + 7) // 8
    while True:
        drawn = int.from_bytes(entropy.draw(size), "little") >> (8 * size - bound.bit_length())
        if drawn < bound:
            return drawn
