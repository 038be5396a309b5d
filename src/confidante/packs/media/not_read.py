"""Files that people bring and that nobody reads yet, each by its name and with what to do instead."""

from confidante.formats.records import NotRead
from confidante.formats.source import Source

_DATABASES = (b"SQLite format 3\0",)


def _has(source: Source, *words: bytes, starts: bool = False) -> bool:
    heads = [member.head() for member in source.members[:200]]
    return any(all(head.startswith(word) if starts else word in head for word in words) for head in heads)


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
        "an archive within an archive, as Apple makes them",
        "one is unpacked at most: unpack it, and name the folder or file within",
        lambda source: bool(source.members) and len(source.named("*.zip")) == len(source.members),
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
)
