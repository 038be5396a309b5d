"""History: adding, reading, forgetting with and without undo, expiring. Properties against a plain model."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.storage import history, items, wishes
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.values import Retention

TITLES = [Item("alien", "Alien (1979)"), Item("amelie", "Am\u00e9lie"), Item("up", "Up 100%_x")]


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def vault(tmp_path: Path, clock: Clock):
    with Vault.open(tmp_path, InsecurePlaintextKey(), create=True, clock=clock) as opened:
        items.put(opened, TITLES)
        yield opened


def add(vault: Vault, *times: float, item: int = 1) -> list[int]:
    return [history.add_event(vault, item, "view", at).number for at in times]


def numbers(vault: Vault, **asked: object) -> list[int]:
    return [event.number for event in history.events(vault, **asked)]  # type: ignore[arg-type]


def test_an_event_reads_back_as_it_was_added(vault: Vault) -> None:
    added = history.add_event(vault, 2, "rate", 12.5, 4.5, {"place": "home"})
    assert history.events(vault) == (added,)
    assert (added.item, added.value, added.context) == ("amelie", 4.5, {"place": "home"})
    assert history.title_of(vault, added.number) == "Am\u00e9lie"


def test_events_come_newest_first_page_by_page(vault: Vault) -> None:
    a, b, c, d = add(vault, 10, 30, 20, 20)
    assert numbers(vault) == [b, d, c, a]
    assert numbers(vault, limit=2) == [b, d]
    assert numbers(vault, limit=2, before=d) == [c, a]
    assert numbers(vault, since=20, until=30) == [d, c]
    assert history.select(vault, since=20) == [b, c, d]


def test_search_ignores_case_and_accents_and_has_no_wildcards(vault: Vault) -> None:
    (alien,), (amelie,), (up,) = add(vault, 1), add(vault, 2, item=2), add(vault, 3, item=3)
    assert numbers(vault, search="ALIEN") == [alien]
    assert numbers(vault, search="amelie") == [amelie]
    assert numbers(vault, search="%_X") == [up]
    assert numbers(vault, search="_") == [up]
    assert numbers(vault, search="\x00\ud800") == []


def test_the_newest_come_oldest_first_for_scoring(vault: Vault) -> None:
    a, b, c = add(vault, 10, 30, 20)
    newest = history.newest(vault, 2)
    assert newest.numbers.tolist() == [c, b]
    assert newest.items.dtype == newest.numbers.dtype == np.int64
    assert (newest.at.tolist(), newest.kinds, newest.contexts) == ([20, 30], ("view",) * 2, ("{}",) * 2)
    history.forget(vault, [b], undo_seconds=9)
    assert history.newest(vault, 2).numbers.tolist() == [a, c]
    assert history.newest(vault, 0).numbers.shape == (0,)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": ""}, "kind"),
        ({"kind": "x" * 65}, "kind"),
        ({"kind": "a\nb"}, "control character"),
        ({"kind": "\ud800"}, "surrogate"),
        ({"at": float("nan")}, "out of range"),
        ({"at": -1.0}, "out of range"),
        ({"at": 4.2e9}, "out of range"),
        ({"value": float("inf")}, "value"),
        ({"context": {str(k): "" for k in range(9)}}, "contexts"),
        ({"context": {"": "x"}}, "name of a context"),
        ({"context": {"x": "y" * 257}}, "text of a context"),
        ({"item": 99}, "not in the vault"),
    ],
)
def test_what_no_event_can_be_is_refused_and_nothing_added(
    vault: Vault, change: dict[str, object], problem: str
) -> None:
    fields: dict[str, object] = {"item": 1, "kind": "view", "at": 5.0}
    good = history.NewEvent(1, "view", 5.0)
    with pytest.raises(DataError, match=problem):
        history.add_events(vault, [good, history.NewEvent(**(fields | change))])  # type: ignore[arg-type]
    assert history.count(vault) == 0


def test_absurd_numbers_are_no_events(vault: Vault) -> None:
    add(vault, 1)
    assert history.select(vault, number=10**30) == []
    assert numbers(vault, limit=10**30) == [1]
    for ask in (
        lambda: history.title_of(vault, 10**30),
        lambda: history.events(vault, before=10**30),
        lambda: history.events(vault, limit=-1),
        lambda: history.select(vault, since=float("nan")),
        lambda: history.forget(vault, [1], undo_seconds=float("nan")),
        lambda: history.forget(vault, [1], undo_seconds=-1),
    ):
        with pytest.raises(DataError):
            ask()
    assert history.forget(vault, [10**30, -1]).events == 0


def test_forgetting_can_be_undone_until_its_time_has_passed(vault: Vault, clock: Clock) -> None:
    a, b = add(vault, 1, 2)
    forgotten = history.forget(vault, [a], undo_seconds=60)
    assert (forgotten.events, forgotten.until, numbers(vault)) == (1, 1e9 + 60, [b])
    assert history.next_purge(vault) == forgotten.until
    assert forgotten.undo is not None
    clock.now += 59
    assert history.purge(vault) == 0
    assert history.undo(vault, forgotten.undo) == 1
    assert numbers(vault) == [b, a]
    assert history.next_purge(vault) is None
    with pytest.raises(DataError, match="no longer be undone"):
        history.undo(vault, forgotten.undo)

    again = history.forget(vault, [a], undo_seconds=60)
    assert again.undo is not None
    clock.now += 60
    with pytest.raises(DataError, match="no longer be undone"):
        history.undo(vault, again.undo)
    generation = vault.generation
    assert history.purge(vault) == 1
    assert vault.generation == generation + 1
    assert vault.rows("SELECT number FROM event") == [(b,)]


def test_forgetting_everything_takes_the_wishes_along_and_undo_brings_them_back(vault: Vault) -> None:
    add(vault, 1, 2)
    wishes.put(vault, "less", "alien", 1)
    forgotten = history.forget(vault, [], undo_seconds=60, everything=True)
    assert (forgotten.events, history.count(vault), wishes.subjects(vault, "less")) == (2, 0, ())
    assert forgotten.undo is not None
    assert history.undo(vault, forgotten.undo) == 2
    assert wishes.subjects(vault, "less") == ("alien",)

    history.forget(vault, history.select(vault), undo_seconds=60)  # what is hidden goes too
    history.forget(vault, [], everything=True)
    assert wishes.subjects(vault, "less") == ()
    for table in ("event", "forgetting", "wish"):
        assert vault.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_forgetting_nothing_leaves_nothing_to_undo(vault: Vault) -> None:
    assert history.forget(vault, [7], undo_seconds=60).undo is None
    assert history.next_purge(vault) is None


def test_a_number_is_never_given_twice(vault: Vault) -> None:
    (first,) = add(vault, 1)
    history.forget(vault, [first])
    (second,) = add(vault, 1)
    assert second > first


def test_retention_keeps_the_newest_and_none_too_old(vault: Vault, clock: Clock) -> None:
    day = 86_400.0
    a, b, c = add(vault, clock.now - 3 * day, clock.now - day, clock.now)
    assert history.expire(vault, Retention(500, 3.5)) == 0
    assert not vault.renewal_due
    assert history.expire(vault, Retention(500, 2)) == 1
    assert vault.renewal_due
    assert numbers(vault) == [c, b]
    assert history.expire(vault, Retention(1)) == 1
    assert numbers(vault) == [c]
    for retention in (Retention(-1), Retention(1, -1), Retention(1, float("nan"))):
        with pytest.raises(DataError):
            history.expire(vault, retention)
    assert a < b < c


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 20)),
        st.tuples(st.just("hide"), st.sets(st.integers(1, 12), max_size=3)),
        st.tuples(st.just("forget"), st.sets(st.integers(1, 12), max_size=3)),
        st.tuples(st.just("undo"), st.integers(0, 3)),
        st.tuples(st.just("purge"), st.none()),
        st.tuples(st.just("expire"), st.integers(0, 5)),
    ),
    max_size=15,
)


@given(STEPS)
def test_any_order_of_steps_ends_like_a_plain_list(steps: list[tuple[str, object]]) -> None:
    shown: dict[int, float] = {}
    hidden: dict[str, dict[int, float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Vault.open(Path(folder), InsecurePlaintextKey(), create=True, clock=lambda: 1e9) as vault,
    ):
        items.put(vault, [Item("alien", "Alien (1979)")])
        for step, what in steps:
            match step, what:
                case "add", int(at):
                    shown[history.add_event(vault, 1, "view", at).number] = at
                case "hide", set(chosen):
                    done = history.forget(vault, chosen, undo_seconds=60)
                    gone = {number: shown.pop(number) for number in chosen & shown.keys()}
                    assert done.events == len(gone)
                    if gone:
                        hidden[str(done.undo)] = gone
                case "forget", set(chosen):
                    history.forget(vault, chosen)
                    for events in (shown, *hidden.values()):
                        for number in chosen & events.keys():
                            del events[number]
                    hidden = {token: events for token, events in hidden.items() if events}
                case "undo", int(place) if place < len(hidden):
                    token = list(hidden)[place]
                    assert history.undo(vault, token) == len(hidden[token])
                    shown |= hidden.pop(token)
                case "purge", _:
                    assert history.purge(vault, even_if_undoable=True) == sum(map(len, hidden.values()))
                    hidden = {}
                case "expire", int(keep):
                    order = sorted(shown, key=lambda number: (shown[number], number))
                    history.expire(vault, Retention(keep))
                    shown = {number: shown[number] for number in order[len(order) - min(keep, len(order)) :]}
        order = sorted(shown, key=lambda number: (shown[number], number), reverse=True)
        assert [event.number for event in history.events(vault)] == order
        stored = {number for (number,) in vault.rows("SELECT number FROM event")}
        assert stored == shown.keys() | {number for events in hidden.values() for number in events}
