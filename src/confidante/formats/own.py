"""Everything a person has here, as JSON lines that they can keep, read and import again.

First line: {"confidante": "export", "version": 1, "made": seconds since 1970}. Each further line is one
object whose "type" is item, event, seen, wish, consent, departure, spent or setting, as `own.schema.json`
says. Items stand before the events that name them.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from confidante.core.errors import DataError
from confidante.core.files import written_whole
from confidante.core.values import Event, Item
from confidante.formats.source import MAX_BYTES

VERSION = 1
_MAX_LINE = 64 << 20  # bytes; a description may be long
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class ItemRecord(msgspec.Struct, frozen=True, tag_field="type", tag="item", forbid_unknown_fields=True):
    """An item of the library. removed: no longer recommended. personal: known from the history only.

    url, image, creator, price (such as "4.50 EUR") and more (the pack's fields) are as in `Item`.
    """

    id: str
    title: str
    labels: tuple[str, ...] = ()
    description: str = ""
    removed: bool = False
    personal: bool = False
    url: str = ""
    image: str = ""
    creator: str = ""
    price: str = ""
    more: dict[str, Any] = {}


class EventRecord(msgspec.Struct, frozen=True, tag_field="type", tag="event", forbid_unknown_fields=True):
    """Something the person did with the item of that id. at: seconds since 1970, UTC."""

    item: str
    kind: str
    at: float
    value: float | None = None
    context: dict[str, str] = {}


class SeenRecord(msgspec.Struct, frozen=True, tag_field="type", tag="seen", forbid_unknown_fields=True):
    """The person had the item of that id, whatever events of it are here. at: when last, as in an event."""

    item: str
    at: float


class WishRecord(msgspec.Struct, frozen=True, tag_field="type", tag="wish", forbid_unknown_fields=True):
    """What the person said: kind less, never or saved with an item's id, or taste with a label."""

    kind: str
    subject: str
    level: int
    at: float


class ExportedConsent(
    msgspec.Struct, frozen=True, tag_field="type", tag="consent", forbid_unknown_fields=True
):
    """One switch of a purpose, with its receipt (JSON text) and its place in the chain (base64)."""

    number: int
    purpose: str
    granted: bool
    at: float
    record: str
    previous: bytes
    hash: bytes


class DepartureRecord(
    msgspec.Struct, frozen=True, tag_field="type", tag="departure", forbid_unknown_fields=True
):
    """Something that left the device, as the ledger has it; bytes in base64."""

    number: int
    at: float
    purpose: str
    task: str
    destination: str
    size: int
    digest: bytes
    content: str
    visible: str
    round: bytes | None
    epsilon: float
    delta: float
    state: str
    sent_at: float | None
    receipt: str
    previous: bytes
    hash: bytes


class SpentRecord(msgspec.Struct, frozen=True, tag_field="type", tag="spent", forbid_unknown_fields=True):
    """What a round cost that the device gave a vector to: it stays spent wherever the person goes on.

    id: of the round, base64; plan: digest of what was agreed to, base64; at: seconds since 1970, UTC.
    """

    id: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]
    task: str
    plan: Annotated[bytes, msgspec.Meta(max_length=64)]
    at: Annotated[float, msgspec.Meta(ge=0)]
    epsilon: Annotated[float, msgspec.Meta(ge=0)]
    delta: Annotated[float, msgspec.Meta(ge=0, lt=1)]


class SettingRecord(msgspec.Struct, frozen=True, tag_field="type", tag="setting", forbid_unknown_fields=True):
    """A setting, such as retention, no_profiling or budget; any JSON value."""

    name: str
    value: str | float | int | bool | list[Any] | dict[str, Any] | None


Record: TypeAlias = (
    ItemRecord
    | EventRecord
    | SeenRecord
    | WishRecord
    | ExportedConsent
    | DepartureRecord
    | SpentRecord
    | SettingRecord
)


class Heading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line."""

    confidante: Literal["export"]
    version: int
    made: float


def write_export(path: Path, records: Iterable[Record], *, made: float) -> int:
    """Write the file whole or not at all and return the number of records.

    made: seconds since 1970. Raises DataError when `path` cannot be written, or a record holds a number that
    JSON has not (infinite, not a number) or half a character.
    """
    count = 0
    encoder = msgspec.json.Encoder()
    with written_whole(path, private=True) as half, half.open("wb") as file:
        file.write(encoder.encode(Heading("export", VERSION, made)) + b"\n")
        for count, record in enumerate(records, 1):
            _check_numbers(record, path)
            try:
                file.write(encoder.encode(record) + b"\n")
            except UnicodeEncodeError:
                raise DataError(
                    f"record {count} contains half a character (a lone surrogate), which cannot be exported",
                    path=path,
                ) from None
    return count


def read_export(path: Path) -> Iterator[Record]:
    """Yield the records of an export, in order. Raises DataError, naming the line, when it is not one."""
    decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
    for number, line in enumerate(_lines(path), 1):
        try:
            if number == 1:
                heading = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=Heading)
                if heading.version != VERSION:
                    raise DataError(
                        f"has format version {heading.version}, not {VERSION}: use a newer confidante",
                        path=path,
                    )
            elif line.strip():
                yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            what = "is not an export of Confidante" if number == 1 else "is not a record of an export"
            raise DataError(f"{what} ({error}): export again", path=path, line=number) from None


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a line; `own.schema.json` beside this file holds the same."""
    (record, heading), parts = msgspec.json.schema_components(
        [Record, Heading], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of an export of Confidante, version 1",
        "anyOf": [heading, record],
        "$defs": parts,
    }


def csv_safe(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes before what could start one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def export_csv(rows: Iterable[tuple[Event, Item]], path: Path) -> int:
    """Write a history for a spreadsheet, whole or not at all, and return its rows. Raises DataError.

    Columns: time (ISO 8601, UTC), title, item, kind, value, context. Texts are made safe by `csv_safe`.
    """
    count = 0
    with (
        written_whole(path, private=True) as half,
        half.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("time", "title", "item", "kind", "value", "context"))
        for event, item in rows:
            count += 1
            context = "; ".join(f"{name}: {text}" for name, text in event.context.items())
            value = "" if event.value is None else repr(event.value)
            texts = (csv_safe(text) for text in (item.title, item.id, event.kind))
            time = datetime.fromtimestamp(event.at, UTC).isoformat()
            writer.writerow((time, *texts, value, csv_safe(context)))
    return count


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if path.stat().st_size > 4 * MAX_BYTES:
                raise DataError(f"holds more than {4 * MAX_BYTES >> 20} MB: it is not an export", path=path)
            empty = True
            while line := file.readline(_MAX_LINE):
                empty = False
                yield line
            if empty:
                raise DataError("is empty: it is not an export", path=path)
    except FileNotFoundError:
        raise DataError("there is no such file", path=path) from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from None


def _check_numbers(record: Record, path: Path) -> None:
    numbers = (getattr(record, name) for name in record.__struct_fields__)
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise DataError(f"a {type(record).__name__} holds a number that JSON cannot express", path=path)
