"""Music, podcasts and pages by their exporters: what each row says, and what is said of the rest."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from confidante.core.errors import DataError
from confidante.device.importing import ForeignEvent, Note, Skipped
from confidante.packs.media import MEDIA
from confidante.packs.signals import Signal

FORMATS = MEDIA.formats()


def read(path: Path, name: str) -> tuple[list[ForeignEvent], list[Skipped], list[str]]:
    assert FORMATS.detect(path) == name
    rows = list(FORMATS.parse(path))
    return (
        [row for row in rows if isinstance(row, ForeignEvent)],
        [row for row in rows if isinstance(row, Skipped)],
        [row.text for row in rows if isinstance(row, Note)],
    )


def said(events: list[ForeignEvent]) -> list[tuple[str, str, str]]:
    return [(event.kind, event.title, event.creator) for event in events]


def moment(event: ForeignEvent) -> str:
    return datetime.fromtimestamp(event.at, UTC).isoformat()[:19]


def write(path: Path, content: str | list[Any] | dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def play(title: str, ms: int, **more: Any) -> dict[str, Any]:
    return {
        "ts": "2024-03-01T08:00:00Z",
        "ms_played": ms,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": "Band",
        **more,
    }


@pytest.mark.parametrize(
    ("ms", "more", "signal"),
    [
        (200_000, {"reason_end": "trackdone", "skipped": False}, Signal.FOR),
        (29_000, {"reason_end": "trackdone", "skipped": False}, Signal.FOR),  # an interlude, heard to its end
        (31_000, {"reason_end": "fwdbtn", "skipped": True}, Signal.AGAINST),
        (
            2_000,
            {"reason_end": "fwdbtn", "skipped": None},
            Signal.AGAINST,
        ),  # of years before `skipped` was kept
        (31_000, {"reason_end": "fwdbtn", "skipped": False}, Signal.FOR),
        (600_000, {"reason_end": "fwdbtn", "skipped": True}, Signal.FOR),  # ten minutes of a long set
        (40_000, {"reason_end": "endplay", "skipped": None}, Signal.FOR),
        (200_000, {"reason_end": "trackdone", "incognito_mode": True}, Signal.PRIVATE),
        (2_000, {"reason_end": "fwdbtn", "skipped": True, "incognito_mode": True}, Signal.PRIVATE),
        (5_000, {"reason_end": "endplay", "skipped": None}, None),
        (0, {"reason_end": "trackdone", "skipped": False}, None),  # could not be played
    ],
)
def test_spotify_says_what_was_heard_skipped_or_private(
    tmp_path: Path, ms: int, more: dict[str, Any], signal: Signal | None
) -> None:
    path = write(tmp_path / "Streaming_History_Audio_2024_0.json", [play("Song", ms, **more)])
    events, skipped, _ = read(path, "spotify")
    assert [MEDIA.event(event.kind).signal for event in events] == ([signal] if signal else [])
    assert len(skipped) == (signal is None)


def test_spotify_played_off_line_has_its_own_time(tmp_path: Path) -> None:
    rows = [
        play("Song", 90_000, offline=True, offline_timestamp=1709200000),
        play("Song", 90_000, offline=True, offline_timestamp=0),
        play("Song", 90_000, offline=False, offline_timestamp=1709200000),
    ]
    events, _, _ = read(write(tmp_path / "endsong_0.json", rows), "spotify")
    assert [event.at for event in events] == [1709200000, 1709280000, 1709280000]


def test_spotify_account_library_has_likes_and_bans(tmp_path: Path) -> None:
    library = {
        "tracks": [{"artist": "Band", "album": "R", "track": "Loved", "uri": "spotify:track:1"}],
        "shows": [{"name": "Talk", "publisher": "Station", "uri": "spotify:show:1"}],
        "bannedTracks": [{"artist": "Band", "track": "Hated", "uri": "spotify:track:2"}],
    }
    recent = [{"endTime": "2024-03-01 08:00", "artistName": "B", "trackName": "Song", "msPlayed": 90_000}]
    write(tmp_path / "x" / "YourLibrary.json", library)
    write(tmp_path / "x" / "StreamingHistory_music_0.json", recent)
    events, _, _ = read(tmp_path / "x", "spotify-recent")
    assert said(events) == [
        ("like", "Loved", "Band"),
        ("follow", "Talk", "Station"),
        ("ban", "Hated", "Band"),
        ("play", "Song", "B"),
    ]


def test_listenbrainz_feedback_is_for_against_or_taken_back(tmp_path: Path) -> None:
    mbids = [f"{k}" * 8 + "-1111-1111-1111-" + f"{k}" * 12 for k in range(3)]
    listens = [
        {
            "listened_at": 1709290000 + k,
            "track_metadata": {
                "track_name": f"Song {k}",
                "artist_name": "Band",
                "additional_info": {"recording_mbid": mbid},
            },
        }
        for k, mbid in enumerate(mbids)
    ]
    feedback = [
        {"recording_mbid": mbid, "score": score, "created": 1709300000 + score, "track_metadata": None}
        for mbid, score in zip([*mbids, "unknown"], (1, -1, 0, 1), strict=True)
    ]
    path = tmp_path / "listenbrainz_someone.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("user.json", '{"user_id": 1}')
        archive.writestr("feedback.jsonl", "".join(json.dumps(row) + "\n" for row in feedback))
        archive.writestr("pinned_recording.jsonl", "")
        archive.writestr("listens/2024/3.jsonl", "".join(json.dumps(row) + "\n" for row in listens))
    events, skipped, _ = read(path, "listenbrainz")
    assert said(events) == [
        *(("play", f"Song {k}", "Band") for k in range(3)),
        ("like", "Song 0", "Band"),
        ("dislike", "Song 1", "Band"),
        ("unlike", "Song 2", "Band"),
    ]
    assert [row.reason for row in skipped] == ["a judgement of a recording that the file does not name"]


TWO = [("play", "Open Song", "Band A"), ("play", "Blue Song", "Band B")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "Band A,Record,Open Song,31 Jan 2018 04:58\nBand B,Record,Blue Song,31 Jan 2018 04:55\n"),
        (
            "b.csv",
            '"Band A","Open Song","R","2016-01-26 15:35:55"\n'
            '"Band B","Blue Song","S","2016-01-26 15:39:55"\n',
        ),
        (
            "c.csv",
            "Band A,R,Open Song,31.01.2018 04:58:59 +00:00,,\n"
            "Band B,R,Blue Song,31.01.2018 04:55:59 +00:00,,\n",
        ),
        ("d.csv", "2021-04-01,10:42:53,Band A,Open Song\n2021-04-01,10:39:59,Band B,Blue Song\n"),
        (
            "e.csv",
            "\ufeffArtist;Album;AlbumId;Track;Date#someone\n"
            '"Band A";"R";"x";"Open Song";"1617291837000"\n"Band B";"R; S";"y";"Blue Song";"1617291937000"\n',
        ),
        (
            "f.csv",
            "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
            '"1270468794","05 Apr 2010, 11:59",'
            'Band A,,,,Open Song,\n"1270468795","05 Apr 2010, 11:59",Band B,,,,Blue Song,\n',
        ),
        (
            "g.tsv",
            "user_1\t2009-05-04T23:08Z\tm1\tBand A\tm2\tOpen Song\n"
            "user_1\t2009-05-04T23:18Z\tm\tBand B\tm\tBlue Song\n",
        ),
        (
            "h.json",
            '[{"track": [{"artist": {"#text": "Band A"}, "name": "Open Song", '
            '"date": {"uts": "1270468794"}}]},'
            ' {"track": [{"artist": {"#text": "Band B"}, "name": "Blue Song", '
            '"date": {"uts": "1270468795"}}]}]',
        ),
        (
            "i.json",
            '{"username": "x", "scrobbles": [{"track": "Open Song", "artist": "Band A", '
            '"date": 1617291837000},'
            ' {"track": "Blue Song", "artist": "Band B", "date": 1617291937000}]}',
        ),
        (
            "j.json",
            '{"recenttracks": {"track": [{"artist": {"#text": "Band A"}, "name": "Open Song", '
            '"date": {"uts": "1270468794"}},'
            ' {"artist": {"name": "Band B"}, "name": "Blue Song", "date": {"uts": "1270468795"}}]}}',
        ),
    ],
)
def test_every_exporter_of_last_fm_gives_tracks_and_not_albums(
    tmp_path: Path, name: str, content: str
) -> None:
    events, skipped, _ = read(write(tmp_path / name, content), "lastfm")
    assert said(events) == TWO
    assert not skipped


def test_what_a_scrubber_writes_and_a_clock_that_was_never_set(tmp_path: Path) -> None:
    song = {"artistName": "Band", "albumName": "R", "trackName": "Song", "time": "2022-01-06T00:32:16Z"}
    assert said(read(write(tmp_path / "x.json", [song]), "lastfm")[0]) == [("play", "Song", "Band")]
    table = (
        "Title\tArtist\tAlbum\tDate\tTimestamp\n"
        '"""Quoted"""\tBand\tR\t01 Jan 1970, 16:23\t59008\n'
        '"""Quoted"""\tBand\tR\t12 Oct 2009, 13:01\t1255352473\n'
    )
    events, skipped, _ = read(write(tmp_path / "x.tsv", table), "lastfm")
    assert said(events) == [("play", '"Quoted"', "Band")]
    assert [row.line for row in skipped] == [2]


@pytest.mark.parametrize(
    ("first", "album_first"), [("{artist},{album},{track}", True), ("{artist},{track},{album}", False)]
)
def test_an_album_is_what_has_several_tracks(tmp_path: Path, first: str, album_first: bool) -> None:
    rows = [
        f"{first.format(artist='Band', album='Record', track=f'Song {k}')},2024-01-0{k + 1} 10:00\n"
        for k in range(5)
    ]
    events, _, (note,) = read(write(tmp_path / "x.csv", "".join(rows)), "lastfm")
    assert [event.title for event in events] == [f"Song {k}" for k in range(5)]
    assert ("artist, album, track" in note) is album_first
    assert "since an album has several tracks" in note


def test_columns_that_can_be_read_in_two_ways_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "Band,Moon,Sun,1617291837\nBand,Sea,Sand,1617291937\n")
    with pytest.raises(DataError, match=r"no header.*artist,album,track,date or artist,track,album,date"):
        list(FORMATS.parse(path))


def test_other_tables_without_a_header_are_not_taken_for_music(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a header with a column title"):
        list(FORMATS.parse(write(tmp_path / "x.csv", "1,2,3,978300760\n2,3,4,978300761\n")))
    path = write(tmp_path / "y.csv", "title,creator,label,date\nMoss,Ada,x,2024-01-02\n")
    assert FORMATS.detect(path) == "csv"


def test_a_player_says_what_was_skipped(tmp_path: Path) -> None:
    content = (
        "#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n#CLIENT/Rockbox\n"
        "Band\tRecord\tHeard\t1\t200\tL\t1700000000\t\n"
        "Band\tRecord\tSkipped\t2\t200\tS\t1700000300\tmbid\n"
        "Band\tRecord\tNo clock\t3\t200\tL\t0\t\n"
        "nothing\n"
    )
    events, skipped, notes = read(write(tmp_path / ".scrobbler.log", content), "scrobbler-log")
    assert said(events) == [("play", "Heard", "Band"), ("skip", "Skipped", "Band")]
    assert [row.line for row in skipped] == [6, 7]
    assert notes == [".scrobbler.log has times by the player's own clock: taken as UTC"]


def test_servers_and_apps_of_ones_own(tmp_path: Path) -> None:
    maloja = {"scrobbles": [{"time": 1700000000, "track": {"artists": ["Ada", "Bo"], "title": "Song"}}]}
    koito = {
        "version": "1",
        "listens": [
            {
                "listened_at": "2024-03-01T08:00:00Z",
                "track": {
                    "mbid": None,
                    "aliases": [{"alias": "Sang"}, {"alias": "Song", "is_primary": True}],
                },
                "artists": [{"is_primary": True, "aliases": [{"alias": "Ada", "is_primary": True}]}],
            }
        ],
    }
    pano = [
        {"timeMs": 1700000000000 + k, "artist": "Ada", "track": "Song", "event": word}
        for k, word in enumerate(("scrobble", "love", "unlove"))
    ]
    assert said(read(write(tmp_path / "maloja.json", maloja), "scrobble-server")[0]) == [
        ("play", "Song", "Ada, Bo")
    ]
    assert said(read(write(tmp_path / "koito.json", koito), "scrobble-server")[0]) == [
        ("play", "Song", "Ada")
    ]
    lines = "".join(json.dumps(row) + "\n" for row in pano)
    kinds = [event.kind for event in read(write(tmp_path / "pano.jsonl", lines), "scrobble-server")[0]]
    assert kinds == ["play", "like", "unlike"]
    table = (
        "timeHuman,timeMs,artist,track,album,albumArtist,durationMs,event\n"
        "x,1700000000000,Ada,Song,R,Ada,1,love\n"
    )
    assert said(read(write(tmp_path / "pano.csv", table), "pano-scrobbler")[0]) == [("like", "Song", "Ada")]


APPLE_DAILY = (
    "Country,Track Identifier,Media type,Date Played,Hours,Play Duration Milliseconds,End Reason Type,"
    "Source Type,"
    "Play Count,Skip Count,Ignore For Recommendations,Track Reference,Track Description\n"
    'DE,1,AUDIO,20240301,"10, 13",400000,NATURAL_END_OF_TRACK,IPHONE,2,0,,1,Band - Open - Song\n'
    "DE,2,AUDIO,20240301,11,2000,TRACK_SKIPPED_FORWARDS,IPHONE,0,1,false,2,Band - Passed\n"
    "DE,3,AUDIO,20240301,12,200000,NATURAL_END_OF_TRACK,IPHONE,1,0,true,3,Band - Secret\n"
    "DE,4,AUDIO,20240301,12,900,PLAYBACK_MANUALLY_PAUSED,IPHONE,0,0,,4,Band - Paused\n"
)


def test_apple_music_skips_and_what_it_is_told_to_ignore(tmp_path: Path) -> None:
    folder = tmp_path / "Apple Music Activity"
    write(folder / "Apple Music - Play History Daily Tracks.csv", APPLE_DAILY)
    write(
        folder / "Apple Music Play Activity.csv",
        "Song Name,Container Artist Name,Event Type,Event End Timestamp,End Reason Type,"
        "Play Duration Milliseconds\n"
        "Open Song,Band,PLAY_END,2024-03-01T10:03:20Z,NATURAL_END_OF_TRACK,200000\n"
        "Passed,Band,PLAY_END,2024-03-01T10:04:20Z,TRACK_SKIPPED_FORWARDS,2000\n"
        "Open Song,Band,LYRIC_DISPLAY,2024-03-01T10:03:00Z,,0\n",
    )
    write(
        folder / "Apple Music Likes and Dislikes.csv",
        "Item Description,Preference,Created,Last Modified,Item Reference\n"
        "Band - Loved,LOVE,2024-03-01T10:00:00Z,2024-03-01T10:00:00Z,9\n"
        "Band - Hated,DISLIKE,2024-03-01T10:00:00Z,2024-03-01T10:00:00Z,8\n",
    )
    events, skipped, notes = read(folder, "apple-music")
    assert [(event.kind, event.title) for event in events] == [
        *(("play", "Open - Song"), ("play", "Open - Song"), ("skip", "Passed"), ("private", "Secret")),
        *(("like", "Loved"), ("DISLIKE", "Hated")),
    ]
    assert [moment(event) for event in events[:2]] == ["2024-03-01T10:00:00", "2024-03-01T13:00:00"]
    assert MEDIA.event("DISLIKE").signal is Signal.AGAINST
    assert [row.line for row in skipped] == [5]
    assert notes == ["apple music play activity.csv not read: they name the same plays again"]
    events, skipped, _ = read(folder / "Apple Music Play Activity.csv", "apple-music")
    assert said(events) == [("play", "Open Song", "Band"), ("skip", "Passed", "Band")]
    assert len(skipped) == 1


def test_tables_of_deezer_tidal_and_edge(tmp_path: Path) -> None:
    deezer = (
        "Song Title,Artist,ISRC,Album Title,IP Address,Listening Time,Platform Name,Date\n"
        "Song,Ada,X1,R,-,120,web,2024-03-01 08:00:00\nShort,Ada,X2,R,-,4,web,2024-03-01 08:00:00\n"
    )
    tidal = (
        "entry_date,track_title,artist_name,album_name,stream_duration_ms,product_type\n"
        "2024-03-01T08:00:00Z,Song,Ada,R,200000,HIFI\n"
    )
    edge = "DateTime,NavigatedToUrl,PageTitle\n2024-03-01T08:00:00.000Z,https://x/1,Moss\n"
    for content, name, expected in (
        (deezer, "music-csv", ("play", "Song", "Ada")),
        (tidal, "music-csv", ("play", "Song", "Ada")),
        (edge, "edge-history", ("visit", "Moss", "")),
    ):
        events, _, _ = read(write(tmp_path / "x.csv", content), name)
        assert (said(events), moment(events[0])) == ([expected], "2024-03-01T08:00:00")


def test_pages_that_loaded_by_themselves_were_not_visited(tmp_path: Path) -> None:
    page = {"title": "Moss", "url": "https://x/1", "time_usec": 1709290000000000, "page_transition": "LINK"}
    chrome = {"Browser History": [page, {**page, "page_transition": "RELOAD"}, {**page, "title": ""}]}
    events, skipped, _ = read(write(tmp_path / "History.json", chrome), "browser-history")
    assert (said(events), len(skipped)) == ([("visit", "Moss", "")], 2)
    safari = {
        "metadata": {"data_type": "history"},
        "history": [{"title": "Moss", "url": "u", "time_usec": 1709290000000000}],
    }
    assert said(read(write(tmp_path / "x.json", safari), "browser-history")[0]) == [("visit", "Moss", "")]


HEARD = "2024-03-01T08:00:00-04:00"
OPML = """<?xml version="1.0"?>
<opml version="2.0"><head><title>x</title>{date}</head><body><outline text="feeds">
<outline type="rss" text="Talk &amp; tea" xmlUrl="https://x/f">
<outline type="podcast-episode" overcastId="1" title="Heard" played="1" userUpdatedDate="{at}"/>
<outline type="podcast-episode" overcastId="2" title="Begun" progress="9" userUpdatedDate="{at}"/>
<outline type="podcast-episode" overcastId="3" title="Gone" userDeleted="1" userUpdatedDate="{at}"/>
</outline></outline></body></opml>
"""


def test_podcasts_that_are_followed_and_heard(tmp_path: Path) -> None:
    content = OPML.format(date="<dateCreated>Fri, 01 Mar 2024 08:00:00 GMT</dateCreated>", at=HEARD)
    events, skipped, notes = read(write(tmp_path / "overcast.opml", content), "opml")
    assert [(event.kind, event.title, event.whole) for event in events] == [
        ("subscribe", "Talk & tea", ""),
        ("listen", "Heard", "Talk & tea"),
        ("started", "Begun", "Talk & tea"),
    ]
    assert [moment(event) for event in events] == ["2024-03-01T08:00:00", *["2024-03-01T12:00:00"] * 2]
    assert ([row.line for row in skipped], notes) == ([6], [])
    _, _, (note,) = read(write(tmp_path / "x.opml", OPML.format(date="", at=HEARD)), "opml")
    assert "has no date" in note


def test_a_document_that_declares_entities_is_refused(tmp_path: Path) -> None:
    head = '<?xml version="1.0"?><!DOCTYPE opml [<!ENTITY a "aaaa">]>'
    bomb = f'{head}<opml><body><outline text="&a;"/></body></opml>'
    with pytest.raises(DataError, match="it declares entities"):
        list(FORMATS.parse(write(tmp_path / "x.opml", bomb)))


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("user_data.json", '{"Activity": {"Video Browsing History": {"VideoList": []}}}', "TikTok"),
        ("liked_posts.json", '{"likes": [{"string_list_data": []}]}', "Instagram"),
        ("navidrome.db", "SQLite format 3\0x", "Navidrome"),
        ("playback.log", "1700000000:1:2:/Music/a.mp3\n", "Rockbox"),
        ("x.xml", "<recenttracks></recenttracks>", "Last.fm as XML"),
    ],
)
def test_what_is_known_and_not_read_is_said_by_name(
    tmp_path: Path, name: str, content: str, word: str
) -> None:
    with pytest.raises(DataError, match=rf"is not read yet: .*{word}.*, because "):
        FORMATS.detect(write(tmp_path / name, content))


def test_a_workbook_is_not_read_yet(tmp_path: Path) -> None:
    path = tmp_path / "deezer-data_1.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(DataError, match=r"is not read yet: an Excel workbook.*save its sheet"):
        FORMATS.detect(path)
