"""Lines, CSV rows and JSON entries of a member, bounded in size, each with its line or number."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from confidante.core.errors import DataError
from confidante.formats.records import Note, Skipped
from confidante.formats.source import MAX_LINE, Member
from confidante.formats.timestamps import DateOrder, evidence

NO_TIME = "a date that is not understood"
NO_TITLE = "a row without a title"
NOT_UTF8 = "not UTF-8 text"
ZERO_BYTE = "a zero byte in the row"
FIELDS = "fewer or more fields than the header"
NOT_JSON = "an entry that is not as this format has it"
_SEPARATORS = (",", ";", "\t", "|")
_MAX_COLUMNS = 1000
_MARK = b"\xef\xbb\xbf"  # of UTF-8

T = TypeVar("T")


def lines(member: Member, *, encodings: Sequence[str] = ("utf-8",)) -> Iterator[str]:
    """Yield the lines with their ends, whatever ends them. A byte that is no text becomes a half character.

    encodings: tried in turn on each line. Raises DataError for UTF-16 and for a line that is too long.
    """
    with member.open() as file:
        for number, raw in enumerate(_raw_lines(file, member), 1):
            line = raw.removeprefix(_MARK) if number == 1 else raw
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError("is UTF-16: save it as UTF-8", path=member.path, line=1)
            yield _decoded(line, encodings)


def csv_rows(
    member: Member, *, header: bool = True, separator: str | None = None
) -> Iterator[tuple[int, Mapping[str, str]] | Skipped]:
    """Yield (line, fields by column name in lower case) of each row; without a header, by "0", "1", ...

    separator: None: the one that the first line has most of. Blank lines are passed over. Raises DataError
    when quotes do not match, a line is too long or the header repeats a name.
    """
    text = lines(member)
    first = next(text, "")
    separator = separator or max(_SEPARATORS, key=first.count)
    reader = csv.reader(_again(first, text), delimiter=separator, strict=True)
    names: list[str] | None = None
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
        yield _row(start, names, fields)


def header_of(member: Member) -> list[str]:
    """Return the names in a CSV file's first line, in lower case, without quotes."""
    first = (member.head().removeprefix(b"\xef\xbb\xbf").splitlines() or [b""])[0].decode("utf-8", "replace")
    return [name.strip().strip('"').strip().lower() for name in first.split(",")]


def date_order(member: Member, column: str, path: Path) -> tuple[DateOrder, tuple[Note, ...]]:
    """Return what comes first in the dates of a CSV file, and what had to be assumed or was concluded."""
    order, needed = evidence(
        row[1].get(column, "") for row in csv_rows(member) if not isinstance(row, Skipped)
    )
    if not needed:
        return DateOrder.MONTH_FIRST, ()
    if order is None:
        text = f"dates like 3/4/21 in {path.name} can be read in two ways: taken as month/day/year"
        return DateOrder.MONTH_FIRST, (Note(text),)
    return order, (Note(f"dates read as {order.value}/year, as the file itself shows"),)


def json_entries(member: Member, kind: type[T]) -> Iterator[tuple[int, T] | Skipped]:
    """Yield (number, entry) of a JSON list, or of lines of JSON; entries of another shape as skipped.

    Raises DataError when it is neither, or is nested too deep.
    """
    decoder = msgspec.json.Decoder(kind)
    if not member.head().removeprefix(_MARK)[:64].lstrip().startswith(b"["):
        for number, line in enumerate(lines(member), 1):
            if line.strip():
                yield _entry(decoder, number, line)
        return
    try:
        entries = msgspec.json.decode(member.read().removeprefix(_MARK), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"is not JSON ({error}): download it again", path=member.path) from None
    except RecursionError:
        raise DataError("is nested too deeply for an export", path=member.path) from None
    for number, entry in enumerate(entries, 1):
        yield _entry(decoder, number, entry)


def _entry(
    decoder: msgspec.json.Decoder[T], number: int, entry: msgspec.Raw | str
) -> tuple[int, T] | Skipped:
    try:
        return number, decoder.decode(entry)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Skipped(NOT_JSON, number)


def _raw_lines(file: IO[bytes], member: Member) -> Iterator[bytes]:
    """Yield lines that end with a line feed, a carriage return or both."""
    number, rest = 0, b""
    while block := file.read(1 << 16):
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


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


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
