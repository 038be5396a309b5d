"""Parts count by how reliable they are, and an item the basis does not know keeps its features in full."""

import numpy as np
import pytest
from model_worlds import people, said, score_people

from confidante.models.features import FeatureBasis
from confidante.tasks.feature_pairs import FeatureMap
from confidante.tasks.item_pairs import ItemBasis
from confidante.training.blend import FEATURE_PART, ITEM_PART, blend

ITEMS, KNOWN, RANK, COLUMNS = 12, np.array([5, 1, 8, 2]), 3, 4
RNG = np.random.default_rng(3)
FEATURES = FeatureBasis(tuple("abcd"), RNG.random((ITEMS, COLUMNS)).astype(np.float32))
POPULARITY = RNG.random(ITEMS) + 0.1
VECTORS = RNG.normal(size=(len(KNOWN), RANK)).astype(np.float32)
MAP = RNG.normal(size=(COLUMNS, COLUMNS)).astype(np.float32)


def blended(item_reliability=0.8, feature_reliability=0.6, feature_weight=0.2, rank=RANK, scale=1.0):
    basis = ItemBasis(
        KNOWN,
        VECTORS[:, :rank] * np.float32(scale),
        np.linspace(1, -0.5, RANK, dtype=np.float32)[:rank],
        np.linspace(1, 2, len(KNOWN), dtype=np.float32),
        item_reliability,
    )
    mapped = FeatureMap(MAP * np.float32(scale), np.ones(ITEMS, np.float32), feature_reliability)
    return blend(
        FEATURES, basis, mapped, POPULARITY, half_life=2.0, feature_weight=feature_weight, prior_weight=0.05
    )


def by_part(model, name, event, item):
    return said(next(part for part in model.parts if part.name == name), event, item)


def spread(model, name):
    """Root mean square over candidates of a part's score for one event drawn by popularity."""
    known = KNOWN if name == ITEM_PART else np.arange(ITEMS)
    share = POPULARITY[known] / POPULARITY[known].sum()
    scores = np.array([[by_part(model, name, i, j) for j in known] for i in known])
    return np.sqrt(np.sum(share[:, None] * scores**2) / len(known))


def test_a_part_without_reliability_is_gone():
    without_items, without_features = blended(item_reliability=0.0), blended(feature_reliability=0.0)
    for event in range(ITEMS):
        for item in range(ITEMS):
            assert by_part(without_items, ITEM_PART, event, item) == 0
            assert by_part(without_features, FEATURE_PART, event, item) == 0
    assert by_part(without_features, ITEM_PART, 5, 1) != 0
    assert by_part(without_items, FEATURE_PART, 5, 1) != 0


def test_a_part_spreads_scores_by_its_reliability_whatever_its_scale():
    for scale in (1.0, 1000.0, 1e-3):
        assert spread(blended(scale=scale), ITEM_PART) == pytest.approx(0.8, rel=1e-4)
        features_alone = blended(item_reliability=0.0, feature_weight=0.7, scale=scale)
        assert spread(features_alone, FEATURE_PART) == pytest.approx(0.7 * 0.6, rel=1e-4)


def test_items_outside_the_basis_keep_the_full_feature_weight():
    model, features_alone = blended(), blended(item_reliability=0.0)
    for item in range(ITEMS):
        share = by_part(model, FEATURE_PART, 3, item) / by_part(features_alone, FEATURE_PART, 3, item)
        assert share == pytest.approx(1 - 0.8 / 2 if item in KNOWN else 1, rel=1e-5)


def test_an_item_outside_the_basis_has_no_item_part_neither_as_event_nor_as_candidate():
    model = blended()
    assert by_part(model, ITEM_PART, 0, 5) == by_part(model, ITEM_PART, 5, 0) == 0
    assert by_part(model, FEATURE_PART, 0, 5) != 0
    assert np.isfinite(score_people(model, people(list(range(ITEMS))))).all()


def test_an_empty_basis_leaves_features_and_popularity():
    model = blended(item_reliability=0.0, rank=0)
    scores = score_people(model, people([4], []))
    assert np.isfinite(scores).all()
    assert np.argsort(-scores[1]).tolist() == np.argsort(-POPULARITY).tolist()
    assert scores[0].std() > 0


def test_the_prior_is_at_most_its_weight_and_ranks_by_popularity():
    prior = blended().prior
    assert prior.max() == pytest.approx(0.05)
    assert np.argsort(-prior).tolist() == np.argsort(-POPULARITY).tolist()
