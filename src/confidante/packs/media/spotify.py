"""What was heard and seen on Spotify: both of its histories, and the library of the account's data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import msgspec

from confidante.core.errors import DataError
from confidante.formats.json_tables import JsonTable, read_list
from confidante.formats.records import ForeignEvent, Format, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, json_entries
from confidante.formats.timestamps import parse_time

SHORT = "played for less than 30 seconds"
_ENOUGH = 30_000  # milliseconds
_HEARD_OUT = 1_000  # less is a track that could not be played
_LONG = 240_000  # from here on it was heard, whatever ended it, as Last.fm has it
_FINISHED, _FORWARDS = "trackdone", "fwdbtn"
_EXTENDED = ("endsong*.json", "endvideo*.json", "streaming_history_*.json")
_RECENT = ("streaminghistory*.json",)
_LIBRARY = tuple(
    JsonTable(
        needs=name,
        member="yourlibrary",
        entries=name,
        title="track|name",
        creator="artist|publisher|show",
        id="uri",
        default=kind,
        undated=True,
    )
    for name, kind in (
        *(("tracks", "like"), ("albums", "save"), ("shows", "follow"), ("episodes", "save")),
        *(("artists", "follow"), ("bannedTracks", "ban"), ("bannedArtists", "ban")),
    )
)


class _Played(msgspec.Struct):
    ts: str
    ms_played: int
    master_metadata_track_name: str | None = None
    master_metadata_album_artist_name: str | None = None
    spotify_track_uri: str | None = None
    episode_name: str | None = None
    episode_show_name: str | None = None
    spotify_episode_uri: str | None = None
    audiobook_title: str | None = None
    audiobook_uri: str | None = None
    reason_end: str | None = None
    skipped: Any = None
    offline: Any = None
    offline_timestamp: Any = None
    incognito_mode: Any = None


class _Recent(msgspec.Struct, rename="camel"):
    end_time: str
    ms_played: int
    artist_name: str | None = None
    track_name: str | None = None
    podcast_name: str | None = None
    episode_name: str | None = None


@final
@dataclass(frozen=True, slots=True)
class _What:
    """What was heard. creator: its artist, or its show."""

    title: str | None
    creator: str | None
    medium: str
    uri: str | None


def _is_extended(source: Source) -> bool:
    return _starts(source, _EXTENDED, b"ms_played")


def _is_recent(source: Source) -> bool:
    return _starts(source, _RECENT, b"msPlayed") or bool(_library(source))


def _starts(source: Source, patterns: tuple[str, ...], word: bytes) -> bool:
    named = source.named(*patterns) or (source.members if len(source.members) == 1 else ())
    return any(b'"' + word + b'"' in member.head() for member in named[:20])


def _library(source: Source) -> list[tuple[Member, JsonTable]]:
    return [(m, one) for m in source.named("yourlibrary*.json") for one in _LIBRARY if one.fits(m)]


def _chosen(source: Source, patterns: tuple[str, ...]) -> tuple[Member, ...]:
    members = source.named(*patterns) or (source.members if len(source.members) == 1 else ())
    if not members:
        raise DataError(f"has no file of Spotify's history ({', '.join(patterns)})", path=source.path)
    return tuple(sorted(members, key=lambda member: member.base))


def _extended(source: Source, _: str | None) -> Iterator[Row]:
    for member in _chosen(source, _EXTENDED):
        for entry in json_entries(member, _Played):
            yield _played(*entry) if isinstance(entry, tuple) else entry


def _played(number: int, entry: _Played) -> Row:
    at = parse_time(entry.ts)
    if entry.offline is True and isinstance(entry.offline_timestamp, int | float) and at is not None:
        before = parse_time(str(entry.offline_timestamp))  # `ts` is when the player was on line again
        at = before if before is not None and before < at else at
    kind = "private" if entry.incognito_mode is True else _kind(entry)
    if entry.master_metadata_track_name:
        what = _What(
            entry.master_metadata_track_name,
            entry.master_metadata_album_artist_name,
            "song",
            entry.spotify_track_uri,
        )
    elif entry.episode_name:
        what = _What(entry.episode_name, entry.episode_show_name, "podcast", entry.spotify_episode_uri)
    else:
        what = _What(entry.audiobook_title, None, "book", entry.audiobook_uri)
    return _heard(number, what, at, kind, entry.ms_played)


def _kind(entry: _Played) -> str:
    """Return what a play says, an empty text for nothing: somebody skipped it, or heard enough of it."""
    if entry.reason_end == _FINISHED and entry.ms_played >= _HEARD_OUT:
        return "play"
    skipped = entry.reason_end == _FORWARDS if entry.skipped is None else entry.skipped is True
    if skipped and entry.ms_played < _LONG:
        return "skip"
    return "play" if entry.ms_played >= _ENOUGH else ""


def _recent(source: Source, _: str | None) -> Iterator[Row]:
    library = _library(source)
    for member, table in library:
        yield from read_list(member, table)
    if library and not source.named(*_RECENT):
        return
    for member in _chosen(source, _RECENT):
        for entry in json_entries(member, _Recent):
            if not isinstance(entry, tuple):
                yield entry
                continue
            number, play = entry
            what = _What(play.episode_name, play.podcast_name, "podcast", None)
            if play.track_name:
                what = _What(play.track_name, play.artist_name, "song", None)
            kind = "play" if play.ms_played >= _ENOUGH else ""
            yield _heard(number, what, parse_time(play.end_time), kind, play.ms_played)


def _heard(number: int, what: _What, at: float | None, kind: str, ms: int) -> Row:
    title = (what.title or "").strip()
    if not title:
        return Skipped(NO_TITLE, number)
    if at is None:
        return Skipped(NO_TIME, number)
    if not kind or not 0 <= ms < 1 << 40:
        return Skipped(SHORT, number)
    creator, more = what.creator or "", {"medium": what.medium}
    return ForeignEvent(
        title,
        at,
        kind,
        round(ms / 60_000, 2),
        creator,
        what.uri or "",
        number,
        whole=creator if what.medium == "podcast" else "",
        more=more,
    )


SPOTIFY = Format("spotify", "Spotify extended streaming history (JSON, or its zip)", _is_extended, _extended)
SPOTIFY_RECENT = Format(
    "spotify-recent",
    "Spotify account data (StreamingHistory*.json, YourLibrary.json, or its zip)",
    _is_recent,
    _recent,
)
