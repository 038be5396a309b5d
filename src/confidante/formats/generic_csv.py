"""Any other CSV, by the names of its columns."""

import math
from collections.abc import Iterator, Mapping

from confidante.core.errors import DataError
from confidante.formats.records import ForeignEvent, Format, OnePerson, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, date_order
from confidante.formats.timestamps import DateOrder, parse_time, parse_words

NO_VALUE = "a value that is not a number"
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "name", "item_title"),
    "id": ("id", "item", "item_id", "itemid"),
    "time": ("timestamp", "date", "time", "at", "datetime", "watched_at", "played_at", "read_at"),
    "value": ("rating", "value", "score", "stars", "price"),
    "kind": ("kind", "type", "event", "action"),
    "creator": ("creator", "artist", "author", "channel", "director"),
    "person": ("user", "user_id", "userid", "person", "profile"),
}
NEEDS = (
    "needs a header with a column title, item or id, and a column timestamp, date or time; rating or value, "
    "kind and creator are welcome"
)


def _columns(member: Member) -> dict[str, str] | None:
    """Return the file's own name of each column we know, None when too few are there."""
    for row in csv_rows(member):
        if isinstance(row, Skipped):
            continue
        found = {ours: next((n for n in names if n in row[1]), "") for ours, names in _COLUMNS.items()}
        return found if (found["title"] or found["id"]) and found["time"] else None
    return None


def _detects(source: Source) -> bool:
    return len(source.members) == 1 and source.members[0].base.endswith((".csv", ".tsv", ".txt"))


def _parse(source: Source, person: str | None) -> Iterator[Row]:
    found = source.members if len(source.members) == 1 else source.named("*.csv")
    columns = _columns(found[0]) if len(found) == 1 else None
    if columns is None:
        raise DataError(NEEDS, path=source.path, line=1 if len(found) == 1 else None)
    order, notes = date_order(found[0], columns["time"], source.path)
    yield from notes
    whose = OnePerson(person, found[0].path)
    for row in csv_rows(found[0]):
        if isinstance(row, Skipped):
            yield row
        elif whose.has(row[1].get(columns["person"], ""), row[0]):
            yield _event(*row, columns, order)


def _event(line: int, fields: Mapping[str, str], columns: Mapping[str, str], order: DateOrder) -> Row:
    def said(name: str) -> str:
        return fields.get(columns[name], "").strip()

    title = said("title") or said("id")
    written = None if (at := parse_time(said("time"), order)) is not None else parse_words(said("time"))
    at = written[0] if written else at
    if not title:
        return Skipped(NO_TITLE, line)
    if at is None:
        return Skipped(NO_TIME, line)
    try:
        value = float(said("value").replace(",", ".")) if said("value") else None
    except ValueError:
        return Skipped(NO_VALUE, line)
    if value is not None and not math.isfinite(value):
        return Skipped(NO_VALUE, line)
    kind = said("kind")[:40] or ("rating" if value is not None else "view")
    return ForeignEvent(title, at, kind, value, said("creator"), said("id"), line)


GENERIC = Format("csv", "any CSV with columns like title and date", _detects, _parse)
