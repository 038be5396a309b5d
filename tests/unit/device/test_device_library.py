"""What is in the library, and nothing else, can be recommended: new items, filters, models, words alone."""

import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from device_world import (
    KNOWN,
    START,
    catalogue,
    everything,
    films,
    ids,
    of_genre,
    open_device,
    scores,
    snapshot,
    watch,
)
from effort import examples
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue, Item
from confidante.device.device import Device
from confidante.device.recommend.query import TASTE_STEP, unit_vectors
from confidante.device.storage.items import require_key
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import ReasonKind
from confidante.models.served import ServedModel
from confidante.models.snapshot import decode, encode

MIXED = ["m1", "m0", "m22", "m5", "m10", "m3", "m15"]


@pytest.fixture
def device(tmp_path):
    with open_device(tmp_path / "p") as made:
        watch(made, MIXED)
        yield made


def test_labels_filters_and_exclusions_are_exact(device):
    whole = ids(everything(device))
    labels = {film.id: film.labels for film in films()}
    sea = [item for item in whole if "Sea" in labels[item]]
    assert ids(device.recommend(1000, labels=["Sea"])) == sea
    either = [item for item in whole if {"Sea", "Comedy"} & set(labels[item])]
    assert ids(device.recommend(1000, labels=["Sea", "Comedy"])) == either
    assert ids(device.recommend(1000, labels=["nothing"])) == []
    late = [item for item in whole if int(item[1:]) >= 57]
    assert ids(device.recommend(2, filter=lambda film: int(film.id[1:]) >= 57)) == late[:2]
    assert ids(device.recommend(60, diversity=0.5, filter=lambda film: film.id in late)) != []
    assert set(ids(device.recommend(60, diversity=0.5, filter=lambda film: film.id in late))) == set(late)
    assert ids(device.recommend(10, filter=lambda _film: False)) == []
    assert ids(device.recommend(1000, exclude=whole[:7])) == whole[7:]
    assert (
        ids(device.recommend(5, labels=["Sea"], exclude=sea[:1], filter=lambda f: f.id != sea[1])) == sea[2:7]
    )


def test_too_few_that_fit_are_said_to_be_few(device):
    answer = device.recommend(50, labels=["Sea"])
    assert answer.note == f"Only {len(ids(answer))} items fit what was asked."
    assert device.recommend(3, labels=["Sea"]).note == ""


def test_what_was_met_comes_again_only_when_repeats_are_asked_for(tmp_path):
    with open_device(tmp_path / "p", repeat=True) as device:
        watch(device, MIXED)
        assert not set(MIXED) & set(ids(everything(device)))
        again = device.recommend(1000, repeats=True)
        assert len(ids(again)) == len(films())
        first = again.suggestions[0]
        assert first.item.id in MIXED
        (own,) = [r for r in first.reasons if r.item == first.item.id]
        assert own.parts["taken before"] > 0


def test_the_most_diverse_answer_is_less_alike_and_still_begins_with_the_best(device):
    library = device._serving.library
    keys = device._serving.library.keys

    def likeness(answer):
        rows = np.searchsorted(keys, [require_key(device._vault, item) for item in ids(answer)])
        vectors = unit_vectors(library, rows)
        return float((vectors @ vectors.T)[np.triu_indices(len(rows), 1)].mean())

    plain, some, most = (device.recommend(8, diversity=d) for d in (0.0, 0.3, 1.0))
    assert likeness(most) < likeness(plain) - 0.02
    assert likeness(most) <= likeness(some) <= likeness(plain)
    assert ids(plain)[0] == ids(some)[0] == ids(most)[0]
    assert scores(most) == {item: pytest.approx(scores(everything(device))[item]) for item in ids(most)}


def test_events_of_the_same_context_count_more(tmp_path):
    with open_device(tmp_path / "p") as device:
        for place, item in enumerate(of_genre("Sea")[:3] + of_genre("Food")[:3]):
            where = {"place": "boat"} if place < 3 else {"place": "kitchen"}
            device.record(item, at=START - 1000 + place, context=where)
        boat, kitchen = (device.recommend(1000, context={"place": w}) for w in ("boat", "kitchen"))
        sea = [item for item in ids(everything(device)) if item in of_genre("Sea")]
        gained = [scores(boat)[item] - scores(kitchen)[item] for item in sea]
        assert sum(gained) > 0

        def weight(answer, item, event):
            suggestion = next(s for s in answer.suggestions if s.item.id == item)
            return next(r.points for r in suggestion.reasons if r.event == event)

        plain = everything(device)
        first = device.history.events(limit=10)[-1]
        assert weight(boat, sea[0], first.number) == pytest.approx(weight(plain, sea[0], first.number))
        assert weight(kitchen, sea[0], first.number) == pytest.approx(weight(plain, sea[0], first.number) / 4)
        assert scores(device.recommend(1000, context={})) == scores(plain)


def test_new_items_are_recommendable_at_once_and_removed_ones_never_come(device):
    new = Item("new", "The Comet of the Orbit (1971)", ("Space", "Fresh"), "A story of space and a comet.")
    assert device.items.add([new]) == 1
    assert "new" in ids(everything(device))
    space, food = device.recommender.session(["m5"], 60), device.recommender.session(["m2"], 60)
    assert ids(space).index("new") < ids(food).index("new")
    assert ids(device.recommend(5, labels=["Fresh"])) == ["new"]
    assert device.explain("new").rank is not None
    assert device.recommender.similar_items("new", 3)[0][0].labels[0] == "Space"
    assert [item.id for item in device.items.find("comet of the")] == ["new"]
    device.record("new")
    assert "new" not in ids(everything(device))
    best = ids(everything(device))[0]
    assert device.items.remove(["new", best, "unknown"]) == 2
    for answer in (
        everything(device),
        device.recommend(1000, repeats=True),
        device.recommender.session(["m5"], 60),
    ):
        assert not {"new", best} & set(ids(answer))
    assert best not in [item.id for item, _ in device.recommender.similar_items("m5", 1000)]
    assert device.explain(best).note == "It was taken out of the library."
    assert device.items.count == len(films()) - 1
    assert device.history.events(limit=1)[0].item == "new"  # its event stays until it is forgotten
    device.items.add([device.items.get(best)])
    assert best in ids(everything(device))


def test_replaced_items_are_found_under_their_new_name_and_labels(device):
    before = device.history.events()
    device.items.add([Item("m5", "Bread and Broth", ("Food",)), Item("m30", "Soup", ("Kitchen sink",))])
    assert device.history.events() == before
    assert device.items.get("m5").title == "Bread and Broth"
    assert ids(device.recommend(5, labels=["Kitchen sink"])) == ["m30"]
    assert "m30" not in ids(device.recommend(1000, labels=["Space"]))
    said = {r.subject for s in everything(device).suggestions for r in s.reasons if r.item == "m5"}
    assert said == {"Bread and Broth"}


def test_similar_items_are_alike_and_do_not_read_the_history(device):
    alike = device.recommender.similar_items("m35", 8)
    assert "m35" not in [item.id for item, _ in alike]
    assert [likeness for _, likeness in alike] == sorted((likeness for _, likeness in alike), reverse=True)
    assert all(-1 <= likeness <= 1 for _, likeness in alike)
    assert sum("Space" in item.labels for item, _ in alike) >= 5
    assert len(device.recommender.similar_items("m35", 1000)) == len(films()) - 1
    device.forget(everything=True)
    assert device.recommender.similar_items("m35", 8) == alike
    device.items.remove(["m35"])
    assert len(device.recommender.similar_items("m35", 1000)) == len(films()) - 1
    assert device.recommender.similar_items("m35", 0) == ()


def test_twins_are_wholly_alike(device):
    device.items.add([Item(name, "Nothing but words", ("Words",), "words") for name in ("one", "two")])
    (twin, likeness), *_ = device.recommender.similar_items("one")
    assert (twin.id, likeness) == ("two", pytest.approx(1.0))
    assert likeness <= 1.0


def test_a_session_is_answered_from_its_items_alone(device):
    answer = device.recommender.session(["m2", "m7"], 5)
    with open_device(device._vault.folder.parent / "other") as other:
        assert other.recommender.session(["m2", "m7"], 5) == answer
    assert not answer.personal
    assert not {"m2", "m7"} & set(ids(answer))
    assert {r.item for s in answer.suggestions for r in s.reasons if r.kind is ReasonKind.EVENT} <= {
        "m2",
        "m7",
    }
    assert ids(device.recommender.session(["m7", "m2"], 5)) != []
    assert {r.kind for s in device.recommender.session([], 5).suggestions for r in s.reasons} == {
        ReasonKind.POPULARITY
    }


# --- without any model


@pytest.mark.parametrize("extra", ["with", "without"])
def test_words_alone_give_sensible_answers_with_and_without_the_text_extra(tmp_path, monkeypatch, extra):
    if extra == "without":
        monkeypatch.setitem(sys.modules, "wordllama", None)
        monkeypatch.setitem(sys.modules, "tokenizers", None)
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=lambda: START) as device:
        assert device.recommend(5).note.startswith("There is nothing to recommend yet")
        with pytest.raises(DataError, match="no item 'm0'"):
            device.recommender.similar_items("m0")
        device.items.add(films())
        assert "wordllama" in device._serving.library.text.encoder or extra == "without"
        for film in ("m0", "m1", "m2", "m53"):
            genre = device.items.get(film).labels[0]
            assert sum(genre in item.labels for item, _ in device.recommender.similar_items(film, 5)) >= 4
        watch(device, of_genre("Sea")[:3])
        answer = device.recommend(5)
        assert sum("Sea" in s.item.labels for s in answer.suggestions) >= 4
        assert answer.suggestions[0].reasons[0].kind is ReasonKind.EVENT
        whole = everything(device)
        device.close()
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=lambda: START) as again:
        assert everything(again) == whole
    monkeypatch.undo()
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=lambda: START) as other:
        other.items.add([Item("late", "The Harbour of Whales", ("Sea",), "A story of sea and a whale.")])
        assert "late" in ids(other.recommend(12))


class Sentences:
    """Stands for an encoder that an earlier version of this program had, and this one has not."""

    name, dimensions = "minilm", 384

    def encode(self, texts):
        rows = np.random.default_rng(len(texts)).normal(size=(len(texts), self.dimensions))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_profile_of_an_encoder_that_is_gone_opens_and_is_laid_out_anew_with_the_next_item(tmp_path):
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=lambda: START) as before:
        before._serving._encoder = Sentences()
        before.items.add(films())
        watch(before, of_genre("Sea")[:3])
        whole = everything(before)
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=lambda: START) as device:
        assert device._serving.library.text.encoder == "minilm"
        assert everything(device) == whole
        device.items.add([Item("late", "The Harbour of Whales", ("Sea",), "A story of sea and a whale.")])
        assert device._serving.library.text.encoder == "wordllama"
        assert "late" in ids(device.recommend(12))


# --- models


def resealed(data):
    """With a digest that fits, as an attacker would."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def changed(**fields):
    """The published model with some of it replaced."""
    published = decode(snapshot())
    given = {
        "model": published.model,
        "catalogue": published.catalogue,
        "features": published.features,
        **fields,
    }
    return encode(given["model"], given["catalogue"], given["features"])


def titled(title="x", item="m0", labels=()):
    whole = catalogue()
    return Catalogue((item, *whole.ids[1:]), (title, *whole.titles[1:]), (labels, *whole.labels[1:]))


def same_name_as_words():
    model = decode(snapshot()).model
    first, *others = model.parts
    named = type(first)("words and labels", *(getattr(first, name) for name in first.__slots__[1:]))
    return changed(model=ServedModel((named, *others), model.prior, model.own))


HOSTILE = {
    "empty": lambda: b"",
    "text": lambda: b"confidante model\n" * 100,
    "cut": lambda: snapshot()[:-50],
    "flipped": lambda: snapshot()[:500] + bytes([snapshot()[500] ^ 1]) + snapshot()[501:],
    "resealed": lambda: resealed(snapshot()[:30] + b"\xff" * 60 + snapshot()[90:]),
    "longer": lambda: snapshot() + b"x",
    "no catalogue": lambda: changed(catalogue=None),
    "long title": lambda: changed(catalogue=titled("x" * 100_000)),
    "control": lambda: changed(catalogue=titled(item="a\x00b")),
    "long id": lambda: changed(catalogue=titled(item="x" * 10_000)),
    "labels": lambda: changed(catalogue=titled(labels=tuple(map(str, range(500))))),
    "empty label": lambda: changed(catalogue=titled(labels=("",))),
    "name": same_name_as_words,
}


@pytest.mark.parametrize("problem", HOSTILE)
def test_a_model_that_cannot_be_used_is_refused_and_changes_nothing(device, problem):
    before = everything(device), device.items.count, device.items.get("m0")
    with pytest.raises(WireError):
        device.federation.install_model(HOSTILE[problem]())
    assert (everything(device), device.items.count, device.items.get("m0")) == before
    device.close()
    with open_device(device._vault.folder, fresh=False) as again:
        assert (everything(again), again.items.count, again.items.get("m0")) == before
        again.items.add([Item("new", "New", ("Space",))])
        assert "new" in ids(everything(again))


def test_another_model_keeps_history_wishes_descriptions_and_what_was_removed(device):
    device.taste.less("m30")
    device.items.remove(["m20", "m50"])
    device.items.add([Item("mine", "My Own Film", ("Space",), "Only here.")])
    device.items.add([Item("m2", "A better title", ("Better",), "A long description.")])
    before, answer = device.history.events(), everything(device)
    digest = device.federation.install_model(snapshot(seed=2))
    assert digest == decode(snapshot(seed=2)).digest
    assert device.history.events() == before
    assert [item.id for _, item in device.taste.refused] == ["m30"]
    assert set(ids(everything(device))) == set(ids(answer))
    assert scores(everything(device)) != scores(answer)
    assert device.items.get("m2") == Item("m2", films()[2].title, films()[2].labels, "A long description.")
    assert device.items.get("mine").description == "Only here."
    whole = everything(device)
    device.close()
    with open_device(device._vault.folder, fresh=False) as again:
        assert everything(again) == whole


def test_installing_the_same_model_again_changes_no_answer(tmp_path):
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=lambda: START) as device:
        device.federation.install_model(snapshot())
        assert device.items.count == KNOWN
        watch(device, MIXED)
        before = everything(device)
        device.federation.install_model(snapshot())
        assert everything(device) == before


# --- whatever happens in whatever order


class Reference(RuleBasedStateMachine):
    """A device beside lists and loops that say the same."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "p"
        self.device = open_device(self.path)
        self.items = {film.id: film for film in films()}
        self.removed, self.events, self.less, self.never = set(), [], set(), set()
        self.levels, self.gone, self.made = {}, set(), 0

    any_item = st.integers(0, 61).map(lambda number: f"m{number}" if number < 60 else f"new{number - 60}")
    any_label = st.sampled_from(["Space", "Food", "Comedy"])

    @rule(genre=st.sampled_from(["Space", "Food"]), words=st.sampled_from(["Star", "Bread", "Whale"]))
    def add(self, genre, words):
        item = Item(f"new{self.made}", f"New {words} {self.made}", (genre,))
        self.made += 1
        self.device.items.add([item])
        self.items[item.id] = item

    @rule(item=any_item, label=any_label)
    def replace(self, item, label):
        if item in self.items:
            self.items[item] = Item(item, f"Again {item}", (label,))
            self.device.items.add([self.items[item]])
            self.removed.discard(item)

    @rule(item=any_item)
    def remove(self, item):
        assert self.device.items.remove([item]) == (item in self.items)
        if item in self.items:
            self.removed.add(item)

    @rule(item=any_item, kind=st.sampled_from(["view", "view", "dislike"]))
    def record(self, item, kind):
        if item in self.items:
            event = self.device.record(item, kind)
            self.events.append((event.number, item, -1.0 if kind == "dislike" else 1.0))

    @precondition(lambda self: self.events)
    @rule(data=st.data(), undo=st.booleans())
    def forget(self, data, undo):
        _, item, _ = data.draw(st.sampled_from(self.events))
        if undo:
            self.device.undo(self.device.forget(item=item, undo_seconds=60).undo)
        else:
            self.device.forget(item=item)
            self.events = [event for event in self.events if event[1] != item]

    @rule(item=any_item, what=st.sampled_from(["less", "never", "allow"]))
    def wish(self, item, what):
        if item not in self.items:
            with pytest.raises(DataError):
                getattr(self.device.taste, what)(item)
            return
        getattr(self.device.taste, what)(item)
        if what == "allow":
            self.less.discard(item)
            self.never.discard(item)
        else:
            (self.less if what == "less" else self.never).add(item)

    @rule(label=any_label, level=st.integers(-2, 2), removed=st.booleans())
    def edit(self, label, level, removed):
        self.device.taste.edit(label, level=level, removed=removed)
        self.levels[label] = 0 if removed else level
        (self.gone.add if removed else self.gone.discard)(label)

    @rule()
    def reopen(self):
        before = everything(self.device)
        self.device.close()
        self.device = open_device(self.path, fresh=False)
        assert everything(self.device) == before

    @invariant()
    def it_answers_as_loops_would(self):
        if not hasattr(self, "device"):
            return
        library = self.device._serving.library
        model = library.model
        row_of = {
            item: int(np.searchsorted(library.keys, require_key(self.device._vault, item)))
            for item in self.items
        }

        def follows(event_item, item, age):
            e, j, total = row_of[event_item], row_of[item], 0.0
            for part in model.parts:
                product = part.strengths.astype(float) * part.vectors[e] @ part.vectors[j].astype(float)
                total += (
                    0.5 ** (age / part.half_life) * part.context_weights[e] * part.item_weights[j] * product
                )
            return float(total)

        expected = {}
        seen = {item for _, item, _ in self.events}
        for item, what in self.items.items():
            if item in self.removed | seen | self.less | self.never or self.gone & set(what.labels):
                continue
            score = float(model.prior[row_of[item]])
            for age, (_, event_item, weight) in enumerate(reversed(self.events)):
                score += weight * follows(event_item, item, age)
            score -= sum(max(0.0, follows(asked, item, 0)) for asked in self.less)
            score += sum(self.levels.get(label, 0) for label in what.labels) * TASTE_STEP * library.spread
            expected[item] = score
        answer = everything(self.device)
        assert scores(answer) == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert [s.score for s in answer.suggestions] == sorted(scores(answer).values(), reverse=True)
        best = self.device.recommend(3)
        assert [s.score for s in best.suggestions] == pytest.approx(
            sorted(expected.values())[:-4:-1], abs=1e-6
        )

    def teardown(self):
        if hasattr(self, "device"):
            self.device.close()
            self.folder.cleanup()


TestAnyOrder = Reference.TestCase
TestAnyOrder.settings = settings(examples(0.04), stateful_step_count=10)
