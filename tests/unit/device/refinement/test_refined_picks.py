"""Picks in a refined list: a server that knows no more than the device says what the device says."""

from dataclasses import replace

import numpy as np
import pytest
from device_world import films, snapshot

from confidante.device.catalog.build import build as build_library
from confidante.device.catalog.text import best_available
from confidante.device.recommend.query import Profile, build_query
from confidante.device.refinement.merging import _said, event_weights
from confidante.models.factors import PICK_PART
from confidante.models.refinement.build import build
from confidante.models.served import ServedPart
from confidante.models.snapshot import Published, decode
from confidante.packs.media import MEDIA


def with_picks(published: Published) -> Published:
    """The same model, with a part that speaks for picks of every second item."""
    rng, items = np.random.default_rng(1), published.model.rows
    knows = (np.arange(items) % 2 == 0).astype(np.float32)
    ones = np.ones(items, dtype=np.float32)
    vectors = rng.integers(-127, 128, (items, 4)).astype(np.int8)
    part = ServedPart(PICK_PART, vectors, np.ones(4, dtype=np.float32), knows / 1e4, ones, 1e9)
    return replace(published, model=replace(published.model, parts=(*published.model.parts, part)))


@pytest.mark.parametrize("picks", [None, [1, 1, 1], [1, 0, 1]])
def test_a_server_that_knows_no_more_says_the_same_of_picks_and_events(picks: list[int] | None) -> None:
    published = with_picks(decode(snapshot()))
    assert published.catalogue is not None
    known = [film for film in films() if film.id in published.catalogue.ids]
    keys, removed = np.arange(len(known)), np.zeros(len(known), dtype=bool)
    library = build_library(known, keys, removed, published, best_available, MEDIA)
    side, table = build(published, published.catalogue, dimensions=256)
    row_of = {item: row for row, item in enumerate(side.catalogue.ids)}
    places = np.array([row_of[film.id] for film in known])
    rows = np.array([0, 5, 8])
    marks = None if picks is None else np.array(picks)
    person = Profile(np.arange(1, 4), rows, np.ones(3), ({},) * 3, picks=marks)
    query = build_query(library, person)
    rounded = side.rounded(side.query(places[rows], query.ages, event_weights(side, query)))
    server = side.points(table.scores(rounded), rounded.scale)[places]
    here = _said(query, {part.name for part in side.parts}, np.arange(len(known)))
    assert np.abs(here).max() > 0
    assert np.abs(server - here).max() < 0.03 * np.abs(here).max()
