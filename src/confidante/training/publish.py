"""From a trained model to the snapshot that devices install."""

import numpy as np

from confidante.core.values import Catalogue
from confidante.models.served import column_scale, quantise
from confidante.models.snapshot import FeatureSpace, encode
from confidante.training.blend import FEATURE_PART, axes_of
from confidante.training.recipe import Learnt


def publish(learnt: Learnt, catalogue: Catalogue) -> bytes:
    """Return the snapshot of a trained model: quantised, with its catalogue and feature basis."""
    axes, strengths = axes_of(learnt.feature_map)
    kept = np.flatnonzero(strengths)
    part = next(part for part in learnt.factored.parts if part.name == FEATURE_PART)
    features = FeatureSpace(
        part.name,
        learnt.features.names,
        (axes[:, kept] * column_scale(strengths[kept])).astype(np.float32),
        float(np.median(part.item_weights)),
        float(np.median(learnt.factored.prior)),
    )
    return encode(quantise(learnt.factored), catalogue, features)
