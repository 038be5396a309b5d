"""What a new person is shown to choose from, and what comes of the choice."""

from dataclasses import replace

import numpy as np
import pytest
from device_world import KNOWN, START, Clock, films, ids, open_device
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.recommend import onboarding
from confidante.device.recommend.onboarding import slate
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose, ReasonKind
from confidante.models.factors import PICK_PART
from confidante.models.served import ServedPart
from confidante.packs.media import MEDIA
from confidante.packs.media.titles import stem_of

GENRES = ("Space", "Crime", "Food", "Music", "Sea")


@pytest.fixture
def device(tmp_path):
    with open_device(tmp_path / "profile") as opened:
        yield opened


def of(items):
    return [item.id for item in items]


def rows_of(device, **more):
    library = device._serving.library
    by_key = {int(key): row for row, key in enumerate(library.keys)}
    order = sorted(by_key.values())

    def item_of(rows):
        return [films()[order.index(row)] for row in rows.tolist()]

    return slate(library, item_of, groups=MEDIA.groups, **more)


def test_a_slate_is_of_all_tastes_and_starts_with_what_people_know(device):
    shown = device.onboarding.slate(10)
    assert len(shown) == len({item.id for item in shown}) == 10
    carried = {label for item in shown for label in item.labels}
    assert carried >= set(GENRES)
    assert {item.labels[0] for item in shown[:8]} == set(GENRES)
    assert of(shown)[:5] == of(device.onboarding.slate(5))
    prior = device._serving.library.model.prior
    assert np.mean(prior[rows_of(device, n=10)]) > np.mean(prior) + 0.5 * np.std(prior)


def test_a_slate_is_the_same_for_everybody_and_reads_nothing_of_the_person(device, tmp_path):
    before = of(device.onboarding.slate(12))
    for item in ("m0", "m5", "m1"):
        device.record(item)
    device.onboarding.pick(["m10", "m11"])
    device.taste.less("m2")
    device.taste.never(before[0])
    device.taste.edit("Food", removed=True)
    device.settings.no_profiling = True
    assert of(device.onboarding.slate(12)) == before
    with open_device(tmp_path / "other") as other:
        assert of(other.onboarding.slate(12)) == before


def test_what_only_this_person_made_known_is_never_on_a_slate(device):
    device.items.add([Item("secret", "A very private thing", ("Private",))], personal=True)
    device.record("secret")
    assert "secret" not in of(device.onboarding.slate(60))


def test_others_come_when_asked_until_there_are_none(device):
    seen = []
    while page := device.onboarding.slate(20, after=seen):
        assert not set(of(page)) & set(seen)
        seen += of(page)
    assert len(seen) >= 50
    assert of(device.onboarding.slate(5, after=["no such item"])) == of(device.onboarding.slate(5))


def test_removed_and_untitled_items_are_not_shown(tmp_path):
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        device.items.add([Item(f"x{n}", "", ("A",)) for n in range(5)])
        device.items.add([Item(f"{n}-4711", f"{n}-4711", ("A",)) for n in range(5)])
        device.items.add([Item("Alien", "Alien"), Item("b", "  "), Item("c", "7", ("B",)), Item("d", "Duel")])
        device.items.remove(["d"])
        assert set(of(device.onboarding.slate())) == {"Alien", "c"}


def test_an_empty_library_has_an_empty_slate(tmp_path):
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        assert device.onboarding.slate() == ()
        assert device.onboarding.picks == ()


def test_the_titles_of_a_series_stand_on_a_slate_once(tmp_path):
    series = ["Star Wars (1977)", "Star Wars: Episode V - The Empire Strikes Back (1980)"]
    series += ["Star Wars: Episode VI (1983)"]
    lone = ["Godfather, The (1972)", "The Godfather Part II (1974)", "Fargo (1996)", "Cat People", "Heat"]
    titles = [*series, *lone]
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        device.items.add([Item(f"i{n}", title, (f"kind {n}",)) for n, title in enumerate(titles)])
        shown = device.onboarding.slate()
        assert sum("Star Wars" in item.title for item in shown) == 1
        assert sum("Godfather" in item.title for item in shown) == 1
        assert len(shown) == 5
        again = device.onboarding.slate(after=["i1"])  # a series that was shown does not come again
        assert not any("Star Wars" in item.title for item in again)


def test_a_way_of_naming_things_is_no_series(tmp_path):
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        device.items.add([Item(f"i{n}", f"Product {n}", (f"kind {n % 7}",)) for n in range(40)])
        assert len(device.onboarding.slate(30)) == 30


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("Godfather: Part II, The (1974)", "godfather"),
        ("Godfather, The (1972)", "godfather"),
        ("Back to the Future Part III (1990)", "back to the future"),
        ("Terminator 2: Judgment Day (1991)", "terminator"),
        ("Amélie (Le Fabuleux destin) (2001)", "amelie"),
        ("Alien 3 (1992)", "alien"),
        ("2001: A Space Odyssey (1968)", "2001"),
        ("M (1931)", "m"),
        ("X", "x"),
        ("(1999)", "(1999)"),
        ("", ""),
    ],
)
def test_the_stem_of_a_title(title, stem):
    assert stem_of(title) == stem


@given(st.text(max_size=80))
def test_any_title_has_a_stem(title):
    assert stem_of(title) == stem_of(title)
    assert len(stem_of(title)) <= 20 * len(title)


def test_popularity_may_be_of_another_table(device):
    unpopular = -device._serving.library.model.prior
    assert set(rows_of(device, n=5)).isdisjoint(rows_of(device, n=5, popularity=unpopular))


def test_items_whose_picks_the_model_knows_come_first(device):
    library = device._serving.library
    speak = np.zeros(60, dtype=np.float32)
    speak[[41, 42, 43, 44, 46]] = 1.0
    ones = np.ones((60, 2), dtype=np.int8)
    part = ServedPart(PICK_PART, ones, np.ones(2, dtype=np.float32), speak, speak, 1e9)
    device._serving._library = replace(library, model=library.model.with_part(part))
    assert set(of(device.onboarding.slate(5))) == {"m41", "m42", "m43", "m44", "m46"}
    assert len(device.onboarding.slate(20)) == 20


@pytest.mark.parametrize("n", [-1, onboarding.MOST + 1])
def test_a_slate_of_no_size_is_refused(device, n):
    with pytest.raises(DataError, match="choose from"):
        device.onboarding.slate(n)


def test_popularity_that_is_no_number_for_each_row_is_refused(device):
    for bad in (np.zeros(3), np.full(60, np.nan)):
        with pytest.raises(DataError, match="one finite number"):
            rows_of(device, popularity=bad)


def test_picks_are_events_of_one_time_that_make_the_list_and_its_reasons(device):
    before = ids(device.recommend(10))
    numbers = device.onboarding.pick(["m0", "m6", "m12", "m0"])
    picks = device.onboarding.picks
    assert sorted(event.number for event in picks) == sorted(numbers)
    assert {event.item for event in picks} == {"m0", "m6", "m12"}
    assert {(event.kind, event.at) for event in picks} == {("pick", START)}
    answer = device.recommend(10)
    assert ids(answer) != before
    named = {r.item for one in answer.suggestions for r in one.reasons if r.kind is ReasonKind.EVENT}
    assert named == {"m0", "m6", "m12"}
    device.forget(events=numbers)
    assert device.onboarding.picks == ()
    assert ids(device.recommend(10)) == before


def test_what_is_picked_again_counts_no_more_than_once(device):
    first = device.onboarding.pick(["m0", "m6"])
    once = [(one.item.id, one.score) for one in device.recommend(9).suggestions]
    assert device.onboarding.pick(["m6", "m0"]) == first[::-1]
    assert [(one.item.id, one.score) for one in device.recommend(9).suggestions] == once
    both = device.onboarding.pick(["m12", "m0"])
    assert both[1] == first[0]
    assert [event.item for event in device.onboarding.picks].count("m0") == 1
    assert device.history.count == 3
    device.forget(event=first[0], undo_seconds=60)
    (again,) = device.onboarding.pick(["m0"])
    assert again > both[0], "what is forgotten can be picked anew"


def test_views_are_no_picks(device):
    device.record("m1")
    device.onboarding.pick(["m2"])
    assert [event.item for event in device.onboarding.picks] == ["m2"]


def test_nothing_is_picked_while_learning_is_paused_or_off(tmp_path):
    clock = Clock()
    with open_device(tmp_path / "profile", clock=clock) as device:
        device.settings.pause(60)
        assert device.onboarding.pick(["m0"]) == ()
        clock.now += 61
        device.consents.switch(Purpose.LEARN, False, how=PERSON)
        assert device.onboarding.pick(["m0"]) == ()
        assert device.history.count == 0


def test_a_wrong_choice_keeps_nothing(device):
    with pytest.raises(DataError, match="there is no item"):
        device.onboarding.pick(["m0", "none such"])
    with pytest.raises(DataError, match="at most"):
        device.onboarding.pick([f"m{n}" for n in range(60)] + [f"n{n}" for n in range(50)])
    assert device.history.count == 0
    assert device.onboarding.pick([]) == ()


def test_the_welcome_is_due_until_something_is_known_or_it_is_skipped(tmp_path):
    told = {
        "event": lambda device: device.record("m0"),
        "pick": lambda device: device.onboarding.pick(["m0"]),
        "wish": lambda device: device.taste.never("m0"),
        "taste": lambda device: device.taste.edit("Food", level=1),
        "nobody": lambda device: setattr(device.settings, "no_profiling", True),
        "pause": lambda device: device.settings.pause(),
        "skip": lambda device: device.onboarding.skip(),
    }
    for name, tell in told.items():
        with open_device(tmp_path / name) as device:
            assert device.onboarding.due
            tell(device)
            assert not device.onboarding.due, name
    with open_device(tmp_path / "skip", fresh=False) as again:
        assert not again.onboarding.due


def test_items_that_came_after_training_can_be_on_a_slate(device):
    late = {film.id for film in films()[KNOWN:]}
    assert late & set(of(device.onboarding.slate(60)))
