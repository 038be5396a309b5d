"""What is forgotten counts for nothing from the next answer on; what is acknowledged is never lost."""

import math

import pytest
from device_world import (
    START,
    Clock,
    adds_up,
    everything,
    films,
    ids,
    open_device,
    scores,
    watch,
)

from confidante import Device, InsecurePlaintextKey, Item
from confidante.core.errors import DataError
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Forgotten, Purpose, Retention

EVENTS = ["m1", "m0", "m22", "m5", "m1", "m10", "m3"]
FIRST = START - 100_000


def answers(device):
    """Recommender and pictures that the history takes part in, by item instead of by event number."""
    whole = everything(device)
    return (
        [
            (s.item.id, s.score, [(r.kind, r.subject, r.points, r.item) for r in s.reasons])
            for s in whole.suggestions
        ],
        ids(device.recommend(9, diversity=0.5, context={"place": "home"})),
        ids(device.recommend(60, repeats=True)),
        device.taste.list(),
        [(event.item, event.at) for event in device.history.events()],
        device.history.count,
    )


FORGETTINGS = {
    "event": (lambda d, n: d.forget(event=n[3]), [0, 1, 2, 4, 5, 6]),
    "item": (lambda d, n: d.forget(item="m1"), [1, 2, 3, 5, 6]),
    "since": (lambda d, n: d.forget(since=FIRST + 4 * 3600), [0, 1, 2, 3]),
    "until": (lambda d, n: d.forget(until=FIRST + 2 * 3600), [2, 3, 4, 5, 6]),
    "range": (lambda d, n: d.forget(since=FIRST + 3600, until=FIRST + 3 * 3600), [0, 3, 4, 5, 6]),
    "everything": (lambda d, n: d.forget(everything=True), []),
    "hidden item": (lambda d, n: d.forget(item="m1", undo_seconds=60), [1, 2, 3, 5, 6]),
    "hidden all": (lambda d, n: d.forget(everything=True, undo_seconds=60), []),
}


@pytest.mark.parametrize("kind", FORGETTINGS)
def test_the_next_answer_is_that_of_a_device_that_never_met_it_also_after_reopening(tmp_path, kind):
    forget, left = FORGETTINGS[kind]
    with open_device(tmp_path / "never") as never:
        for place in left:
            never.record(EVENTS[place], at=FIRST + 3600.0 * place)
        expected = answers(never)
    with open_device(tmp_path / "p") as device:
        numbers = watch(device, EVENTS)
        before = answers(device)
        forgotten = forget(device, numbers)
        assert forgotten.events == len(EVENTS) - len(left)
        assert answers(device) == expected != before
        assert all(adds_up(suggestion) for suggestion in everything(device).suggestions)
        device.close()
    with open_device(tmp_path / "p", fresh=False) as again:
        assert answers(again) == expected
        assert again.record("m7").number > max(numbers)


def test_forgetting_everything_forgets_wishes_too_and_the_item_stays_known(tmp_path):
    with open_device(tmp_path / "fresh") as fresh:
        expected = everything(fresh)
    with open_device(tmp_path / "p") as device:
        watch(device, EVENTS)
        device.taste.less("m30")
        device.taste.save("m31")
        device.taste.edit("Food", removed=True)
        device.forget(everything=True)
        assert everything(device) == expected
        assert (device.taste.refused, device.taste.saved, device.taste.list()) == ((), (), ())
        assert device.items.count == len(films())


STATED = {"age": "25-34", "gender": "F"}


def test_forgetting_everything_forgets_what_was_stated_at_once_and_with_its_key(tmp_path):
    with open_device(tmp_path / "p") as device:
        device.settings.attributes = STATED
        generation = device._vault.generation
        device.forget(everything=True)
        assert (device.settings.attributes, device._vault.generation) == ({}, generation + 1)
        device.settings.attributes = STATED
        watch(device, EVENTS)
        device.forget(item="m1")
        assert device.settings.attributes == STATED
        device.forget(everything=True, undo_seconds=60)
        device.forget(everything=True)
        assert device._vault.rows("SELECT name FROM setting WHERE CAST(value AS TEXT) LIKE '%25-34%'") == []


@pytest.mark.parametrize("again", [{}, {"age": "35-44"}])
def test_what_was_stated_comes_back_with_an_undo_unless_it_was_stated_anew(tmp_path, again):
    clock = Clock()
    with open_device(tmp_path / "p", clock=clock) as device:
        device.settings.attributes = STATED
        hidden = device.forget(everything=True, undo_seconds=60)
        assert device.settings.attributes == {}
        device.settings.attributes = again
        device.undo(hidden.undo)
        assert device.settings.attributes == (again or STATED)
        assert device._vault.renewal_due == bool(again)
        device.settings.attributes = STATED
        device.forget(everything=True, undo_seconds=60)
        clock.now += 61
        device.recommend(1)
        assert device.settings.attributes == {}
        assert device._vault.rows("SELECT name FROM setting WHERE CAST(value AS TEXT) LIKE '%25-34%'") == []


def test_what_is_stated_no_more_goes_with_its_key_when_the_profile_is_closed(tmp_path):
    with open_device(tmp_path / "p") as device:
        device.settings.attributes = {"age": "25-34"}
        device.settings.attributes = STATED
        device.settings.attributes = STATED
        assert not device._vault.renewal_due
        generation = device._vault.generation
        device.settings.attributes = {"age": "25-34"}
        assert device._vault.renewal_due
    with open_device(tmp_path / "p", fresh=False) as device:
        assert device._vault.generation == generation + 1
        device.settings.attributes = {}
        assert device._vault.renewal_due


@pytest.mark.parametrize("everything_", [False, True])
def test_undo_restores_exactly_until_its_time_is_over(tmp_path, everything_):
    clock = Clock()
    with open_device(tmp_path / "p", clock=clock) as device:
        watch(device, EVENTS)
        device.taste.less("m30")
        before = answers(device), device.taste.refused
        hidden = device.forget(everything=everything_, item=None if everything_ else "m1", undo_seconds=60)
        assert hidden.until == clock.now + 60
        assert answers(device) != before[0]
        assert ("m1" in ids(everything(device))) or everything_
        clock.now += 59
        assert device.undo(hidden.undo) == hidden.events
        assert (answers(device), device.taste.refused) == before
        with pytest.raises(DataError, match="can no longer be undone"):
            device.undo(hidden.undo)

        hidden = device.forget(everything=everything_, item=None if everything_ else "m1", undo_seconds=60)
        generation = device._vault.generation
        clock.now += 60
        with pytest.raises(DataError, match="can no longer be undone"):
            device.undo(hidden.undo)
        assert device._vault.generation > generation  # erased, and its key destroyed
        assert device._vault.rows(
            "SELECT count(*) FROM event WHERE item = (SELECT key FROM item WHERE id = 'm1')"
        ) == [(0,)]


def test_an_undo_survives_closing_but_not_its_time(tmp_path):
    clock = Clock()
    with open_device(tmp_path / "p", clock=clock) as device:
        watch(device, EVENTS)
        before = answers(device)
        first = device.forget(item="m1", undo_seconds=60)
    with open_device(tmp_path / "p", clock=clock, fresh=False) as device:
        assert device.undo(first.undo) == 2
        assert answers(device) == before
        device.forget(item="m1", undo_seconds=60)
    clock.now += 61
    with open_device(tmp_path / "p", clock=clock, fresh=False) as device:
        device.recommend(1)
        assert device._vault.rows("SELECT count(*) FROM event WHERE forgotten IS NOT NULL") == [(0,)]


def test_purging_erases_at_once_what_could_still_be_undone(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, EVENTS)
        hidden = device.forget(item="m1", undo_seconds=60)
        assert device.history.purge() == 2
        assert device.history.purge() == 0
        with pytest.raises(DataError, match="can no longer be undone"):
            device.undo(hidden.undo)
        assert device.history.count == len(EVENTS) - 2


def test_nothing_to_forget_is_no_error_but_an_unclear_wish_is(tmp_path):
    with open_device(tmp_path / "p") as device:
        numbers = watch(device, EVENTS)
        before = answers(device)
        assert device.forget(item="m40").events == 0
        assert device.forget(since=START - 5, until=START - 4).events == 0
        for wrong in (
            {},
            {"since": START + 5, "until": START},
            {"event": numbers[0], "item": "m1"},
            {"everything": True, "since": 0.0},
            {"event": 10**6},
            {"event": -1},
            {"event": 2**70},
            {"event": -(2**70)},
            {"item": "nothing"},
            {"since": math.nan},
            {"item": "m1", "undo_seconds": -1.0},
            {"item": "m1", "undo_seconds": math.nan},
            {"item": "m1", "undo_seconds": math.inf},
        ):
            with pytest.raises(DataError):
                device.forget(**wrong)
        for token in ("", "nonsense", "\x00", "\ud800"):
            with pytest.raises(DataError):
                device.undo(token)
        assert answers(device) == before


def test_nothing_is_kept_while_paused(tmp_path):
    clock = Clock()
    with open_device(tmp_path / "p", clock=clock) as device:
        watch(device, EVENTS)
        before = answers(device)
        device.settings.pause(100)
        assert device.settings.paused_until == clock.now + 100
        assert device.record("m9") is None
        with pytest.raises(DataError):
            device.record("nothing")
        assert answers(device) == before
        device.close()
        with open_device(tmp_path / "p", clock=clock, fresh=False) as again:
            assert again.record("m9") is None
            clock.now += 100
            assert again.settings.paused_until is None
            assert again.record("m9") is not None
            again.settings.pause()
            assert again.settings.paused_until == math.inf
            clock.now += 10**8
            assert again.record("m9") is None
            again.settings.resume()
            assert again.record("m9") is not None
            assert again.history.count == len(EVENTS) + 2


def test_nothing_is_kept_with_learning_switched_off_and_what_is_known_still_counts(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, EVENTS)
        before = answers(device)
        device.consents.switch(Purpose.LEARN, False, how=PERSON)
        assert device.record("m9") is None
        assert answers(device) == before
        device.consents.switch(Purpose.LEARN, True, how=PERSON)
        assert device.record("m9") is not None


def test_the_newest_five_hundred_are_kept_by_default(tmp_path):
    with open_device(tmp_path / "p") as device:
        assert device.settings.retention == Retention(500, None)
        with device._vault.write():  # one write, for speed
            numbers = watch(device, [f"m{place % 60}" for place in range(510)])
        assert device.history.count == 500
        assert [event.number for event in device.history.events(limit=600)] == numbers[:9:-1]
        explained = device.explain("m59").suggestion
        assert {r.event for r in explained.reasons if r.event} <= set(numbers[10:])


def test_fewer_or_younger_events_are_kept_when_asked_also_after_reopening(tmp_path):
    clock = Clock()
    with open_device(tmp_path / "few") as few, open_device(tmp_path / "p", clock=clock) as device:
        watch(few, EVENTS[-3:], start=FIRST + 4 * 3600)
        watch(device, EVENTS)
        device.settings.retention = Retention(3, keep_seen=False)
        assert answers(device) == answers(few)
        device.record("m9", at=FIRST + 3600 * 3.5)  # older than all that is kept
        assert answers(device) == answers(few)
        device.settings.retention = Retention(100, days=2.0)
        clock.now += 86_400
        assert device.history.count == 3
        device.close()
        with open_device(tmp_path / "p", clock=clock, fresh=False) as again:
            assert again.settings.retention == Retention(100, days=2.0)
            clock.now += 86_400
            again.record("m20")
            assert [event.item for event in again.history.events()] == ["m20"]


@pytest.mark.parametrize(
    "moves", [(-(10**9), 5, 5), (10**9, -(10**9), 5), (math.nan, 1, 1), (math.inf, 0, 0)]
)
def test_a_clock_that_jumps_neither_loses_nor_reorders_what_was_recorded(tmp_path, moves):
    told = [START]
    with open_device(tmp_path / "p", clock=lambda: told[0]) as device:
        numbers = [device.record("m0").number]
        for place, move in enumerate(moves, 1):
            told[0] = told[0] + move if math.isfinite(told[0] + move) else move
            numbers.append(device.record(f"m{place}").number)
            if not math.isfinite(told[0]):
                told[0] = START
        order = [event.item for event in device.history.events()]
        assert order == ["m3", "m2", "m1", "m0"]
        before = answers(device)
    told[0] = START - 10**9
    with open_device(tmp_path / "p", clock=lambda: told[0], fresh=False) as again:
        assert [event.number for event in again.history.events()] == numbers[::-1]
        assert answers(again) == before
        assert again.record("m4").at >= again.history.events(limit=2)[1].at
        assert again.history.events(limit=1)[0].item == "m4"


def test_a_forgotten_event_leaves_no_reason_anywhere(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, EVENTS)
        assert "m22" not in ids(everything(device))
        device.forget(item="m22")
        for suggestion in everything(device).suggestions:
            assert "m22" not in {reason.item for reason in suggestion.reasons}
        assert "m22" in scores(everything(device))


@pytest.mark.parametrize("jump", [-400 * 86_400.0, -3600.0, 0.0, 400 * 86_400.0])
def test_what_can_be_undone_is_erased_at_its_time_wherever_the_clock_is_set_while_closed(tmp_path, jump):
    clock = Clock()
    with open_device(tmp_path / "profile", clock=clock) as device:
        watch(device, EVENTS)
        forgotten = device.forget(item="m1", undo_seconds=60)
        assert forgotten.events == 2
    clock.now += jump
    with open_device(tmp_path / "profile", clock=clock) as device:
        rows = "SELECT count(*) FROM event WHERE forgotten IS NOT NULL"
        assert device._vault.rows(rows) == [(0 if jump > 0 else 2,)]
        clock.now += 61
        device.history.erase_due()
        assert device._vault.rows(rows) == [(0,)]


def test_a_clock_that_was_wrong_for_years_when_something_was_forgotten_keeps_nothing_for_years(tmp_path):
    clock = Clock()
    right = clock.now
    with open_device(tmp_path / "profile", clock=clock) as device:
        watch(device, EVENTS)
        clock.now = right + 20 * 365 * 86_400.0
        device.forget(item="m1", undo_seconds=60)
    clock.now = right
    open_device(tmp_path / "profile", clock=clock).close()
    clock.now += 61
    with open_device(tmp_path / "profile", clock=clock) as device:
        assert device._vault.rows("SELECT count(*) FROM event WHERE forgotten IS NOT NULL") == [(0,)]


def test_what_was_forgotten_imported_again_and_taken_back_is_there_once(tmp_path):
    with open_device(tmp_path / "profile") as device:
        watch(device, EVENTS)
        device.record("m1", at=FIRST)
        device.export(tmp_path / "all.jsonl")
        before = [(event.item, event.at) for event in device.history.events()]
        for _ in range(2):
            forgotten = device.forget(item="m1", undo_seconds=60)
            device.import_history(tmp_path / "all.jsonl")
            device.undo(forgotten.undo)
            assert [(event.item, event.at) for event in device.history.events()] == before
        twice = device.record("m1", at=FIRST)
        forgotten = device.forget(event=twice.number, undo_seconds=60)
        assert device.undo(forgotten.undo) == 1, "one that was there twice of itself stays so"
        assert device.history.count == len(before) + 1


def test_a_shorter_memory_can_wait_and_be_taken_back(tmp_path):
    times = [1_790_000_000.0]
    with Device(tmp_path / "me", InsecurePlaintextKey(), clock=lambda: times[0]) as device:
        device.items.add([Item(f"i{n}", f"Item {n}") for n in range(5)])
        for n in range(5):
            device.record(f"i{n}", at=times[0] - 1000 + n)
        assert device.settings.beyond(Retention(3)) == Forgotten(2)
        assert device.settings.beyond(Retention(500, 998 / 86_400)) == Forgotten(2)
        assert device.settings.beyond(Retention(3, keep_seen=False)) == Forgotten(2, seen=2)
        assert device.settings.beyond(Retention(500, keep_seen=False)) == Forgotten(0)
        assert (device.history.count, device.history.seen.count) == (5, 5)
        device.settings.change_retention(Retention(3), undo_seconds=60)
        device.settings.retention = device.settings.retention  # taken back
        times[0] += 100
        assert len(device.history.events()) == device.history.count == 5
        device.settings.change_retention(Retention(3), undo_seconds=60)
        assert device.history.count == 5
    times[0] += 61
    with Device(
        tmp_path / "me", InsecurePlaintextKey(), clock=lambda: times[0]
    ) as device:  # also while closed
        assert [event.item for event in device.history.events()] == ["i4", "i3", "i2"]
        assert device.settings.retention == Retention(3)
