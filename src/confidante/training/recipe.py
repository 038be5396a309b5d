"""The whole training: three tasks, and one more where likes are to speak; each is a private sum.

Each is free to build on the sums before it.

Every constant here is public and fixed beforehand: chosen once on validation parts (MovieLens-1M and
100K, and Complete Journey for repurchase data), and then used for every data set.
docs/explanation/how-it-works.md says how.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.values import Catalogue
from confidante.models.factors import FactoredModel, OwnHistory
from confidante.models.features import CONSTANT, FeatureBasis, feature_basis
from confidante.tasks.base import NoisySum, Task
from confidante.tasks.feature_pairs import FeatureMap, FeaturePairTask, feature_map
from confidante.tasks.item_pairs import ItemBasis, ItemPairTask, basis_size, item_basis
from confidante.tasks.likes import SLATE, LikesTask, likes_part, slate_items
from confidante.tasks.popularity import UNMET, PopularityTask, popularity
from confidante.training.blend import blend

POPULARITY, FEATURES, ITEMS, LIKES = "popularity", "feature pairs", "item pairs", "picks"

BUDGET = MappingProxyType({POPULARITY: 0.05, FEATURES: 0.05, ITEMS: 0.90})
"""Shares of the privacy budget (of 1 / noise_multiplier^2), by task, where people are many for the noise."""

MOST_LIKES_ENTRIES = 104_000
"""Entries of the sum for likes at most: in 20 bits, 260 kB."""

_ENOUGH = 1500.0
_MAX_WEAKNESS = 10.0


def weakness(people: int, noise_multiplier: float) -> float:
    """Return how weak the sums of so many people are under noise, from 1 (strong enough) to 10.

    noise_multiplier: of the whole budget spent on one sum. Both numbers are public before anything is summed.
    """
    return min(max(1.0, _ENOUGH * noise_multiplier / people), _MAX_WEAKNESS)


def budget(weak: float, likes: float = 0.0) -> dict[str, float]:
    """Return the shares of the budget: the weaker the sums, the more for popularity, the simplest of them.

    likes: share of the sum that speaks for likes, which all others leave in proportion; 0 for none.
    """
    popular = BUDGET[POPULARITY] * weak
    shares = {POPULARITY: popular, FEATURES: BUDGET[FEATURES], ITEMS: 1 - popular - BUDGET[FEATURES]}
    if likes == 0:
        return shares
    return {**{task: share * (1 - likes) for task, share in shares.items()}, LIKES: likes}


@final
@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Public constants of the training.

    window, pair_half_life: of pairs, in events; history: newest events a device uses. popularity_power: pairs
    are weighted by popularity to minus this, history events to minus history_power. spectral_power: exponent
    of the spectrum. basis_ratio: see `basis_size`. max_rank: most columns of the item basis. half_life: of an
    own event in a score. feature_weight, prior_weight: see `blend`. candidate_power: exponent of a
    candidate's popularity in the feature part. own: own-history part, for repurchase data. slate: items that
    the sum for likes has a row of, 0 for no such sum.
    """

    window: int = 8
    pair_half_life: float = 3.0
    history: int = 500
    popularity_power: float = 0.15
    history_power: float = 0.3
    spectral_power: float = 0.3
    basis_ratio: float = 0.95
    max_rank: int = 256
    half_life: float = 2.0
    feature_weight: float = 0.2
    prior_weight: float = 0.5
    candidate_power: float = 0.5
    own: OwnHistory | None = None
    slate: int = 0


PRIVATE = TrainingSettings()
"""With noise."""

EXACT = TrainingSettings(window=20, pair_half_life=5.0, spectral_power=0.5, max_rank=1024, prior_weight=0.05)
"""Secure aggregation only: no noise to be robust against."""

REPEAT_OWN = OwnHistory(weight=375.0, half_life=300.0)
"""Repurchase data: what a person took before leads, and taste is slower. Chosen on Complete Journey."""


def settings_for(*, noise: bool, repeat: bool, weak: float = 1.0) -> TrainingSettings:
    """Return the constants for sums with or without noise, and for repurchase data or not.

    weak: see `weakness`; the weaker the sums, the more popularity counts.
    """
    settings = PRIVATE if noise else EXACT
    if repeat:
        return replace(settings, half_life=50.0, prior_weight=125.0, own=REPEAT_OWN)
    return replace(settings, prior_weight=settings.prior_weight * weak)


class SumService(Protocol):
    """Takes private sums: the lab's simulator, or a coordinator's rounds."""

    @property
    def max_length(self) -> int:
        """Entries of the longest vector that devices agreed to upload."""

    def noise_sd(self, name: str) -> float:
        """Return the expected noise standard deviation in an entry of the named task's sum (l2 bound 1)."""

    def take(self, task: Task) -> NoisySum:
        """Return the noisy sum of every device's vector."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A trained model in factors, to be published, and the public parts that it was made of."""

    factored: FactoredModel
    features: FeatureBasis
    basis: ItemBasis
    feature_map: FeatureMap


def likes_columns(items: int, slate: int, max_length: int) -> int:
    """Return how many of so many items the sum for likes counts; max_length: entries of an upload."""
    return min(items, min(MOST_LIKES_ENTRIES, max_length) // slate)


def largest_tasks(catalogue: Catalogue, max_length: int, *, likes: bool) -> Iterator[Task]:
    """Give the tasks of a training, in order, each at the longest that it can become.

    max_length: entries of the longest vector that devices upload. The item basis grows to what fits: the
    largest M with M (M - 1) / 2 entries. likes: whether there is the sum for likes.
    """
    items, of = len(catalogue), EXACT
    yield PopularityTask(items)
    yield FeaturePairTask(feature_basis(catalogue).matrix, of.window, of.pair_half_life, of.history)
    most = max(2, min(items, (1 + math.isqrt(1 + 8 * max(max_length, 0))) // 2))
    yield ItemPairTask(np.arange(most), np.ones(most), items, of.window, of.pair_half_life, of.history)
    if likes:
        slate = np.arange(min(SLATE, items))
        yield LikesTask(slate, items, np.arange(likes_columns(items, len(slate), max_length)))


def train(catalogue: Catalogue, sums: SumService, settings: TrainingSettings) -> Learnt:
    """Learn popularity, the feature map and the item basis, and blend them; where wanted, what likes say."""
    popular = popularity(sums.take(PopularityTask(len(catalogue))))

    features = feature_basis(catalogue)
    feature_task = FeaturePairTask(
        features.matrix, settings.window, settings.pair_half_life, settings.history
    )
    mapped = feature_map(feature_task, sums.take(feature_task), popular, settings.candidate_power)

    order = np.argsort(-popular, kind="stable")
    order = order[: max(2, int(np.sum(popular > UNMET)))]  # nobody's pairs name the others
    size = basis_size(popular[order], sums.noise_sd(ITEMS), settings.basis_ratio, sums.max_length)
    chosen = order[:size]
    relative = popular[chosen] / popular[chosen].mean()
    item_task = ItemPairTask(
        chosen,
        relative**-settings.popularity_power,
        len(catalogue),
        settings.window,
        settings.pair_half_life,
        settings.history,
    )
    basis = item_basis(
        item_task,
        sums.take(item_task),
        power=settings.spectral_power,
        history_weights=relative**-settings.history_power,
        max_rank=settings.max_rank,
    )
    factored = blend(
        features,
        basis,
        mapped,
        popular,
        half_life=settings.half_life,
        # Where no label is shared by enough items, all are alike to the features, which would say only how
        # long a history is.
        feature_weight=settings.feature_weight if features.names != (CONSTANT,) else 0.0,
        prior_weight=settings.prior_weight,
        own=settings.own,
    )
    learnt = Learnt(factored, features, basis, mapped)
    if settings.slate == 0:
        return learnt
    # Last, so that all sums before it are what they are without it.
    likes_task = LikesTask(
        slate_items(popular, features, settings.slate), len(catalogue), _fitting(order, settings, sums)
    )
    part = likes_part(likes_task, sums.take(likes_task), popular, factored.prior)
    return replace(learnt, factored=replace(factored, parts=(*factored.parts, part)))


def _fitting(order: NDArray[np.int64], settings: TrainingSettings, sums: SumService) -> NDArray[np.int64]:
    """Return the items that the sum for likes counts: the most popular that uploads have room for."""
    return np.sort(order[: likes_columns(len(order), settings.slate, sums.max_length)])
