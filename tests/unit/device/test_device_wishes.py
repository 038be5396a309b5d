"""What a person asks for takes full effect on the next answer, and taking it back restores the one before."""

import pytest
from device_world import START, everything, films, ids, of_genre, open_device, scores, watch

from confidante.core.errors import DataError
from confidante.device.recommend.query import TASTE_STEP
from confidante.device.values import ReasonKind, Retention

MIXED = ["m1", "m0", "m22", "m5", "m10", "m3", "m15"]


@pytest.fixture
def device(tmp_path):
    with open_device(tmp_path / "p") as made:
        watch(made, MIXED)
        yield made


def reopened(device):
    device.close()
    return open_device(device._vault.folder, fresh=False)


def test_less_like_this_takes_points_from_what_is_alike_and_gives_none_to_anything(device):
    before = scores(everything(device))
    device.taste.less("m35")
    after = everything(device)
    assert "m35" not in ids(after)
    assert set(before) - set(ids(after)) == {"m35"}
    moved = {item: score - before[item] for item, score in scores(after).items()}
    assert all(change <= 1e-12 for change in moved.values())
    alike = [item.id for item, _ in device.recommender.similar_items("m35", 59) if item.id in moved][:5]
    assert all(moved[item] < 0 for item in alike)
    for suggestion in after.suggestions:
        said = [r for r in suggestion.reasons if r.kind is ReasonKind.REQUEST]
        assert sum(r.points for r in said) == pytest.approx(moved[suggestion.item.id], abs=1e-9)
        assert all(r.item == "m35" for r in said)


def test_several_requests_add_up_and_survive_closing(device):
    before = scores(everything(device))
    device.taste.less("m35")
    device.taste.less("m30")
    asked = everything(device)
    assert all(scores(asked)[item] <= before[item] + 1e-12 for item in ids(asked))
    with reopened(device) as again:
        assert everything(again) == asked
        assert again.taste.refused == (("less", again.items.get("m30")), ("less", again.items.get("m35")))


@pytest.mark.parametrize("ask", ["less", "never"])
def test_what_was_asked_away_never_comes_back_until_it_is_allowed(device, ask):
    before = everything(device)
    item = ids(before)[0]
    getattr(device.taste, ask)(item)
    for answer in (
        everything(device),
        device.recommend(1000, repeats=True),
        device.recommend(1000, context={"place": "home"}),
        device.recommend(60, diversity=1.0),
        device.recommend(1000, labels=device.items.get(item).labels),
        device.recommend(1000, filter=lambda one: one.id == item),
        device.recommender.what_if(without=[1, 2, 3], n=1000),
    ):
        assert item not in ids(answer)
    device.record(item, at=START - 5000)
    device.forget(item=item)
    assert item not in ids(everything(device))
    explained = device.explain(item)
    assert (explained.rank, explained.note) == (None, "You asked not to see it.")
    device.taste.allow(item)
    assert everything(device) == before


def test_not_this_says_nothing_of_others(device):
    before = scores(everything(device))
    device.taste.never("m35")
    del before["m35"]
    assert scores(everything(device)) == pytest.approx(before, rel=1e-12)


def test_saving_changes_no_suggestion(device):
    before = everything(device)
    device.taste.save("m35")
    device.taste.save("m36")
    assert everything(device) == before
    assert {item.id for item in device.taste.saved} == {"m35", "m36"}
    device.taste.unsave("m35")
    assert [item.id for item in device.taste.saved] == ["m36"]
    with reopened(device) as again:
        assert [item.id for item in again.taste.saved] == ["m36"]


def test_the_saved_are_listed_newest_first(tmp_path):
    seconds = iter(range(10_000))
    with open_device(tmp_path / "p", clock=lambda: START + next(seconds)) as device:
        for item in ("m5", "m3", "m9"):
            device.taste.save(item)
        assert [item.id for item in device.taste.saved] == ["m9", "m3", "m5"]


@pytest.mark.parametrize("level", [-2, -1, 1, 2])
def test_a_taste_edit_moves_the_items_of_its_label_by_its_points_and_nothing_else(device, level):
    before = everything(device)
    edited = device.taste.edit("Food", level=level)
    assert (edited.label, edited.level, edited.removed) == ("Food", level, False)
    points = level * TASTE_STEP * device._serving.library.spread
    assert points != 0
    after = everything(device)
    for item, score in scores(after).items():
        moved = score - scores(before)[item]
        assert moved == pytest.approx(points if item in of_genre("Food") else 0.0, abs=1e-9)
    for suggestion in after.suggestions:
        said = [r.points for r in suggestion.reasons if r.kind is ReasonKind.TASTE]
        assert said == ([points] if "Food" in suggestion.item.labels else [])
    assert ids(after) != ids(before)
    assert ids(after) == sorted(ids(after), key=lambda item: -scores(after)[item])
    device.taste.edit("Food")
    assert everything(device) == before


def test_edits_of_two_labels_add_up_on_an_item_that_has_both(device):
    before = scores(everything(device))
    device.taste.edit("Food", level=2)
    device.taste.edit("Comedy", level=-1)
    step = TASTE_STEP * device._serving.library.spread
    labels = {film.id: film.labels for film in films()}
    for item, score in scores(everything(device)).items():
        points = 2 * step * ("Food" in labels[item]) - step * ("Comedy" in labels[item])
        assert score - before[item] == pytest.approx(points, abs=1e-9)


def test_a_removed_taste_never_comes_back_in_any_answer(device):
    before = everything(device)
    assert device.taste.edit("Space", removed=True).removed
    gone = set(of_genre("Space"))
    for answer in (
        everything(device),
        device.recommend(1000, repeats=True),
        device.recommend(60, diversity=0.9),
        device.recommend(1000, labels=["Space"]),
        device.recommender.what_if(without=[1], n=1000),
    ):
        assert not gone & set(ids(answer))
    assert set(ids(before)) - gone == set(ids(everything(device)))
    assert device.explain("m35").note == "It carries a taste that you removed."
    with reopened(device) as again:
        assert not gone & set(ids(everything(again)))
        assert [taste.removed for taste in again.taste.list() if taste.label == "Space"] == [True]
        again.taste.edit("Space")
        assert everything(again) == before


def test_tastes_are_shares_of_the_history(device):
    shown = device.taste.list()
    assert sum(taste.share for taste in shown) == pytest.approx(1.0)
    assert [t.share for t in shown] == sorted((t.share for t in shown), reverse=True)
    counts = {taste.label: taste.events for taste in shown}
    seen = [films()[int(item[1:])] for item in MIXED]
    assert counts == {
        label: sum(label in film.labels for film in seen)
        for label in {label for film in seen for label in film.labels}
    }
    assert shown[0].label == "Space"
    assert device.taste.list(2) == shown[:2]
    device.taste.edit("Sea", level=-1)
    assert device.taste.list(2)[-1].label == "Sea"


def test_an_edit_outlives_its_label_and_can_still_be_taken_back(device):
    device.taste.edit("Sea", removed=True)
    device.items.add(
        [film.__class__(film.id, film.title, ("Ocean",)) for film in films() if "Sea" in film.labels]
    )
    assert [taste.label for taste in device.taste.list() if taste.removed] == ["Sea"]
    device.taste.edit("Sea")
    assert not any(taste.removed for taste in device.taste.list())


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda d: d.taste.less("nothing"), "no item 'nothing'"),
        (lambda d: d.taste.never("nothing"), "no item 'nothing'"),
        (lambda d: d.taste.allow("nothing"), "no item 'nothing'"),
        (lambda d: d.taste.save("nothing"), "no item 'nothing'"),
        (lambda d: d.taste.unsave("\ud800"), "item_id contains NUL or half"),
        (lambda d: d.taste.edit("Space", level=3), "-2 to 2, not 3"),
        (lambda d: d.taste.edit("nothing", level=1), "no item has the label"),
        (lambda d: d.taste.edit("Space", level=0.5), "level is 0.5, of the type float"),
        (lambda d: d.taste.list(-1), "cannot list -1 tastes"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(device, call, problem):
    before = everything(device)
    with pytest.raises(DataError, match=problem):
        call(device)
    assert everything(device) == before


def test_without_profiling_everybody_gets_the_same(tmp_path):
    answers = []
    for name, events in (("ada", MIXED), ("bo", ["m3", "m8", "m13"])):
        with open_device(tmp_path / name) as device:
            watch(device, events)
            device.taste.less("m35")
            device.taste.edit("Food", level=2 if name == "ada" else -2)
            before = everything(device)
            device.settings.no_profiling = True
            impersonal = (
                device.recommend(1000, context={"place": name}),
                device.recommender.what_if(without=[1]),
            )
            explained = device.explain("m0")
            assert explained.rank is not None
            answers.append((*impersonal, explained))
            assert not any(answer.personal for answer in impersonal)
            kinds = {r.kind for a in impersonal for s in a.suggestions for r in s.reasons}
            assert kinds == {ReasonKind.POPULARITY}
            device.close()
            with open_device(tmp_path / name, fresh=False) as again:
                assert again.settings.no_profiling
                assert everything(again).suggestions == impersonal[0].suggestions
                again.settings.no_profiling = False
                assert everything(again) == before
                assert before.personal
    assert answers[0] == answers[1]


def test_settings_that_make_no_sense_are_refused_and_change_nothing(device):
    before = device.settings.retention
    for kept in (
        Retention(0),
        Retention(-1),
        Retention(10**9),
        Retention(2.5),
        Retention(5, float("nan")),
        Retention(5, 0.0),
        Retention(5, float("inf")),
        Retention("5"),
    ):
        with pytest.raises(DataError):
            device.settings.retention = kept
        assert device.settings.retention == before
    for seconds in (0.0, -5.0, float("nan")):
        with pytest.raises(DataError, match="is not a time"):
            device.settings.pause(seconds)
        assert device.settings.paused_until is None
    assert device.history.count == len(MIXED)


def test_what_is_stated_is_kept_until_it_is_removed_and_moves_no_score_alone(device):
    assert device.settings.attributes == {}
    before = scores(everything(device))
    device.settings.attributes = {"age": "25-34", "région": "Île-de-France"}
    assert scores(everything(device)) == before
    with reopened(device) as again:
        assert again.settings.attributes == {"age": "25-34", "région": "Île-de-France"}
        again.settings.attributes = {"age": "35-44"}
        assert again.settings.attributes == {"age": "35-44"}
        again.settings.attributes = {}
        assert again.settings.attributes == {}


@pytest.mark.parametrize(
    "stated",
    [
        {"": "x"},
        {"age": ""},
        {"age": "x" * 101},
        {"x" * 65: "y"},
        {"age": "a\nb"},
        {"age": "\ud800"},
        {"age": 30},
        {str(number): "x" for number in range(17)},
    ],
)
def test_what_cannot_be_stated_changes_nothing(device, stated):
    device.settings.attributes = {"age": "25-34"}
    with pytest.raises(DataError):
        device.settings.attributes = stated
    assert device.settings.attributes == {"age": "25-34"}


def test_a_switch_set_by_a_name_that_is_not_there_is_an_error(tmp_path):
    with open_device(tmp_path / "me") as device, pytest.raises(AttributeError):
        device.no_profiling = True  # it is device.settings.no_profiling
