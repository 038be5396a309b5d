"""Titles find their items, a wrong match is avoided, and a report accounts for every row."""

import json
from dataclasses import asdict

import pytest

from confidante.core.values import Item
from confidante.device.importing import ForeignEvent, Note, Skipped, gather
from confidante.device.importing.gathering import OLDER
from confidante.device.importing.matching import MatchedBy
from confidante.device.importing.matching import TitleIndex as Index
from confidante.device.importing.repeats import Remembered, Repeats
from confidante.device.values import Retention
from confidante.formats.records import WISH
from confidante.packs.media import MEDIA

LIBRARY = (
    (1, "m1", "Matrix, The (1999)", ("Action",)),
    (2, "m2", "Amélie (2001)", ("Comedy",)),
    (3, "m3", "Dunes (1984)", ()),
    (4, "m4", "Dunes (2021)", ()),
    (5, "m5", "Long Road", ("Drama",)),
    (6, "m6", "Hello", ("Ann Lee",)),
    (7, "m7", "Bo Ek - Seas", ()),
    (8, "17", "Ants & Bees: It's a Life", ()),
)


def TitleIndex(items):  # noqa: N802
    return Index(((key, Item(name, title, labels)) for key, name, title, labels in items), MEDIA)


def event(title: str, at: float = 1e9, **more: object) -> ForeignEvent:
    return ForeignEvent(title, at, **{"kind": "view", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (event("Matrix, The (1999)"), (1, MatchedBy.TITLE)),
        (event("The Matrix"), (1, MatchedBy.SPELLING)),
        (event("the matrix (1999)"), (1, MatchedBy.SPELLING)),
        (event("AMELIE"), (2, MatchedBy.SPELLING)),
        (event("Dunes (1984)"), (3, MatchedBy.TITLE)),
        (event("Long Road (2003)"), (5, MatchedBy.SPELLING)),
        (event("Long Road: Season 2: Home", whole="Long Road"), (5, MatchedBy.WHOLE)),
        (event("Hello", creator="Ann Lee"), (6, MatchedBy.TITLE)),
        (event("Seas", creator="Bo Ek"), (7, MatchedBy.SPELLING)),
        (event("ants and bees - its a life"), (8, MatchedBy.SPELLING)),
        (event("anything", foreign_id="anything"), None),
        (event("m5", foreign_id="m5"), (5, MatchedBy.ID)),
        (event("Long Road", foreign_id="m5"), (5, MatchedBy.ID)),
        (event("Dunes"), None),  # two of them, and nothing decides
        (event("Dunes (1999)"), None),  # neither is of that year
        (event("Matrix (2021)"), None),
        (event("Another Film", foreign_id="17"), None),  # the number 17 is another film's elsewhere
        (event("Matrix: The Return"), None),
        (event("!!!"), None),
        (event(""), None),
    ],
)
def test_what_a_title_means(foreign: ForeignEvent, expected: tuple[int, MatchedBy] | None) -> None:
    assert TitleIndex(LIBRARY).find(foreign) == expected


def test_the_same_title_by_another_creator_is_another_item() -> None:
    index = TitleIndex([(1, "a", "Hello", ("Ann Lee",)), (2, "b", "Reed", ("Drama",))])
    assert index.find(event("Hello", creator="Bo Ek")) is None
    assert index.find(event("Reed", creator="Somebody")) == (2, MatchedBy.TITLE)  # a label may be a genre
    twice = TitleIndex([(1, "a", "Hello", ("Ann Lee",)), (2, "b", "Hello", ("Bo Ek",))])
    assert twice.find(event("hello", creator="bo ek")) == (2, MatchedBy.SPELLING)
    assert twice.find(event("hello")) is None


def test_every_row_is_counted_once_and_the_report_reads_well() -> None:
    rows = [
        event("The Matrix", 1e9, line=2),
        event("The Matrix", 1e9, line=3),
        event("Amélie", 1.1e9),
        event("Nobody Knows", line=5),
        event("Hello", 1.2e9, kind=WISH),
        Skipped("no date", 7),
        Skipped("no date", 8),
        Note("dates read as day/month"),
    ]
    report = gather(rows, TitleIndex(LIBRARY), format="csv", path="mine.csv").report
    counted = report.matched + report.unmatched + report.duplicates + sum(row.rows for row in report.skipped)
    assert (report.read, counted) == (7, 7)
    assert (report.matched, report.wishes, report.unmatched, report.duplicates) == (3, 1, 1, 1)
    text = "\n".join(report.lines())
    assert "1 have no item in the library, such as: Nobody Knows" in text
    assert "2 skipped: no date (first in line 7)" in text
    assert "from 2001-09-09 to 2004-11-09" in text
    assert "dates read as day/month" in text
    json.dumps(asdict(report))


def test_importing_twice_adds_nothing() -> None:
    rows = [
        event("A", 1e9, creator="X"),
        event("A", 1e9, creator="Y"),
        event("B: Season 1: C", 1e9, whole="B"),
    ]
    first = gather(rows, TitleIndex([]), format="netflix", path="x")
    assert [item.title for item in first.items] == ["A", "A", "B"]
    assert first.report.added == 3
    library = [(10 + k, item) for k, item in enumerate(first.items)]
    there = [Remembered(n, 9 - key, one.at, one.kind, one.value) for n, (key, one) in enumerate(first.events)]
    second = gather(
        rows,
        Index(library, MEDIA),
        format="netflix",
        path="x",
        repeats=Repeats(MEDIA, there),
        add_missing=True,
    )
    assert (second.report.added, second.report.matched, second.report.duplicates) == (0, 0, 3)


def test_missing_titles_are_added_only_to_an_empty_library_or_when_asked() -> None:
    rows = [
        event("New One: Season 1: Pilot", whole="New One"),
        event("New One: Season 1: Two", 2e9, whole="New One"),
    ]
    assert gather(rows, TitleIndex(LIBRARY), format="netflix", path="x").report.unmatched == 2
    for index, asked in ((TitleIndex([]), None), (TitleIndex(LIBRARY), True)):
        gathered = gather(rows, index, format="netflix", path="x", add_missing=asked)
        assert [item.title for item in gathered.items] == ["New One"]  # the show, not its episodes
        assert [key for key, _ in gathered.events] == [-1, -1]


def test_only_the_newest_are_kept_when_asked() -> None:
    rows = [event("The Matrix", 1e9 + k * 7919 % 100, line=k) for k in range(100)]
    gathered = gather(rows, TitleIndex(LIBRARY), format="csv", path="x", keep=Retention(10))
    assert [one.at - 1e9 for _, one in gathered.events] == list(range(90, 100))
    assert [(row.reason, row.rows) for row in gathered.report.skipped] == [(OLDER, 90)]


def test_progress_is_told_every_thousand_rows() -> None:
    told: list[int] = []
    gather(
        (event("x") for _ in range(2500)), TitleIndex(LIBRARY), format="csv", path="x", progress=told.append
    )
    assert told == [1000, 2000]
