"""Blend the parts by their signal-to-noise ratio. The noise level is known, so this costs no budget.

Each part is brought to the same spread of scores, computed from the model alone (the root mean square over
candidates of a part's score, for one event drawn by popularity), then weighted by its reliability: the part
of its energy that is signal. Where the item basis knows an item, the features count for less, by how reliable
the item basis is; an item it does not know has the features only.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from confidante.models.factors import ITEM_PART, FactoredModel, Factors, OwnHistory
from confidante.models.features import FeatureBasis
from confidante.tasks.feature_pairs import FeatureMap
from confidante.tasks.item_pairs import ItemBasis

FEATURE_PART = "kind of item"


def blend(
    features: FeatureBasis,
    basis: ItemBasis,
    feature_map: FeatureMap,
    popularity: NDArray[np.float64],
    *,
    half_life: float,
    feature_weight: float,
    prior_weight: float,
    own: OwnHistory | None = None,
) -> FactoredModel:
    """Return the blended model over the whole catalogue.

    popularity: float64 [items], above 0; half_life: of an own event, in events; feature_weight: spread of the
    feature part relative to the item part at equal reliability; prior_weight: the same for popularity.
    """
    items = len(popularity)
    share = popularity / popularity.sum()

    vectors = np.zeros((items, len(basis.strengths)), dtype=np.float32)
    vectors[basis.items] = basis.vectors
    history_weights = np.zeros(items, dtype=np.float32)
    history_weights[basis.items] = basis.history_weights
    in_basis = np.zeros(items, dtype=np.float32)
    in_basis[basis.items] = 1
    by_item = Factors(ITEM_PART, vectors, basis.strengths, history_weights, in_basis, half_life)

    axes, strengths = axes_of(feature_map)
    by_feature = Factors(
        FEATURE_PART,
        features.matrix @ axes,
        strengths,
        np.ones(items, dtype=np.float32),
        feature_map.item_weights,
        half_life,
    )
    known = 1 - basis.reliability / 2 * in_basis
    item_scale = basis.reliability / (_spread(by_item, basis.items, share) or 1.0)
    feature_scale = feature_map.reliability / (_spread(by_feature, np.arange(items), share) or 1.0)

    prior = prior_weight * np.sqrt(popularity / popularity.max())
    return FactoredModel(
        (
            _weighted(by_item, item_scale * in_basis),
            _weighted(by_feature, feature_weight * feature_scale * known),
        ),
        prior.astype(np.float32),
        own,
    )


def axes_of(feature_map: FeatureMap) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the feature map's eigenvectors as columns [f, f] and their eigenvalues [f], largest first.

    An item's vector in the feature part is its row of features times the eigenvectors.
    """
    matrix = feature_map.matrix.astype(np.float64)
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)  # it is symmetric up to rounding
    order = np.argsort(-np.abs(values), kind="stable")
    return vectors[:, order].astype(np.float32), values[order].astype(np.float32)


def _weighted(part: Factors, factor: NDArray[np.floating]) -> Factors:
    return replace(part, item_weights=(part.item_weights * factor).astype(np.float32))


def _spread(part: Factors, items: NDArray[np.int64], share: NDArray[np.float64]) -> float:
    """Return the root mean square score of j after i, i of `items` drawn by `share`, j uniform."""
    if len(items) == 0 or len(part.strengths) == 0:
        return 0.0
    vectors = part.vectors[items].astype(np.float64)
    drawn = share[items] / share[items].sum() * part.context_weights[items].astype(np.float64) ** 2
    contexts = vectors.T @ (vectors * drawn[:, None])
    candidates = vectors.T @ (vectors * part.item_weights[items, None].astype(np.float64) ** 2) / len(items)
    strengths = part.strengths.astype(np.float64)
    return float(np.sqrt(max(np.sum(contexts * candidates * np.outer(strengths, strengths)), 0.0)))
