"""The public feature basis: what a catalogue says of its items, as the same matrix on every device."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Catalogue

CONSTANT = "(any item)"


@final
@dataclass(frozen=True, slots=True, eq=False)
class FeatureBasis:
    """names: one a column, the last is the constant; matrix: float32 [items, f], rows of l2 norm 1."""

    names: tuple[str, ...]
    matrix: NDArray[np.float32]


def feature_basis(catalogue: Catalogue, *, max_features: int = 64, min_items: int = 10) -> FeatureBasis:
    """Return the labels that at least `min_items` items carry, the most frequent first, and a constant.

    What the catalogue's pack read of an item (`Catalogue.derived`) counts as a label. An item without
    features keeps the constant, so every item, new ones included, has a vector. Uses the public catalogue
    only, never an event.
    """
    counts = Counter(label for row in _labels(catalogue) for label in row)
    frequent = sorted((-count, label) for label, count in counts.items() if count >= min_items)
    names = (*(label for _, label in frequent[:max_features]), CONSTANT)
    return FeatureBasis(names, feature_rows(names, catalogue))


def feature_rows(names: tuple[str, ...], catalogue: Catalogue) -> NDArray[np.float32]:
    """Return the rows of a catalogue's items in a basis of these columns, float32 [items, f], of l2 norm 1.

    names: of `FeatureBasis`; labels that have no column are passed over.
    """
    column = {name: j for j, name in enumerate(names)}
    pairs = [
        (i, column[label]) for i, row in enumerate(_labels(catalogue)) for label in row if label in column
    ]
    matrix = np.zeros((len(catalogue), len(names)), dtype=np.float32)
    if pairs:
        rows, columns = np.array(pairs).T
        matrix[rows, columns] = 1
    matrix[:, -1] = 1
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def _labels(catalogue: Catalogue) -> Iterator[dict[str, None]]:
    """Give each item's labels, with what was read of it, each once."""
    for given, read in zip(catalogue.labels, catalogue.derived or repeat(()), strict=False):
        yield dict.fromkeys((*given, *read))
