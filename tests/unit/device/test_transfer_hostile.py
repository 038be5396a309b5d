"""Hostile and broken files: rows or one clear error, never another exception, never without end."""

import json
import struct
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from confidante.core.errors import ConfidanteError, DataError
from confidante.device.importing import ForeignEvent, Note, Skipped
from confidante.formats import source as source_module
from confidante.formats.own import read_export
from confidante.formats.timestamps import parse_time
from confidante.formats.written_dates import parse_words
from confidante.packs.media import MEDIA

FORMATS = MEDIA.formats()
parse = FORMATS.parse

NAMES = {
    "movielens": "ratings.csv",
    "youtube": "watch-history.html",
    "spotify": "endsong_0.json",
    "spotify-recent": "StreamingHistory0.json",
    "listenbrainz": "1.jsonl",
    "letterboxd": "watched.csv",
    "imdb": "watchlist.csv",
}
STARTS = {
    "movielens": [b"userId,movieId,rating,timestamp\n", b"1::2::3::978300760\n", b"1\t2\t3\t978300760\n"],
    "netflix": [b"Title,Date\n"],
    "youtube": [
        b'<html><div class="outer-cell x"><div class="content-cell y">',
        b'[{"header": "time"',
        b"a,b,c\n",
    ],
    "goodreads": [b"Title,Author,My Rating,Date Read,Date Added,Exclusive Shelf\n"],
    "storygraph": [b"Title,Authors,Read Status,Star Rating,Last Date Read,Dates Read\n"],
    "letterboxd": [b"Date,Name,Year,Letterboxd URI\n", b"Date,Name,Letterboxd URI,Rating,Watched Date\n"],
    "lastfm": [b"artist,album,track,date\n", b"A,B,C,01 Jan 2020 10:00\n"],
    "listenbrainz": [b'{"listened_at": 1, "track_metadata"', b'{"score": 1, "created"'],
    "apple-music": [
        b"Track Description,Date Played,Hours,Play Count,Skip Count,Play Duration Milliseconds\n",
        b"Song Name,Event End Timestamp,End Reason Type,Play Duration Milliseconds\n",
    ],
    "music-csv": [b"Song Title,Artist,Listening Time,Date\n"],
    "opml": [b'<opml><outline text="a" xmlUrl="b"/>', b"<opml><outline>"],
    "browser-history": [b'{"Browser History": [{"time_usec": 1}, '],
    "edge-history": [b"DateTime,NavigatedToUrl,PageTitle\n"],
    "scrobbler-log": [b"#AUDIOSCROBBLER/1.1\nA\tB\tC\t1\t2\tL\t1700000000\n"],
    "pano-scrobbler": [b"timeMs,artist,track,albumArtist\n"],
    "scrobble-server": [
        b'{"scrobbles": [{"track": {"title": 1, "artists": []}}, ',
        b'{"timeMs": 1, "artist": 1, "track": 1}',
    ],
    "netflix-report": [
        b"Profile Name,Start Time,Duration,Title,Supplemental Video Type\n",
        b"Profile Name,Title Name,Thumbs Value,Star Value,Event Utc Ts\n",
        b"Profile Name,Show,Has Watched,Is Interested,Event Date\n",
    ],
    "bookwyrm": [b"title,author_text,remote_id,shelf,shelf_date,finish_date,rating\n"],
    "librarything": [b"Book Id\tTitle\tPrimary Author\tRating\tCollections\tEntry Date\n"],
    "kindle": [b"Product Name,Start Timestamp,Total Reading Milliseconds\n"],
    "trakt": [
        b'[{"watched_at": "", "action": "", "type": ""}, ',
        b'[{"rated_at": "", "rating": 1, "type": 1}, ',
    ],
    "simkl": [
        b'{"movies": [{"user_rating": 1, "last_watched_at": "", "status": ""}, ',
        b"SIMKL_ID,Title,Watchlist,WatchedDate\n",
    ],
    "imdb": [b"Const,Your Rating,Date Rated,Title\n", b"Position,Const,Created,Title\n"],
    "tv-time": [
        b"key,series_name,season_number,episode_number,created_at\n",
        b"type,movie_name,created_at\n",
    ],
    "myanimelist": [
        b"<myanimelist><anime><my_status>2</my_status><my_score>1</my_score>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><my_status><my_score>",
    ],
    "movielens.org": [b"movie_id,imdb_id,tmdb_id,rating,average_rating,title\n"],
    "instapaper": [b"URL,Title,Selection,Folder,Timestamp\n"],
    "pocket": [b"title,url,time_added,status\n"],
    "readwise-reader": [b"Title,URL,ID,Document tags,Saved date,Reading progress,Location\n"],
    "raindrop": [b"title,url,folder,created,favorite\n"],
    "omnivore": [b'[{"slug": "", "readingProgress": 1, "savedAt": "", "state": ""}, '],
    "wallabag": [b'[{"is_archived": 1, "is_starred": 0, "created_at": ""}, '],
    "karakeep": [b'{"bookmarks": [{"createdAt": 1, "content": {}}, '],
    "amazon": [b"Order Date,Product Name,Order Status,Unit Price\n"],
    "csv": [b"title,date,rating,user\n", b"title;date;price;status\n"],
    "confidante": [b'{"confidante":"export","version":1,"made":0}\n'],
}
PIECES = st.sampled_from(
    [
        *(b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"[", b"{", b"}", b"]", b"<", b"<!--", b":", b"null"),
        *(b"1/2/21", b"13/14/21", b"2020-01-01", b"9" * 400, b"NaN", b"inf", b"1e999", b"\xed\xa0\x80"),
        *(b"&#55296;", b'"\\ud800"', b'<div class="outer-cell', b'<div class="content-cell'),
        b'{"ts":"2020-01-01","ms_played":99999,"master_metadata_track_name":"\\u0000"}',
    ]
)
CONTENT = st.lists(PIECES | st.binary(max_size=30), max_size=30).map(b"".join)


def put(folder: Path, name: str, body: bytes) -> Path:
    path = folder / NAMES.get(name, "file.csv")
    path.write_bytes(body)
    (folder / "movies.csv").write_text("movieId,title,genres\n2,A,B\n")
    return path


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
@given(content=CONTENT, whole=st.booleans(), begin=st.integers(0, 2))
@example(content=b"[" * 200_000, whole=True, begin=0)
@example(content=b'{"a":' * 200_000, whole=True, begin=0)
@example(content=b"\xff\xfe\x00", whole=True, begin=0)
@example(content=b"", whole=True, begin=0)
@example(content=b'"' + b"x" * 300_000, whole=False, begin=0)
@example(content=b"x" * (2 << 20), whole=False, begin=0)
def test_any_bytes_give_rows_or_a_clear_error(
    tmp_path: Path, name: str, content: bytes, whole: bool, begin: int
) -> None:
    starts = STARTS.get(name, [b"["])
    path = put(tmp_path, name, content if whole else starts[begin % len(starts)] + content)
    begun = time.perf_counter()
    try:
        rows = list(parse(path, name))
    except ConfidanteError:
        rows = []
    assert all(isinstance(row, ForeignEvent | Skipped | Note) for row in rows)
    for row in rows:
        if isinstance(row, ForeignEvent):
            assert row.title.strip()
            (row.title + row.creator + row.foreign_id + row.kind).encode()
            assert 0 <= row.at < 2**33
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
@given(content=st.binary(max_size=400), cut=st.integers(0, 300), flip=st.integers(0, 300))
def test_any_damage_to_a_zip_gives_rows_or_a_clear_error(
    tmp_path: Path, name: str, content: bytes, cut: int, flip: int
) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAMES.get(name, "file.csv"), STARTS.get(name, [b"["])[0] + content)
    raw = bytearray(path.read_bytes())
    raw[flip % len(raw)] ^= 0xFF
    path.write_bytes(raw[: len(raw) - cut // 10])
    with suppress(ConfidanteError):
        list(parse(path, name))


@given(st.text(max_size=70))
def test_any_text_is_a_time_or_none(text: str) -> None:
    for seconds in (parse_time(text), (parse_words(text) or (None,))[0]):
        assert seconds is None or 0 <= seconds < 2**33


def test_a_broken_quote_names_its_line(tmp_path: Path) -> None:
    path = put(tmp_path, "netflix", b'Title,Date\nA,1/1/21\n"B,1/2/21\nC,1/3/21\n')
    with pytest.raises(DataError, match="quotes are wrong") as caught:
        list(parse(path, "netflix"))
    assert caught.value.line == 3


def test_marks_line_ends_and_wrong_bytes(tmp_path: Path) -> None:
    body = b"\xef\xbb\xbfTitle,Date\rA,2021-01-01\r\nB\x81,2021-01-02\rC\0,2021-01-03\nD,2021-01-04,5\r"
    rows = list(parse(put(tmp_path, "netflix", body), "netflix"))
    assert [row.title for row in rows if isinstance(row, ForeignEvent)] == ["A"]
    assert [(row.line, row.reason) for row in rows if isinstance(row, Skipped)] == [
        (3, "not UTF-8 text"),
        (4, "a zero byte in the row"),
        (5, "fewer or more fields than the header"),
    ]


def test_a_title_of_ten_megabytes_is_refused(tmp_path: Path) -> None:
    long = "x" * (10 << 20)
    with pytest.raises(DataError, match="line of more than"):
        list(parse(put(tmp_path, "netflix", f"Title,Date\n{long},1/1/21\n".encode()), "netflix"))
    play = {"ts": "2021-05-05T12:00:00Z", "ms_played": 99_999, "master_metadata_track_name": long}
    rows = list(parse(put(tmp_path, "spotify", json.dumps([play]).encode()), "spotify"))
    assert rows == [Skipped("a text of more than 2,000 letters", 1)]


def test_a_zip_bomb_is_refused_by_what_it_claims(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("endsong_0.json", b"[" + b" " * (20 << 20) + b"]")
    with pytest.raises(DataError, match="more than 200-fold"):
        parse(path, "spotify")


def test_a_zip_bomb_is_refused_by_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAX_BYTES", 1000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.jsonl", b"\n" * 2000)
    with pytest.raises(DataError, match="holds more than"):
        list(parse(path, "listenbrainz"))


def test_a_zip_with_too_many_members_is_refused_before_they_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 100 << 20, 0, 0)
    path.write_bytes(b"PK\x03\x04" + end)
    with pytest.raises(DataError, match="lists too many files"):
        parse(path, "spotify")


def test_names_in_a_zip_are_no_paths(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../movies.csv", "movieId,title,genres\n2,A,B\n")
        archive.writestr("/ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,978300760\n")
    assert [row.title for row in parse(path) if isinstance(row, ForeignEvent)] == ["A"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_html_that_never_closes_takes_bounded_time(tmp_path: Path) -> None:
    start = b'<html><div class="outer-cell x">'
    for filler in (b"<!--", b"<", b"<a ", b"&#", b'<div class="outer-cell', b"<![CDATA["):
        begun = time.process_time()
        rows = list(parse(put(tmp_path, "youtube", start + filler * ((1 << 20) // len(filler))), "youtube"))
        assert not [row for row in rows if isinstance(row, ForeignEvent)]
        assert time.process_time() - begun < 5, filler


@pytest.mark.parametrize("title", ["{spaces}x", "Watched{spaces}x", "a{spaces}b", "a{spaces}angesehen"])
def test_a_title_of_a_megabyte_of_spaces_takes_no_time(tmp_path: Path, title: str) -> None:
    entry = {
        "header": "YouTube",
        "title": title.format(spaces=" " * (1 << 20)),
        "time": "2024-03-01T10:00:00Z",
    }
    entry["titleUrl"] = "https://www.youtube.com/watch?v=abcdefghijk"
    path = tmp_path / "watch-history.json"
    path.write_text(json.dumps([{**entry, "title": "Watched A title"}, entry]))
    begun = time.process_time()
    _, last = (row for row in parse(path, "youtube") if isinstance(row, ForeignEvent))
    assert time.process_time() - begun < 2
    assert last.title in {"x", "a b", "a"}


@given(CONTENT, st.booleans())
def test_a_broken_export_is_a_clear_error(tmp_path: Path, content: bytes, begun: bool) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(STARTS["confidante"][0] * begun + content)
    with suppress(DataError):
        list(read_export(path))
