"""What was watched: Netflix's viewing history and Letterboxd's diary."""

import re
from collections.abc import Iterator, Mapping

from confidante.core.errors import DataError
from confidante.formats.records import WISH, ForeignEvent, Format, Row, Skipped
from confidante.formats.source import Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, date_order, header_of
from confidante.formats.timestamps import DateOrder, parse_time
from confidante.packs.media.titles import show_of

_DIARY, _WATCHED, _RATED, _LATER = "diary.csv", "watched.csv", "ratings.csv", "watchlist.csv"


def _is_netflix(source: Source) -> bool:
    return any(header_of(member) == ["title", "date"] for member in source.named("*.csv")[:20])


def _netflix(source: Source, _: str | None) -> Iterator[Row]:
    found = [member for member in source.named("*.csv") if header_of(member) == ["title", "date"]]
    if not found:
        raise DataError('needs a CSV file with the header "Title,Date"', path=source.path)
    order, notes = date_order(found[0], "date", source.path)
    yield from notes
    for row in csv_rows(found[0], separator=","):
        yield row if isinstance(row, Skipped) else _viewing(*row, order)


def _viewing(line: int, fields: Mapping[str, str], order: DateOrder) -> Row:
    title, at = fields["title"].strip(), parse_time(fields["date"], order)
    if not title:
        return Skipped(NO_TITLE, line)
    if at is None:
        return Skipped(NO_TIME, line)
    return ForeignEvent(title, at, "view", line=line, whole=show_of(title))


def _is_letterboxd(source: Source) -> bool:
    names = (_DIARY, _WATCHED, _RATED, _LATER)
    return any("letterboxd uri" in header_of(member) for member in source.named(*names, "*.csv")[:20])


def _letterboxd(source: Source, _: str | None) -> Iterator[Row]:
    """Yield the diary, then films that were watched or rated and are not in it, then the watchlist."""
    members = [m for m in source.named("*.csv") if "letterboxd uri" in header_of(m)]
    if not members:
        raise DataError('needs a CSV file of Letterboxd (with a column "Letterboxd URI")', path=source.path)
    order = {_DIARY: 0, _WATCHED: 1, _RATED: 2, _LATER: 9}
    chosen = members if len(members) == 1 else [member for member in members if member.base in order]
    seen: set[tuple[str, str]] = set()
    for member in sorted(chosen, key=lambda m: order.get(m.base, 3)):
        before = frozenset(seen)
        for row in csv_rows(member, separator=","):
            if isinstance(row, Skipped):
                yield row
                continue
            film = (row[1].get("name", "").strip(), row[1].get("year", "").strip())
            if film in before and member.base != _LATER:
                continue
            seen.add(film)
            yield _film(*row, film, later=member.base == _LATER)


def _film(line: int, fields: Mapping[str, str], film: tuple[str, str], *, later: bool) -> Row:
    name, year = film
    at = parse_time(fields.get("watched date") or fields.get("date", ""))
    if not name:
        return Skipped(NO_TITLE, line)
    if at is None:
        return Skipped(NO_TIME, line)
    rating = fields.get("rating", "")
    value = float(rating) if re.fullmatch(r"\d(\.\d+)?", rating) else None
    kind = WISH if later else "rating" if value is not None else "view"
    title = f"{name} ({year})" if re.fullmatch(r"\d{4}", year) else name
    return ForeignEvent(title, at, kind, value, foreign_id=fields["letterboxd uri"], line=line)


NETFLIX = Format("netflix", "Netflix viewing history (CSV: Title, Date)", _is_netflix, _netflix)
LETTERBOXD = Format(
    "letterboxd", "Letterboxd export (zip, or one of its CSV files)", _is_letterboxd, _letterboxd
)
