"""Python's edges: every public argument is converted once, or refused by its name."""

import inspect
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import confidante
from confidante import DataError, Device, Event, InsecurePlaintextKey, Item, Keyring, Purpose, VaultError
from confidante.core.arguments import checked_arguments

ITEMS = [Item("m1", "Alien", ("Horror",)), Item("m2", "Brazil", ("Comedy",)), Item("m3", "Up", ("Comedy",))]


def opened(folder: Path) -> Device:
    return Device(folder, InsecurePlaintextKey())


@pytest.fixture
def device(tmp_path):
    with opened(tmp_path / "me") as one:
        one.items.add(ITEMS)
        one.record("m1")
        yield one


REFUSED: list[tuple[Callable[[Device], Any], str]] = [
    (lambda _d: Item("m", "t", ("Drama")), "labels of item 'm' is 'Drama'"),
    (lambda _d: Item("m", "t", ("A", 3)), "a label of item 'm' is 3"),
    (lambda _d: Item(3, "t"), "id of an item is 3, of the type int: give a text"),
    (lambda _d: Item("m", "t", price="4 EUR"), "give a Price"),
    (lambda _d: Event(0, "m1", "view", "now"), "the time of an event is 'now'"),
    (lambda _d: Event(0, "m1", "view", 1.0, "5"), "the value of an event is '5'"),
    (lambda d: d.record("m1", value="5"), "value is '5', of the type str: give a number"),
    (lambda d: d.record("m1", value=True), "value is True"),
    (lambda d: d.record(1), "item_id is 1, of the type int: give a text"),
    (lambda d: d.record("m1", at="2026"), "at is '2026'"),
    (lambda d: d.record("m1", context={"place": 3}), "a text in context is 3"),
    (lambda d: d.record("m\x00"), "item_id contains NUL or half of a surrogate pair"),
    (lambda d: d.record("m\ud83d"), "item_id contains NUL or half of a surrogate pair"),
    (lambda d: d.recommend("5"), "n is '5', of the type str: give a whole number"),
    (lambda d: d.recommend(2.5), "n is 2.5"),
    (lambda d: d.recommend(labels="Comedy"), "labels is 'Comedy', of the type str: give a list of texts"),
    (lambda d: d.recommend(exclude="m1"), "exclude is 'm1'"),
    (lambda d: d.recommend(filter="m1"), "filter is 'm1', of the type str: give a function"),
    (lambda d: d.recommend(repeats="no"), "repeats is 'no', of the type str: give True or False"),
    (lambda d: d.recommender.what_if(without=[999]), "without names event 999, which does not exist"),
    (lambda d: d.items.add("m1"), "new is 'm1', of the type str: give a list of Items"),
    (lambda d: d.items.add(["m1"]), "an entry of new is 'm1', of the type str: give an Item"),
    (lambda d: d.items.find(3), "text is 3"),
    (lambda d: d.history.record_many([{"item": "m1"}]), "give an Event"),
    (lambda d: d.forget(item=["m1"]), "item is "),
    (lambda d: d.onboarding.pick("m1"), "item_ids is 'm1'"),
    (lambda d: d.taste.edit("Comedy", level="2"), "level is '2'"),
    (lambda d: d.consents.switch("everything", True, how="app"), "purpose is 'everything'.*one of .*learn"),
    (lambda d: d.consents.switch(Purpose.TRAIN, 1, how="app"), "on is 1"),
    (lambda d: d.consents.switch(Purpose.TRAIN, True, how="browser"), "how is 'browser'"),
    (lambda d: setattr(d.settings, "no_profiling", "off"), "no_profiling is 'off'"),
    (lambda d: setattr(d.settings, "retention", 30), "retention is 30, of the type int: give a Retention"),
    (lambda d: setattr(d.settings, "attributes", ["age"]), "attributes is .*give a mapping"),
    (lambda d: d.import_history(3), "path is 3"),
    (lambda d: d.import_history("a\x00b.csv"), "path contains NUL"),
    (lambda d: d.federation.update_model(3, "films"), "url is 3"),
]


@pytest.mark.parametrize(("call", "problem"), REFUSED)
def test_an_argument_of_another_type_is_refused_by_its_name(device, call, problem) -> None:
    before = device.history.events(), device.items.list(), device.consents.state()
    with pytest.raises(DataError, match=problem):
        call(device)
    assert (device.history.events(), device.items.list(), device.consents.state()) == before


def test_what_means_the_same_is_taken(device) -> None:
    assert Item("m", "t", ["A", "B"]).labels == ("A", "B")
    recorded = device.record("m2", value=np.float32(4), at=np.int64(1_700_000_000))
    assert (recorded.value, type(recorded.at)) == (4.0, float)
    answer = device.recommend(np.int64(1), labels={"Comedy"}, exclude=np.array(["m1", "unknown"]))
    assert [s.item.id for s in answer.suggestions] == ["m3"]
    assert device.items.add(item for item in ITEMS) == 3
    assert device.items.remove({"m3": 1}.keys()) == 1
    device.consents.switch("train", True, how="app")
    assert device.consents.allowed(Purpose.TRAIN)


def test_every_public_method_with_plain_arguments_is_behind_the_boundary(device) -> None:
    """A component that is added later may not forget it."""
    parts = [device, *(getattr(device, name) for name in Device.__slots__ if name[0] != "_")]
    assert len(parts) > 10
    for part in parts:
        for name, method in inspect.getmembers(type(part), inspect.isfunction):
            if (
                name.startswith("_") or type(part).__name__ == "Ledger"
            ):  # speaks bytes and rounds, to us alone
                continue
            plain = [p for p in inspect.signature(method).parameters.values() if p.annotation in (str, int)]
            if plain:
                with pytest.raises(DataError, match=plain[0].name):
                    method(part, **{plain[0].name: object()}, **_needed(method, plain[0].name))


def _needed(method: Callable[..., Any], but: str) -> dict[str, Any]:
    """Return something for each other argument that has to be given."""
    some = {str: "x", int: 1, bool: True, Purpose: Purpose.LEARN}
    rest = list(inspect.signature(method).parameters.values())[1:]
    return {p.name: some.get(p.annotation) for p in rest if p.default is p.empty and p.name != but}


def test_a_default_stays_and_a_wrong_call_is_still_a_type_error(device) -> None:
    with pytest.raises(TypeError, match="unexpected"):
        device.recommend(number=3)
    with pytest.raises(TypeError, match="item_id"):
        device.record()


def test_a_class_without_annotations_is_left_alone() -> None:
    class Plain:
        def method(self, anything):
            return anything

    assert checked_arguments(Plain)().method("x") == "x"


def test_a_row_that_cannot_be_read_is_passed_over_with_a_warning(tmp_path) -> None:
    """A profile that was given `labels="Drama"` before opens again, and the item can be mended."""
    with opened(tmp_path / "me") as device:
        device.items.add(ITEMS)
        device.record("m1")
    with opened(tmp_path / "me") as device, device._vault.write() as sql:
        sql("UPDATE item SET labels = '\"Drama\"' WHERE id = 'm2'")
        sql("UPDATE item SET further = '{\"price\":\"four\"}' WHERE id = 'm1'")
        sql("DELETE FROM snapshot")
        sql("INSERT OR REPLACE INTO setting (name, value) VALUES ('library is stale', 'yes')")
    with opened(tmp_path / "me") as device:
        with pytest.warns(UserWarning, match="item 'm[12]' cannot be read and is not recommended: add it"):
            answer = device.recommend(5)
        assert [s.item.id for s in answer.suggestions] == ["m3"]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "item 'm1'")
            device.items.add([ITEMS[1]])
            assert {s.item.id for s in device.recommend(5).suggestions} == {"m2", "m3"}


def test_a_home_is_expanded(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with opened(Path("~/profile")) as device:
        assert device.folder == tmp_path / "profile"
        device.items.add(ITEMS)
        assert device.export("~/mine.jsonl") > 0
    assert (tmp_path / "mine.jsonl").is_file()


def test_the_same_process_opening_twice_is_told_so(tmp_path) -> None:
    with opened(tmp_path / "me"), pytest.raises(VaultError, match="is open in this process: close it there"):
        opened(tmp_path / "me")
    opened(tmp_path / "me").close()


def test_a_missing_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(VaultError, match=r"pip install 'confidante\[device\]', or give a passphrase"):
        Device(tmp_path / "me", Keyring())


def test_all_that_an_app_needs_is_one_import_away() -> None:
    assert all(hasattr(confidante, name) for name in confidante.__all__)
