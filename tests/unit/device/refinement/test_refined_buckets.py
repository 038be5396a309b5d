"""Where one bucket was scored, its points stand beside what the device's own model says of the others."""

import numpy as np
import pytest
from refine_world import SERVED, sides, snapshot

from confidante.core.errors import WireError
from confidante.core.values import Item
from confidante.device.catalog.build import build
from confidante.device.catalog.text import best_available
from confidante.device.recommend.query import Profile, build_query
from confidante.device.refinement.merging import BUCKET_SPREAD, REFINE_SPREAD, Heard, added
from confidante.models.snapshot import decode
from confidante.packs.media import MEDIA

ROWS = np.array([1, 4, 6])
ITEMS = [Item(*row) for row in zip(SERVED.ids, SERVED.titles, SERVED.labels, strict=True)]
EVERY = np.arange(len(ITEMS))
LIBRARY = build(ITEMS, EVERY, np.zeros(len(ITEMS), dtype=np.bool_), decode(snapshot()), best_available, MEDIA)
QUESTION = build_query(LIBRARY, Profile(np.arange(3), ROWS, np.ones(3), ({},) * 3))


def heard(side, rows, points):
    return Heard(rows, points, np.zeros(side.items), np.ones(side.items, dtype=np.bool_))


def test_only_the_buckets_items_move_and_by_points_in_place_of_the_models():
    side, table = sides(buckets=3)
    rounded = side.rounded(side.query(ROWS, QUESTION.ages, QUESTION.weights))
    points = side.points(table.scores(rounded), rounded.scale)
    model = LIBRARY.model
    said = sum(
        part.item_weights * (part.vectors.astype(float) @ query)
        for part, query in zip(model.parts, QUESTION.queries, strict=True)
        if part.name in {of.name for of in side.parts}
    )
    for rows, spread in ((side.in_bucket(1), BUCKET_SPREAD), (EVERY, REFINE_SPREAD)):
        found = added(side, heard(side, rows, points[rows]), QUESTION, EVERY).refinement
        expected = np.zeros(len(ITEMS))
        expected[rows] = points[rows] * spread * LIBRARY.spread / side.spread - said[rows]
        assert found == pytest.approx(expected, abs=1e-12)
        assert found.any()


def test_points_out_of_all_proportion_are_refused():
    side, _ = sides(buckets=3)
    for bad in (1e300, np.nan, np.inf):
        with pytest.raises(WireError):
            added(side, heard(side, EVERY, np.full(side.items, bad)), QUESTION, EVERY)
