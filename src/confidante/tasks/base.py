"""The one interface of all that is learnt: a bounded vector a device, and what their noisy sum becomes."""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Histories, SparseRows


@final
@dataclass(frozen=True, slots=True, eq=False)
class NoisySum:
    """What the coordinator learns of a task.

    values: float64 [length], in the units of the devices' vectors; variance: of the noise in each entry,
    known exactly from the plan and the number of survivors (0.0 without noise); contributors: devices in
    the sum.
    """

    values: NDArray[np.float64]
    variance: float
    contributors: int


class Task(Protocol):
    """A vector that each device computes from its own history and what was broadcast (the task's fields).

    `client_update` is the very code of a device; the lab hands it many people at once. Each row it returns
    has an l2 norm of at most `l2_bound`; the plan clips its entries to `linf_bound`, so a person whose whole
    say is one entry keeps only that much of it.
    What the sum becomes is a function of the task's module, called with the `NoisySum`.
    """

    @property
    def name(self) -> str:
        """Name for plans and the ledger."""

    @property
    def length(self) -> int:
        """Entries of the vector."""

    @property
    def l2_bound(self) -> float:
        """Bound on each person's l2 norm."""

    @property
    def linf_bound(self) -> float:
        """Bound on each entry of a person's vector."""

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one row a person."""
