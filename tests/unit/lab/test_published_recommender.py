"""The lab's lists are a device's: the same ids, in the same order, with the same scores, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from model_worlds import catalogue_of, random_people

from confidante.core.values import Catalogue, Event
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.lab.experiment import Training
from confidante.lab.metrics import full_ranks
from confidante.lab.published_recommender import PublishedRecommender
from confidante.training.recipe import EXACT

NAMES = ("Night Train", "Slow Train", "The Long Night", "River", "Old River", "City of Glass", "Glass")


def titled(items):
    return Catalogue(
        tuple(f"id-{i}" for i in range(items)),
        tuple(f"{NAMES[i % len(NAMES)]} {i // len(NAMES)} ({1970 + i % 40})" for i in range(items)),
        tuple((f"kind-{i % 5}",) if i % 7 else () for i in range(items)),
    )


def of_device(folder, published, catalogue, history, n, repeats):
    with Device(folder, InsecurePlaintextKey()) as device:
        device.federation.install_model(published)
        device.history.record_many(
            Event(0, catalogue.ids[item], "view", float(at)) for at, item in enumerate(history.tolist())
        )
        answer = device.recommend(n, repeats=repeats)
    return [(one.item.id, one.score, one.reasons) for one in answer.suggestions]


@pytest.mark.parametrize(
    ("items", "catalogue", "options"),
    [
        (60, titled, {"epsilon": None}),
        (300, titled, {"epsilon": 8.0, "seed": 2}),
        (100, titled, {"epsilon": 64.0, "likes": 0.2}),
        (80, titled, {"epsilon": None, "repeat": True}),
        (90, catalogue_of, {"epsilon": 4.0}),  # ids for titles
        (
            2200,
            titled,
            {"epsilon": None, "settings": replace(EXACT, max_rank=16), "max_upload": 40_000},
        ),  # enough for a device's index to scan in blocks
    ],
)
def test_a_device_lists_what_the_lab_lists(tmp_path, items, catalogue, options):
    world = catalogue(items)
    everyone = random_people(150, items, 30, seed=items)
    run = Training(bits=16, **options).train(everyone, world)
    recommender = PublishedRecommender(run.published, world)
    repeats = options.get("repeat", False)
    lists = list(recommender.lists(everyone, 20, repeats=repeats))
    assert len(lists) == everyone.people
    for person in {1, int(everyone.lengths.argmin()), int(everyone.lengths.argmax())}:
        alone = everyone.slice(person, person + 1)
        here = recommender.suggestions(alone, 20, repeats=repeats)
        assert [one.item.id for one in here] == [world.ids[row] for row in lists[person].tolist()]
        listed = [(one.item.id, one.score) for one in here]
        found = of_device(tmp_path / str(person), run.published, world, alone.items, 20, repeats)
        assert [(item, score) for item, score, _ in found] == listed
    for batch in (everyone.slice(0, 40), everyone.slice(40, 41)):
        for person, one in enumerate(recommender.lists(batch, 20, repeats=repeats)):
            whole = lists[person if batch.people > 1 else 40]
            assert np.array_equal(one, whole)


def test_scores_and_reasons_are_those_of_the_lists():
    world, everyone = titled(70), random_people(40, 70, 25, seed=3)
    recommender = PublishedRecommender(Training(epsilon=None).train(everyone, world).published, world)
    scores = recommender.score(everyone)
    for person, rows in enumerate(recommender.lists(everyone, 10)):
        alone = everyone.slice(person, person + 1)
        assert not set(rows.tolist()) & set(alone.items.tolist())
        found = recommender.suggestions(alone, 10)
        points = [one.score for one in found]
        assert scores[person, rows] == pytest.approx(points, rel=1e-12, abs=1e-12)
        assert [one.item.id for one in found] == [world.ids[row] for row in rows.tolist()]
        assert all(abs(one.unexplained) < 1e-9 for one in found)
    held_out = everyone.select(np.flatnonzero(everyone.lengths > 0))
    assert full_ranks(recommender, held_out, held_out, repeat=True).people == held_out.people


def test_who_has_everything_gets_nothing_and_lists_end_with_the_candidates():
    world, everyone = titled(12), random_people(30, 12, 10, seed=4)
    recommender = PublishedRecommender(Training(epsilon=None).train(everyone, world).published, world)
    everything = random_people(1, 1, 0, seed=0)
    everything = type(everything)(np.array([0, 12]), np.arange(12, dtype=np.int32), np.arange(12))
    assert [len(rows) for rows in recommender.lists(everything, 5)] == [0]
    assert [len(rows) for rows in recommender.lists(everything, 5, repeats=True)] == [5]
    for person, rows in enumerate(recommender.lists(everyone, 50)):
        assert len(rows) == 12 - len(set(everyone.slice(person, person + 1).items.tolist()))
