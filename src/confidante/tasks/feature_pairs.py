"""The sequential linear model in a public feature basis, from one small private sum.

Each device sums f_i f_j' over its pairs of neighbouring events, as in `item_pairs`, but in the feature
basis: few numbers, so strong against noise, and every item has a vector. The item-pair density is then
p_i p_j f_i' W f_j with W = (P + ridge)^-1 S (P + ridge)^-1 and P = sum_i p_i f_i f_i', p the popularity that
is already paid for: the least-squares projection of the pair matrix on the features.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, final

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from confidante.core.values import Histories, SparseRows
from confidante.models.features import feature_basis
from confidante.privacy.purposes import Purpose
from confidante.tasks.base import (
    MOST_ENTRIES,
    Events,
    Models,
    NoisySum,
    Positive,
    TaskForm,
    TaskKind,
    require,
)
from confidante.wire.catalogue import CatalogueWire

_RIDGE = 0.002
_RIDGE_PER_NOISE = 0.0006


@final
@dataclass(frozen=True, slots=True, eq=False)
class FeaturePairTask:
    """Which features follow each other closely, as one symmetric matrix.

    features: float32 [items, f], the public basis; window, half_life, history: as in `ItemPairTask`.
    """

    features: NDArray[np.float32]
    window: int
    half_life: float
    history: int
    name: str = "feature pairs"
    l2_bound: float = 1.0
    linf_bound: float = 0.5

    @property
    def length(self) -> int:
        """The upper triangle with its diagonal: f (f + 1) / 2."""
        size = int(self.features.shape[1])
        return size * (size + 1) // 2

    def client_update(self, histories: Histories) -> SparseRows:
        """Return one dense row a person at l2 norm 1 (zeros for fewer than two events)."""
        recent = histories.last(self.history)
        size = self.features.shape[1]
        feature = self.features[recent.items]  # [events, f]
        person = recent.person_of_event
        context = np.zeros_like(feature)  # decayed sum of the events just before
        for distance in range(1, min(self.window, max(len(feature) - 1, 0)) + 1):
            pair = person[distance:] == person[:-distance]
            pair &= recent.items[distance:] != recent.items[:-distance]
            weight = 0.5 ** ((distance - 1) / self.half_life) * pair
            context[distance:] += weight[:, None].astype(np.float32) * feature[:-distance]
        pairs, unordered = np.zeros((recent.people, size, size)), recent.unordered
        for p in range(recent.people):  # one small matrix product a device
            events = slice(int(recent.indptr[p]), int(recent.indptr[p + 1]))
            if unordered[p]:
                pairs[p] = _all_pairs(recent.items[events], feature[events]) / 2
            else:
                pairs[p] = context[events].T @ feature[events]
        pairs += pairs.transpose(0, 2, 1).copy()
        rows, columns = np.triu_indices(size)
        # Row-major, so that a row's norm is added up in the same order whatever the batch.
        values = np.ascontiguousarray(pairs[:, rows, columns])  # [people, f (f + 1) / 2]
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        values /= np.where(norm > 0, norm, 1)
        length = self.length
        return SparseRows(
            np.arange(recent.people + 1) * length,
            np.tile(np.arange(length), recent.people),
            values.ravel(),
            length,
        )


@final
@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """The score of item j after item i is `f_i W f_j item_weights[j]`.

    matrix: float32 [f, f]; item_weights: float32 [items]; reliability: part of the sum's energy that is
    signal, in [0, 1].
    """

    matrix: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    reliability: float


def _all_pairs(items: NDArray[np.int32], feature: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sum over ordered pairs of events of different items, float64 [f, f].

    items: of the events [events]; feature: theirs [events, f].
    """
    _, first, times = np.unique(items, return_index=True, return_counts=True)
    if len(first) < 2:
        return np.zeros((feature.shape[1], feature.shape[1]))  # exactly: what is left of rounding is no pair
    of_items = feature[first].astype(np.float64) * times[:, None]
    together = of_items.sum(axis=0)
    return np.outer(together, together) - of_items.T @ of_items


def feature_map(
    task: FeaturePairTask, total: NoisySum, popularity: NDArray[np.float64], popularity_power: float
) -> FeatureMap:
    """Return the projection of the pair density on the features.

    popularity: float64 [items], above 0; popularity_power: exponent of the weight of a candidate.
    """
    features = task.features.astype(np.float64)
    size = features.shape[1]
    pairs = np.zeros((size, size))
    pairs[np.triu_indices(size)] = total.values
    pairs = np.triu(pairs) + np.triu(pairs, 1).T
    noise_sd = float(np.sqrt(total.variance))
    people = max(total.contributors, 1)
    share = popularity / popularity.sum()
    moments = features.T @ (features * share[:, None])
    # The ridge was chosen in units of 6,040 people: only the ratio of noise to people matters.
    ridge = _RIDGE + _RIDGE_PER_NOISE * noise_sd * 6040 / people
    inverse = np.linalg.inv(moments + ridge * np.eye(size))
    energy = float(np.sum(total.values**2))
    noise = total.variance * len(total.values)
    return FeatureMap(
        matrix=(inverse @ (pairs / people) @ inverse).astype(np.float32),
        item_weights=((popularity / popularity.mean()) ** popularity_power).astype(np.float32),
        reliability=max(0.0, 1 - noise / energy) if energy > 0 else 0.0,
    )


@lru_cache(maxsize=4)
def _features(wire: CatalogueWire) -> NDArray[np.float32]:
    return feature_basis(wire.catalogue).matrix


@final
class _Form(TaskForm, tag="feature pairs 1", frozen=True):
    """features: how many the catalogue has."""

    features: Annotated[int, Meta(ge=1, le=MOST_ENTRIES)]
    window: Events
    half_life: Positive
    history: Events

    @classmethod
    def of(cls, task: FeaturePairTask, catalogue: bytes) -> "_Form":
        return cls(catalogue, int(task.features.shape[1]), task.window, task.half_life, task.history)

    def task(self, wire: CatalogueWire, models: Models) -> FeaturePairTask:
        matrix = _features(wire)
        require(
            matrix.shape[1] == self.features,
            f"a task counts {self.features} features, the catalogue has {matrix.shape[1]}: "
            "device and coordinator run different versions",
        )
        return FeaturePairTask(matrix, self.window, self.half_life, self.history)


KIND = TaskKind(task=FeaturePairTask, form=_Form, purposes=(Purpose.TRAIN,), reads_order=True)
