"""The formats that can be imported, how one is told from another, and reading one."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import final

from confidante.core.errors import DataError
from confidante.formats.generic_csv import GENERIC
from confidante.formats.own import EventRecord, ItemRecord, read_export
from confidante.formats.records import ForeignEvent, Format, Note, NotRead, Row, Skipped
from confidante.formats.shops import SHOPS
from confidante.formats.source import Source, open_source
from confidante.formats.tables import text_problem
from confidante.formats.timestamps import EARLIEST, LATEST, DateOrder

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


@final
class Formats:
    """The formats that can be imported, tried in this order: our own export, a pack's, of shops, any CSV."""

    def __init__(self, importers: Iterable[Format | NotRead] = ()) -> None:
        """importers: a pack's own formats, and kinds of file that it only knows by name."""
        given = tuple(importers)
        self._all = (OWN, *(one for one in given if isinstance(one, Format)), *SHOPS, GENERIC)
        self._not_read = tuple(one for one in given if isinstance(one, NotRead))

    def __iter__(self) -> Iterator[Format]:
        """Give each format in turn."""
        return iter(self._all)

    def named(self, name: str) -> Format:
        """Return the format of that name. Raises DataError, listing them."""
        for one in self._all:
            if one.name == name:
                return one
        raise DataError(f"there is no format {name!r}: {self._list()}")

    def detect(self, path: Path | str) -> str:
        """Return the name of a file's format, told from names and content. Raises DataError listing all."""
        return self._detected(open_source(path)).name

    def parse(
        self,
        path: Path | str,
        format: str | None = None,  # noqa: A002
        *,
        person: str | None = None,
        date_order: DateOrder | None = None,
    ) -> Iterator[Row]:
        """Return the rows of a file, folder or zip file, read as they are asked for.

        format: None: `detect` it. person: whose rows, in a file that has several people's. date_order: what
        comes first in dates like 3/4/21, where the file does not show it. Raises DataError, at once when the
        file or the format cannot be used, later when a line spoils all that follow.
        """
        source = replace(open_source(path), date_order=date_order)
        chosen = self._detected(source) if format is None else self.named(format)
        return (_sound(row) for row in chain(_passed_over(source), chosen.parse(source, person)))

    def _detected(self, source: Source) -> Format:
        for one in self._all[:-1]:
            if _is(one, source):
                return one
        for unread in self._not_read:
            if _is(unread, source):
                raise DataError(f"is not read yet: {unread.name}, because {unread.because}", path=source.path)
        if _is(GENERIC, source):
            return GENERIC
        raise DataError(
            f"is of no format that can be imported. These are: {self._list()}; csv is any table with columns "
            "like title and date",
            path=source.path,
        )

    def _list(self) -> str:
        return ", ".join(one.name for one in self)


def _is(one: Format | NotRead, source: Source) -> bool:
    try:
        return one.detects(source)
    except DataError:  # too broken for this format: another may be meant
        return False


def _passed_over(source: Source) -> Iterator[Note]:
    """Say what was withdrawn over there, and so is not read."""
    if source.withdrawn:
        names = ", ".join(source.withdrawn[:4]) + (", ..." if len(source.withdrawn) > 4 else "")
        yield Note(f"{len(source.withdrawn)} files of what was deleted or is private were not read: {names}")


def _sound(row: Row) -> Row:
    """Return the row, or why its texts or numbers cannot be kept."""
    if not isinstance(row, ForeignEvent):
        return row
    texts = (
        row.title,
        row.creator,
        row.foreign_id,
        row.kind,
        row.whole,
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
