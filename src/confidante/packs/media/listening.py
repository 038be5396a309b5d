"""What was heard: Spotify's two kinds of history, Last.fm by its common exporters, ListenBrainz."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from confidante.core.errors import DataError
from confidante.formats.records import OTHERS, ForeignEvent, Format, Note, OnePerson, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, csv_rows, json_entries
from confidante.formats.timestamps import parse_time
from confidante.formats.written_dates import parse_words

SHORT = "played for less than 30 seconds"
_ENOUGH = 30_000  # milliseconds
_EXTENDED = ("endsong*.json", "streaming_history_*.json")
_RECENT = ("streaminghistory*.json",)
_LISTENS = ("*.jsonl", "*listenbrainz*.json", "*listens*.json")


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


class _Recent(msgspec.Struct, rename="camel"):
    end_time: str
    ms_played: int
    artist_name: str | None = None
    track_name: str | None = None
    podcast_name: str | None = None
    episode_name: str | None = None


class _Track(msgspec.Struct):
    track_name: str
    artist_name: str
    mbid_mapping: dict[str, Any] | None = None
    additional_info: dict[str, Any] | None = None


class _Listen(msgspec.Struct):
    listened_at: int | float
    track_metadata: _Track


def _is_extended(source: Source) -> bool:
    return _starts(source, _EXTENDED, b"ms_played")


def _is_recent(source: Source) -> bool:
    return _starts(source, _RECENT, b"msPlayed")


def _starts(source: Source, patterns: tuple[str, ...], word: bytes) -> bool:
    named = source.named(*patterns) or (source.members if len(source.members) == 1 else ())
    return any(b'"' + word + b'"' in member.head() for member in named[:20])


def _chosen(source: Source, patterns: tuple[str, ...], what: str) -> tuple[Member, ...]:
    members = source.named(*patterns) or (source.members if len(source.members) == 1 else ())
    if not members:
        raise DataError(f"has no file of {what} ({', '.join(patterns)})", path=source.path)
    return tuple(sorted(members, key=lambda member: member.base))


def _extended(source: Source, _: str | None) -> Iterator[Row]:
    for member in _chosen(source, _EXTENDED, "Spotify's extended history"):
        for entry in json_entries(member, _Played):
            yield entry if isinstance(entry, Skipped) else _played(*entry)


def _played(number: int, entry: _Played) -> Row:
    if entry.master_metadata_track_name:
        title, creator, show = entry.master_metadata_track_name, entry.master_metadata_album_artist_name, ""
        uri = entry.spotify_track_uri
    elif entry.episode_name:
        title, creator, show = entry.episode_name, entry.episode_show_name, entry.episode_show_name or ""
        uri = entry.spotify_episode_uri
    else:
        title, creator, show, uri = entry.audiobook_title or "", None, "", entry.audiobook_uri
    return _heard(number, title, creator, entry.ts, entry.ms_played, show, uri)


def _recent(source: Source, _: str | None) -> Iterator[Row]:
    for member in _chosen(source, _RECENT, "Spotify's history of the last year"):
        for entry in json_entries(member, _Recent):
            if isinstance(entry, Skipped):
                yield entry
                continue
            number, play = entry
            title, creator = play.track_name or play.episode_name or "", play.artist_name or play.podcast_name
            show = "" if play.track_name else play.podcast_name or ""
            yield _heard(number, title, creator, play.end_time, play.ms_played, show, None)


def _heard(
    number: int, title: str, creator: str | None, ended: str, played: int, show: str, uri: str | None
) -> Row:
    at = parse_time(ended)
    if not title.strip():
        return Skipped(NO_TITLE, number)
    if at is None:
        return Skipped(NO_TIME, number)
    if not _ENOUGH <= played < 1 << 40:
        return Skipped(SHORT, number)
    minutes = round(played / 60_000, 2)
    return ForeignEvent(title.strip(), at, "play", minutes, creator or "", uri or "", number, whole=show)


_TITLE, _ARTIST = ("track", "track name", "title", "song"), ("artist", "artist name")
_JUDGED = ("rating", "value", "score", "stars", "kind", "action", "status")
_TIME = ("uts", "timestamp", "date", "utc_time", "time", "scrobble time", "played_at")


def _is_lastfm(source: Source) -> bool:
    found = source.named("*.csv")[:20]
    return any(_columns(member) is not None for member in found)


def _columns(member: Member) -> tuple[bool, str, str, str] | None:
    """Return whether there is a header, and the columns of track, artist and time; None: not of Last.fm."""
    for row in csv_rows(member):
        if isinstance(row, Note):
            continue
        if isinstance(row, Skipped) or any(name in row[1] for name in _JUDGED):
            return None  # a list that says more than what was heard: any CSV
        track, artist, time = (
            next((n for n in names if n in row[1]), None) for names in (_TITLE, _ARTIST, _TIME)
        )
        if track and artist and time:
            return True, track, artist, time
        break
    for row in csv_rows(member, header=False):
        if isinstance(row, Note):
            continue
        if isinstance(row, Skipped) or len(row[1]) != 4:
            return None
        return (False, "2", "0", "3") if parse_words(row[1]["3"]) else None
    return None


def _lastfm(source: Source, person: str | None) -> Iterator[Row]:
    found = [(m, columns) for m in source.named("*.csv") if (columns := _columns(m)) is not None]
    if not found:
        raise DataError("needs a CSV file with artist, track and date", path=source.path)
    member, (header, track, artist, time) = found[0]
    whose = OnePerson(person, member.path)
    for row in csv_rows(member, header=header):
        if not isinstance(row, tuple):
            yield row
        elif whose.has(row[1].get("username", ""), row[0]):
            yield _scrobble(*row, track, artist, time)
        else:
            yield Skipped(OTHERS, row[0])
    whose.check()


def _scrobble(line: int, fields: Mapping[str, str], track: str, artist: str, time: str) -> Row:
    title, when = fields[track].strip(), parse_words(fields[time])
    if not title:
        return Skipped(NO_TITLE, line)
    if when is None or when[0] < 86_400 * 365:  # players without a clock say 1970
        return Skipped(NO_TIME, line)
    return ForeignEvent(
        title, when[0], "play", None, fields[artist].strip(), fields.get("track_mbid", ""), line
    )


def _is_listenbrainz(source: Source) -> bool:
    return _starts(source, _LISTENS, b"track_metadata")


def _listenbrainz(source: Source, _: str | None) -> Iterator[Row]:
    for member in _chosen(source, _LISTENS, "ListenBrainz"):
        if b"track_metadata" not in member.head():
            continue  # the export has other lists, too
        for entry in json_entries(member, _Listen):
            yield entry if isinstance(entry, Skipped) else _listen(*entry)


def _listen(number: int, entry: _Listen) -> Row:
    track = entry.track_metadata
    at = parse_time(str(entry.listened_at))
    if not track.track_name.strip():
        return Skipped(NO_TITLE, number)
    if at is None:
        return Skipped(NO_TIME, number)
    known = (track.mbid_mapping or {}).get("recording_mbid")
    known = known or (track.additional_info or {}).get("recording_mbid")
    name = known if isinstance(known, str) and re.fullmatch(r"[0-9a-fA-F-]{36}", known) else ""
    return ForeignEvent(track.track_name.strip(), at, "play", None, track.artist_name, name, number)


SPOTIFY = Format("spotify", "Spotify extended streaming history (JSON, or its zip)", _is_extended, _extended)
SPOTIFY_RECENT = Format(
    "spotify-recent", "Spotify account data (StreamingHistory*.json, or its zip)", _is_recent, _recent
)
LASTFM = Format(
    "lastfm", "Last.fm scrobbles (CSV: artist, album, track, date)", _is_lastfm, _lastfm, {"medium": "song"}
)
LISTENBRAINZ = Format(
    "listenbrainz",
    "ListenBrainz listens (JSON, JSONL, or its zip)",
    _is_listenbrainz,
    _listenbrainz,
    {"medium": "song"},
)
