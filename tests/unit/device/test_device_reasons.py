"""Reasons are true: they add up to the score, name what is there, and taking them away does what they say."""

from itertools import combinations

import numpy as np
import pytest
from device_world import START, adds_up, everything, films, ids, open_device, scores, watch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.device.recommend.query import Profile, against, build_query
from confidante.device.recommend.reasons import suggestions
from confidante.device.recommend.recommender import NAMED
from confidante.device.values import ReasonKind

SPACE = ["m0", "m5", "m10", "m15", "m20"]
MIXED = ["m1", "m0", "m22", "m5", "m49", "m10", "m3", "m15", "m58", "m36"]
PLACES = ({}, {"place": "home"}, {"place": "work"}, {"place": "home", "with": "family"})


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """A device without and one with a part for repeats: only their libraries are used."""
    folder = tmp_path_factory.mktemp("worlds")
    with open_device(folder / "once") as once, open_device(folder / "repeat", repeat=True) as repeat:
        yield {"once": once._serving.library, "repeat": repeat._serving.library}


@st.composite
def questions(draw):
    """Any history, wishes, taste edits, context, with repeats or without."""
    rows = st.lists(st.integers(0, 59), max_size=40)
    events = draw(rows)
    some = st.lists(st.integers(0, 59), max_size=4, unique=True)
    return {
        "events": events,
        "weights": draw(st.lists(st.sampled_from([1.0, 1.0, -1.0]), min_size=40, max_size=40)),
        "contexts": draw(st.lists(st.sampled_from(PLACES), min_size=40, max_size=40)),
        "less": draw(some),
        "levels": draw(st.dictionaries(st.sampled_from(["Space", "Comedy", "gone"]), st.integers(-2, 2))),
        "asked": draw(st.sampled_from(PLACES)),
        "repeats": draw(st.booleans()),
        "most": draw(st.sampled_from([None, 0, 1, NAMED])),
        "kind": draw(st.sampled_from(["once", "repeat"])),
    }


@given(questions())
def test_reasons_add_up_to_the_score_whatever_is_asked_and_name_only_what_is_there(worlds, drawn):
    library = worlds[drawn["kind"]]
    events, count = drawn["events"], len(drawn["events"])
    less = np.array(drawn["less"], dtype=np.int64)
    profile = Profile(
        numbers=np.arange(100, 100 + count),
        rows=np.array(events, dtype=np.int64),
        weights=np.array(drawn["weights"][:count]),
        contexts=tuple(drawn["contexts"][:count]),
        less=less,
        less_points=against(library, less, np.arange(60)).sum(axis=1).astype(np.float32),
        levels=drawn["levels"],
    )
    query = build_query(library, profile, context=drawn["asked"], repeats=drawn["repeats"])
    rows = np.arange(60)
    said = suggestions(query, rows, lambda wanted: {int(r): films()[r] for r in wanted}, most=drawn["most"])
    for suggestion, score in zip(said, query.scores(rows), strict=True):
        assert suggestion.score == score
        assert adds_up(suggestion)
        named = [reason for reason in suggestion.reasons if reason.kind is ReasonKind.EVENT]
        assert drawn["most"] is None or len(named) <= drawn["most"]
        assert len({reason.event for reason in named}) == len(named)
        for reason in named:
            source = films()[events[reason.event - 100]]
            assert (reason.subject, reason.item) == (source.title, source.id)
            assert abs(sum(reason.parts.values()) - reason.points) <= 1e-9 * max(1.0, abs(reason.points))
        for reason in suggestion.reasons:
            match reason.kind:
                case ReasonKind.TASTE:
                    assert reason.subject in suggestion.item.labels
                    assert drawn["levels"][reason.subject]
                case ReasonKind.REQUEST:
                    assert reason.points < 0
                    assert reason.item in {films()[row].id for row in drawn["less"]}
                case ReasonKind.EVENTS:
                    assert drawn["most"] is not None
        sizes = [abs(reason.points) for reason in suggestion.reasons]
        assert sizes == sorted(sizes, reverse=True)


def test_a_device_names_its_own_events_and_adds_up_the_rest(tmp_path):
    with open_device(tmp_path / "p") as device:
        numbers = watch(device, [*MIXED, *SPACE])
        device.taste.less("m2")
        device.taste.edit("Comedy", level=1)
        known = {event.number: event for event in device.history.events()}
        for suggestion in everything(device).suggestions:
            named = [reason for reason in suggestion.reasons if reason.kind is ReasonKind.EVENT]
            assert all(known[reason.event].item == reason.item for reason in named)
            assert len(named) <= NAMED < len(numbers)
            assert adds_up(suggestion)
            whole = device.explain(suggestion.item.id).suggestion
            assert whole.score == pytest.approx(suggestion.score, rel=1e-12)
            assert adds_up(whole)
            assert ReasonKind.EVENTS not in {reason.kind for reason in whole.reasons}
            assert {reason.event for reason in named} <= {reason.event for reason in whole.reasons}


def test_the_heaviest_event_is_the_one_whose_absence_moves_the_score_most(tmp_path):
    with open_device(tmp_path / "p") as device:
        numbers = watch(device, ["m1", "m0"])
        best = device.recommend(1).suggestions[0]
        heaviest = next(reason for reason in best.reasons if reason.kind is ReasonKind.EVENT)
        moved = {
            number: best.score - scores(device.recommender.what_if(without=[number], n=1000))[best.item.id]
            for number in numbers
        }
        assert max(moved, key=moved.get) == heaviest.event


@pytest.mark.parametrize("taken", [(0,), (9,), (4,), (0, 5, 9), tuple(range(10))])
def test_what_if_answers_what_a_device_answers_that_never_met_these(tmp_path, taken):
    with open_device(tmp_path / "whole") as whole, open_device(tmp_path / "less") as less:
        numbers = watch(whole, MIXED)
        watch(less, [item for place, item in enumerate(MIXED) if place not in taken])
        supposed = whole.recommender.what_if(without=[numbers[place] for place in taken], n=1000)
        others = less.recommend(1000, exclude=MIXED)
        assert ids(supposed) == ids(others)
        assert scores(supposed) == pytest.approx(scores(others), rel=1e-12)
        assert scores(supposed) != pytest.approx(scores(everything(whole)), rel=1e-6)
        assert ids(whole.recommender.what_if(n=1000)) == ids(everything(whole))


@examples(0.06)
@given(events=st.lists(st.sampled_from([film.id for film in films()]), min_size=1, max_size=7))
def test_a_counterfactual_does_what_it_says_and_nothing_smaller_does(tmp_path_factory, events):
    with open_device(tmp_path_factory.mktemp("c") / "p") as device:
        watch(device, events)
        numbers = [event.number for event in device.history.events()]
        for suggestion in device.recommend(3).suggestions:
            item = suggestion.item.id
            found = device.explain(item, n=3).counterfactual
            assert (found.item, found.n) == (item, 3)

            def stays(without, item=item):
                return item in ids(device.recommender.what_if(without=without, n=3))

            if found.events:
                assert not stays(found.events)
                assert all(
                    f"“{device.items.get(e.item).title}”" in found.sentence
                    for e in device.history.events()
                    if e.number in found.events
                )
                if found.smallest:
                    smaller = (
                        set_ for size in range(len(found.events)) for set_ in combinations(numbers, size)
                    )
                    assert all(stays(one) for one in smaller)
            else:
                assert "would stay" in found.sentence or "None of your own events" in found.sentence
                assert all(stays([number]) for number in numbers)


def test_a_counterfactual_of_what_is_not_in_the_list_says_so(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, SPACE)
        last = ids(everything(device))[-1]
        assert "is not in your top 5" in device.explain(last).counterfactual.sentence
        seen = device.explain("m0")
        assert (seen.rank, seen.note, seen.counterfactual.events) == (None, "You had it before.", ())


def test_without_any_history_popularity_is_the_only_reason_and_no_event_is_blamed(tmp_path):
    with open_device(tmp_path / "p") as device:
        answer = device.recommend(5)
        assert {reason.kind for s in answer.suggestions for reason in s.reasons} == {ReasonKind.POPULARITY}
        assert answer.note.startswith("Nothing is known of you yet")
        first = device.explain(ids(answer)[0]).counterfactual
        assert first.sentence.startswith("None of your own events is behind")


def test_a_rank_is_the_place_in_the_whole_list(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, MIXED)
        for place, item in enumerate(ids(everything(device)), start=1):
            assert device.explain(item).rank == place


@pytest.mark.parametrize("n", [-1, 1001])
def test_explaining_for_an_impossible_list_is_refused(tmp_path, n):
    with open_device(tmp_path / "p") as device, pytest.raises(DataError, match="give 0 to 1000"):
        device.explain("m0", n=n)


def test_events_that_speak_against_an_item_count_against_what_is_like_it(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, ["m0"])
        before = scores(everything(device))
        device.record("m5", "dislike", at=START)
        after = device.recommend(1000)
        for suggestion in after.suggestions:
            (said,) = [r for r in suggestion.reasons if r.item == "m5"] or [None]
            if said is not None and suggestion.item.labels[0] == "Space":
                assert said.points < 0
        assert max(before, key=before.get) not in ids(after)[:1]
