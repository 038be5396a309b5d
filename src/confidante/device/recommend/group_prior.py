"""Popularity among people like this one: what stands in a score where the model's own popularity would."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class GroupPrior:
    """The prior of one group in the rows of a library.

    group: its name, empty for everyone; points: float32 [n], in place of the model's prior, for everyone the
    very same. without: gives what stands there had some events, by number, never happened.
    """

    group: str
    points: NDArray[np.float32]
    without: Callable[[Collection[int]], "GroupPrior | None"]
