"""Tables by the names of their columns: what a new exporter's CSV says, in some lines of data.

A `Table` says which columns hold what; `table_format` makes a `Format` of one or several. Nothing that a row
says is lost because a rating or a price is not understood: it is kept without, and that is said.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, final

from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT
from confidante.formats.nested import json_rows, xml_rows
from confidante.formats.numbers import decimal_mark, no_value, read_price, read_rating
from confidante.formats.records import OTHERS, ForeignEvent, Format, Note, OnePerson, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, date_habits, header_of
from confidante.formats.written_dates import ANY, parse_words

UNDATED = 0.0
"""When what has no date happened, in formats that may leave it out: before all that has one."""

Fields = Mapping[str, str]
_BEGINS = {"json": (b"[", b"{"), "xml": (b"<",)}
_TRIED = 40  # files of an archive that are looked at before it is taken for another kind
Refine = Callable[[dict[str, str]], Iterable[dict[str, str] | str]]

_BETWEEN = re.compile(r"[\s_-]+")
_YEAR = re.compile(r"\d{4}")
_DONE = frozenset(
    [
        "complete",
        "completed",
        "finish",
        "finished",
        "done",
        "watch",
        "watched",
        "view",
        "viewed",
        "seen",
        "play",
        "played",
        "listened",
        "beaten",
        "mastered",
    ]
)
_RATED = frozenset({"rating", "rate", "rated", "review", "reviewed", "score"})
_LONGEST_KIND = 40
_NAMED = 5  # time zones
_WITHDRAWN = "deleted|is deleted|removed|is removed|withdrawn|private|is private|incognito|incognito mode"
_DELETED_AT = "deleted at|removed at|date deleted|date removed"
_YES = frozenset({"1", "true", "yes", "y", "x", "on"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A kind of CSV table. Names of columns are in lower case; `_`, `-` and blanks are one.

    needs: columns that tell the table, all of them, where "/" parts other names of one. lacks: columns that
    no such table has. adds: columns that `refine` makes. title, id, time, value, kind, creator, person, year,
    labels, whole, price, currency, pieces: which columns hold them, parted by "|"; the first that a row fills
    in counts. late: columns of a time that is taken where `time` is empty, as the day on which a book was
    added. undated: rows without any time are taken as long ago. scale: the best rating; 0 is then no rating.
    kinds: what a word of the column of kinds means; others stay as they are, None: the row is passed over.
    default: the kind of a row that says none. member: part of a file's name that is needed, too.
    refine: a row's fields -> fields of the rows that it stands for, or why it is none.
    more: a row's fields -> fields of the pack that what it names has.
    form: what the file is; inside: where the entries of JSON or XML are (`nested`). Names of needed fields
    are then as the file writes them.
    """

    needs: str
    title: str
    lacks: str = ""
    adds: str = ""
    time: str = ""
    late: str = ""
    undated: bool = False
    id: str = ""
    value: str = ""
    scale: float | None = None
    kind: str = ""
    kinds: Mapping[str, str | None] = field(default_factory=dict)
    default: str = "view"
    creator: str = ""
    person: str = ""
    year: str = ""
    labels: str = ""
    whole: str = ""
    price: str = ""
    currency: str = ""
    pieces: str = ""
    member: str = ""
    refine: Refine | None = None
    more: Callable[[Fields], Mapping[str, Any]] = lambda _: NO_CONTEXT
    form: Literal["csv", "json", "xml"] = "csv"
    inside: str = ""

    def fits(self, member: Member) -> bool:
        """Whether a file is such a table, told by its name and how it begins."""
        if self.member not in member.base:
            return False
        if self.form == "csv":
            there = {plain(name) for name in header_of(member)}
            needed = (set(need.split("/")) for need in _names(self.needs))
            return there.isdisjoint(_names(self.lacks)) and not any(map(there.isdisjoint, needed))
        head = member.head()
        begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in _BEGINS[self.form]
        quote = '"{}"' if self.form == "json" else "<{}>"
        return begins and all(quote.format(name).encode() in head for name in _names(self.needs))

    def rows(self, member: Member) -> Iterator[tuple[int, Fields] | Skipped | Note]:
        """Yield the rows of such a file."""
        if self.form == "csv":
            return csv_rows(member)
        read = json_rows if self.form == "json" else xml_rows
        return read(member, _names(self.inside))


@lru_cache(maxsize=1024)
def plain(name: str) -> str:
    """Return the name of a column as it is compared, without what an exporter puts behind a "#"."""
    return _BETWEEN.sub(" ", re.sub(r"(?<=\w)#.*", "", name)).strip().lower()


def table_format(
    name: str,
    what: str,
    *tables: Table,
    more: Mapping[str, Any] = NO_CONTEXT,
    one_each: bool = False,
) -> Format:
    """Return the format of files, folders and archives that hold such tables; each is read.

    more: fields of the pack that whatever such a file names has.
    one_each: what was watched in one table and rated in another is one event.
    """

    def chosen(source: Source, most: int | None = None) -> Iterator[tuple[Member, Table]]:
        likely = source.named("*.csv", "*.tsv", "*.json", "*.xml", "*.txt") or source.members[:1]
        for member in likely[:most]:
            table = next((table for table in tables if table.fits(member)), None)
            if table is not None:
                yield member, table

    def rows(source: Source, person: str | None) -> Iterator[Row]:
        members = list(chosen(source))
        if not members:
            needed = "; or ".join(", ".join(_names(table.needs)) for table in tables)
            raise DataError(f"has no file with {needed}", path=source.path)
        whose = OnePerson(person, str(source.path))
        for member, table in members:
            yield from read_table(member, table, source, whose)
        whose.check()

    def parse(source: Source, person: str | None) -> Iterator[Row]:
        return _one_each(rows(source, person)) if one_each else rows(source, person)

    return Format(name, what, lambda source: next(chosen(source, _TRIED), None) is not None, parse, more)


def _one_each(rows: Iterator[Row]) -> Iterator[Row]:
    """Give the newest event of what was both had and rated its newest rating: one event for both."""
    events: list[ForeignEvent] = []
    rated: dict[str, ForeignEvent] = {}
    for row in rows:
        if not isinstance(row, ForeignEvent):
            yield row
        elif row.kind != "rating":
            events.append(row)
        elif row.title not in rated or rated[row.title].at < row.at:
            rated[row.title] = row
    newest: dict[str, int] = {}
    for place, event in enumerate(events):
        had = plain(event.kind) in _DONE and event.title in rated
        if had and (event.title not in newest or events[newest[event.title]].at <= event.at):
            newest[event.title] = place
    for title, place in newest.items():
        rating = rated.pop(title)
        events[place] = replace(events[place], kind="rating", value=rating.value, scale=rating.scale)
    yield from events
    yield from rated.values()


def read_table(member: Member, table: Table, source: Source, whose: OnePerson) -> Iterator[Row]:
    """Yield the rows of one file."""
    yield from _Reading(member, table, source).rows(whose)


def _names(roles: str) -> list[str]:
    return roles.split("|") if roles else []


class _Reading:
    """One file that is being read: where its columns are, how it writes numbers, and what it left unsaid."""

    def __init__(self, member: Member, table: Table, source: Source) -> None:
        self._member, self._table = member, table
        made = (*_names(table.adds), *header_of(member)) if table.form == "csv" else ()
        own = {plain(name): name for name in made}
        self._columns = {
            role: [own.get(name, name) for name in _names(getattr(table, role)) if not own or name in own]
            for role in (
                *("title", "time", "late", "id", "value", "kind", "creator", "person", "year", "labels"),
                *("whole", "price", "currency", "pieces"),
            )
        }
        self._notes, self._habits = tuple[Note, ...](), ANY
        self._flags, self._gone = (
            [own.get(name, name) for name in _names(names) if not own or name in own]
            for names in (_WITHDRAWN, _DELETED_AT)
        )
        for column in (*self._columns["time"], *self._columns["late"])[:1] if own else ():
            self._habits, self._notes = date_habits(member, column, source)
        self._zones: dict[str, None] = {}
        self._mark = {role: self._decimal_mark(role) for role in ("value", "price")}
        self._late = self._undated = 0
        self._unread: dict[str, tuple[int, str, int]] = {}

    def rows(self, whose: OnePerson) -> Iterator[Row]:
        yield from self._notes
        for row in self._table.rows(self._member):
            if not isinstance(row, tuple):
                yield row
                continue
            line, fields = row
            if self._columns["person"] and not whose.has(self._said(fields, "person"), line):
                yield Skipped(OTHERS, line)
                continue
            for one in [fields] if self._table.refine is None else self._table.refine(dict(fields)):
                yield Skipped(one, line) if isinstance(one, str) else self._event(line, one)
        yield from self._doubts()

    def _said(self, fields: Fields, role: str) -> str:
        return next(
            (text for name in self._columns[role] if (text := " ".join(fields.get(name, "").split()))), ""
        )

    def _event(self, line: int, fields: Fields) -> Row:
        table = self._table
        title, year = self._said(fields, "title") or self._said(fields, "id"), self._said(fields, "year")
        if not title:
            return Skipped(NO_TITLE, line)
        word = self._said(fields, "kind")
        kind = "withdrawn" if self._withdrawn(fields) else table.kinds.get(word.lower(), word)
        if kind is None:
            return Skipped(f"{word[:_LONGEST_KIND].lower()}: it says nothing of the item", line)
        at = self._at(fields, had=plain(kind) in {"", "read", *_DONE})
        if at is None:
            return Skipped(NO_TIME, line)
        value, scale, kind = self._rating(fields, kind[:_LONGEST_KIND], line)
        context, kind = self._paid(fields, kind, line)
        if _YEAR.fullmatch(year) and f"({year})" not in title:
            title = f"{title} ({year})"
        return ForeignEvent(
            title,
            at,
            kind or table.default,
            value,
            self._said(fields, "creator"),
            self._said(fields, "id"),
            line,
            context,
            self._said(fields, "whole"),
            tuple(
                label for part in re.split(r"[|,;]", self._said(fields, "labels")) if (label := part.strip())
            ),
            scale,
            table.more(fields),
        )

    def _withdrawn(self, fields: Fields) -> bool:
        """Whether the person took the row back over there, or kept it to themselves."""
        flags = (fields.get(name, "").strip().lower() for name in self._flags)
        return any(flag in _YES for flag in flags) or any(fields.get(name, "").strip() for name in self._gone)

    def _at(self, fields: Fields, *, had: bool) -> float | None:
        said, late = (
            "" if (text := self._said(fields, role)).startswith("0000") else text for role in ("time", "late")
        )
        late = "" if said else late
        self._late += bool(late) and had
        if not (said or late) and self._table.undated:
            self._undated += 1
            return UNDATED
        written = parse_words(said or late, self._habits)
        if written is not None and written[1]:
            self._zones[written[1]] = None
        return None if written is None else written[0]

    def _rating(self, fields: Fields, kind: str, line: int) -> tuple[float | None, float | None, str]:
        """Return value and scale of a row, and its kind."""
        text = self._said(fields, "value")
        if no_value(text):
            return None, None, kind
        rating = read_rating(text, self._mark["value"])
        if rating is None:
            self._not_read("rating", text, line)
            return None, None, "seen" if plain(kind) in {"", *_RATED} else kind
        if rating.value == 0 and plain(kind) not in _RATED and (self._table.scale is not None or kind):
            return None, None, kind  # trackers write 0 for what was not rated
        if not kind or plain(kind) in _DONE:
            kind = "rating"
        return rating.value, rating.scale or self._table.scale, kind

    def _paid(self, fields: Fields, kind: str, line: int) -> tuple[dict[str, str], str]:
        """Return what a row says of a price, and its kind: a price is no rating, and makes a purchase."""
        text = self._said(fields, "price")
        if no_value(text):
            return {}, kind
        paid = read_price(text, self._mark["price"], self._said(fields, "currency"))
        if paid is None:
            self._not_read("price", text, line)
            return {"price": text[:_LONGEST_KIND]}, kind or "purchase"
        context = {"price": str(paid.price or f"{paid.amount:f}")}
        pieces = self._said(fields, "pieces") or (str(paid.pieces) if paid.pieces > 1 else "")
        if pieces:
            context["pieces"] = pieces[:_LONGEST_KIND]
        return context, kind or ("refunded" if paid.amount < 0 else "purchase")

    def _decimal_mark(self, role: str) -> str | None:
        if not self._columns[role]:
            return None
        if self._table.form != "csv":
            return "."  # as programs write numbers
        rows = csv_rows(self._member)
        return decimal_mark(self._said(row[1], role) for row in rows if isinstance(row, tuple))

    def _not_read(self, what: str, text: str, line: int) -> None:
        count, first, where = self._unread.get(what, (0, text, line))
        self._unread[what] = (count + 1, first, where)

    def _doubts(self) -> Iterator[Note]:
        for zone in list(self._zones)[:_NAMED]:
            yield Note(f"the time zone {zone!r} is not known: its times are taken as UTC")
        for what, (count, text, line) in self._unread.items():
            yield Note(
                f"{count} rows have a {what} that is not understood, such as {text[:_LONGEST_KIND]!r} in "
                f"line {line}: they are kept without it"
            )
        if self._late:
            yield Note(
                f"{self._late} rows have no date of their own: taken from {self._columns['late'][0]!r}"
            )
        if self._undated:
            yield Note(f"{self._undated} rows have no date: taken as before all that have one")
