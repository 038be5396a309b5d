"""Each format: what is read, what is skipped and why. All files are of our own invention."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from confidante.core.errors import DataError
from confidante.device.importing import ForeignEvent, Note, Skipped
from confidante.formats.records import WISH
from confidante.formats.timestamps import DateOrder
from confidante.packs.media import MEDIA
from confidante.packs.media.titles import show_of
from confidante.packs.signals import Signal

FORMATS = MEDIA.formats()
detect, parse = FORMATS.detect, FORMATS.parse

TAKEOUT = "Takeout/YouTube and YouTube Music/history/watch-history"


def seconds(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read(path: Path, expected: str, **options: str) -> tuple[list[ForeignEvent], list[Skipped], list[str]]:
    assert detect(path) == expected
    rows = list(parse(path, **options))
    return (
        [row for row in rows if isinstance(row, ForeignEvent)],
        [row for row in rows if isinstance(row, Skipped)],
        [row.text for row in rows if isinstance(row, Note)],
    )


def test_movielens_csv_takes_titles_and_genres_from_the_file_beside_it(tmp_path: Path) -> None:
    write(
        tmp_path / "movies.csv",
        'movieId,title,genres\n7,"Long Night, The (1999)",Drama|War\n8,Odd (2001),X\n',
    )
    path = write(
        tmp_path / "ratings.csv",
        "userId,movieId,rating,timestamp\n1,7,4.5,978300760\n1,9,3.0,978300761\n1,8,x,978300762\n",
    )
    events, skipped, _ = read(path, "movielens")
    assert events == [
        ForeignEvent(
            "Long Night, The (1999)", 978300760.0, "rating", 4.5, "", "7", 2, labels=("Drama", "War"), scale=5
        )
    ]
    assert [row.line for row in skipped] == [3, 4]


def test_movielens_dat_and_u_data_are_read_as_latin_1_too(tmp_path: Path) -> None:
    one, two = tmp_path / "1m", tmp_path / "100k"
    write(one / "movies.dat", "7::Caf\xe9 (1999)::Drama\n".encode("latin-1"))
    events, _, _ = read(write(one / "ratings.dat", "1::7::5::978300760\r\n"), "movielens")
    assert [(event.title, event.labels) for event in events] == [("Café (1999)", ("Drama",))]
    flags = "|".join("1" if k in (1, 8) else "0" for k in range(19))
    write(two / "u.item", f"7|Caf\xe9 (1999)|01-Jan-1999||http://x|{flags}\n".encode("latin-1"))
    events, _, _ = read(write(two / "u.data", "196\t7\t3\t881250949\n"), "movielens")
    assert [(event.title, event.labels) for event in events] == [("Café (1999)", ("Action", "Drama"))]


def test_movielens_in_a_zip_and_without_its_films(tmp_path: Path) -> None:
    ratings = "userId,movieId,rating,timestamp\n1,7,4.5,978300760\n"
    path = zipped(
        tmp_path / "ml.zip", {"ml/ratings.csv": ratings, "ml/movies.csv": "movieId,title,genres\n7,A,B\n"}
    )
    assert read(path, "movielens")[0][0].title == "A"
    with pytest.raises(DataError, match=r"movies\.csv beside it"):
        list(parse(write(tmp_path / "ratings.csv", ratings)))


def test_a_file_of_several_people_asks_whose_rows_are_wanted(tmp_path: Path) -> None:
    write(tmp_path / "movies.csv", "movieId,title,genres\n7,A,B\n")
    path = write(
        tmp_path / "ratings.csv", "userId,movieId,rating,timestamp\n1,7,4.5,978300760\n2,7,1,978300761\n"
    )
    with pytest.raises(DataError, match="several people"):
        list(parse(path))
    events, skipped, _ = read(path, "movielens", person="2")
    assert ([event.value for event in events], len(skipped)) == ([1.0], 1)


@pytest.mark.parametrize(
    ("dates", "expected", "note"),
    [
        (("13/4/21", "1/4/21"), (2021, 4, 1), "day/month"),
        (("4/13/21", "4/1/21"), (2021, 4, 1), "month/day"),
        (("5/2/21", "4/12/21", "4/1/21"), (2021, 4, 1), "month/day"),  # steadily into the past only this way
        (("4/4/21",), (2021, 4, 4), ""),  # 4 April however it is read
        (("2021-04-02", "2021-04-01"), (2021, 4, 1), ""),
        (("02.04.21", "01.04.21"), (2021, 4, 1), ""),
    ],
)
def test_netflix_dates_are_decided_by_the_file_itself(
    tmp_path: Path, dates: tuple[str, ...], expected: tuple[int, ...], note: str
) -> None:
    content = "Title,Date\n" + "".join(
        f'"Show: Season 2: Part, {k}","{date}"\n' for k, date in enumerate(dates)
    )
    events, skipped, notes = read(write(tmp_path / "NetflixViewingHistory.csv", content), "netflix")
    assert len(events) == len(dates)
    assert not skipped
    assert (events[-1].at, events[-1].whole) == (seconds(*expected), "Show")
    assert len(notes) == bool(note)
    assert note in "".join(notes)


def test_netflix_dates_of_korea_begin_with_the_year(tmp_path: Path) -> None:
    content = 'Title,Date\nA,"24. 12. 28."\nB,"24. 3. 4."\n'
    events, _, (note,) = read(write(tmp_path / "NetflixViewingHistory.csv", content), "netflix")
    assert [event.at for event in events] == [seconds(2024, 12, 28), seconds(2024, 3, 4)]
    assert note == "dates read as year/month/day, as the file itself shows"


def test_any_csv_has_dates_in_words_of_one_language(tmp_path: Path) -> None:
    content = "title,date\nA,2. lis 2024 15:04 XYZT\nB,3. svi 2024 15:04 XYZT\n"
    events, _, notes = read(write(tmp_path / "x.csv", content.replace("title", "name")), "csv")
    assert [event.at for event in events] == [seconds(2024, 10, 2, 15, 4), seconds(2024, 5, 3, 15, 4)]
    assert notes == ["the time zone 'XYZT' is not known: its times are taken as UTC"]


def test_netflix_dates_that_contradict_each_other_are_skipped(tmp_path: Path) -> None:
    content = "Title,Date\nA,13/4/21\nB,4/13/21\nC,40/40/21\n,1/1/21\n"
    events, skipped, notes = read(write(tmp_path / "x.csv", content), "netflix")
    assert [event.at for event in events] == [seconds(2021, 4, 13)] * 2
    assert [row.line for row in skipped] == [4, 5]
    assert not notes


@pytest.mark.parametrize("name", ["NetflixViewingHistory.csv", "mine.csv"])
def test_dates_that_can_be_read_in_two_ways_are_asked_about(tmp_path: Path, name: str) -> None:
    kind, column = ("netflix", "Title,Date") if name.startswith("N") else ("csv", "title,time")
    path = write(tmp_path / name, f"{column}\nA,05/01/2024\nB,04/01/2024\n")
    assert detect(path) == kind
    with pytest.raises(DataError, match=r"'05/01/2024' that can be read in two ways.*--date-order day/month"):
        list(parse(path))
    for order, first in ((DateOrder.DAY_FIRST, (2024, 1, 5)), (DateOrder.MONTH_FIRST, (2024, 5, 1))):
        rows = list(parse(path, date_order=order))
        assert next(row.at for row in rows if isinstance(row, ForeignEvent)) == seconds(*first)
        assert [row.text for row in rows if isinstance(row, Note)] == [
            f"dates read as {order.value}/year, as you said"
        ]
    later = write(tmp_path / f"2{name}", f"{column}\nC,14/02/2024\nA,05/01/2024\nB,04/01/2024\n")
    rows = [row for row in parse(later, date_order=DateOrder.MONTH_FIRST) if isinstance(row, ForeignEvent)]
    assert rows[1].at == seconds(2024, 1, 5)  # the file itself knows better


def test_an_episode_knows_its_show_and_a_film_with_a_colon_has_none() -> None:
    assert show_of("The Long Road: Limited Series: Pilot") == "The Long Road"
    assert show_of("Haus: Unter Wasser: Staffel 1: Anfang") == "Haus: Unter Wasser"
    assert show_of("Moon: The Return") == ""


def test_spotify_extended_history_skips_short_plays_and_says_so(tmp_path: Path) -> None:
    entries = [
        {
            "ts": "2021-05-05T12:00:00Z",
            "ms_played": 200_000,
            "master_metadata_track_name": "Song",
            "master_metadata_album_artist_name": "Band",
            "spotify_track_uri": "spotify:track:1",
            "skipped": None,
        },
        {"ts": "2021-05-05T12:01:00Z", "ms_played": 29_999, "master_metadata_track_name": "Song"},
        {
            "ts": "2021-05-05T13:00:00Z",
            "ms_played": 1_800_000,
            "episode_name": "Pilot",
            "episode_show_name": "Talk",
            "spotify_episode_uri": "spotify:episode:2",
        },
        {"ts": "2021-05-05T13:00:00Z", "ms_played": 60_000},
        {"ts": 7},
    ]
    expected = [
        ForeignEvent(
            "Song",
            seconds(2021, 5, 5, 12),
            "play",
            3.33,
            "Band",
            "spotify:track:1",
            1,
            more={"medium": "song"},
        ),
        ForeignEvent(
            "Pilot",
            seconds(2021, 5, 5, 13),
            "play",
            30.0,
            "Talk",
            "spotify:episode:2",
            3,
            whole="Talk",
            more={"medium": "podcast"},
        ),
    ]
    body = json.dumps(entries)
    for path in (
        write(tmp_path / "Streaming_History_Audio_2021_0.json", body),
        write(tmp_path / "renamed", body),
        zipped(tmp_path / "my_spotify_data.zip", {"Data/endsong_0.json": body, "Data/ReadMe.pdf": "%PDF"}),
    ):
        events, skipped, _ = read(path, "spotify")
        assert events == expected
        assert (skipped[0].line, skipped[0].reason) == (2, "played for less than 30 seconds")
        assert [row.line for row in skipped] == [2, 4, 5]


def test_spotify_account_data(tmp_path: Path) -> None:
    entries = [
        {"endTime": "2020-01-01 10:00", "artistName": "Band", "trackName": "Song", "msPlayed": 90_000},
        {"endTime": "2020-01-01 11:00", "podcastName": "Talk", "episodeName": "Pilot", "msPlayed": 90_000},
    ]
    events, _, _ = read(write(tmp_path / "StreamingHistory0.json", json.dumps(entries)), "spotify-recent")
    assert [(e.title, e.creator, e.at) for e in events] == [
        ("Song", "Band", seconds(2020, 1, 1, 10)),
        ("Pilot", "Talk", seconds(2020, 1, 1, 11)),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Band,Record,Song,05 Mar 2020 10:11\nBand,Record,Song,01 Jan 1970 00:00\n",
        'uts,utc_time,artist,album,track\n1583403060,"05 Mar 2020, 10:11",Band,R,Song\n0,x,Band,R,Song\n',
        "Artist;Album;Track;Date\nBand;Record;Song;2020-03-05 10:11\nBand;Record;Song;never\n",
    ],
)
def test_lastfm_by_three_exporters(tmp_path: Path, content: str) -> None:
    events, skipped, _ = read(write(tmp_path / "someone.csv", content), "lastfm")
    assert [(e.title, e.creator, e.at) for e in events] == [("Song", "Band", seconds(2020, 3, 5, 10, 11))]
    assert [row.reason for row in skipped] == ["a date that is not understood"]


def test_listenbrainz_lists_and_lines(tmp_path: Path) -> None:
    mbid = "0" * 8 + "-aaaa-bbbb-cccc-" + "1" * 12
    entry = {
        "listened_at": 1583403060,
        "track_metadata": {
            "track_name": "Song",
            "artist_name": "Band",
            "mbid_mapping": {"recording_mbid": mbid, "artists": []},
        },
    }
    text = json.dumps(entry)
    for path in (
        write(tmp_path / "someone_lb.json", f"[{text}, 3]"),
        write(tmp_path / "3.jsonl", f"{text}\n\n3\n"),
        zipped(tmp_path / "lb.zip", {"listens/2020/3.jsonl": f"{text}\n3\n", "feedback.jsonl": "{}\n"}),
    ):
        events, skipped, _ = read(path, "listenbrainz")
        assert [(e.title, e.creator, e.foreign_id, e.at) for e in events] == [
            ("Song", "Band", mbid, 1583403060)
        ]
        assert len(skipped) == 1


def test_goodreads_reads_what_was_read_and_wishes_for_the_rest(tmp_path: Path) -> None:
    header = "Book Id,Title,Author,ISBN,My Rating,Date Read,Date Added,Exclusive Shelf\n"
    rows = (
        '1,Dunes,Ann Lee,"=""123""",5,2020/02/03,2019/01/01,read\n'
        "2,Hills,Ann Lee,,0,,2019/01/02,read\n"
        "3,Seas,Bo Ek,,0,,2019/01/03,to-read\n"
        "4,Skies,Bo Ek,,0,,2019/01/04,currently-reading\n"
    )
    events, skipped, notes = read(
        write(tmp_path / "goodreads_library_export.csv", header + rows), "goodreads"
    )
    assert [(e.title, e.kind, e.value, e.at) for e in events] == [
        ("Dunes", "read", 5.0, seconds(2020, 2, 3)),
        ("Hills", "read", None, seconds(2019, 1, 2)),
        ("Seas", "to-read", None, seconds(2019, 1, 3)),
        ("Skies", "currently-reading", None, seconds(2019, 1, 4)),
    ]
    assert not skipped
    assert notes == ["1 rows have no date of their own: taken from 'date added'"]


@pytest.mark.parametrize(
    ("shelf", "rating", "signal"),
    [
        ("did-not-finish", "0", Signal.AGAINST),
        ("Abandoned", "0", Signal.AGAINST),
        ("dnf-2020", "2", Signal.AGAINST),
        ("gave up on", "0", Signal.AGAINST),
        ("currently-reading", "0", Signal.NEUTRAL),
        ("on hold", "0", Signal.NEUTRAL),
        ("maybe-next", "0", Signal.WISH),
        ("library-books", "0", Signal.WISH),
        ("library-books", "4", Signal.FOR),
        ("", "4", Signal.FOR),
    ],
)
def test_shelves_of_ones_own_making_say_what_their_names_say(
    tmp_path: Path, shelf: str, rating: str, signal: Signal
) -> None:
    header = "Book Id,Title,Author,My Rating,Date Read,Date Added,Exclusive Shelf\n"
    path = write(tmp_path / "books.csv", f"{header}1,Dunes,Ann   Lee,{rating},,2019/01/01,{shelf}\n")
    (event,), _, _ = read(path, "goodreads")
    assert (MEDIA.event(event.kind).signal, event.creator) == (signal, "Ann Lee")


def test_storygraph_gives_each_reading_a_row_and_keeps_quarter_stars(tmp_path: Path) -> None:
    header = "Title,Authors,Format,Read Status,Date Added,Last Date Read,Dates Read,Read Count,Star Rating\n"
    rows = (
        'Dunes,Ann Lee,paperback,read,2023/03/17,2023/03/21,"2021/01/02-2021/01/20, 2023/03/21",2,4.75\n'
        'Hills,Ann Lee,audio,read,2022/01/01,2022/05,"2022/05",1,\n'
        "Seas,Bo Ek,digital,did-not-finish,2022/01/01,,,0,\n"
        "Skies,Bo Ek,digital,to-read,2022/01/02,,,0,\n"
    )
    events, skipped, _ = read(write(tmp_path / "export.csv", header + rows), "storygraph")
    assert [(e.title, e.kind, e.value, e.at) for e in events] == [
        ("Dunes", "read", 4.75, seconds(2021, 1, 20)),
        ("Dunes", "read", 4.75, seconds(2023, 3, 21)),
        ("Hills", "read", None, seconds(2022, 5, 1)),
        ("Seas", "did-not-finish", None, seconds(2022, 1, 1)),
        ("Skies", "to-read", None, seconds(2022, 1, 2)),
    ]
    assert not skipped


def test_letterboxd_counts_a_film_of_the_diary_once(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "letterboxd.zip",
        {
            "diary.csv": "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n"
            "2020-01-05,Dunes,1999,https://x/1,4.5,,,2020-01-04\n2020-02-05,Dunes,1999,https://x/2,,Yes,,2020-02-04\n",
            "watched.csv": "Date,Name,Year,Letterboxd URI\n2020-01-05,Dunes,1999,u\n2020-01-06,Hills,,u\n",
            "watchlist.csv": "Date,Name,Year,Letterboxd URI\n2020-01-07,Seas,2001,u\n",
        },
    )
    events, _, _ = read(path, "letterboxd")
    assert [(e.title, e.kind, e.value) for e in events] == [
        ("Dunes (1999)", "rating", 4.5),
        ("Dunes (1999)", "view", None),
        ("Hills", "view", None),
        ("Seas (2001)", WISH, None),
    ]
    assert events[0].at == seconds(2020, 1, 4)


LIST = "Date,Name,Year,Letterboxd URI\n"


def test_letterboxd_keeps_ratings_and_hearts_and_leaves_what_was_deleted(tmp_path: Path) -> None:
    diary = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n"
    path = zipped(
        tmp_path / "letterboxd.zip",
        {
            "me/diary.csv": f"{diary}2020-01-05,Dunes,1999,e/1,3,,,2020-01-04\n"
            "2021-01-05,Dunes,1999,e/2,,,,2021-01-04\n",
            "me/watched.csv": f"{LIST}2020-01-05,Dunes,1999,f/1\n2020-01-06,Hills,2000,f/2\n"
            "2020-01-07,Seas,2001,f/3\n",
            "me/ratings.csv": f"{LIST[:-1]},Rating\n2021-01-05,Dunes,1999,f/1,4.5\n"
            "2020-01-06,Hills,2000,f/2,0.5\n",
            "me/watchlist.csv": f"{LIST}2020-01-07,Skies,2001,f/4\n",
            "me/likes/films.csv": f"{LIST}2020-01-07,Seas,2001,f/3\n2020-01-07,Hills,2000,f/2\n",
            "me/lists/best.csv": f"{LIST}2020-01-07,Other,2001,f/5\n",
            "me/deleted/diary.csv": f"{diary}2020-01-05,Gone,1999,e/3,1,,,2020-01-04\n",
            "me/orphaned/diary.csv": f"{diary}2020-01-05,Lost,1999,e/4,1,,,2020-01-04\n",
        },
    )
    events, skipped, notes = read(path, "letterboxd")
    assert [(e.title, e.kind, e.value, e.at, e.foreign_id) for e in events] == [
        ("Dunes (1999)", "rating", 3.0, seconds(2020, 1, 4), "f/1"),
        ("Dunes (1999)", "rating", 4.5, seconds(2021, 1, 4), "f/1"),
        ("Hills (2000)", "rating", 0.5, seconds(2020, 1, 6), "f/2"),
        ("Seas (2001)", "like", None, seconds(2020, 1, 7), "f/3"),
        ("Skies (2001)", WISH, None, seconds(2020, 1, 7), "f/4"),
    ]
    assert {event.scale for event in events} == {5}
    assert not skipped
    assert notes == [
        "2 files of what was deleted or is private were not read: me/deleted/diary.csv, "
        "me/orphaned/diary.csv",
        "1 files of lists and the like were not read: me/lists/best.csv",
    ]


def test_a_list_of_letterboxd_by_itself_is_told_by_its_name_or_asked_about(tmp_path: Path) -> None:
    row = f"{LIST}2020-01-07,Skies,2001,f/4\n"
    for name, kind in (("watchlist-me-2020.csv", WISH), ("watched.csv", "view")):
        assert [event.kind for event in read(write(tmp_path / name, row), "letterboxd")[0]] == [kind]
    with pytest.raises(DataError, match=r"name the file watched\.csv or watchlist\.csv"):
        list(parse(write(tmp_path / "films.csv", row)))


def test_youtube_json(tmp_path: Path) -> None:
    video = {
        "header": "YouTube",
        "title": "Watched How <b>moss</b> grows",
        "titleUrl": "https://www.youtube.com/watch?v=abcdefghijk",
        "subtitles": [{"name": "Garden", "url": "https://x"}],
        "time": "2023-01-01T12:00:00.500Z",
        "products": ["YouTube"],
    }
    entries = [
        video,
        {**video, "details": [{"name": "From Google Ads"}]},
        {
            "header": "YouTube",
            "title": "Watched a video that has been removed",
            "time": "2023-01-01T12:00:00Z",
        },
        {**video, "title": "Watched https://www.youtube.com/watch?v=abcdefghijk"},
        {**video, "titleUrl": "https://www.youtube.com/post/x"},
        {**video, "time": "yesterday"},
    ]
    body = json.dumps(entries)
    for path in (
        write(tmp_path / "watch-history.json", body),
        zipped(tmp_path / "takeout.zip", {f"{TAKEOUT}.json": body, "Takeout/archive_browser.html": "<html>"}),
    ):
        events, skipped, _ = read(path, "youtube")
        assert events == [
            ForeignEvent(
                "How <b>moss</b> grows",
                seconds(2023, 1, 1, 12) + 0.5,
                "view",
                None,
                "Garden",
                "abcdefghijk",
                1,
            )
        ]
        assert [row.line for row in skipped] == [2, 3, 4, 5, 6]


def page(*entries: tuple[str, str, str, str]) -> str:
    cell = "content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1"
    made = [
        f'<div class="outer-cell mdl-cell mdl-cell--12-col"><div class="mdl-grid"><div class="header-cell">'
        f'<p>YouTube<br></p></div><div class="{cell}">Watched\xa0<a href="{url}">{title}</a><br>'
        f'<a href="https://x/c">{channel}</a><br>{time}<br></div><div class="{cell}"></div>'
        f'<div class="content-cell caption"><b>Products:</b><br>&emsp;YouTube<br></div></div></div>'
        for url, title, channel, time in entries
    ]
    return "<html><style>.x{}</style><body>" + "".join(made) + "</body></html>"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Jan 2, 2023, 3:04:05\u202fPM UTC", (2023, 1, 2, 15, 4, 5)),
        ("Jan 2, 2023, 12:04:05 AM PST", (2023, 1, 2, 8, 4, 5)),
        ("2 Jan 2023, 15:04:05 GMT+02:00", (2023, 1, 2, 13, 4, 5)),
        ("02.01.2023, 15:04:05 MEZ", (2023, 1, 2, 14, 4, 5)),
        ("2 janv. 2023, 15:04:05 CET", (2023, 1, 2, 14, 4, 5)),
        ("2 de enero de 2023, 15:04:05 UTC", (2023, 1, 2, 15, 4, 5)),
        ("2023-01-02 15:04:05 UTC", (2023, 1, 2, 15, 4, 5)),
    ],
)
def test_youtube_html_in_several_locales(tmp_path: Path, written: str, expected: tuple[int, ...]) -> None:
    url = "https://www.youtube.com/watch?v=abcdefghijk"
    content = page((url, "Tea &amp; <i>moss</i>", "Garden", written), (url, "B", "C", "at noon"))
    events, skipped, notes = read(write(tmp_path / "watch-history.html", content), "youtube")
    assert [(e.creator, e.foreign_id, e.at) for e in events] == [
        ("Garden", "abcdefghijk", seconds(*expected))
    ]
    assert events[0].title.startswith("Tea &")
    assert [(row.line, row.reason) for row in skipped] == [(2, "a date that is not understood")]
    assert not notes


def test_youtube_html_with_a_zone_nobody_knows_says_what_was_assumed(tmp_path: Path) -> None:
    url = "https://www.youtube.com/watch?v=abcdefghijk"
    content = page((url, "A", "B", "Jan 2, 2023, 3:04:05 PM XYZT"))
    events, _, notes = read(zipped(tmp_path / "t.zip", {f"{TAKEOUT}.html": content}), "youtube")
    assert events[0].at == seconds(2023, 1, 2, 15, 4, 5)
    assert notes == ["the time zone 'XYZT' is not known: its times are taken as UTC"]


def test_generic_csv_by_the_names_of_its_columns(tmp_path: Path) -> None:
    content = (
        "Name;When;Stars\n".replace("When", "Date") + "Moss;2020-01-02;4,5\nFern;soon;1\nReed;2020-01-03;x\n"
    )
    events, skipped, notes = read(write(tmp_path / "mine.csv", content), "csv")
    assert [(e.title, e.at, e.value, e.kind) for e in events] == [
        ("Moss", seconds(2020, 1, 2), 4.5, "rating"),
        ("Reed", seconds(2020, 1, 3), None, "seen"),
    ]
    assert [row.line for row in skipped] == [3]
    assert notes == [
        "1 rows have a rating that is not understood, such as 'x' in line 4: they are kept without it"
    ]


def test_generic_csv_takes_statuses_as_kinds_and_0_of_a_tracker_for_no_rating(tmp_path: Path) -> None:
    content = (
        "Title,Date Finished,Score,Status,Type\nMoss,2020-01-02,8,Completed,movie\n"
        "Fern,2020-01-03,0,Plan to Watch,tv\n"
        "Reed,2020-01-04,2,dropped,movie\nIvy,2020-01-05,0,completed,movie\n"
    )
    events, _, _ = read(write(tmp_path / "mine.csv", content), "csv")
    assert [(e.kind, e.value, MEDIA.event(e.kind).signal) for e in events] == [
        ("rating", 8.0, Signal.FOR),
        ("Plan to Watch", None, Signal.WISH),
        ("dropped", 2.0, Signal.AGAINST),
        ("completed", None, Signal.FOR),
    ]


def test_what_was_withdrawn_or_private_over_there_is_so_here_in_any_table(tmp_path: Path) -> None:
    content = (
        "title,date,rating,private,deleted_at\nMoss,2020-01-02,5,no,\nFern,2020-01-03,5,yes,\n"
        "Reed,2020-01-04,5,,2020-02-01\n"
    )
    events, _, _ = read(write(tmp_path / "mine.csv", content), "csv")
    assert [MEDIA.event(event.kind).signal for event in events] == [
        Signal.FOR,
        Signal.PRIVATE,
        Signal.PRIVATE,
    ]


def test_columns_of_yes_and_no_say_what_became_of_a_thing(tmp_path: Path) -> None:
    content = (
        "Name,Date,Year,Watched,Favorite,Dropped\nMoss,2020-01-01,2001,true,false,\nFern,,2002,false,,\n"
        "Reed,2020-01-01,2003,true,true,\nIvy,2020-01-01,2004,,,yes\n"
    )
    path = write(tmp_path / "mine.csv", content)
    events, _, _ = read(path, "csv")
    assert [(event.title, MEDIA.event(event.kind).signal) for event in events] == [
        ("Moss (2001)", Signal.FOR),
        ("Fern (2002)", Signal.WISH),
        ("Reed (2003)", Signal.FOR),
        ("Ivy (2004)", Signal.AGAINST),
    ]


def test_ones_own_rating_is_read_and_not_everybodys_and_a_date_may_be_missing(tmp_path: Path) -> None:
    content = "TMDb ID,Type,Name,Release Date,Rating,Your Rating\n1,movie,Moss,2001-01-01,8.1,3\n"
    events, _, notes = read(write(tmp_path / "ratings.csv", content), "csv")
    assert [(event.title, event.value, event.at) for event in events] == [("Moss", 3.0, 0)]
    assert notes == ["1 rows have no date: taken as before all that have one"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (  # Yamtrack
            "media_id,source,media_type,title,score,status,start_date,end_date,created_at\n"
            "1,tmdb,movie,Moss,8.5,Completed,2024-01-01,2024-01-02,2024-01-03\n"
            "2,tmdb,tv,Fern,,Planning,,,2024-01-03\n3,tmdb,tv,Reed,3,Dropped,2024-01-01,,2024-01-03\n"
            "4,tmdb,tv,Ivy,,In progress,2024-01-01,,2024-01-03\n",
            [
                ("Moss", Signal.FOR, 8.5, 2),
                ("Fern", Signal.WISH, None, 3),
                ("Reed", Signal.AGAINST, 3.0, 3),
                ("Ivy", Signal.NEUTRAL, None, 3),
            ],
        ),
        (  # Open Library
            "Work ID,Title,Authors,Bookshelf,My Ratings,Average Ratings,Read Status Date\n"
            "OL1W,Moss,A,Already Read,2,4.1,2024-01-02\nOL2W,Fern,B,Want to Read,,4.1,2024-01-02\n",
            [("Moss", Signal.FOR, 2.0, 2), ("Fern", Signal.WISH, None, 2)],
        ),
        (  # Criticker
            "Score,Film Name,Date Rated,IMDB ID\n85,Moss,2024-01-02 10:00:00,tt1\n",
            [("Moss", Signal.FOR, 85.0, 2)],
        ),
        (  # Serializd
            "Show,Season,Watched Date,Rating,Liked\nMoss,1,2024-01-02,8,true\nFern,1,2024-01-02,,true\n",
            [("Moss", Signal.FOR, 8.0, 2), ("Fern", Signal.FOR, None, 2)],
        ),
        (  # a list of games
            "Name,Status,Added,Last Played,Rating\nMoss,Beaten,2024-01-01,2024-01-02,90\n"
            "Fern,Backlog,2024-01-01,,\nReed,Abandoned,2024-01-01,2024-01-02,\n",
            [
                ("Moss", Signal.FOR, 90.0, 2),
                ("Fern", Signal.WISH, None, 1),
                ("Reed", Signal.AGAINST, None, 2),
            ],
        ),
    ],
)
def test_trackers_that_write_plain_tables_need_no_format_of_their_own(
    tmp_path: Path, content: str, expected: list[tuple[str, Signal, float | None, int]]
) -> None:
    events, skipped, _ = read(write(tmp_path / "mine.csv", content), "csv")
    assert not skipped
    told = [
        (e.title, MEDIA.event(e.kind).signal, e.value, datetime.fromtimestamp(e.at, UTC).day) for e in events
    ]
    assert told == expected


def test_generic_csv_with_an_artist_keeps_its_ratings_and_kinds(tmp_path: Path) -> None:
    content = "title,artist,date,rating,kind\nMoss,Low,2020-01-02,5,like\nFern,Low,2020-01-03,1,dislike\n"
    events, _, _ = read(write(tmp_path / "mine.csv", content), "csv")
    assert [(e.kind, e.value, e.creator) for e in events] == [("like", 5.0, "Low"), ("dislike", 1.0, "Low")]


@pytest.mark.parametrize(
    ("prices", "context"),
    [
        (("£20", "€1.50"), ("20 GBP", "1.50 EUR")),
        (("1.234,50", "3,00"), ("1234.50", "3.00")),
        (("1,234", "2.50"), ("1234", "2.50")),
        (("1,234", "2,5"), ("1.234", "2.5")),
        (("1,234", "about 3"), ("1,234", "about 3")),
        (("3 x 1.50", "2.00"), ("1.50", "2.00")),
    ],
)
def test_a_price_never_costs_the_purchase_and_is_no_rating(
    tmp_path: Path, prices: tuple[str, str], context: tuple[str, str]
) -> None:
    rows = "".join(f"Pot {k};2020-01-0{k};{price}\n" for k, price in enumerate(prices, 1))
    events, skipped, notes = read(write(tmp_path / "orders.csv", f"title;date;price\n{rows}"), "csv")
    assert not skipped
    assert [(event.kind, event.value) for event in events] == [("purchase", None)] * 2
    assert tuple(event.context["price"] for event in events) == context
    assert bool(notes) == ("about 3" in prices)


def test_a_refund_is_no_purchase_and_the_currency_has_its_column(tmp_path: Path) -> None:
    content = (
        "item,order date,price,currency,quantity\nPot,2020-01-02,9.99,EUR,2\nCup,2020-01-03,-4.00,EUR,1\n"
    )
    events, _, _ = read(write(tmp_path / "orders.csv", content), "csv")
    assert [(e.kind, dict(e.context)) for e in events] == [
        ("purchase", {"price": "9.99 EUR", "pieces": "2"}),
        ("refunded", {"price": "-4.00", "pieces": "1"}),
    ]


def test_generic_csv_of_several_people_asks_and_counts_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "title,date,profile\nMoss,2020-01-02,Mum\nFern,2020-01-03,Jörg\n")
    with pytest.raises(DataError, match=r"'Mum', 'Jörg'.*--person"):
        list(parse(path))
    events, skipped, _ = read(path, "csv", person="Jörg")
    assert [event.title for event in events] == ["Fern"]
    assert [(row.line, row.reason) for row in skipped] == [(2, "another person's")]
    with pytest.raises(DataError, match=r"nothing of 'Dad'. It has rows of 'Mum', 'Jörg'"):
        list(parse(path, person="Dad"))


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        ("Title,Date\nAm\xe9lie,2020-01-02\nPlain,2020-01-03\n".encode("cp1252"), "Windows-1252"),
        ("Title,Date\nAm\xe9lie,2020-01-02\nPlain,2020-01-03\n".encode("utf-16"), ""),
        ("Title;Date\nAm\xe9lie;2020-01-02\nPlain;2020-01-03\n".encode(), ""),
        ("Title,Date\nAm\xc3\xa9lie,2020-01-02\nPlain,2020-01-03\n".encode(), "mended"),
    ],
)
def test_what_excel_makes_of_a_file_is_read(tmp_path: Path, body: bytes, notes: str) -> None:
    events, skipped, said = read(write(tmp_path / "x.csv", body), "netflix")
    assert [event.title for event in events] == ["Am\xe9lie", "Plain"]
    assert not skipped
    assert len(said) == bool(notes)
    assert notes in "".join(said)


@pytest.mark.parametrize("encoding", ["cp1251", "cp949", "shift-jis", "gbk"])
def test_a_file_in_another_encoding_is_not_read_as_western(tmp_path: Path, encoding: str) -> None:
    name = {"cp1251": "Привет", "cp949": "안녕하세요"}.get(encoding, "東京物語")
    body = f"Title,Date\n{name},2020-01-02\nPlain,2020-01-03\n".encode(encoding)
    events, skipped, _ = read(write(tmp_path / "x.csv", body), "netflix")
    assert [event.title for event in events] == ["Plain"]
    assert [row.reason for row in skipped] == ["not UTF-8 text"]


def test_generic_csv_without_the_columns_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs a header with a column title.*The first line has: a, b"):
        list(parse(write(tmp_path / "mine.csv", "a,b\n1,2\n")))


def test_an_unknown_file_gets_a_list_of_formats(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"netflix, .*spotify, .*goodreads, .*csv is any table"):
        detect(write(tmp_path / "picture.png", b"\x89PNG\r\n"))
    with pytest.raises(DataError, match="there is no format 'vhs'"):
        parse(write(tmp_path / "x.csv", "a"), "vhs")
    with pytest.raises(DataError, match="no such file"):
        detect(tmp_path / "nothing")
