"""A model refuses what it could only score wrongly."""

import math

import numpy as np
import pytest

from confidante.core.errors import DataError
from confidante.models.sequential import OwnHistory, Part, SequentialModel

ITEMS = 4
VECTORS = np.eye(ITEMS, 2, dtype=np.float32)
PRIOR = np.zeros(ITEMS, dtype=np.float32)


def model() -> SequentialModel:
    return SequentialModel((Part("part", VECTORS, VECTORS, 2.0),), PRIOR)


@pytest.mark.parametrize(
    ("weight", "half_life"), [(1.0, 0.0), (math.nan, 1.0), (1.0, math.nan), (1.0, math.inf)]
)
def test_own_history_that_cannot_be_scored_is_refused(weight: float, half_life: float) -> None:
    with pytest.raises(DataError, match="cannot be scored"):
        OwnHistory(weight, half_life)


@pytest.mark.parametrize("half_life", [0.0, -1.0, math.nan, math.inf])
def test_a_part_with_an_impossible_half_life_is_refused(half_life: float) -> None:
    with pytest.raises(DataError, match="does not fit"):
        SequentialModel((Part("part", VECTORS, VECTORS, half_life),), PRIOR)


def test_a_model_without_parts_is_refused() -> None:
    with pytest.raises(DataError, match="at least one part"):
        SequentialModel((), PRIOR)


def test_parts_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match="does not fit"):
        SequentialModel((Part("part", VECTORS[:, 0], VECTORS[:, 0], 2.0),), PRIOR)


@pytest.mark.parametrize("item", [-1, ITEMS])
def test_items_outside_the_catalogue_are_refused_everywhere(item: int) -> None:
    scorer = model()
    events = np.array([0, item])
    with pytest.raises(DataError, match="outside the catalogue"):
        scorer.fold_in(scorer.begin(), item)
    with pytest.raises(DataError, match="outside the catalogue"):
        scorer.state(events)
    with pytest.raises(DataError, match="outside the catalogue"):
        scorer.contributions(events, 0)
    with pytest.raises(DataError, match="outside the catalogue"):
        scorer.contributions(np.array([0]), item)
