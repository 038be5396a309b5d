"""Blend the parts by their signal-to-noise ratio. The noise level is known, so this costs no budget.

Each part is brought to the same spread of scores, computed from the model alone (the root mean square over
candidates of a part's score, for one event drawn by popularity), then weighted by its reliability: the part
of its energy that is signal. Where the item basis knows an item, the features count for less, by how reliable
the item basis is; an item it does not know has the features only.
"""

import numpy as np
from numpy.typing import NDArray

from confidante.models.feature_sequential import FeatureMap
from confidante.models.features import FeatureBasis
from confidante.models.item_sequential import ItemBasis
from confidante.models.sequential import OwnHistory, Part, SequentialModel

ITEM_PART = "what followed what"
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
) -> SequentialModel:
    """Return the blended model over the whole catalogue.

    popularity: float64 [items], above 0; half_life: of an own event, in events; feature_weight: spread of the
    feature part relative to the item part at equal reliability; prior_weight: the same for popularity.
    """
    items, rank = len(popularity), len(basis.strengths)
    share = popularity / popularity.sum()

    context = np.zeros((items, rank), dtype=np.float32)
    item = np.zeros((items, rank), dtype=np.float32)
    context[basis.items] = basis.vectors * basis.strengths * basis.history_weights[:, None]
    item[basis.items] = basis.vectors
    item_scale = basis.reliability / (
        _spread(context[basis.items], item[basis.items], share[basis.items]) or 1.0
    )

    feature_context = features.matrix
    feature_item = (features.matrix @ feature_map.matrix) * feature_map.item_weights[:, None]
    feature_scale = (
        feature_weight * feature_map.reliability / (_spread(feature_context, feature_item, share) or 1.0)
    )
    known = np.ones(items, dtype=np.float32)
    known[basis.items] = 1 - basis.reliability / 2

    prior = prior_weight * np.sqrt(popularity / popularity.max())
    return SequentialModel(
        (
            Part(ITEM_PART, context, (item * item_scale).astype(np.float32), half_life),
            Part(
                FEATURE_PART,
                feature_context,
                (feature_item * (feature_scale * known)[:, None]).astype(np.float32),
                half_life,
            ),
        ),
        prior.astype(np.float32),
        own,
    )


def _spread(context: NDArray[np.float32], item: NDArray[np.float32], share: NDArray[np.float64]) -> float:
    """Return the root mean square of <context_i, item_j>, i drawn by `share`, j uniform."""
    if context.size == 0:
        return 0.0
    contexts = context.T.astype(np.float64) @ (context * (share / share.sum())[:, None])
    candidates = item.T.astype(np.float64) @ item / len(item)
    return float(np.sqrt(max(np.sum(contexts * candidates), 0.0)))
