"""Every format that can be imported, how one is told from another, and reading one."""

import math
from collections.abc import Iterator
from pathlib import Path

from confidante.core.errors import DataError
from confidante.formats.generic_csv import GENERIC
from confidante.formats.own import EventRecord, ItemRecord, read_export
from confidante.formats.records import ForeignEvent, Format, Row, Skipped
from confidante.formats.source import Source, open_source
from confidante.formats.tables import text_problem
from confidante.formats.timestamps import EARLIEST, LATEST
from confidante.packs.media.listening import LASTFM, LISTENBRAINZ, SPOTIFY, SPOTIFY_RECENT
from confidante.packs.media.movielens import MOVIELENS
from confidante.packs.media.reading import GOODREADS
from confidante.packs.media.watching import LETTERBOXD, NETFLIX
from confidante.packs.media.youtube import YOUTUBE

LONG_TEXT = "a text of more than 2,000 letters"
NO_MOMENT = "a time before 1970 or after 2100"
_LONGEST = 2000


def _is_own(source: Source) -> bool:
    one = source.members[0] if len(source.members) == 1 else None
    return (
        one is not None
        and one.zipped is None
        and b'"confidante":"export"' in one.head()[:200].replace(b" ", b"")
    )


def _own(source: Source, _: str | None) -> Iterator[Row]:
    """Yield the events of our own export; the rest of it is for `read_export`."""
    if len(source.members) != 1 or source.members[0].zipped is not None:
        raise DataError("is not one file: name the exported .jsonl file itself", path=source.path)
    items: dict[str, ItemRecord] = {}
    for line, record in enumerate(read_export(source.members[0].file), 2):
        if isinstance(record, ItemRecord):
            items[record.id] = record
        elif isinstance(record, EventRecord):
            item = items.get(record.item, ItemRecord(record.item, record.item))
            yield ForeignEvent(
                item.title or item.id,
                record.at,
                record.kind,
                record.value,
                foreign_id=record.item,
                line=line,
                context=record.context,
                labels=item.labels,
            )


OWN = Format("confidante", "our own export (JSON lines)", _is_own, _own)
FORMATS = (
    OWN, MOVIELENS, NETFLIX, SPOTIFY, SPOTIFY_RECENT, YOUTUBE, GOODREADS, LETTERBOXD, LISTENBRAINZ, LASTFM,
    GENERIC,
)  # fmt: skip
"""In the order in which they are tried: the generic one is last."""


def format_named(name: str) -> Format:
    """Return the format of that name. Raises DataError, listing them."""
    for one in FORMATS:
        if one.name == name:
            return one
    raise DataError(f"there is no format {name!r}: {_list()}")


def detect(path: Path | str) -> str:
    """Return the name of a file's format, told from names and content. Raises DataError, listing formats."""
    return _detected(open_source(path)).name


def parse(path: Path | str, format: str | None = None, *, person: str | None = None) -> Iterator[Row]:  # noqa: A002
    """Return the rows of a file, folder or zip file, read as they are asked for.

    format: None: `detect` it. person: whose rows, in a file that has several people's. Raises DataError, at
    once when the file or the format cannot be used, later when a line spoils all that follow.
    """
    source = open_source(path)
    chosen = _detected(source) if format is None else format_named(format)
    return (_sound(row) for row in chosen.parse(source, person))


def _detected(source: Source) -> Format:
    for one in FORMATS:
        try:
            if one.detects(source):
                return one
        except DataError:  # too broken for this format: another may be meant
            continue
    raise DataError(f"is of no format that can be imported: {_list()}", path=source.path)


def _list() -> str:
    return "; ".join(f"{one.name}: {one.what}" for one in FORMATS)


def _sound(row: Row) -> Row:
    """Return the row, or why its texts or numbers cannot be kept."""
    if not isinstance(row, ForeignEvent):
        return row
    texts = (
        row.title,
        row.creator,
        row.foreign_id,
        row.kind,
        row.show,
        *row.labels,
        *row.context,
        *row.context.values(),
    )
    problem = text_problem(*texts)
    if problem is None and max(map(len, texts)) > _LONGEST:
        problem = LONG_TEXT
    if problem is None and not EARLIEST <= row.at < LATEST:
        problem = NO_MOMENT
    if problem is None and row.value is not None and not math.isfinite(row.value):
        problem = NO_MOMENT
    return row if problem is None else Skipped(problem, row.line)
