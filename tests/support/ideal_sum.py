"""What a secure sum computes, computed in the open: its ideal functionality, for simulation and tests."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from confidante.secagg.config import RoundConfig
from confidante.secagg.packing import centred
from confidante.secagg.server import SumResult


def ideal_sum(
    config: RoundConfig, input_of: Callable[[int], NDArray[np.int64]], survivors: Iterable[int]
) -> SumResult:
    """Return exactly what a round with these survivors returns: their vectors' sum modulo 2^bits, centred.

    input_of: int64 [length] of a client, asked for once each, in increasing order.
    """
    chosen = tuple(sorted(survivors))
    total = np.zeros(config.length, dtype=np.uint32)
    for client in chosen:
        total += input_of(client).astype(np.uint32)
    return SumResult(centred(total, config.bits), chosen)
