"""What people keep track of elsewhere: each signal keeps its meaning, whatever the service calls it."""

import gzip
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from confidante.core.errors import DataError
from confidante.device.importing import ForeignEvent, Note, Skipped
from confidante.packs.media import MEDIA
from confidante.packs.signals import Signal

FORMATS = MEDIA.formats()
FOR, AGAINST, NEUTRAL, WISH = Signal.FOR, Signal.AGAINST, Signal.NEUTRAL, Signal.WISH


def read(
    path: Path, content: str | bytes | dict[str, str], expected: str, person: str | None = None
) -> tuple[list[ForeignEvent], list[str], list[str]]:
    """Write a file, or a zip of these members, and return its events, why rows were skipped, and notes."""
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert FORMATS.detect(path) == expected
    rows = list(FORMATS.parse(path, person=person))
    return (
        [row for row in rows if isinstance(row, ForeignEvent)],
        [row.reason for row in rows if isinstance(row, Skipped)],
        [row.text for row in rows if isinstance(row, Note)],
    )


def said(events: list[ForeignEvent]) -> list[tuple[str, Signal, float | None]]:
    return [(event.title, MEDIA.event(event.kind).signal, event.value) for event in events]


def day(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()


VIEWS = (
    "Profile Name,Start Time,Duration,Attributes,Title,Supplemental Video Type,Device Type\n"
    "Mum,2024-03-02 20:15:00,01:41:10,,Dunes,,TV\n"
    "Mum,2024-03-02 20:14:20,00:00:31,Autoplayed,Hills: Season 1 (Trailer),TRAILER,TV\n"
    "Kid,2024-03-01 16:00:00,00:22:00,,Dinos: Season 2: The Egg (Episode 4),,Tablet\n"
    "Mum,2024-03-01 21:00:00,00:00:45,,Seas,,TV\n"
)
THUMBS = (
    "Profile Name,Title Name,Rating Type,Star Value,Thumbs Value,Device Model,Event Utc Ts\n"
    "Mum,Seas,thumb,,1,TV,2024-03-01 21:02:00\nMum,Dunes,thumb,,2,TV,2024-03-02 22:02:00\n"
    "Mum,Skies,star,2,,TV,2014-03-02 22:02:00\nMum,Caves,thumb,,0,TV,2024-03-02 22:03:00\n"
)
MY_LIST = "Profile Name,Title Name,Country,Utc Title Add Date\nMum,Woods,DE,2024-03-01\n"
INTERESTS = (
    "Profile Name,Show,Has Watched,Is Interested,Event Date\n"
    "Mum,Mines,No,No,2020-01-01\nMum,Bays,Yes,Yes,2020-01-01\n"
)


def test_netflix_report_leaves_out_trailers_and_starts_and_takes_one_profile(tmp_path: Path) -> None:
    members = {
        "CONTENT_INTERACTION/ViewingActivity.csv": VIEWS,
        "CONTENT_INTERACTION/Ratings.csv": THUMBS,
        "CONTENT_INTERACTION/MyList.csv": MY_LIST,
        "CONTENT_INTERACTION/IndicatedPreferences.csv": INTERESTS,
    }
    events, skipped, _ = read(tmp_path / "report.zip", members, "netflix-report", "Mum")
    assert said(events) == [
        ("Dunes", FOR, None),
        ("Seas", AGAINST, None),
        ("Dunes", FOR, None),
        ("Skies", FOR, 2.0),
        ("Woods", WISH, None),
        ("Mines", AGAINST, None),
        ("Bays", FOR, None),
    ]
    assert skipped == [
        "a trailer or preview",
        "another person's",
        "watched for less than two minutes",
        "a rating that was taken back",
    ]
    (episode,), _, _ = read(tmp_path / "ViewingActivity.csv", VIEWS, "netflix-report", "Kid")
    assert (episode.whole, episode.more) == ("Dinos", {"medium": "show"})
    with pytest.raises(DataError, match=r"'Mum', 'Kid'.*--person"):
        list(FORMATS.parse(tmp_path / "report.zip"))


def test_a_report_that_was_unpacked_is_read_by_the_name_of_its_folder(tmp_path: Path) -> None:
    for name, text in (
        ("A/MyList.csv", MY_LIST),
        ("A/deleted/Ratings.csv", THUMBS),
        (".cache/Ratings.csv", THUMBS),
    ):
        (tmp_path / "report" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "report" / name).write_text(text)
    assert FORMATS.detect(tmp_path / "report") == "netflix-report"
    note, event = FORMATS.parse(tmp_path / "report")
    assert isinstance(event, ForeignEvent)
    assert event.title == "Woods"
    assert note == Note("1 files of what was deleted or is private were not read: A/deleted/Ratings.csv")


FILM = {"title": "Dunes", "year": 1999, "ids": {"imdb": "tt1"}}
SHOW = {"title": "Dinos", "year": 2012, "ids": {"trakt": 9}}


def test_trakt_gives_a_film_one_event_with_its_rating_and_an_episode_its_show(tmp_path: Path) -> None:
    history = [
        {"watched_at": "2020-01-01T10:00:00.000Z", "action": "watch", "type": "movie", "movie": FILM},
        {"watched_at": "2021-01-01T10:00:00.000Z", "action": "scrobble", "type": "movie", "movie": FILM},
        {
            "watched_at": "2020-01-02T10:00:00.000Z",
            "action": "watch",
            "type": "episode",
            "episode": {"season": 1, "number": 2, "title": "The Egg"},
            "show": SHOW,
        },
    ]
    members = {
        "watched/watched-history-1.json": json.dumps(history),
        "ratings/ratings-movies.json": json.dumps(
            [{"rated_at": "2021-01-02T10:00:00.000Z", "rating": 2, "type": "movie", "movie": FILM}]
        ),
        "ratings/ratings-shows.json": json.dumps(
            [{"rated_at": "2021-01-02T10:00:00.000Z", "rating": 9, "type": "show", "show": SHOW}]
        ),
        "lists/watchlist.json": json.dumps(
            [
                {
                    "listed_at": "2021-01-03T10:00:00Z",
                    "type": "movie",
                    "movie": {"title": "Hills", "year": 2001},
                }
            ]
        ),
        "hidden/hidden-recommendations.json": json.dumps(
            [{"hidden_at": "2021-01-03T10:00:00Z", "type": "movie", "movie": {"title": "Seas", "year": 2002}}]
        ),
        "user/profile.json": "{}",
    }
    events, skipped, _ = read(tmp_path / "trakt.zip", members, "trakt")
    assert sorted(said(events), key=lambda row: (row[0], row[2] or 0)) == [
        ("Dinos", FOR, 9.0),
        ("Dinos: Season 1: The Egg", FOR, None),
        ("Dunes (1999)", FOR, None),
        ("Dunes (1999)", FOR, 2.0),
        ("Hills (2001)", WISH, None),
        ("Seas (2002)", AGAINST, None),
    ]
    assert not skipped
    by_title = {event.title: event for event in events}
    assert by_title["Dunes (1999)"].at == day(2021, 1, 1, 10)
    assert (by_title["Dunes (1999)"].scale, by_title["Dunes (1999)"].foreign_id) == (10, "tt1")
    assert by_title["Dinos: Season 1: The Egg"].whole == by_title["Dinos"].title
    assert by_title["Dinos"].more == {"medium": "show"}


def test_simkl_backups_keep_plans_and_what_was_dropped(tmp_path: Path) -> None:
    def entry(title: str, status: str, rating: int | None, watched: str | None) -> dict[str, object]:
        times = {"last_watched_at": watched, "added_to_watchlist_at": "2020-01-01T00:00:00Z"}
        return {"status": status, "user_rating": rating, "movie": {"title": title, "year": 2001}, **times}

    entries = [
        entry("Dunes", "completed", 8, "2021-01-02T00:00:00Z"),
        entry("Hills", "plantowatch", None, None),
        entry("Seas", "dropped", None, "2021-01-03T00:00:00Z"),
        entry("Skies", "hold", None, "2021-01-03T00:00:00Z"),
    ]
    expected = [
        ("Dunes (2001)", FOR, 8.0),
        ("Hills (2001)", WISH, None),
        ("Seas (2001)", AGAINST, None),
        ("Skies (2001)", NEUTRAL, None),
    ]
    events, _, _ = read(tmp_path / "backup.json", json.dumps({"movies": entries, "shows": []}), "simkl")
    assert said(events) == expected
    assert [event.at for event in events][:2] == [day(2021, 1, 2), day(2020, 1, 1)]
    rows = (
        "SIMKL_ID,Title,Type,Year,Watchlist,LastEpWatched,WatchedDate,Rating,Memo,TVDB,TMDB,IMDB\n"
        "1,Dunes,movie,2001,completed,,2021-01-02,8,,,,\n2,Hills,movie,2001,plantowatch,,,,,,,\n"
        "3,Seas,movie,2001,dropped,,2021-01-03,,,,,\n4,Skies,movie,2001,hold,,2021-01-03,,,,,\n"
    )
    events, _, notes = read(tmp_path / "backup.csv", rows, "simkl")
    assert said(events) == expected
    assert notes == ["1 rows have no date: taken as before all that have one"]


def test_imdb_tells_ratings_from_a_watchlist_and_from_any_list(tmp_path: Path) -> None:
    ratings = (
        "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Year,Genres\n"
        'tt1,3,2020-01-02,Dunes,Dunes,u,Movie,8.1,1999,"Drama, War"\n'
    )
    (event,), _, _ = read(tmp_path / "ratings.csv", ratings, "imdb")
    assert (event.title, event.value, event.scale, event.labels) == (
        "Dunes (1999)",
        3.0,
        10,
        ("Drama", "War"),
    )
    listed = (
        "Position,Const,Created,Modified,Description,Title,Title Type,IMDb Rating,Year,Your Rating,"
        "Date Rated\n"
        "1,tt1,2019-01-02,2019-01-02,,Dunes,Movie,8.1,1999,,\n"
        "2,tt2,2019-01-02,,,Hills,Movie,8.1,2000,9,2020-01-02\n"
    )
    events, _, _ = read(tmp_path / "WATCHLIST.csv", listed, "imdb")
    assert said(events) == [("Dunes (1999)", WISH, None), ("Hills (2000)", FOR, 9.0)]
    events, skipped, _ = read(tmp_path / "worst of all.csv", listed, "imdb")
    assert said(events) == [("Hills (2000)", FOR, 9.0)]
    assert skipped == ["on a list, without a rating"]


def test_tv_time_takes_what_was_watched_of_many_kinds_of_record(tmp_path: Path) -> None:
    shows = (
        "key,series_name,season_number,episode_number,created_at,s_id\n"
        "watch-episode-1,Dinos,1,2,2020-01-02 10:00:00,9\nuser-series-9,Dinos,,,2020-01-01 10:00:00,9\n"
    )
    films = (
        "type,movie_name,created_at,entity_type\nwatch,Dunes,2020-01-02 10:00:00,movie\n"
        "towatch,Hills,2020-01-02 10:00:00,movie\n"
    )
    members = {"tracking-prod-records-v2.csv": shows, "tracking-prod-records.csv": films}
    events, skipped, _ = read(tmp_path / "tvtime.zip", members, "tv-time")
    assert said(events) == [
        ("Dinos: Season 1: Episode 2", FOR, None),
        ("Dunes", FOR, None),
        ("Hills", WISH, None),
    ]
    assert events[0].whole == "Dinos"
    assert skipped == ["no episode that was watched"]


def test_anime_lists_are_read_packed_or_not(tmp_path: Path) -> None:
    def entry(title: str, status: str, score: int, finished: str = "0000-00-00") -> str:
        return (
            f"<anime><series_animedb_id>7</series_animedb_id><series_title><![CDATA[{title}]]></series_title>"
            f"<series_type>TV</series_type><my_finish_date>{finished}</my_finish_date>"
            f"<my_start_date>0000-00-00</my_start_date><my_score>{score}</my_score>"
            f"<my_status>{status}</my_status></anime>"
        )

    entries = (
        entry("Dinos & Co", "Completed", 7, "2020-01-02"),
        entry("Hills", "Plan to Watch", 0),
        entry("Seas", "Dropped", 3),
    )
    content = f"<?xml version='1.0'?>\n<myanimelist>{''.join(entries)}</myanimelist>".encode()
    expected = [("Dinos & Co", FOR, 7.0), ("Hills", WISH, None), ("Seas", AGAINST, 3.0)]
    for name, body in (("animelist.xml", content), ("animelist.xml.gz", gzip.compress(content))):
        events, _, notes = read(tmp_path / name, body, "myanimelist")
        assert said(events) == expected
        assert (events[0].at, events[0].more) == (day(2020, 1, 2), {"medium": "show"})
        assert notes == ["2 rows have no date: taken as before all that have one"]
    path = tmp_path / "bomb.xml"
    path.write_bytes(b"<!DOCTYPE a [<!ENTITY b 'ha'>]><a><my_status>&b;</my_status><my_score></my_score></a>")
    with pytest.raises(DataError, match="document type of its own"):
        list(FORMATS.parse(path))


def test_movielens_org_hands_out_ratings_without_dates(tmp_path: Path) -> None:
    rows = "movie_id,imdb_id,tmdb_id,rating,average_rating,title\n1,2,3,0.5,3.9,Dunes (1999)\n"
    (event,), _, _ = read(tmp_path / "movielens-ratings.csv", rows, "movielens.org")
    assert (event.title, event.value, event.at) == ("Dunes (1999)", 0.5, 0)


def test_bookwyrm_and_librarything_know_what_was_given_up(tmp_path: Path) -> None:
    rows = (
        "title,author_text,remote_id,start_date,finish_date,stopped_date,rating,shelf,shelf_name,shelf_date\n"
        "Dunes,Ann Lee,u,2020-01-01,2020-01-02,,4.5,read,Read,2020-01-03\n"
        "Hills,Bo Ek,u,2020-01-01,,2020-02-02,,stopped-reading,Stopped,2020-01-03\n"
        "Seas,Bo Ek,u,,,,,to-read,To Read,2020-01-03\n"
    )
    events, _, _ = read(tmp_path / "bookwyrm.csv", rows, "bookwyrm")
    assert said(events) == [("Dunes", FOR, 4.5), ("Hills", AGAINST, None), ("Seas", WISH, None)]
    assert events[1].at == day(2020, 2, 2)
    tabs = (
        "Book Id\tTitle\tPrimary Author\tRating\tDate Read\tEntry Date\tCollections\n"
        "1\tDunes\tLee, Ann\t4.5\t[2020-01-02]\t[2019-01-02]\tYour library\n"
        "2\tHills\tEk, Bo\t\t\t[2019-01-02]\tWishlist\n3\tCaf\xe9\tEk, Bo\t\t\t[2019-01-02]\tYour library\n"
    )
    events, _, _ = read(tmp_path / "librarything.tsv", tabs.encode("latin-1"), "librarything")
    assert said(events) == [("Dunes", FOR, 4.5), ("Hills", WISH, None), ("Caf\xe9", Signal.SEEN, None)]
    assert events[0].at == day(2020, 1, 2)


LATER = [("Done", FOR, None), ("Kept", WISH, None), ("Loved", FOR, None)]


@pytest.mark.parametrize(
    ("name", "content", "expected", "signals"),
    [
        (
            "instapaper",
            "URL,Title,Selection,Folder,Timestamp,Tags\nu,Done,,Archive,1709290000,[]\n"
            "u,Kept,,Unread,1709290001,[]\nu,Loved,,Starred,1709290002,[]\nu,Filed,,Recipes,1709290002,[]\n",
            "a.csv",
            [*LATER, ("Filed", WISH, None)],
        ),
        (
            "pocket",
            "title,url,time_added,tags,status\nDone,u,1709290000,,archive\nKept,u,1709290001,,unread\n",
            "a.csv",
            LATER[:2],
        ),
        (
            "readwise-reader",
            "Title,URL,ID,Document tags,Saved date,Reading progress,Location,Seen\n"
            "Done,u,1,[],2022-11-06 04:33:50+00:00,1,archive,True\nKept,u,1,[],2022-11-06,0,later,False\n"
            "Fed,u,1,[],2022-11-06,0,feed,False\n",
            "a.csv",
            LATER[:2],
        ),
        (
            "raindrop",
            "id,title,note,excerpt,url,folder,tags,created,cover,highlights,favorite\n"
            "1,Kept,,,u,Unsorted,,2024-01-02T00:00:00Z,,,false\n1,Loved,,,u,Unsorted,,2024-01-02,,,true\n",
            "a.csv",
            LATER[1:],
        ),
        (
            "omnivore",
            json.dumps(
                [
                    {
                        "slug": "a",
                        "title": "Done",
                        "state": "Archived",
                        "readingProgress": 100,
                        "savedAt": "2024-01-02",
                    },
                    {
                        "slug": "b",
                        "title": "Kept",
                        "state": "Active",
                        "readingProgress": 0,
                        "savedAt": "2024-01-02",
                    },
                ]
            ),
            "metadata_0_to_20.json",
            LATER[:2],
        ),
        (
            "wallabag",
            json.dumps(
                [
                    {
                        "title": title,
                        "is_archived": read,
                        "is_starred": star,
                        "created_at": "2024-01-02T10:00:00+0000",
                    }
                    for title, read, star in (("Done", 1, 0), ("Kept", 0, 0), ("Loved", 1, 1))
                ]
            ),
            "a.json",
            LATER,
        ),
        (
            "karakeep",
            json.dumps(
                {
                    "bookmarks": [
                        {
                            "createdAt": 1709290000,
                            "title": title,
                            "tags": [],
                            "content": {"type": "link"},
                            **more,
                        }
                        for title, more in (
                            ("Done", {"archived": True}),
                            ("Kept", {}),
                            ("Loved", {"favourited": True}),
                        )
                    ]
                }
            ),
            "a.json",
            LATER,
        ),
    ],
)
def test_what_was_saved_to_read_later_is_wanted_until_it_is_read(
    tmp_path: Path, name: str, content: str, expected: str, signals: list[tuple[str, Signal, float | None]]
) -> None:
    events, _, _ = read(tmp_path / expected, content, name)
    assert said(events) == signals


def test_amazon_orders_are_purchases_with_a_price_and_no_gifts_nor_cancellations(tmp_path: Path) -> None:
    rows = (
        "Website,Order ID,Order Date,Currency,Unit Price,Quantity,ASIN,Product Name,Order Status,"
        "Gift Message\n"
        'A,1,2024-03-01T10:00:00Z,EUR,"1,009.99",1,B0,Tea pot,Closed,Not Available\n'
        "A,2,2024-03-02T10:00:00Z,EUR,9.99,1,B1,Cup,Cancelled,Not Available\n"
        "A,3,2024-03-02T10:00:00Z,EUR,9.99,1,B2,Doll,Closed,For you\n"
    )
    (event,), skipped, _ = read(tmp_path / "Retail.OrderHistory.1.csv", rows, "amazon")
    assert (event.kind, event.value, event.context) == (
        "purchase",
        None,
        {"price": "1009.99 EUR", "pieces": "1"},
    )
    assert skipped == ["an order that was cancelled", "bought as a gift for somebody else"]


def test_a_kindle_session_counts_when_it_lasted(tmp_path: Path) -> None:
    rows = (
        "Product Name,Start Timestamp,End Timestamp,Total Reading Milliseconds\n"
        "Dunes,2024-03-01T10:00:00Z,2024-03-01T10:20:00Z,1200000\nHills,2024-03-01T10:00:00Z,,900\n"
    )
    events, skipped, _ = read(tmp_path / "kindle.csv", rows, "kindle")
    assert said(events) == [("Dunes", FOR, None)]
    assert skipped == ["opened for less than a minute"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("books.sqlite", b"SQLite format 3\0" + bytes(100), "not read yet: an SQLite database"),
        (
            "films.xlsx",
            {"[Content_Types].xml": "", "xl/workbook.xml": ""},
            "not read yet: an Excel workbook.*save its sheet",
        ),
        ("me.pdf", b"%PDF-1.7", "not read yet: a PDF"),
        (
            "gdpr_data.json",
            b'{"lists": [{"series_id": 1, "series_type": 0, "score": 8}]}',
            "not read yet: AniList's own export, because it names anime by number",
        ),
        (
            "Kindle.Devices.ReadingSession.csv",
            b"start_timestamp,ASIN,end_timestamp,total_reading_millis\n2024-03-01,B0,2024-03-01,9\n",
            "not read yet: Kindle's log",
        ),
    ],
)
def test_what_is_known_and_not_read_yet_is_said_by_name(
    tmp_path: Path, name: str, content: bytes | dict[str, str], words: str
) -> None:
    path = tmp_path / name
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for member, text in content.items():
                archive.writestr(member, text)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        list(FORMATS.parse(path))
