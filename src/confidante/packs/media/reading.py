"""What was read: Goodreads' library export (CSV)."""

from collections.abc import Iterator, Mapping

from confidante.core.errors import DataError
from confidante.formats.records import WISH, ForeignEvent, Format, Note, Row, Skipped
from confidante.formats.source import Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, header_of
from confidante.formats.timestamps import parse_time

NOT_FINISHED = "not finished yet"
_NEEDED = ("title", "author", "my rating", "date read", "date added", "exclusive shelf")


def _detects(source: Source) -> bool:
    return any(set(_NEEDED) <= set(header_of(member)) for member in source.named("*.csv")[:20])


def _parse(source: Source, _: str | None) -> Iterator[Row]:
    found = [member for member in source.named("*.csv") if set(_NEEDED) <= set(header_of(member))]
    if not found:
        raise DataError(f"needs a CSV file with the columns {', '.join(_NEEDED)}", path=source.path)
    undated = 0
    for row in csv_rows(found[0], separator=","):
        if isinstance(row, Skipped):
            yield row
            continue
        made = _book(*row)
        undated += isinstance(made, ForeignEvent) and made.kind == "read" and not row[1]["date read"].strip()
        yield made
    if undated:
        yield Note(f"{undated} books have no date of reading: taken as read on the day they were added")


def _book(line: int, fields: Mapping[str, str]) -> Row:
    title, shelf = fields["title"].strip(), fields["exclusive shelf"].strip().lower()
    if not title:
        return Skipped(NO_TITLE, line)
    if shelf not in {"read", "to-read"}:
        return Skipped(NOT_FINISHED, line)
    read = shelf == "read"
    at = parse_time((fields["date read"].strip() if read else "") or fields["date added"])
    if at is None:
        return Skipped(NO_TIME, line)
    rating = fields["my rating"].strip()
    value = float(rating) if read and rating in {"1", "2", "3", "4", "5"} else None
    return ForeignEvent(
        title,
        at,
        "read" if read else WISH,
        value,
        creator=fields["author"].strip(),
        foreign_id=fields.get("book id", "").strip(),
        line=line,
    )


GOODREADS = Format("goodreads", "Goodreads library export (CSV)", _detects, _parse)
