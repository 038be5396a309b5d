"""What picks say: bounded vectors, lifts above the known noise, and one more part of a model."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from model_worlds import ExactSums, catalogue_of, people, random_people, some_people

from confidante.core.errors import DataError, WireError
from confidante.models.factors import ITEM_PART, PICK_PART
from confidante.models.features import feature_basis
from confidante.models.served import ServedModel, ServedPart, quantise_part
from confidante.models.shrinkage import ENOUGH, PICK_WEIGHT, group_share, part_weights
from confidante.models.snapshot import decode
from confidante.tasks.base import NoisySum
from confidante.tasks.likes import STRENGTH, LikesTask, likes_part, log_lifts, slate_items
from confidante.tasks.registry import decode_task, encode_task
from confidante.training.publish import publish
from confidante.training.recipe import EXACT, budget, train
from confidante.wire.catalogue import CatalogueWire

ITEMS = 30
SLATE = np.array([2, 11, 5])


@pytest.mark.parametrize("columns", [None, np.array([7, 2, 0, 11])])
@given(histories=some_people(ITEMS))
def test_every_vector_keeps_its_bound_and_says_which_items_meet(columns, histories):
    task = LikesTask(SLATE, ITEMS, columns)
    rows = task.client_update(histories)
    counted = range(ITEMS) if columns is None else columns.tolist()
    for person in range(histories.people):
        own = set(histories.slice(person, person + 1).items.tolist())
        row = rows.dense(person).reshape(len(SLATE), task.width)
        assert np.linalg.norm(row) <= task.l2_bound
        for place, slate in enumerate(SLATE.tolist()):
            for column, item in enumerate(counted):
                met = slate in own and item in own and slate != item
                assert (row[place, column] > 0) == met


def lovers(seed=0, each=300):
    """People of two tastes: even items go together, and odd ones."""
    rng = np.random.default_rng(seed)
    return people(
        *(
            (2 * rng.choice(ITEMS // 2, 8, replace=False, p=weights) + taste).tolist()
            for taste in (0, 1)
            for _ in range(each)
        )
    )


rank = np.arange(ITEMS // 2)
weights = (1 / (3.0 + rank)) / (1 / (3.0 + rank)).sum()


def learnt(noise=0.0, seed=0):
    histories = lovers()
    popular = np.bincount(histories.items, minlength=ITEMS) / np.sqrt(8.0)
    task = LikesTask(np.array([0, 1, 2, 3]), ITEMS)
    total = ExactSums(histories).take(task)
    values = total.values + np.random.default_rng(seed).normal(0, noise, len(total.values))
    return task, NoisySum(values, noise**2, histories.people), popular


def test_a_pick_lifts_what_its_lovers_have():
    task, total, popular = learnt()
    lifts = log_lifts(task, total, popular)
    even = np.arange(ITEMS) % 2 == 0
    for row, slate in enumerate(task.slate.tolist()):
        alike = even if slate % 2 == 0 else ~even
        assert lifts[row, alike & (np.arange(ITEMS) != slate)].min() > 0.3
        assert lifts[row, ~alike].max() < -0.5


def test_noise_alone_says_nothing_and_understated_noise_would():
    task, _, popular = learnt()
    flat = LikesTask(task.slate, ITEMS)
    rng = np.random.default_rng(1)
    said, misled = [], []
    for _ in range(20):
        mass = 400 / popular.sum()
        values = (mass * popular[None, :] + rng.normal(0, 3.0, (4, ITEMS))).ravel()
        said.append(np.abs(log_lifts(flat, NoisySum(values, 9.0, 600), popular)).mean())
        misled.append(np.abs(log_lifts(flat, NoisySum(values, 0.09, 600), popular)).mean())
    assert np.mean(said) < 0.02
    assert np.mean(misled) > 5 * np.mean(said)


def test_the_part_adds_what_the_lifts_say():
    task, total, popular = learnt(noise=0.5)
    prior = 0.5 * np.sqrt(popular / popular.max())
    part = likes_part(task, total, popular, prior)
    lifts = np.zeros((4, ITEMS))
    lifts[:] = log_lifts(task, total, popular)
    among = lifts[:, task.slate]
    lifts[:, task.slate] = (among + among.T) / 2
    wanted = STRENGTH / 2 * prior * lifts
    wanted[np.arange(4), task.slate] = 0.0
    kernel = (part.vectors[task.slate] * part.strengths) @ part.vectors.T * part.item_weights
    assert np.abs(kernel - wanted).max() < 1e-6
    assert part.context_weights.sum() == 4
    served = quantise_part(part)
    vectors = served.vectors.astype(float)
    kernel = (vectors[task.slate] * served.strengths) @ vectors.T * served.item_weights
    kernel *= served.context_weights[task.slate, None]
    assert np.abs(kernel - wanted).max() < 0.03


def test_pieces_of_different_catalogues_are_refused():
    task, total, popular = learnt()
    with pytest.raises(DataError):
        likes_part(task, total, popular[1:], popular[1:])


def test_a_slate_is_popular_and_of_different_kinds():
    catalogue = catalogue_of(ITEMS)
    popular = np.linspace(2, 1, ITEMS)
    found = slate_items(popular, feature_basis(catalogue), 3)
    assert found[0] == 0
    assert sorted(found % 3) == [0, 1, 2]
    assert len(slate_items(popular, feature_basis(catalogue), 99)) == ITEMS


# --- in a training, in a model, on the wire


def test_a_training_with_picks_learns_the_rest_as_before_and_publishes_the_part():
    catalogue, histories = catalogue_of(ITEMS), random_people(60, ITEMS, 20, seed=3)
    plain = train(catalogue, ExactSums(histories), EXACT)
    more = train(catalogue, ExactSums(histories), replace(EXACT, slate=5))
    assert [p.name for p in more.factored.parts] == [*(p.name for p in plain.factored.parts), PICK_PART]
    assert np.array_equal(more.factored.prior, plain.factored.prior)
    published = decode(publish(more, catalogue))
    assert PICK_PART in published.model.names
    assert sum(budget(1.2, 0.15).values()) == pytest.approx(1)
    assert "picks" not in budget(1.2)


@pytest.mark.parametrize("columns", [None, np.array([7, 2, 0])])
def test_a_task_over_picks_travels(columns):
    wire = CatalogueWire(catalogue_of(ITEMS))
    task = LikesTask(SLATE, ITEMS, columns)
    back = decode_task(encode_task(task, wire), CatalogueWire.decode(wire.data))
    histories = random_people(9, ITEMS, 12, seed=1)
    mine, theirs = task.client_update(histories), back.client_update(histories)
    for part in ("indptr", "indices", "values"):
        assert np.array_equal(getattr(mine, part), getattr(theirs, part))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, bytes(31)),
        (2, b""),
        (2, bytes(8)),
        (2, b"\xff" * 4),
        (3, b"\x01"),
        (3, b"\xff" * 4),
        (3, bytes(8)),
    ],
)
def test_a_task_over_picks_out_of_bounds_is_refused(place, value):
    wire = CatalogueWire(catalogue_of(ITEMS))
    fields = msgspec.msgpack.decode(encode_task(LikesTask(SLATE, ITEMS, np.array([1])), wire))
    fields[place] = value
    with pytest.raises(WireError):
        decode_task(msgspec.msgpack.encode(fields), wire)


def test_a_task_over_picks_with_more_entries_than_are_read_is_refused(monkeypatch):
    wire = CatalogueWire(catalogue_of(ITEMS))
    body = encode_task(LikesTask(SLATE, ITEMS), wire)
    monkeypatch.setattr("confidante.tasks.likes.MOST_ENTRIES", 3 * ITEMS - 1)
    with pytest.raises(WireError, match="too many"):
        decode_task(body, wire)


# --- the fade


def test_a_group_counts_less_with_each_event_and_never_by_a_switch():
    shares = [group_share(np.ones(n), None) for n in range(200)]
    assert shares[0] == 1
    assert shares[int(ENOUGH)] == 0.5
    assert all(0 < after < before for before, after in pairwise(shares))
    assert group_share(np.ones(5), np.array([1, 1, 0, 0, 2])) == shares[2], "picks are no events"
    assert group_share(-np.ones(2), None) == shares[2]


def test_the_share_is_that_of_least_error_where_ten_events_weigh_as_much_as_the_group():
    """People drawn around a group, each seen by the mean of n events: no other share of the group errs less.

    One event is taken to err by ten times as much as people of a group differ: with another constant than 10
    the share would not be the one of least error.
    """
    rng = np.random.default_rng(0)
    for n in (3, 30):
        own = rng.normal(0, 1, 200_000)
        seen = own + rng.normal(0, np.sqrt(10 / n), len(own))
        errors = {share: np.mean((own - (1 - share) * seen) ** 2) for share in np.linspace(0, 1, 101)}
        best = min(errors, key=errors.__getitem__)
        assert best == pytest.approx(group_share(np.ones(n), None), abs=0.021)


def test_picks_count_in_their_own_part_and_events_in_the_others():
    model, rows = speaking_of((0, 1)), np.array([0, 1, 2])
    events, picks = np.array([1.0, 1.0, -1.0]), np.array([1, 1, 0])
    found = part_weights(model, rows, events, picks)
    share = group_share(events, picks)
    assert found.tolist() == [[0, PICK_WEIGHT, share], [0, PICK_WEIGHT, share], [-1, -1, 0]]
    deaf = replace(model, parts=model.parts[:2])
    assert part_weights(deaf, rows, events, picks).tolist() == events.tolist()
    assert part_weights(model, rows, events, None)[:, 2].tolist() == [0, 0, 0]


def test_a_pick_that_the_part_for_picks_knows_nothing_of_counts_as_an_event():
    found = part_weights(speaking_of((0, 1)), np.array([2, 0]), np.ones(2), np.array([1, 1]))
    assert found[0, :2].tolist() == [1, 1]
    assert found[1, :2].tolist() == [0, PICK_WEIGHT]


def speaking_of(slate):
    """A model of three items whose part for picks knows those of the slate."""
    ones, knows = np.ones(3, dtype=np.float32), np.isin(np.arange(3), slate).astype(np.float32)
    parts = (
        ServedPart(
            name, np.ones((3, 1), dtype=np.int8), ones[:1], knows if name == PICK_PART else ones, ones, 2
        )
        for name in (ITEM_PART, "kind of item", PICK_PART)
    )
    return ServedModel(tuple(parts), ones)
