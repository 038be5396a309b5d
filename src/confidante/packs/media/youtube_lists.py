"""Channels that are followed and songs of the library, beside a YouTube history: tables without dates.

Takeout names their columns in the account's language, so they are told by what stands in them.
"""

import re
from collections.abc import Iterator
from itertools import islice

from confidante.core.errors import DataError
from confidante.formats.columns import UNDATED
from confidante.formats.records import ForeignEvent, Note, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TITLE, csv_rows

_CHANNEL = re.compile(r"UC[\w-]{22}")
_VIDEO = re.compile(r"[\w-]{11}")
_MOST = 200  # files of an archive


def lists_of(source: Source) -> list[tuple[Member, str]]:
    """Return the tables of an archive, folder or file, and the kind of event that each row of them is."""
    told = source.named("*.csv")[:_MOST]
    return [(member, kind) for member in told if (kind := _kind(member))]


def _kind(member: Member) -> str:
    rows = csv_rows(member, header=False)
    try:
        second = next(islice((list(row[1].values()) for row in rows if isinstance(row, tuple)), 1, None), [])
    except DataError:  # another table of the archive that is broken
        return ""
    if len(second) == 3 and _CHANNEL.fullmatch(second[0]) and second[0] in second[1]:
        return "subscribe"
    if len(second) > 3 and _VIDEO.fullmatch(second[0]) and second[1].strip() and "music" in member.base:
        return "favorite"
    return ""


def read_lists(source: Source) -> Iterator[Row]:
    """Yield what the tables hold, each row as long ago, since they have no dates."""
    for member, kind in lists_of(source):
        yield Note(f"{member.base} has no dates: taken as before all that have one")
        for row in islice(csv_rows(member, header=False), 1, None):
            if not isinstance(row, tuple):
                yield row
                continue
            line, fields = row[0], [field.strip() for field in row[1].values()]
            title, creator = (fields[2], "") if kind == "subscribe" else (fields[1], fields[3])
            if not title:
                yield Skipped(NO_TITLE, line)
                continue
            more = {"medium": "song"} if kind == "favorite" else {"medium": ""}
            yield ForeignEvent(title, UNDATED, kind, None, creator, fields[0], line, more=more)
