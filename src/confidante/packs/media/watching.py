"""What was watched: Netflix's viewing history."""

from collections.abc import Iterator, Mapping

from confidante.core.errors import DataError
from confidante.formats.records import ForeignEvent, Format, Row, Skipped
from confidante.formats.source import Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, date_order, header_of
from confidante.formats.timestamps import DateOrder, parse_time
from confidante.packs.media.titles import shared_beginnings, show_of


def _is_netflix(source: Source) -> bool:
    return any(header_of(member) == ["title", "date"] for member in source.named("*.csv")[:20])


def _netflix(source: Source, _: str | None) -> Iterator[Row]:
    found = [member for member in source.named("*.csv") if header_of(member) == ["title", "date"]]
    if not found:
        raise DataError('needs a CSV file with the header "Title,Date"', path=source.path)
    order, notes = date_order(found[0], "date", source)
    yield from notes
    rows = csv_rows(found[0])
    shared = shared_beginnings(row[1]["title"].strip() for row in rows if isinstance(row, tuple))
    for row in csv_rows(found[0]):
        yield _viewing(*row, order, shared) if isinstance(row, tuple) else row


def _viewing(line: int, fields: Mapping[str, str], order: DateOrder, shared: frozenset[str]) -> Row:
    title, at = fields["title"].strip(), parse_time(fields["date"], order)
    if not title:
        return Skipped(NO_TITLE, line)
    if at is None:
        return Skipped(NO_TIME, line)
    show = show_of(title, shared)
    return ForeignEvent(title, at, "view", line=line, whole=show, more={"medium": "show" if show else "film"})


NETFLIX = Format("netflix", "Netflix viewing history (CSV: Title, Date)", _is_netflix, _netflix)
