import contextlib
import gzip
import os
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from confidante.core.errors import DataError
from confidante.lab.data import text
from confidante.lab.data.csv_files import load_csv
from confidante.lab.data.dataset import Dataset
from confidante.lab.data.text import parse_times

HEADER = "user,item,timestamp\n"


def write(folder: Path, content: str | bytes, name: str = "train.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def histories_of(data: Dataset) -> dict[str, list[tuple[str, int]]]:
    h = data.histories
    return {
        user: [
            (data.catalogue.ids[i], int(t))
            for i, t in zip(
                h.items[h.indptr[p] : h.indptr[p + 1]], h.times[h.indptr[p] : h.indptr[p + 1]], strict=True
            )
        ]
        for p, user in enumerate(data.user_ids)
    }


def counts(data: Dataset) -> dict[str, tuple[int, int | None]]:
    return {t.what: (t.count, t.first_line) for t in (*data.report.skipped, *data.report.notes)}


def test_people_and_items_keep_the_order_in_which_they_first_appear(tmp_path):
    data = load_csv(write(tmp_path, HEADER + "b,y,1\na,x,2\nb,x,3\n"))
    assert data.user_ids == ("b", "a")
    assert data.catalogue.ids == ("y", "x")
    assert histories_of(data) == {"b": [("y", 1), ("x", 3)], "a": [("x", 2)]}
    assert data.report.read == data.report.kept == 3
    assert data.report.notes == ()


def test_the_items_file_comes_first_and_unknown_items_are_kept_and_counted(tmp_path):
    items = write(tmp_path, 'item,title,labels\nz,"Zed, the film",Drama| Comedy |Drama|\ny,,\n', "items.csv")
    data = load_csv(write(tmp_path, HEADER + "a,x,1\na,y,2\n"), items)
    assert data.catalogue.ids == ("z", "y", "x")
    assert data.catalogue.titles == ("Zed, the film", "y", "x")
    assert data.catalogue.labels == (("Drama", "Comedy"), (), ())
    assert counts(data) == {"items not in the items file, kept without features; rows": (1, 2)}


def test_equal_times_keep_file_order_and_unsorted_rows_are_sorted_and_counted(tmp_path):
    data = load_csv(write(tmp_path, HEADER + "a,p,5\na,q,5\na,r,4\na,s,5\n"))
    assert histories_of(data)["a"] == [("r", 4), ("p", 5), ("q", 5), ("s", 5)]
    assert counts(data) == {"rows earlier than the person's row before them, sorted": (1, 4)}


@pytest.mark.parametrize(
    ("repeats", "left", "skips"),
    [
        (
            "all",
            [("x", 1), ("x", 2), ("x", 3)],
            {"repeats the user, item and timestamp of another row": (1, 4)},
        ),
        (
            "first",
            [("x", 1)],
            {
                "repeats the user, item and timestamp of another row": (1, 4),
                "the person met the item before": (2, 2),
            },
        ),
    ],
)
def test_repeats_are_kept_or_skipped_as_asked_and_exact_duplicates_always_skipped(
    tmp_path, repeats, left, skips
):
    data = load_csv(write(tmp_path, HEADER + "a,x,3\na,x,1\na,x,1\na,x,2\n"), repeats=repeats)
    assert histories_of(data)["a"] == left
    assert {t.what: (t.count, t.first_line) for t in data.report.skipped} == skips
    assert data.report.read == data.report.kept + sum(t.count for t in data.report.skipped)


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("0", 0), ("-5", -5), ("1.9", 1), ("-0.5", -1), ("1e3", 1000), (" 7 ", 7),
        ("1970-01-02", 86400), ("1970-01-01T00:00:01Z", 1), ("1970-01-01 00:00:01", 1),
        ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:01.75Z", 1), ("1970-01-01T00:00", 0),
    ],
)  # fmt: skip
def test_a_timestamp_is_seconds_or_iso_8601(tmp_path, stamp, seconds):
    for other in ("1", "1970-01-01T00:00:01Z"):  # alone in its form, or mixed with another
        data = load_csv(write(tmp_path, HEADER + f"a,x,{stamp}\nb,x,{other}\n"))
        assert data.histories.times.tolist() == [seconds, 1]


def test_fractions_of_a_second_decide_the_order(tmp_path):
    data = load_csv(write(tmp_path, HEADER + "a,x,1.9\na,y,1.2\n"))
    assert histories_of(data)["a"] == [("y", 1), ("x", 1)]


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("", None, "is empty"),
        (" \n\n", None, "is empty"),
        (HEADER, None, "no interactions"),
        ("a,x,1\nb,y,2\n", 1, "header lacks user, item, timestamp"),
        ("user;item;timestamp\na;x;1\n", 1, "seem to be separated by ';'"),
        ("user\titem\ttimestamp\na\tx\t1\n", 1, "separated by"),
        ("user,item\na,x\n", 1, "lacks timestamp"),
        ("user,item,timestamp,user\na,x,1,b\n", 1, "repeats a name"),
        (HEADER + "a,x,1\nb,y\n", 3, "has 2 fields, expected 3"),
        (HEADER + "a,x,1\n\nb,y,1,9\n", 4, "has 4 fields, expected 3"),
        (HEADER + "a,x\nb,y,1,1\n", 2, "has 2 fields"),
        (HEADER + "a,x,1\n,y,1\n", 3, "user is empty"),
        (HEADER + "a,,1\n", 2, "item is empty"),
        (HEADER + "a, x,1\n", 2, "blanks around it"),
        (HEADER + "a,x\x1b,1\n", 2, "control characters"),
        (HEADER + "a," + "x" * 600 + ",1\n", 2, "600 characters"),
        (HEADER + "a,x,\n", 2, "timestamp is not a time"),
        (HEADER + "a,x,1\na,y,nan\n", 3, "timestamp is not a time"),
        (HEADER + "a,x,inf\n", 2, "timestamp is not a time"),
        (HEADER + "a,x,yesterday\n", 2, "timestamp is not a time"),
        (HEADER + "a,x,1700000000000\n", 2, "1700000000000 is beyond the year 9999"),
        (HEADER + "a,x,-1e300\n", 2, "timestamp -1e+300 is beyond"),
        ("user,item,timestamp,value\na,x,1,nan\n", 2, "value 'nan' is not a finite number"),
        ("user,item,timestamp,value\na,x,1,\na,y,1,good\n", 3, "value 'good'"),
        ((HEADER + "a,x,1\nb,caf").encode() + b"\xe9,1\n", 3, "not UTF-8"),
        (HEADER.encode("utf-16"), 1, "UTF-16"),
        (HEADER.encode() + b"a,x,1\n\0\0,y,1\n", 3, "zero byte"),
        (HEADER + 'a,"x,1\n', 2, "not proper CSV"),
        (HEADER + 'a,"x"y,1\n', 2, "not proper CSV"),
        (HEADER + 'a,"' + "x" * 200_000 + '",1\n', 2, "200,000 characters"),
        (HEADER + 'a,"""' + "x" * 200_000 + '",1\n', 2, "not proper CSV"),
        (b"\x1f\x8bgarbage", None, "cannot be read"),
        (gzip.compress(HEADER.encode() * 9, mtime=0)[:-9], None, "cannot be read"),
    ],
)  # fmt: skip
def test_bad_input_gives_one_error_that_names_the_file_and_line(tmp_path, content, line, says):
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        load_csv(path)
    assert caught.value.line == line
    assert caught.value.path == path
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_like_a_file(tmp_path, pack):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(pack((HEADER + "a,x,1\nb,y,2\n").encode()),))
    writer.start()
    data = load_csv(pipe)
    writer.join()
    assert histories_of(data) == {"a": [("x", 1)], "b": [("y", 2)]}


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_csv(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is a directory"):
        load_csv(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        load_csv("a\0b")


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("item,title,labels\nx,X,\ny,Y,\nx,Z,\n", 4, "already given in line 2"),
        ("item,title,labels\n,X,\n", 2, "item is empty"),
        ("item,title,labels\nx,\x1b[31mred,\n", 2, "control characters"),
        ("item,title\nx,X\n", 1, "lacks labels"),
    ],
)
def test_a_bad_items_file_is_named_with_the_line(tmp_path, content, line, says):
    items = write(tmp_path, content, "items.csv")
    with pytest.raises(DataError) as caught:
        load_csv(write(tmp_path, HEADER + "a,x,1\n"), items)
    assert (caught.value.path, caught.value.line) == (items, line)
    assert says in str(caught.value)


def test_gzip_byte_order_mark_carriage_returns_blank_lines_and_further_columns_are_understood(tmp_path):
    content = "\ufeffUser,note,Item,Timestamp\r\na,hello,x,1\r\n\r\nb,,y,2"
    data = load_csv(write(tmp_path, gzip.compress(content.encode()), "train.csv.gz"))
    assert histories_of(data) == {"a": [("x", 1)], "b": [("y", 2)]}
    assert counts(data) == {"blank line": (1, 3), "column 'note' ignored; rows": (2, None)}
    assert data.report.read == 3


def test_one_person_with_one_item_is_a_data_set(tmp_path):
    data = load_csv(write(tmp_path, HEADER + "a,x,1"))
    assert (data.histories.people, len(data.catalogue)) == (1, 1)


ids = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
events = st.lists(st.tuples(ids, ids, st.integers(-(2**37), 2**37)), min_size=1, max_size=30)


@given(events)
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    quoted = "".join(
        f'"{u.replace(chr(34), chr(34) * 2)}","{i.replace(chr(34), chr(34) * 2)}",{t}\n' for u, i, t in rows
    )
    data = load_csv(write(tmp_path_factory.mktemp("csv"), HEADER + quoted), repeats="all")
    expected: dict[str, list[tuple[str, int]]] = {}
    for user, item, time in dict.fromkeys(rows):
        expected.setdefault(user, []).append((item, time))
    assert histories_of(data) == {u: sorted(e, key=lambda event: event[1]) for u, e in expected.items()}
    assert data.report.kept == len(set(rows))


@given(st.one_of(
    st.binary(max_size=200),
    st.text(st.sampled_from('a1,"\n\r\t;x.-TZ:é\0 '), max_size=60).map(lambda s: (HEADER + s).encode()),
    st.binary(max_size=60).map(lambda b: HEADER.encode() + b"a,x,1\n" + b),
))  # fmt: skip
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzz")
    for items in (None, write(folder, content, "items.csv")):
        with contextlib.suppress(DataError):
            data = load_csv(write(folder, content), items)
            assert data.report.read == data.report.kept + sum(t.count for t in data.report.skipped)
            assert data.report.kept == len(data.histories.items) > 0


@given(st.text(st.sampled_from('ab1,,\n\r "" é'), max_size=40))
@example(",\n,,,")
def test_the_fast_path_reads_exactly_what_the_slow_path_reads(content):
    names = ["user", "item", "timestamp"]
    whole = HEADER + content
    fast = text._read_fast(whole.encode(), names, ",", header=True, quotes=True)
    if fast is not None:
        slow = text._read_slow(Path("f"), whole, names, ",", header=True, quotes=True)
        assert [column.to_list() for column in fast] == [column.to_list() for column in slow.columns.values()]
        assert slow.lines.tolist() == list(range(2, 2 + len(fast[0])))


def test_an_unreadable_time_is_nan_and_the_ends_of_the_calendar_raise_nothing():
    times = parse_times(pl.Series(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"]))
    assert np.isnan(times[-1])
