"""Files that people bring and that nobody reads yet, each by its name and with what to do instead."""

from confidante.formats.records import NotRead
from confidante.formats.source import Source
from confidante.formats.tables import header_of

_DATABASES = (b"SQLite format 3\0",)
_MOST_HEADS = 20  # of files in an archive


def _has(source: Source, *words: bytes, starts: bool = False) -> bool:
    heads = [member.head() for member in source.members[:_MOST_HEADS]]
    return any(all(head.startswith(word) if starts else word in head for word in words) for head in heads)


def _columns(source: Source, *names: str) -> bool:
    tables = source.named("*.csv") + source.named("*.tsv")
    return any(set(names) <= set(header_of(member)) for member in tables[:_MOST_HEADS])


_CSV_INSTEAD = "its structure is not known well enough: import a CSV with columns like title, date and rating"

NOT_READ = (
    NotRead(
        "TikTok",
        "its export names videos by their links alone, so that nothing is known of what they are",
        lambda source: any(
            _has(source, word) for word in (b'"Video Browsing History"', b'"VideoList"', b'"Watch History"')
        ),
    ),
    NotRead(
        "Instagram",
        "its export names accounts and links, and not what was seen",
        lambda source: _has(source, b'"string_map_data"') or _has(source, b'"string_list_data"'),
    ),
    NotRead(
        "an Excel workbook, such as Deezer's",
        "only plain tables are: save its sheet of the history (Deezer: 10_listeningHistory) as CSV",
        lambda source: bool(source.named("workbook.xml")),
    ),
    NotRead(
        "an SQLite database, such as those of Navidrome, Plex, Tautulli, Pocket Casts and Firefox",
        "a program's own database changes with its versions: export its history as CSV or JSON",
        lambda source: _has(source, *_DATABASES, starts=True),
    ),
    NotRead(
        "a LibreOffice or an old Excel workbook",
        "only plain tables are: save its sheet of the history as CSV",
        lambda source: (
            _has(source, b"\xd0\xcf\x11\xe0", starts=True)
            or {"content.xml", "mimetype"} <= {member.name for member in source.members[:50]}
        ),
    ),
    NotRead(
        "a PDF",
        "tables in it are pictures of tables: ask for the same data as CSV or JSON",
        lambda source: _has(source, b"%PDF-", starts=True),
    ),
    NotRead(
        "AniList's own export",
        "it names anime by number only: export your list as MyAnimeList XML, and import that",
        lambda source: _has(source, b'"series_id"', b'"series_type"', b'"lists"'),
    ),
    NotRead(
        "Kindle's log of reading sessions",
        "it names books by number only: import your Amazon orders, or a CSV of titles and dates",
        lambda source: any(
            {"asin", "start_timestamp", "total_reading_millis"} <= set(header_of(member))
            for member in source.named("*readingsession*.csv")[:5]
        ),
    ),
    NotRead(
        "an archive within an archive, as Apple makes them",
        "one is unpacked at most: unpack it, and name the folder or file within",
        lambda source: bool(source.named("*.zip")) and any(m.zipped for m in source.members),
    ),
    NotRead(
        "Rockbox's playback.log",
        "it names files and not tracks: let its plugin lastfm_scrobbler write .scrobbler.log",
        lambda source: bool(source.named("playback*.log")),
    ),
    NotRead(
        "foobar2000's statistics (XML)",
        "it names tracks by numbers of its own: export the playlist with play counts as CSV",
        lambda source: _has(source, b"<PlaybackStatistics"),
    ),
    NotRead(
        "Last.fm as XML",
        "its exporters also give JSON and CSV, which are read",
        lambda source: _has(source, b"<recenttracks") or _has(source, b"<lfm "),
    ),
    NotRead(
        "Prime Video's viewing history",
        _CSV_INSTEAD,
        lambda source: _columns(source, "title", "playback start datetime (utc)"),
    ),
    NotRead(
        "TV Time's export",
        _CSV_INSTEAD,
        lambda source: _columns(source, "series_name", "episode_number", "created_at"),
    ),
    NotRead(
        "Vivino's export", _CSV_INSTEAD, lambda source: _columns(source, "winery", "wine name", "vintage")
    ),
    NotRead("Untappd's export", _CSV_INSTEAD, lambda source: _has(source, b'"beer_name"', b'"brewery_name"')),
    NotRead(
        "Steam's list of games",
        "it says how long a game was played in all, and not when: import a CSV with title and date",
        lambda source: _has(source, b'"playtime_forever"', b'"appid"'),
    ),
    NotRead(
        "Tautulli's history as JSON",
        _CSV_INSTEAD,
        lambda source: _has(source, b'"percent_complete"', b'"watched_status"'),
    ),
    NotRead(
        "LibraryThing's export as JSON",
        "it also gives its books as tab-delimited text, which is read",
        lambda source: _has(source, b'"books_id"', b'"primaryauthor"'),
    ),
    NotRead(
        "bookmarks of a browser",
        "a bookmark does not say that its page was read: import the browser's history instead",
        lambda source: _has(source, b"<!DOCTYPE NETSCAPE-Bookmark-file-1>"),
    ),
)
