"""What training leaves: a model in factors, linear in a decayed history, to be served in 8 bits.

The score of item j is prior_j plus, over parts (learnt item basis, public features) and own events e,
decay(age of e) times the part's kernel between e's item and j. With repurchase data an own-history part adds
what the person took before. `models.served` is how people run it.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError

ITEM_PART = "what followed what"
"""Name of the part of a model that says what comes next by what came before."""

PICK_PART = "who chose it too"
"""Name of the part of a model that speaks for picks; it has nothing to say of other events."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """A symmetric kernel: after item i, j scores context_weights[i] item_weights[j] v_i diag(strengths) v_j.

    vectors: float32 [items, d]; strengths: float32 [d], of any sign; context_weights, item_weights: float32
    [items]; half_life: events after which an event counts half.
    """

    name: str
    vectors: NDArray[np.float32]
    strengths: NDArray[np.float32]
    context_weights: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    half_life: float


@final
@dataclass(frozen=True, slots=True)
class OwnHistory:
    """For repurchase data: an own event adds `weight`, halved every `half_life` events, to its own item."""

    weight: float
    half_life: float

    def __post_init__(self) -> None:
        """Refuse numbers that would make scores meaningless."""
        if not math.isfinite(self.weight) or not 0 < self.half_life < math.inf:
            raise DataError(
                f"own history of weight {self.weight} and half-life {self.half_life} cannot be scored"
            )

    def weights(self, age: NDArray[np.int64] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what events add to their own items, float64 like `age` (events since, 0 for the newest)."""
        added: NDArray[np.float64] = self.weight * 0.5 ** (age.astype(np.float64) / self.half_life)
        return added


@final
@dataclass(frozen=True, slots=True, eq=False)
class FactoredModel:
    """What training leaves: kernels over one catalogue, prior float32 [items], own history or None."""

    parts: tuple[Factors, ...]
    prior: NDArray[np.float32]
    own: OwnHistory | None = None
