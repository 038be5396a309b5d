"""One play counts once, whichever export tells of it, and what happened twice counts twice."""

import pytest
from device_world import open_device
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.values import Item
from confidante.device.importing import ForeignEvent, TitleIndex, gather
from confidante.device.importing.repeats import Remembered, Repeats
from confidante.packs.media import MEDIA

NOON = 1.7e9 // 86_400 * 86_400 + 43_200  # of a day
DAY = 86_400.0
LENGTH = 200.0  # seconds of a song
MINUTES = LENGTH / 60


def told_once(before: list[ForeignEvent], after: list[ForeignEvent]) -> list[float]:
    """Return the times of the events that a second file adds to those of a first one."""
    index = TitleIndex([(1, Item("a", "Glow"))], MEDIA)
    first = gather(before, index, format="one", path="1").events
    there = [Remembered(n, key, row.at, row.kind, row.value) for n, (key, row) in enumerate(first)]
    second = gather(after, index, format="two", path="2", repeats=Repeats(MEDIA, there))
    assert second.report.read == second.report.matched + second.report.duplicates
    return [row.at for _, row in second.events]


def plays(*times: float, minutes: float | None = None, kind: str = "play") -> list[ForeignEvent]:
    return [ForeignEvent("Glow", at, kind, minutes) for at in times]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("start", "end", "once"),
    [
        (NOON, NOON + LENGTH, True),  # one tells the start, the other the end
        (NOON, NOON + LENGTH + 59, True),  # and rounds to minutes
        (NOON, NOON, True),
        (NOON, NOON + LENGTH + 120, False),
        (NOON, NOON - 120, False),
    ],
)
def test_a_play_is_told_by_its_start_or_by_its_end(
    start: float, end: float, *, turned: bool, once: bool
) -> None:
    by_start, by_end = plays(start), plays(end, minutes=MINUTES)
    if start > end:  # nothing ends before it starts
        by_start = plays(start, minutes=0.1)
        by_end = plays(end, minutes=0.1)
    files = (by_end, by_start) if turned else (by_start, by_end)
    assert (told_once(*files) == []) == once


@pytest.mark.parametrize("turned", [False, True])
def test_a_song_in_a_loop_is_neither_doubled_nor_lost(*, turned: bool) -> None:
    starts = [NOON + k * LENGTH for k in range(6)]
    by_start = plays(*starts)
    by_end = plays(*(at + LENGTH for at in starts), minutes=MINUTES)
    files = (by_end, by_start) if turned else (by_start, by_end)
    assert told_once(*files) == []
    assert len(told_once(files[0][:4], files[1])) == 2
    assert told_once(files[0], files[0]) == []


@pytest.mark.parametrize("apart", [0.0, 30.0, 89.0])
def test_without_a_length_clocks_may_differ_by_a_minute_and_a_half(apart: float) -> None:
    assert told_once(plays(NOON), plays(NOON + apart)) == []
    assert told_once(plays(NOON), plays(NOON + 91)) == [NOON + 91]


def test_a_day_and_a_moment_of_it_are_one_and_the_day_after_is_another() -> None:
    day = NOON - 43_200
    assert told_once(plays(NOON), plays(day)) == []
    assert told_once(plays(day), plays(NOON)) == []
    assert told_once(plays(NOON), plays(day, day + DAY)) == [day + DAY]
    assert told_once(plays(day + DAY + 3600), plays(day)) == []  # late in the evening, west of Greenwich
    assert told_once(plays(NOON), plays(day + 2 * DAY)) == [day + 2 * DAY]


def test_repeats_of_one_day_are_kept_and_come_once() -> None:
    day = NOON - 43_200
    assert told_once([], plays(day, day, day)) == [day, day, day]
    assert told_once(plays(day, day), plays(day, day)) == []
    assert told_once(plays(day), plays(day, day)) == [day]
    assert told_once([], plays(NOON, NOON)) == [NOON]  # to the second: the same row twice
    assert told_once([], plays(0.0, 0.0)) == [0.0]  # no day is known


def test_a_dislike_is_no_repeat_of_the_play() -> None:
    both = [*plays(NOON), *plays(NOON, kind="dislike")]
    assert told_once([], both) == [NOON, NOON]
    assert told_once(plays(NOON), both) == [NOON]
    assert told_once(both, both) == []


SLOTS = st.lists(st.integers(0, 40), max_size=8, unique=True)


@given(SLOTS, SLOTS)
def test_what_both_exports_tell_counts_once_and_what_one_tells_stays(one: list[int], two: list[int]) -> None:
    first = plays(*sorted(NOON + k * LENGTH for k in one))
    second = plays(*sorted(NOON + 2 + k * LENGTH for k in two))  # clocks that differ
    assert len(told_once(first, second)) == len(set(two) - set(one))


def test_a_rating_that_came_later_reaches_the_event_that_is_there(tmp_path) -> None:
    seen, rated = tmp_path / "seen.csv", tmp_path / "rated.csv"
    seen.write_text("title,date\nThe Orbit (1960),2024-01-13\n")
    rated.write_text("title,date,rating\nThe Orbit (1960),2024-01-13,4.5\n")
    with open_device(tmp_path / "p") as device:
        device.import_history(seen)
        tried = device.import_history(rated, dry_run=True)
        assert (tried.rated, device.history.events()[0].value) == (1, None)
        report = device.import_history(rated)
        assert (report.matched, report.duplicates, report.rated) == (0, 1, 1)
        assert "1 were there already, of which 1 had no rating and have one now" in report.lines()
        (event,) = device.history.events()
        assert (event.kind, event.value) == ("rating", 4.5)
        assert device.import_history(rated).rated == 0
        device.recommend(3)
