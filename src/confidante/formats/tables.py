"""Lines, CSV rows and JSON entries of a member, bounded in size, each with its line or number."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import IO, TypeVar

import msgspec

from confidante.core.errors import DataError
from confidante.core.text import shown
from confidante.formats.records import Note, Skipped
from confidante.formats.source import MAX_LINE, Member, Source
from confidante.formats.timestamps import DateOrder, ambiguous, evidence, parse_time
from confidante.formats.written_dates import Habits, habits_of

NO_TIME = "a date that is not understood"
NO_TITLE = "a row without a title"
NOT_UTF8 = "not UTF-8 text"
ZERO_BYTE = "a zero byte in the row"
FIELDS = "fewer or more fields than the header"
NOT_JSON = "an entry that is not as this format has it"
_SEPARATORS = (",", ";", "\t", "|")
_MAX_COLUMNS = 1000
_LOOKED_AT = 5_000  # rows that show how dates are written in words
_MARK = b"\xef\xbb\xbf"  # of UTF-8
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_RUN = re.compile(
    rb"[\x80-\xff]{4}"
)  # in one byte a letter, Western languages have fewer marked ones in a row
_WESTERN = Note(
    "is not UTF-8 everywhere: such rows were read as Western European (Windows-1252). If names look wrong, "
    "save the file as UTF-8 and import it again"
)
_MENDED = Note("texts that somebody had read in the wrong encoding (\u00c3\u00a9 for \u00e9) were mended")

T = TypeVar("T")


def lines(member: Member, *, encodings: Sequence[str] = ("utf-8",)) -> Iterator[str]:
    """Yield the lines with their ends, whatever ends them. A byte that is no text becomes a half character.

    encodings: tried in turn on each line; UTF-16 is told by its mark. Raises DataError for a line that is too
    long.
    """
    with member.open() as file:
        for number, raw in enumerate(_raw_lines(_blocks(file), member), 1):
            yield _decoded(raw.removeprefix(_MARK) if number == 1 else raw, encodings)


def csv_rows(
    member: Member, *, header: bool = True, separator: str | None = None
) -> Iterator[tuple[int, Mapping[str, str]] | Skipped | Note]:
    """Yield (line, fields by column name in lower case) of each row; without a header, by "0", "1", ...

    separator: None: the one that the first line has most of. Blank lines are passed over. A line that is not
    UTF-8 is read as Windows-1252 where it can be that; texts that were read so by mistake before are mended;
    either is said once, by a note. Raises DataError when quotes do not match, a line is too long or the
    header repeats a name.
    """
    said: dict[Note, None] = {}
    text = _western(lines(member), said)
    first = next(text, "")
    separator = separator or separator_of(first)
    reader = csv.reader(chain([first], text), delimiter=separator, strict=True)
    names: list[str] | None = None
    told = 0
    while True:
        start = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"the quotes are wrong ({error}): correct them", path=member.path, line=start
            ) from None
        if not any(field.strip() for field in fields):
            continue
        if names is None:
            names = _names(member, fields) if header else [str(k) for k in range(len(fields))]
            if header:
                continue
        mended = [_mended(field) for field in fields]
        if mended != fields:
            said[_MENDED] = None
        yield from list(said)[told:]
        told = len(said)
        yield _row(start, names, mended)


def separator_of(line: str) -> str:
    """Return what parts the fields of a CSV file's first line."""
    return max(_SEPARATORS, key=line.count)


def header_of(member: Member) -> list[str]:
    """Return the names in a CSV file's first line, in lower case, without quotes."""
    head = b"".join(_blocks([member.head()])).removeprefix(_MARK).splitlines() or [b""]
    first = head[0].decode("utf-8", "replace")
    return [name.strip().strip('"').strip().lower() for name in first.split(separator_of(first))]


def date_habits(member: Member, column: str, source: Source) -> tuple[Habits, tuple[Note, ...]]:
    """Return how a CSV file writes the dates of a column, and how that is known or what was assumed.

    Raises DataError where dates can be read in two ways and neither the file nor the person says which.
    """
    order, notes = _date_order(member, column, source)
    rows = (row[1].get(column, "") for row in csv_rows(member) if isinstance(row, tuple))
    texts = [text for text in islice(rows, _LOOKED_AT) if text.strip()]
    if all(parse_time(text, order) is not None for text in texts):
        return Habits(order), notes
    habits, said = habits_of(texts, order)
    return replace(habits, order=order), (*notes, *map(Note, said))


def _date_order(member: Member, column: str, source: Source) -> tuple[DateOrder, tuple[Note, ...]]:
    """Return what comes first in the dates of a CSV file, and how that is known.

    Raises DataError where dates can be read in two ways and neither the file nor the person says which.
    """
    order, needed = evidence(row[1].get(column, "") for row in csv_rows(member) if isinstance(row, tuple))
    if not needed:
        return DateOrder.MONTH_FIRST, ()
    if order is not None:
        return order, (Note(f"dates read as {order.whole}, as the file itself shows"),)
    if source.date_order is not None:
        return source.date_order, (Note(f"dates read as {source.date_order.whole}, as you said"),)
    example = next(
        text
        for row in csv_rows(member)
        if isinstance(row, tuple) and ambiguous(text := row[1].get(column, "").strip())
    )
    raise which_order(member, example)


def which_order(member: Member, example: str) -> DataError:
    """Return the error that asks what comes first in a file's dates, of which one is given."""
    return DataError(
        f"has dates like {shown(example)} that can be read in two ways, and no other that shows which is "
        "right. Say which: --date-order day/month (or month/day, year/month) on the command line, "
        "date_order= in Python",
        path=member.path,
    )


def json_entries(member: Member, kind: type[T], within: str = "") -> Iterator[tuple[int, T] | Skipped]:
    """Yield (number, entry) of a JSON list, or of lines of JSON; entries of another shape as skipped.

    within: where in the file the list is: names parted by full stops, `*` for every entry of a list.
    Raises DataError when there is none, or it is nested too deep.
    """
    decoder = msgspec.json.Decoder(kind)
    if not within and not member.head().removeprefix(_MARK)[:64].lstrip().startswith(b"["):
        for number, line in enumerate(lines(member), 1):
            if line.strip():
                yield _entry(decoder, number, line)
        return
    try:
        entries = list(
            _lists(msgspec.Raw(member.read().removeprefix(_MARK)), within.split(".") if within else [])
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"is not JSON ({error}): download it again", path=member.path) from None
    except RecursionError:
        raise DataError("is nested too deeply for an export", path=member.path) from None
    for number, entry in enumerate(entries, 1):
        yield _entry(decoder, number, entry)


def _lists(text: msgspec.Raw, path: Sequence[str]) -> Iterator[msgspec.Raw]:
    """Yield the entries of the lists at a path."""
    if not path:
        yield from msgspec.json.decode(text, type=list[msgspec.Raw])
    elif path[0] == "*":
        for entry in msgspec.json.decode(text, type=list[msgspec.Raw]):
            yield from _lists(entry, path[1:])
    elif (inner := msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get(path[0])) is not None:
        yield from _lists(inner, path[1:])


def _entry(
    decoder: msgspec.json.Decoder[T], number: int, entry: msgspec.Raw | str
) -> tuple[int, T] | Skipped:
    try:
        return number, decoder.decode(entry)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Skipped(NOT_JSON, number)


def _blocks(file: Iterable[bytes] | IO[bytes]) -> Iterator[bytes]:
    """Yield a file block by block, as UTF-8 where its mark says that it is UTF-16."""
    blocks = iter(lambda: file.read(1 << 16), b"") if hasattr(file, "read") else iter(file)
    first = next(blocks, b"")
    if not first.startswith(_UTF16):
        yield from chain([first] if first else [], blocks)
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for block in chain([first], blocks):
        if text := decoder.decode(block):
            yield text.encode("utf-8", "surrogatepass")
    if text := decoder.decode(b"", final=True):
        yield text.encode("utf-8", "surrogatepass")


def _western(text: Iterable[str], said: dict[Note, None]) -> Iterator[str]:
    """Yield lines, those that are not UTF-8 as Windows-1252 where that can be."""
    for line in text:
        if line.isascii() or text_problem(line) != NOT_UTF8:
            yield line
            continue
        raw = line.encode("utf-8", "surrogateescape")
        try:
            read = line if _RUN.search(raw) else raw.decode("cp1252")
        except UnicodeDecodeError:
            read = line
        if read is not line:
            said[_WESTERN] = None
        yield read


def _mended(text: str) -> str:
    """Return a text as it was before it was read as Windows-1252 while it was UTF-8; any other as it is."""
    while not text.isascii():
        try:
            before = b"".join(_BYTES.get(char) or char.encode("cp1252") for char in text).decode()
        except UnicodeError:
            break
        if _CONTROLS.search(before):
            break
        text = before
    return text


_CONTROLS = re.compile("[\x80-\x9f]")
_BYTES = {chr(byte): bytes([byte]) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}  # that Windows-1252 lacks


def _raw_lines(blocks: Iterable[bytes], member: Member) -> Iterator[bytes]:
    """Yield lines that end with a line feed, a carriage return or both."""
    number, rest = 0, b""
    for block in blocks:
        block = rest + block
        held = block.endswith(b"\r")  # a line feed may follow in the next block
        found = (block[:-1] if held else block).splitlines(keepends=True)
        if held and found and not found[-1].endswith((b"\n", b"\r")):
            found[-1] += b"\r"
        elif held:
            found.append(b"\r")
        rest = found.pop()
        for line in found:
            number += 1
            yield line
        if len(rest) > MAX_LINE:
            raise DataError(
                f"has a line of more than {MAX_LINE >> 20} MB: it is not an export",
                path=member.path,
                line=number + 1,
            )
    yield from rest.splitlines(keepends=True)


def _decoded(line: bytes, encodings: Sequence[str]) -> str:
    for encoding in encodings:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "surrogateescape")


def text_problem(*fields: str) -> str | None:
    """Return why fields cannot be kept as text, or None."""
    joined = "".join(fields)
    if "\0" in joined:
        return ZERO_BYTE
    try:
        joined.encode()
    except UnicodeEncodeError:
        return NOT_UTF8
    return None


def _names(member: Member, fields: Sequence[str]) -> list[str]:
    names = [field.strip().lower() for field in fields]
    if len(names) > _MAX_COLUMNS or len(set(names)) != len(names):
        raise DataError("the header repeats a column name or has too many columns", path=member.path, line=1)
    return names


def _row(line: int, names: Sequence[str], fields: Sequence[str]) -> tuple[int, Mapping[str, str]] | Skipped:
    if len(fields) != len(names):
        return Skipped(FIELDS, line)
    problem = text_problem(*fields)
    return Skipped(problem, line) if problem else (line, dict(zip(names, fields, strict=True)))
