"""A tiny data set with known answers that every model must pass.

People and items are the squares of a board: an even person has the even items, an odd one the odd items,
except the item of their own number. So the best item that person p does not have is item p.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories


@final
@dataclass(frozen=True, slots=True, eq=False)
class Checkerboard:
    """histories of `size` people over `size` items; answers: int64 [people], the item each should get."""

    histories: Histories
    catalogue: Catalogue
    answers: NDArray[np.int64]


def checkerboard(size: int = 50) -> Checkerboard:
    """Return the board; size is even and at least 8.

    Person p's events are items p+2, p+4, ... around the board, one a minute, so that models that look at the
    order of events find the same answer: after p-2 comes p. Labels: "even" or "odd".
    """
    if size < 8 or size % 2:
        raise DataError(f"a checkerboard of {size}: give an even size of 8 or more")
    each = size // 2 - 1
    people = np.arange(size, dtype=np.int64)
    items = (people[:, None] + 2 * np.arange(1, each + 1)) % size  # [people, each]
    times = np.broadcast_to(60 * np.arange(each, dtype=np.int64), items.shape)
    histories = Histories(
        np.arange(size + 1, dtype=np.int64) * each, items.ravel().astype(np.int32), times.ravel().copy()
    )
    names = [str(item) for item in range(size)]
    catalogue = Catalogue(
        tuple(f"square-{name}" for name in names),
        tuple(f"Square {name}" for name in names),
        tuple(("odd" if item % 2 else "even",) for item in range(size)),
    )
    return Checkerboard(histories, catalogue, people)
