"""Delimited text files, plain or gzip, read fast when well-formed and line by line when not.

The fast path (polars) is taken only when counting separators and lines proves that every row has exactly
the expected fields, and quotes stand around whole fields only; anything else goes through the line-by-line
path, which either reads the file as well or names the line that is wrong.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from confidante.core.errors import DataError
from confidante.lab.data.dataset import Tally

MAX_BYTES = 4 << 30  # unpacked; a lab machine holds the file in memory
_GZIP = b"\x1f\x8b"
_UNIT = "\x1f"  # stands in for separators of several characters


@final
@dataclass(frozen=True, slots=True, eq=False)
class TextTable:
    """Columns of text by name, with the 1-based line each row starts in (int64 [rows])."""

    path: Path
    columns: dict[str, pl.Series]
    lines: NDArray[np.int64]
    skipped: tuple[Tally, ...]


def read_bytes(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Return a file's content, unpacked when it is gzip. Raises DataError when that cannot be done."""
    try:
        with path.open("rb") as file:  # once: a pipe cannot be read again
            packed = file.peek(2).startswith(_GZIP)
            raw = (gzip.GzipFile(fileobj=file) if packed else file).read(limit + 1)
    except FileNotFoundError:
        raise DataError("there is no such file", path=path) from None
    except IsADirectoryError:
        raise DataError("is a directory: name a file", path=path) from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"cannot be read ({error})", path=path) from None
    if len(raw) > limit:
        raise DataError(f"holds more than {limit:,} bytes: split it", path=path)
    if not raw.strip():
        raise DataError("is empty", path=path)
    return raw


def read_utf8(path: Path, encoding: str = "utf-8", *, limit: int = MAX_BYTES) -> bytes:
    """Return a text file as UTF-8 bytes without a byte order mark. Raises DataError, naming the line."""
    raw = read_bytes(path, limit=limit)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("is UTF-16: save it as UTF-8", path=path, line=1)
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise DataError("is not text (it has a zero byte): give a text file", path=path, line=line)
    if encoding != "utf-8":
        return raw.decode(encoding).encode()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError("is not UTF-8: save the file as UTF-8", path=path, line=line) from None
    return raw.removeprefix(b"\xef\xbb\xbf")


def read_table(
    path: Path,
    wanted: Sequence[str],
    *,
    separator: str = ",",
    header: bool = True,
    quotes: bool = False,
    encoding: str = "utf-8",
) -> TextTable:
    """Return the columns of a delimited file.

    wanted: names that must be there; without a header, the names of all columns in order. Header names are
    compared in lower case and without a `:type` suffix; more columns than wanted are kept. Blank lines are
    skipped and counted. Raises DataError with the line of the first row that has too few or many fields.
    """
    raw = read_utf8(path, encoding)
    if len(separator) > 1:
        raw = raw.replace(separator.encode(), _UNIT.encode())
    unit = _UNIT if len(separator) > 1 else separator
    names = _names(path, raw, wanted, unit, separator) if header else list(wanted)
    fast = _read_fast(raw, names, unit, header=header, quotes=quotes)
    if fast is not None:
        first = 2 if header else 1
        lines = np.arange(first, first + len(fast[0]), dtype=np.int64)
        return TextTable(path, dict(zip(names, fast, strict=True)), lines, ())
    return _read_slow(path, raw.decode(), names, unit, header=header, quotes=quotes)


def _names(path: Path, raw: bytes, wanted: Sequence[str], unit: str, separator: str) -> list[str]:
    """Return the header's names, or say what is the matter with it."""
    first = raw[: raw.find(b"\n") + 1 or None].decode().splitlines()[0] if raw[:1] not in b"\r\n" else ""
    names = [name.strip().strip('"').split(":")[0].strip().lower() for name in first.split(unit)]
    missing = [name for name in wanted if name not in names]
    expected = separator.join(wanted)
    if missing and len(names) == 1:
        other = next((s for s in (";", "\t", "::", ",", "|") if s != separator and s in first), None)
        if other is not None:
            raise DataError(
                f"fields seem to be separated by {other!r}: separate them by {separator!r}", path=path, line=1
            )
    if missing:
        raise DataError(
            f"the header lacks {', '.join(missing)}: let the first line be {expected!r}", path=path, line=1
        )
    if len(set(names)) != len(names):
        raise DataError("the header repeats a name: give each column its own", path=path, line=1)
    return names


def _read_fast(
    raw: bytes, names: list[str], unit: str, *, header: bool, quotes: bool
) -> list[pl.Series] | None:
    """Return the columns, or None when the file is not provably regular."""
    rows = raw.count(b"\n") + (not raw.endswith(b"\n"))
    regular = (
        len(names) > 1
        and _rectangular(raw, unit, len(names))
        and b"\n\n" not in raw
        and raw.count(b"\r") == raw.count(b"\r\n")
        and not raw.startswith((b"\n", b"\r"))
    )
    if not regular or rows == header:
        return None
    try:
        frame = pl.read_csv(
            raw,
            has_header=False,
            skip_rows=0,
            separator=unit,
            quote_char=None,
            schema=dict.fromkeys(names, pl.String),
        )
    except (pl.exceptions.PolarsError, ValueError):
        return None  # the slow path finds the line
    if len(frame) != rows:
        return None
    columns = [column.slice(int(header)).fill_null("") for column in frame.get_columns()]
    return _unquoted(columns) if quotes and b'"' in raw else columns


def _rectangular(raw: bytes, unit: str, width: int) -> bool:
    """Whether every line has `width` fields. Readers pad short rows and cut empty ends: they cannot tell."""
    data = np.frombuffer(raw, dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if not raw.endswith(b"\n"):
        ends = np.append(ends, len(data))
    before = np.searchsorted(np.flatnonzero(data == ord(unit)), ends)
    return bool((np.diff(before, prepend=0) == width - 1).all())


def _unquoted(columns: list[pl.Series]) -> list[pl.Series] | None:
    """Return columns without the quotes around whole fields, or None when quotes do anything else.

    A quoted separator or line end would have left a field with one quote only.
    """
    out: list[pl.Series] = []
    for column in columns:
        quoted = column.str.contains('"', literal=True)
        if not (column.str.contains(r'^"[^"]*"$') | ~quoted).all():
            return None
        out.append(column.str.strip_chars('"') if quoted.any() else column)
    return out


def _read_slow(
    path: Path, text: str, names: list[str], unit: str, *, header: bool, quotes: bool
) -> TextTable:
    """Return the same table line by line, or raise DataError for the first malformed line."""
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    blank: list[int] = []
    width = len(names)
    for line, fields in _records(path, text, unit, quotes=quotes):
        if len(fields) == width and (width > 1 or fields[0].strip()):
            rows.append(tuple(fields))  # the collector lets go of tuples of text, never of lists
            lines.append(line)
        elif not fields or (len(fields) == 1 and not fields[0].strip()):
            blank.append(line)
        else:
            raise DataError(
                f"has {len(fields)} fields, expected {width} ({', '.join(names)}): correct or remove it",
                path=path,
                line=line,
            )
    del rows[: int(header)], lines[: int(header)]
    columns = list(zip(*rows, strict=True)) or [()] * width
    series = {name: pl.Series(column, dtype=pl.String) for name, column in zip(names, columns, strict=True)}
    skipped = (Tally("blank line", len(blank), blank[0]),) if blank else ()
    return TextTable(path, series, np.asarray(lines, dtype=np.int64), skipped)


def _records(path: Path, text: str, unit: str, *, quotes: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each record; a quoted field may span lines."""
    if not quotes:
        for line, content in enumerate(text.removesuffix("\n").split("\n"), 1):
            yield line, content.removesuffix("\r").split(unit)
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=unit, strict=True)
    line = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"is not proper CSV ({error}): correct the quotes", path=path, line=line
            ) from None
        yield line, fields
        line = reader.line_num + 1


def parse_times(texts: pl.Series) -> NDArray[np.float64]:
    """Return seconds since 1970 (UTC), float64 [rows]; NaN where a text is no time.

    A number is seconds, whole or with a fraction; anything else is read as ISO 8601. A time without an offset
    is taken to be UTC.
    """
    texts = texts.str.strip_chars()
    numbers = texts.cast(pl.Float64, strict=False)
    if not numbers.has_nulls():
        return numbers.to_numpy().astype(np.float64)
    stamps = texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    seconds = numbers.fill_null(stamps.dt.timestamp("us").cast(pl.Float64) / 1e6)
    out = seconds.fill_null(np.nan).to_numpy().astype(np.float64)
    for row in seconds.is_null().arg_true().to_list():
        out[row] = _parse_iso(texts[row])
        if np.isnan(out[row]):
            break  # one unreadable time is enough to refuse a file
    return out


def _parse_iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return np.nan
