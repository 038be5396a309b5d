"""An export comes back exactly, is what its schema says, and does nothing in a spreadsheet."""

import csv
import json
import string
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.core.values import Event, Item
from confidante.device.importing import csv_safe, export_csv, read_export, write_export
from confidante.formats import own
from confidante.formats.own import (
    DepartureRecord,
    EventRecord,
    ExportedConsent,
    ItemRecord,
    Record,
    SettingRecord,
    WishRecord,
)
from confidante.packs.media import MEDIA

FORMATS = MEDIA.formats()
parse = FORMATS.parse

SCHEMA = Path(own.__file__).with_name("own.schema.json")
TRICKY = st.sampled_from(
    ["=1+1", "<script>alert(1)</script>", "@SUM(A1)", "a\nb\r\u2028c", "", "é\u0000\u202e"]
)
TEXT = st.text(max_size=30) | TRICKY
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(-(2**53), 2**53)
BYTES = st.binary(max_size=40)
JSON = st.none() | st.booleans() | COUNT | NUMBER | TEXT
RECORD = st.one_of(
    st.builds(ItemRecord, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT, st.booleans()),
    st.builds(EventRecord, TEXT, TEXT, NUMBER, st.none() | NUMBER, st.dictionaries(TEXT, TEXT, max_size=3)),
    st.builds(WishRecord, TEXT, TEXT, COUNT, NUMBER),
    st.builds(ExportedConsent, COUNT, TEXT, st.booleans(), NUMBER, TEXT, BYTES, BYTES),
    st.builds(
        DepartureRecord,
        COUNT,
        NUMBER,
        *(TEXT,) * 3,
        COUNT,
        BYTES,
        *(TEXT,) * 2,
        st.none() | BYTES,
        *(NUMBER,) * 2,
        TEXT,
        st.none() | NUMBER,
        TEXT,
        *(BYTES,) * 2,
    ),
    st.builds(
        SettingRecord, TEXT, JSON | st.lists(JSON, max_size=3) | st.dictionaries(TEXT, JSON, max_size=3)
    ),
)


@given(st.lists(RECORD, max_size=8), NUMBER)
def test_what_is_written_comes_back_and_fits_the_schema(
    tmp_path: Path, records: list[Record], made: float
) -> None:
    path = tmp_path / "own.jsonl"
    assert write_export(path, records, made=made) == len(records)
    assert list(read_export(path)) == records
    schema = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text("utf-8")))
    for line in path.read_bytes().split(b"\n")[:-1]:
        schema.validate(json.loads(line))


def test_the_schema_is_that_of_the_code_and_refuses_other_lines() -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    assert schema == json.loads(json.dumps(own.json_schema()))
    validator = jsonschema_rs.validator_for(schema)
    for line in ({"type": "item"}, {"type": "secret"}, {"type": "wish", "kind": "less", "subject": "x"}, []):
        assert not validator.is_valid(line)


def test_our_own_export_is_imported_as_any_other_file(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    records: list[Record] = [
        ItemRecord("m1", "Dunes", ("Drama",)),
        WishRecord("saved", "m1", 1, 1e9),
        EventRecord("m1", "view", 1e9, 2.5, {"place": "home"}),
    ]
    write_export(path, records, made=1e9)
    (row,) = parse(path)
    assert (row.title, row.foreign_id, row.at, row.value, dict(row.context)) == (  # type: ignore[union-attr]
        "Dunes",
        "m1",
        1e9,
        2.5,
        {"place": "home"},
    )


def test_a_number_or_a_letter_that_json_has_not_leaves_no_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    for record in (EventRecord("a", "b", float("nan")), EventRecord("\ud800", "b", 1.0)):
        with pytest.raises(DataError):
            write_export(path, [ItemRecord("a", "b"), record], made=0)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("{}\n", "is not an export of Confidante"),
        ('{"confidante":"export","version":2,"made":0}\n', "version 2"),
        ('{"confidante":"export","version":1,"made":0}\n{"type":"item"}\n', "is not a record"),
        ('{"confidante":"export","version":1,"made":0}\n{"type":"item","id":"a","ti', "is not a record"),
        ('{"confidante":"export","version":1,"made":0}\n' + "[" * 100_000, "is not a record"),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=problem):
        list(read_export(path))


@given(TEXT)
def test_no_text_starts_a_formula(text: str) -> None:
    safe = csv_safe(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe == text or safe == f"'{text}"
    assert text[:1] not in set(string.ascii_letters) or safe == text


def test_a_history_for_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    event = Event(1, "m1", "view", 1e9, -2.5, {"place": "home"})
    assert export_csv([(event, Item("m1", "=1+1"))], path) == 1
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["2001-09-09T01:46:40+00:00", "'=1+1", "m1", "view", "-2.5", "place: home"]
