"""What was heard, loved and hated as ListenBrainz hands it out: its zip, or one of its lists."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from confidante.core.errors import DataError
from confidante.formats.records import ForeignEvent, Format, Row, Skipped
from confidante.formats.source import Member, Source
from confidante.formats.tables import NO_TIME, NO_TITLE, json_entries
from confidante.formats.timestamps import parse_time

UNNAMED = "a judgement of a recording that the file does not name"
_LISTENS = ("*.jsonl", "*listenbrainz*.json", "*listens*.json", "*feedback*.json")
_TELLS = (b'"track_metadata"', b'"recording_mbid"')
_FEEDBACK = {1: "like", -1: "dislike", 0: "unlike"}
_MBID = re.compile(r"[0-9a-fA-F-]{36}")


class _Track(msgspec.Struct):
    track_name: str
    artist_name: str = ""
    mbid_mapping: dict[str, Any] | None = None
    additional_info: dict[str, Any] | None = None


class _Entry(msgspec.Struct):
    """A listen; or, with a score, what somebody thinks of a recording; or one that was put on show."""

    listened_at: int | float | None = None
    track_metadata: _Track | None = None
    recording_mbid: str | None = None
    score: int | None = None
    created: int | float | None = None
    pinned_until: int | float | None = None


def _members(source: Source) -> list[Member]:
    """Return the lists, listens first, since a judgement may leave its recording without a name."""
    named = source.named(*_LISTENS) or (source.members if len(source.members) == 1 else ())
    found = [member for member in named if any(word in member.head() for word in _TELLS)]
    return sorted(found, key=lambda member: ("feedback" in member.base, member.name))


def _detects(source: Source) -> bool:
    return any(
        _TELLS[0] in m.head() or (b'"score"' in m.head() and b'"created"' in m.head())
        for m in _members(source)
    )


def _parse(source: Source, _: str | None) -> Iterator[Row]:
    members = _members(source)
    if not members:
        raise DataError(f"has no list of ListenBrainz ({', '.join(_LISTENS)})", path=source.path)
    names: dict[str, _Track] = {}
    for member in members:
        for row in json_entries(member, _Entry):
            yield _row(*row, names) if isinstance(row, tuple) else row


def _row(number: int, entry: _Entry, names: dict[str, _Track]) -> Row:
    mbid = entry.recording_mbid or _mbid(entry.track_metadata)
    track = entry.track_metadata or names.get(mbid)
    if track is None:
        return Skipped(UNNAMED, number)
    if mbid and entry.track_metadata is not None:
        names[mbid] = track
    title = track.track_name.strip()
    at = parse_time(str(entry.created if entry.listened_at is None else entry.listened_at))
    if not title:
        return Skipped(NO_TITLE, number)
    if at is None:
        return Skipped(NO_TIME, number)
    kind = "play" if entry.listened_at is not None else _FEEDBACK.get(entry.score or 0, "unlike")
    if entry.pinned_until is not None:
        kind = "recommended"
    return ForeignEvent(
        title, at, kind, None, track.artist_name, mbid if _MBID.fullmatch(mbid) else "", number
    )


def _mbid(track: _Track | None) -> str:
    told = [] if track is None else [track.mbid_mapping or {}, track.additional_info or {}]
    return next((known for one in told if isinstance(known := one.get("recording_mbid"), str)), "")


LISTENBRAINZ = Format(
    "listenbrainz",
    "ListenBrainz listens and feedback (JSON, JSONL, or its zip)",
    _detects,
    _parse,
    {"medium": "song"},
)
