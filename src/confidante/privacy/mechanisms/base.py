"""What a plan, a device, the simulator and the accountant ask of noise. One file a mechanism implements it.

Each device of a round adds its own share of integer noise before it masks. The law must be closed under sums:
shares of variance v from n devices are together noise of variance n v, of which each device knows its own
share only.
"""

from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Mechanism(Protocol):
    """Additive integer noise: a frozen description without state. Variances are in squared integer units.

    Stability: provisional.
    """

    @property
    def name(self) -> str:
        """What plans and reports call it."""

    @property
    def entropy_bytes(self) -> int:
        """Random bytes that one share takes."""

    @property
    def least_variance(self) -> int:
        """Least variance for which `gaussian_multiplier` is verified."""

    @property
    def most_variance(self) -> int:
        """Largest variance that can be drawn in reasonable time."""

    def share(self, variance: Fraction | int, size: int, entropy: bytes, /) -> NDArray[np.int64]:
        """Return independent noise, the share of one device, int64 [size].

        Args:
            variance: of each entry; 0 gives zeros.
            size: entries.
            entropy: `entropy_bytes` bytes from `SystemEntropy`, used once. Equal arguments, equal numbers.

        Raises:
            ValueError: a negative variance or size, or entropy of another length.
        """

    def variance_for(self, noise_multiplier: float, l2_squared: int, /) -> Fraction:
        """Return the least variance that is at least as private as a Gaussian of this multiplier.

        Args:
            noise_multiplier: standard deviation over sensitivity, above 0.
            l2_squared: the sensitivity, squared: of an encoded vector's l2 norm.
        """

    def gaussian_multiplier(self, variance: Fraction, l2_squared: int, /) -> float:
        """Return the accountant's event: the multiplier of a Gaussian at most as private, rounded down.

        Raises:
            ValueError: the variance is below `least_variance`.
        """

    def headroom(self, variance: Fraction, size: int, /) -> int:
        """Return a magnitude that no entry of `size` exceeds, but for a chance below 2^-40 over all."""
