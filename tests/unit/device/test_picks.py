"""Picks of one time are no sequence: their order changes nothing; what came later makes all of them older."""

from itertools import permutations

import numpy as np
import pytest
from device_world import START, adds_up, everything, ids, open_device, scores

from confidante.core.values import Event
from confidante.device.recommend.query import event_ages

LOVED = ("m0", "m6", "m12")


def pick(device, items, at=START):
    return device.history.record_many([Event(0, item, "pick", at) for item in items])


def test_what_was_picked_together_is_of_one_age_and_other_events_of_their_own():
    assert event_ages(np.ones(4), None).tolist() == [3, 2, 1, 0]
    assert event_ages(np.ones(0), None).tolist() == []
    assert event_ages(np.ones(3), np.array([1, 1, 1])).tolist() == [0, 0, 0]
    assert event_ages(np.ones(6), np.array([0, 1, 1, 2, 2, 0])).tolist() == [5, 3, 3, 1, 1, 0]


def test_what_was_entered_together_is_of_one_age():
    assert event_ages(np.ones(3), None, np.zeros(3)).tolist() == [0, 0, 0]
    assert event_ages(np.array([1.0, 1.0, -1.0]), None, np.full(3, 7.5)).tolist() == [0, 0, 0]
    few = np.array([1.0, 1.0, 2.0, 3.0, 3.0])
    assert event_ages(np.ones(5), None, few).tolist() == [4, 3, 2, 1, 0]
    imported = np.array([0.0] + [1.0] * 21 + [2.0, 3.0])
    assert event_ages(np.ones(24), None, imported).tolist() == [23] + [2] * 21 + [1, 0]
    assert event_ages(np.ones(23), None, imported[1:]).tolist() == [2] * 21 + [1, 0]
    assert event_ages(np.ones(0), None, np.zeros(0)).tolist() == []


@pytest.mark.parametrize("repeat", [False, True], ids=["once", "repeats"])
def test_the_order_of_picks_changes_no_score(tmp_path, repeat):
    found = []
    for order in permutations(LOVED):
        with open_device(tmp_path / "".join(order), repeat=repeat) as device:
            pick(device, order)
            found.append(scores(device.recommend(60, repeats=repeat)))
    assert all(one == pytest.approx(found[0], abs=1e-12) for one in found)
    with open_device(tmp_path / "views", repeat=repeat) as device:
        device.history.record_many([Event(0, item, "view", START + k) for k, item in enumerate(LOVED)])
        assert scores(device.recommend(60, repeats=repeat)) != pytest.approx(found[0], abs=1e-3)


def test_reasons_of_a_list_from_picks_add_up(tmp_path):
    with open_device(tmp_path / "p") as device:
        pick(device, LOVED)
        device.record("m20", at=START + 5)
        assert all(adds_up(one) for one in everything(device).suggestions)


def test_a_counterfactual_without_some_picks_is_what_the_list_without_them_says(tmp_path):
    with open_device(tmp_path / "p") as device:
        pick(device, LOVED)
        for item in ids(device.recommend(5)):
            fewest = device.explain(item, n=5).counterfactual
            assert fewest.events
            assert item not in ids(device.recommender.what_if(without=fewest.events, n=5))
            for number in fewest.events:
                rest = [other for other in fewest.events if other != number]
                if fewest.smallest:
                    assert item in ids(device.recommender.what_if(without=rest, n=5))


def test_an_older_choice_counts_less_than_a_newer_one(tmp_path):
    with open_device(tmp_path / "a") as device:
        pick(device, ["m0"], START)
        pick(device, ["m1", "m6"], START + 9)
        newer = scores(device.recommend(60))
    with open_device(tmp_path / "b") as device:
        pick(device, ["m0", "m1", "m6"], START + 9)
        together = scores(device.recommend(60))
    assert together["m5"] > newer["m5"]


def test_picks_are_of_one_age_in_the_picture_of_tastes(tmp_path):
    shares = []
    for order in (LOVED, LOVED[::-1]):
        with open_device(tmp_path / order[0]) as device:
            pick(device, order)
            shares.append({taste.label: taste.share for taste in device.taste.list()})
    assert shares[0] == shares[1]
