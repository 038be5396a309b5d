"""Picks and a group's popularity in a score: exact terms, that fade as events come."""

from dataclasses import replace

import numpy as np
import pytest

from confidante.core.values import Catalogue, Histories, Item
from confidante.device.catalog import build as catalog_build
from confidante.device.catalog.build import build, extended
from confidante.device.catalog.index import FlatIndex
from confidante.device.catalog.text import best_available
from confidante.device.recommend.counterfactual import counterfactual, rank
from confidante.device.recommend.group_prior import GroupPrior
from confidante.device.recommend.query import Profile, build_query, top_k
from confidante.device.recommend.reasons import suggestions
from confidante.device.values import ReasonKind
from confidante.models.factors import PICK_PART
from confidante.models.shrinkage import group_share
from confidante.models.snapshot import decode
from confidante.packs.media import MEDIA
from confidante.tasks.base import NoisySum
from confidante.training.publish import publish
from confidante.training.recipe import EXACT, train

ITEMS = 60
CATALOGUE = Catalogue(
    tuple(f"i{n}" for n in range(ITEMS)),
    tuple(f"Film {n} ({1980 + n % 20})" for n in range(ITEMS)),
    tuple((f"kind {n % 4}",) for n in range(ITEMS)),
)


class Sums:
    """Sums without noise."""

    max_length = 10**7

    def __init__(self, histories):
        self.histories = histories

    def noise_sd(self, name):
        return 0.0

    def take(self, task):
        rows = task.client_update(self.histories)
        total = np.bincount(rows.indices, weights=rows.values, minlength=rows.length)
        return NoisySum(total, 0.0, self.histories.people)


def lovers():
    """People of two tastes: even items, or odd ones."""
    rng = np.random.default_rng(3)
    liked = [rng.permutation(ITEMS // 2)[:12] * 2 + person % 2 for person in range(80)]
    events = np.concatenate(liked).astype(np.int32)
    return Histories(np.arange(81) * 12, events, np.arange(len(events)))


@pytest.fixture(scope="module")
def library():
    learnt = train(CATALOGUE, Sums(lovers()), replace(EXACT, slate=8))
    columns = (CATALOGUE.ids, CATALOGUE.titles, CATALOGUE.labels)
    items = [Item(*row) for row in zip(*columns, strict=True)]
    made = build(
        items,
        np.arange(ITEMS),
        np.zeros(ITEMS, dtype=bool),
        decode(publish(learnt, CATALOGUE)),
        best_available,
        MEDIA,
    )
    assert PICK_PART in made.model.names
    return made


def group(library, name="people like you", seed=0):
    """A group that is another without the first three events, which are picks."""
    points = np.random.default_rng(seed).uniform(0, 1, len(library)).astype(np.float32)
    kept = GroupPrior(name, points, lambda numbers: group(library, "others", 1) if min(numbers) < 4 else kept)
    return kept


def known(library, picked, events, prior=None):
    """A person who picked some of the slate and then met other items."""
    part = next(part for part in library.model.parts if part.name == PICK_PART)
    slate = np.flatnonzero(part.context_weights)[:picked]
    others = np.setdiff1d(np.arange(ITEMS), slate)[: 3 * events : 3]
    rows = np.concatenate((slate, others)).astype(np.int64)
    picks = np.array([1] * picked + [0] * events)
    return Profile(
        np.arange(1, len(rows) + 1),
        rows,
        np.ones(len(rows)),
        ({},) * len(rows),
        picks=picks if picked else None,
        prior=prior,
    )


def item_of(rows):
    return {int(r): Item(CATALOGUE.ids[r], CATALOGUE.titles[r], CATALOGUE.labels[r]) for r in rows}


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(("picked", "events"), [(3, 0), (3, 5), (0, 4), (0, 0)])
def test_reasons_add_up_and_lists_are_those_of_the_scores(library, grouped, picked, events):
    person = known(library, picked, events, group(library) if grouped else None)
    query = build_query(library, person)
    rows = np.flatnonzero(query.allowed)
    scores = query.scores(rows)
    best = rows[np.lexsort((rows, -scores))][:10]
    assert top_k(query, FlatIndex(library.model), 10).tolist() == best.tolist()
    share = group_share(person.weights, person.picks)
    for suggestion, row in zip(suggestions(query, best, item_of), best.tolist(), strict=True):
        assert sum(reason.points for reason in suggestion.reasons) == pytest.approx(
            suggestion.score, abs=1e-9
        )
        popular = next(r.points for r in suggestion.reasons if r.kind is ReasonKind.POPULARITY)
        own = float(library.model.prior[row])
        wanted = own + share * (float(person.prior.points[row]) - own) if grouped else own
        assert popular == pytest.approx(wanted)


def test_events_of_another_context_fade_the_group_and_the_picks_by_the_same_lesser_share(library):
    made = known(library, 3, 4, group(library))
    person = replace(made, contexts=({},) * 3 + ({"place": "home"},) * 4)
    query = build_query(library, person, context={"place": "work"})
    share = group_share(np.array([0.25] * 4), None)
    assert share > group_share(person.weights, person.picks)
    rows = np.flatnonzero(query.allowed)
    own = library.model.prior[rows]
    assert query.prior(rows) == pytest.approx(own + share * (person.prior.points[rows] - own))
    place = library.model.names.index(PICK_PART)
    assert query.part_weights[:3, place] == pytest.approx(0.25 * share)
    scores = query.scores(rows)
    best = rows[np.lexsort((rows, -scores))][:10].tolist()
    assert top_k(query, FlatIndex(library.model), 10).tolist() == best
    for row in best:
        found = counterfactual(query, rank(query, row), item_of([row])[row], 10, str)
        if found.events:
            asked = build_query(library, person.without(found.events), context={"place": "work"})
            without = replace(asked, allowed=query.allowed)
            assert row not in top_k(without, FlatIndex(library.model), 10).tolist()


def test_a_pick_speaks_in_its_own_part_and_an_event_of_the_same_item_does_not(library):
    person = known(library, 3, 0)
    rows = np.arange(ITEMS)
    place = library.model.names.index(PICK_PART)
    by_picks = build_query(library, person).part_weights
    by_events = build_query(library, replace(person, picks=None)).part_weights
    assert (by_picks[:, place] == 1).all()
    assert (by_events[:, place] == 0).all()
    assert np.abs(build_query(library, person).scores(rows) - library.model.prior).max() > 0
    mixed = build_query(library, known(library, 3, 5)).part_weights
    assert 0 < mixed[0, place] < 1


def test_without_picks_and_groups_nothing_changes(library):
    """A model that speaks for picks scores plain events as if it did not."""
    person = known(library, 0, 6)
    parts = tuple(part for part in library.model.parts if part.name != PICK_PART)
    plain = replace(library, model=replace(library.model, parts=parts))
    rows = np.arange(ITEMS)
    assert np.array_equal(build_query(library, person).scores(rows), build_query(plain, person).scores(rows))


def test_a_counterfactual_fades_as_the_list_without_the_events_would(library):
    person = known(library, 3, 2, group(library))
    query = build_query(library, person)
    index = FlatIndex(library.model)
    told = 0
    for row in top_k(query, index, 10).tolist():
        item = item_of([row])[row]
        found = counterfactual(query, rank(query, row), item, 10, str)
        if found.events:
            without = replace(build_query(library, person.without(found.events)), allowed=query.allowed)
            assert row not in top_k(without, index, 10).tolist()
            told += 1
    assert told


def test_an_item_that_came_after_the_training_is_lifted_alike_by_a_refresh_and_by_a_start(
    library, monkeypatch
):
    """What speaks for it speaks louder than for an item that the model knows, whichever way it came."""
    new = [Item(f"new {n}", f"Newer film {n} (1990)", (f"kind {n % 4}",)) for n in range(4)]
    columns = (CATALOGUE.ids, CATALOGUE.titles, CATALOGUE.labels)
    items = [Item(*row) for row in zip(*columns, strict=True)]
    published = decode(publish(train(CATALOGUE, Sums(lovers()), EXACT), CATALOGUE))

    def weights():
        every = [*items, *new]
        numbers = np.arange(len(every))
        whole = build(every, numbers, np.zeros(len(every), dtype=bool), published, best_available, MEDIA)
        grown = extended(
            build(items, numbers[:ITEMS], np.zeros(ITEMS, dtype=bool), published, best_available, MEDIA),
            new,
            numbers[ITEMS:],
            published,
            best_available(),
            MEDIA,
        )
        return [np.stack([part.item_weights for part in made.model.parts]) for made in (whole, grown)]

    lifted = weights()
    monkeypatch.setattr(catalog_build, "FRESH", 1.0)
    for louder, plain in zip(lifted, weights(), strict=True):
        assert (plain[1:, ITEMS:] > 0).all(), (
            "the first part says what followed what, and knows nothing of them"
        )
        assert louder[:, ITEMS:] == pytest.approx(1.5 * plain[:, ITEMS:])
        assert np.array_equal(louder[:, :ITEMS], plain[:, :ITEMS])
