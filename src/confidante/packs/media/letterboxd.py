"""What was watched, rated, liked and wanted on Letterboxd: its export, or one of the files in it.

The export says the same film in several files: each film of the diary, of `watched.csv` and of `ratings.csv`
becomes one event (one for each time that the diary has it), with its rating. A heart of `likes/films.csv`
makes a film that was watched and not rated a liked one. Folders of what was deleted, lists and reviews are
passed over.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from confidante.core.errors import DataError
from confidante.formats.numbers import read_rating
from confidante.formats.records import WISH, ForeignEvent, Format, Note, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, header_of
from confidante.formats.timestamps import parse_time

_URI = "letterboxd uri"
_DIARY, _WATCHED, _RATED, _LATER, _LIKED = "diary", "watched", "ratings", "watchlist", "likes"
_STARS = 5.0
_YEAR = re.compile(r"\d{4}")


def _films(source: Source) -> list[Member]:
    return [member for member in source.named("*.csv") if _URI in header_of(member)]


def _detects(source: Source) -> bool:
    return bool(_films(source))


def _list_of(member: Member, top: str) -> str | None:
    """Return which of the lists a file is; None for one that is not read."""
    inside = member.folder.removeprefix(top).strip("/")
    if inside:
        return _LIKED if (inside, member.base) == ("likes", "films.csv") else None
    names = header_of(member)
    if "review" in names:
        return None  # the diary has each review's film
    if "watched date" in names:
        return _DIARY
    if "rating" in names:
        return _RATED
    return next((one for one in (_LATER, _WATCHED, _LIKED) if one in member.base), None)


def _parse(source: Source, _: str | None) -> Iterator[Row]:
    members = _films(source)
    if not members:
        raise DataError('needs a CSV file of Letterboxd (with a column "Letterboxd URI")', path=source.path)
    top = min((member.folder for member in members), key=len)
    lists = {one: m for m in members if (one := _list_of(m, top)) is not None}
    if not lists:
        raise DataError(
            "is a list of Letterboxd whose columns do not say whether its films were watched or are wanted: "
            "name the file watched.csv or watchlist.csv, as the export does",
            path=members[0].path,
        )
    if passed := [m.name for m in members if m not in lists.values()]:
        yield Note(f"{len(passed)} files of lists and the like were not read: {', '.join(passed[:4])}")
    events: dict[str, dict[str, list[ForeignEvent]]] = {}
    for one in (_DIARY, _WATCHED, _RATED, _LIKED, _LATER):
        found = events[one] = defaultdict(list)
        for row in csv_rows(lists[one]) if one in lists else ():
            made = _film(*row, one) if isinstance(row, tuple) else row
            if isinstance(made, ForeignEvent):
                found[made.title].append(made)
            else:
                yield made
    yield from _one_each(events)
    for wanted in events[_LATER].values():
        yield from wanted


def _one_each(events: Mapping[str, Mapping[str, list[ForeignEvent]]]) -> Iterator[ForeignEvent]:
    """Yield each film once, or once for each time in the diary, the newest with the rating of today."""
    diary, watched, rated, liked = (events[one] for one in (_DIARY, _WATCHED, _RATED, _LIKED))
    alone = liked if not (diary or watched or rated) else {}
    for film in dict.fromkeys([*diary, *watched, *rated, *alone]):
        known = (*watched.get(film, ()), *rated.get(film, ()))
        entries = sorted(diary.get(film) or known[:1] or alone[film], key=lambda event: event.at)
        rating = next((event for event in rated.get(film, ()) if event.value is not None), None)
        newest = replace(entries[-1], foreign_id=known[0].foreign_id if known else "")
        if rating is not None:
            newest = replace(newest, kind="rating", value=rating.value)
        elif film in liked and newest.value is None:
            newest = replace(newest, kind="like")
        yield from (replace(event, foreign_id=newest.foreign_id) for event in entries[:-1])
        yield newest


def _film(line: int, fields: Mapping[str, str], one: str) -> Row:
    name, year = fields.get("name", "").strip(), fields.get("year", "").strip()
    at = parse_time(fields.get("watched date") or fields.get("date", ""))
    if not name:
        return Skipped(NO_TITLE, line)
    if at is None:
        return Skipped(NO_TIME, line)
    rating = read_rating(fields.get("rating", ""))
    value = rating.value if rating is not None and 0 < rating.value <= _STARS else None
    kind = {_LATER: WISH, _LIKED: "like"}.get(one, "rating" if value is not None else "view")
    title = f"{name} ({year})" if _YEAR.fullmatch(year) else name
    return ForeignEvent(title, at, kind, value, foreign_id=fields[_URI], line=line, scale=_STARS)


LETTERBOXD = Format(
    "letterboxd", "Letterboxd export (zip, or one of its CSV files)", _detects, _parse, {"medium": "film"}
)
