"""Lists in JSON by the names of their members: what a new exporter's file says, in some lines of data.

The sibling of `columns.py`. A path is names parted by full stops; within it `*` stands for every entry of a
list, a number for one of them, and `?name` for those whose member of that name is true.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from confidante.core.errors import DataError
from confidante.core.values import NO_CONTEXT
from confidante.formats.columns import UNDATED
from confidante.formats.records import ForeignEvent, Format, Note, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, json_entries
from confidante.formats.timestamps import parse_time
from confidante.formats.written_dates import parse_words

Entry = dict[str, Any]
_MOST_HEADS = 200  # of files in an archive of everything
_LONGEST_KIND = 40


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JsonTable:
    """A kind of list in JSON.

    needs: names of members that the beginning of the file has, parted by "|". entries: the path of the list;
    empty: the file is the list, or one entry a line. title, time, id, kind, creator, whole: paths of texts
    and numbers, parted by "|"; the first that an entry fills in counts. undated: the entries have no times
    and are taken as long ago. kinds: what a word at `kind` means; others stay as they are. default: the kind
    of an entry that says none. member: part of a file's name that is needed, too. passes: why an entry is
    none, or an empty text.
    """

    needs: str
    title: str
    time: str = ""
    undated: bool = False
    entries: str = ""
    id: str = ""
    kind: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    default: str = "view"
    creator: str = ""
    whole: str = ""
    member: str = ""
    passes: Callable[[Entry], str] = lambda _entry: ""

    def fits(self, member: Member) -> bool:
        """Whether a file is such a list, told by its name and its beginning."""
        if self.member not in member.base:
            return False
        head = member.head()
        return all(f'"{name}"'.encode() in head for name in self.needs.split("|"))


def json_format(name: str, what: str, *tables: JsonTable, more: Mapping[str, Any] = NO_CONTEXT) -> Format:
    """Return the format of files, folders and archives that hold such lists; each is read.

    more: fields of the pack that whatever such a file names has.
    """

    def chosen(source: Source) -> list[tuple[Member, JsonTable]]:
        found = source.named("*.json", "*.jsonl", "*.ndjson")[:_MOST_HEADS] or source.members[:1]
        fitting = ((m, next((table for table in tables if table.fits(m)), None)) for m in found)
        return [(member, table) for member, table in fitting if table is not None]

    def parse(source: Source, _: str | None) -> Iterator[Row]:
        members = chosen(source)
        if not members:
            needed = "; or ".join(table.needs.replace("|", ", ") for table in tables)
            raise DataError(f"has no JSON file with the members {needed}", path=source.path)
        for member, table in members:
            yield from read_list(member, table)

    return Format(name, what, lambda source: bool(chosen(source)), parse, more)


def read_list(member: Member, table: JsonTable) -> Iterator[Row]:
    """Yield the rows of one file. Raises DataError when it is not JSON."""
    count = 0
    for row in json_entries(member, Entry, table.entries):
        if isinstance(row, tuple):
            count += 1
            yield _event(*row, table)
        else:
            yield row
    if table.undated and count:
        yield Note(f"{count} entries of {member.base} have no date: taken as before all that have one")


def text_at(entry: object, paths: str) -> str:
    """Return what stands at the first of the paths that leads to anything; several, parted by a comma."""
    for path in paths.split("|") if paths else ():
        found = [str(value) for value in _at(entry, path.split(".")) if _is_text(value)]
        if any(found):
            return ", ".join(" ".join(text.split()) for text in found if text)
    return ""


def _is_text(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _at(value: object, path: list[str]) -> Iterator[object]:
    if not path:
        yield value
        return
    name, *rest = path
    if isinstance(value, dict):
        if name in value:
            yield from _at(value[name], rest)
    elif isinstance(value, list):
        chosen: list[object] = value
        if name.isdecimal():
            chosen = value[int(name) : int(name) + 1]
        elif name.startswith("?"):
            chosen = [one for one in value if isinstance(one, dict) and one.get(name[1:]) is True]
        for one in chosen:
            yield from _at(one, rest)


def _event(number: int, entry: Entry, table: JsonTable) -> Row:
    if reason := table.passes(entry):
        return Skipped(reason, number)
    title, time = text_at(entry, table.title), text_at(entry, table.time)
    if not title:
        return Skipped(NO_TITLE, number)
    written = parse_words(time) if time else None
    at = UNDATED if table.undated and not time else parse_time(time)
    at = written[0] if at is None and written is not None else at
    if at is None:
        return Skipped(NO_TIME, number)
    word = text_at(entry, table.kind)
    return ForeignEvent(
        title,
        at,
        table.kinds.get(word.lower(), word)[:_LONGEST_KIND] or table.default,
        None,
        text_at(entry, table.creator),
        text_at(entry, table.id),
        number,
        whole=text_at(entry, table.whole),
    )
